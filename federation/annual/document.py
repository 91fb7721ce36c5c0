"""Write a report as a document, the same bytes wherever it is written.

JSON has every link. The pages for people show the first ones of an item, and of all of them the
number and a digest, so that a page of a year with a million nominations can still be opened.
"""

import enum
import hashlib
import html
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from federation.annual.items import HEADS, Head, Item, Link
from federation.annual.reading import Place
from federation.annual.report import AnnualReport, CutLog
from federation.annual.sheets import SheetOfYear
from federation.sheet import LEAST_MEMBERS, SHEET, Form, Indicator, value_of

DOCUMENT_VERSION: Final = 2
"""Rises when the same logs give other bytes."""
MAX_SHOWN_LINKS: Final = 1_000
"""Links of one item on a page: a page of some megabytes at most."""
_SECONDS_A_DAY: Final = 86_400
_ELSEWHERE: Final = "The logs do not tell this; it is in the enterprise's own books."
_CUT: Final = (
    "What stands in these logs behind the statement named is not counted: it is dated later than "
    "this report looks, and other members raised an alarm that its author dates ahead."
)
_CUT_COLUMNS: Final = ("log", "counted until", "cut at entry", "dated", "alarms raised by")
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2em .6em; border-bottom: 1px solid #ccc; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
code { overflow-wrap: anywhere }
"""


class Format(enum.StrEnum):
    """Say what a report is written as."""

    MARKDOWN = "md"
    JSON = "json"
    HTML = "html"


def write_report(report: AnnualReport, form: Format) -> bytes:
    """Return the document, UTF-8."""
    text: Callable[[AnnualReport], str] = _WRITERS[form]
    return text(report).encode()


def _json(report: AnnualReport) -> str:
    places = {str(log.origin): place for place, log in enumerate(report.logs)}
    document = {
        "document": "tocsin annual report",
        "document_version": DOCUMENT_VERSION,
        **_about(report),
        "heads": [
            {
                "number": head.number,
                "title": head.title,
                "words": head.words,
                "told_by_the_logs": bool(head.items),
                "items": [_json_item(item, report, places) for item in head.items],
            }
            for head in HEADS
        ],
        "sheets": [_json_sheet(sheet, places) for sheet in report.sheets],
        "logs": [
            {"origin": str(log.origin), "size": log.size, "root": log.root.hex()}
            for log in report.logs
        ],
        "cut_logs": [_json_cut(cut, places) for cut in report.cuts],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _json_cut(cut: CutLog, places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "origin": str(cut.origin),
        "counted_until": _time(cut.counted_time) if cut.counted_time else None,
        "index": cut.end.place.index,
        "id": cut.end.place.id.hex(),
        "dated": _time(cut.end.time),
        "alarms": [_json_place(place, places) for place in cut.alarms],
    }


def _about(report: AnnualReport) -> dict[str, Any]:
    question, charter = report.question, report.charter
    return {
        "federation": str(charter.federation),
        "member": str(question.member),
        "roles": sorted(report.roles),
        "year": question.year,
        "as_of": _time(question.at),
        "charter_version": charter.version,
        "charter_digest": charter.digest().hex(),
    }


def _json_item(item: Item, report: AnnualReport, places: Mapping[str, int]) -> dict[str, Any]:
    links = report.links.get(item.code, ())
    return {
        "code": item.code,
        "title": item.title,
        "count": len(links),
        "parts": dict(_parts(links)),
        "statements": [_json_link(link, places) for link in links],
    }


def _json_link(link: Link, places: Mapping[str, int]) -> dict[str, Any]:
    found = _json_place(link.place, places)
    if link.part:
        found["part"] = link.part
    if link.sum_id:
        found["sum"] = link.sum_id.hex()
    return found


def _json_place(place: Place, places: Mapping[str, int]) -> dict[str, Any]:
    return {"log": places[str(place.origin)], "index": place.index, "id": place.id.hex()}


def _json_sheet(sheet: SheetOfYear, places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "first_day": _day(sheet.start),
        "last_day": _day(sheet.end - _SECONDS_A_DAY),
        "contributors": sheet.contributors,
        "count_sum": sheet.count_sum.hex(),
        "sum": sheet.figure_sum.hex() or None,
        "indicators": [
            {
                "code": one.code,
                "title": one.title,
                "value": _value(one, sheet),
                "cases": _cases(one, sheet),
                "contributors": sheet.counts[one.code] if one.code in sheet.figures else None,
            }
            for one in SHEET
        ],
        "statements": [_json_place(place, places) for place in sheet.links],
    }


def _markdown(report: AnnualReport) -> str:
    about = _about(report)
    lines = [
        f"# Annual report {about['year']}: {about['member']}",
        "",
        f"Federation {about['federation']}; roles: {', '.join(about['roles']) or 'none'}; as of "
        f"{about['as_of']}; charter version {about['charter_version']}, "
        f"`{about['charter_digest']}`.",
        "",
        "Counted from the logs alone; the same logs give the same bytes. Each number is the number "
        "of statements that are listed under its code.",
        *(line for head in HEADS for line in _markdown_head(head, report)),
        *(line for sheet in report.sheets for line in _markdown_sheet(sheet)),
        "",
        "## Statements",
        *(line for head in HEADS for item in head.items for line in _markdown_links(item, report)),
        "",
        "## Logs counted",
        "",
        "| log | entries | root |",
        "| --- | --: | --- |",
        *(f"| {log.origin} | {log.size} | `{log.root.hex()}` |" for log in report.logs),
        *_markdown_cuts(report),
    ]
    return "\n".join(lines) + "\n"


def _markdown_head(head: Head, report: AnnualReport) -> Iterator[str]:
    yield from ("", f"## {head.number}. {head.title} ({head.words})", "")
    if not head.items:
        yield _ELSEWHERE
        return
    yield from ("| code | what | number | of these |", "| --- | --- | --: | --- |")
    for item in head.items:
        links = report.links.get(item.code, ())
        yield f"| {item.code} | {item.title} | {len(links)} | {_parts_text(links)} |"


def _markdown_sheet(sheet: SheetOfYear) -> Iterator[str]:
    yield from ("", f"## {_sheet_title(sheet)}", "", _sheet_words(sheet), "")
    yield from ("| code | indicator | value | cases | members |", "| --- | --- | --: | --: | --: |")
    for one in SHEET:
        yield f"| {' | '.join(_sheet_row(one, sheet))} |"


def _markdown_links(item: Item, report: AnnualReport) -> Iterator[str]:
    links = report.links.get(item.code, ())
    if not links:
        return
    yield from ("", f"### {item.code}: {len(links)}", "")
    yield from (f"- {_link_text(link)}" for link in links[:MAX_SHOWN_LINKS])
    if len(links) > MAX_SHOWN_LINKS:
        yield f"- {_left_out(links)}"


def _markdown_cuts(report: AnnualReport) -> Iterator[str]:
    if not report.cuts:
        return
    yield from ("", "## Logs cut before their time", "", _CUT, "")
    yield from (f"| {' | '.join(_CUT_COLUMNS)} |", "| --- | --- | --: | --- | --- |")
    yield from (f"| {' | '.join(_cut_row(cut))} |" for cut in report.cuts)


def _html(report: AnnualReport) -> str:
    about = _about(report)
    title = f"Annual report {about['year']}: {about['member']}"
    body = [
        f"<h1>{_safe(title)}</h1>",
        f"<p>Federation {_safe(about['federation'])}; roles: "
        f"{_safe(', '.join(about['roles']) or 'none')}; as of {about['as_of']}; charter version "
        f"{about['charter_version']}, <code>{about['charter_digest']}</code>.</p>",
        "<p>Counted from the logs alone; the same logs give the same bytes. Each number is the "
        "number of statements that are listed under its code.</p>",
        *(part for head in HEADS for part in _html_head(head, report)),
        *(part for sheet in report.sheets for part in _html_sheet(sheet)),
        "<h2>Statements</h2>",
        *(part for head in HEADS for item in head.items for part in _html_links(item, report)),
        "<h2>Logs counted</h2>",
        *_html_table(
            ("log", "entries", "root"),
            [(str(log.origin), str(log.size), log.root.hex()) for log in report.logs],
        ),
        *_html_cuts(report),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_safe(title)}'
        f"</title>\n<style>{_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _html_head(head: Head, report: AnnualReport) -> Iterator[str]:
    yield f'<h2>{head.number}. {_safe(head.title)} (<span lang="zh">{head.words}</span>)</h2>'
    if not head.items:
        yield f"<p>{_safe(_ELSEWHERE)}</p>"
        return
    yield "<table><thead><tr><th>code</th><th>what</th><th>number</th><th>of these</th></tr>"
    yield "</thead><tbody>"
    for item in head.items:
        links = report.links.get(item.code, ())
        number = f'<a href="#{item.code}">{len(links)}</a>' if links else "0"
        yield (
            f"<tr><td>{item.code}</td><td>{_safe(item.title)}</td>"
            f'<td class="number">{number}</td><td>{_safe(_parts_text(links))}</td></tr>'
        )
    yield "</tbody></table>"


def _html_sheet(sheet: SheetOfYear) -> Iterator[str]:
    yield f"<h2>{_safe(_sheet_title(sheet))}</h2>"
    yield f"<p>{_safe(_sheet_words(sheet))}</p>"
    header = ("code", "indicator", "value", "cases", "members")
    yield from _html_table(header, [_sheet_row(one, sheet) for one in SHEET])


def _html_links(item: Item, report: AnnualReport) -> Iterator[str]:
    links = report.links.get(item.code, ())
    if not links:
        return
    yield f'<h3 id="{item.code}">{item.code}: {len(links)}</h3>'
    yield "<ul>"
    yield from (
        f"<li><code>{_safe(_link_text(one))}</code></li>" for one in links[:MAX_SHOWN_LINKS]
    )
    if len(links) > MAX_SHOWN_LINKS:
        yield f"<li>{_safe(_left_out(links))}</li>"
    yield "</ul>"


def _html_cuts(report: AnnualReport) -> Iterator[str]:
    if not report.cuts:
        return
    yield from ("<h2>Logs cut before their time</h2>", f"<p>{_safe(_CUT)}</p>")
    yield from _html_table(_CUT_COLUMNS, [_cut_row(cut) for cut in report.cuts])


def _html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"<table><thead><tr>{''.join(f'<th>{_safe(one)}</th>' for one in header)}</tr></thead>"
    yield "<tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody></table>"


_WRITERS: Final[Mapping[Format, Callable[[AnnualReport], str]]] = {
    Format.MARKDOWN: _markdown,
    Format.JSON: _json,
    Format.HTML: _html,
}


def _safe(text: str) -> str:
    return html.escape(text)


def _parts(links: Sequence[Link]) -> list[tuple[str, int]]:
    return sorted(Counter(link.part for link in links if link.part).items())


def _parts_text(links: Sequence[Link]) -> str:
    return ", ".join(f"{count} {part}" for part, count in _parts(links))


def _link_text(link: Link) -> str:
    place = link.place
    part = f" {link.part}" if link.part else ""
    counted = f", sum {link.sum_id.hex()}" if link.sum_id else ""
    return f"{place.origin} {place.index} {place.id.hex()}{part}{counted}"


def _cut_row(cut: CutLog) -> tuple[str, ...]:
    return (
        str(cut.origin),
        _time(cut.counted_time) if cut.counted_time else "-",
        str(cut.end.place.index),
        _time(cut.end.time),
        ", ".join(sorted({place.origin.member for place in cut.alarms})),
    )


def _left_out(links: Sequence[Link]) -> str:
    digest = hashlib.sha256(b"".join(link.place.id for link in links)).hexdigest()
    return (
        f"and {len(links) - MAX_SHOWN_LINKS} more, all of them in the report as JSON; SHA-256 over "
        f"the ids of all: {digest}"
    )


def _sheet_title(sheet: SheetOfYear) -> str:
    first, last = _day(sheet.start), _day(sheet.end - _SECONDS_A_DAY)
    return f"What all members achieved together, {first} to {last}"


def _sheet_words(sheet: SheetOfYear) -> str:
    added = f", figures by sum {sheet.figure_sum.hex()}" if sheet.figure_sum else ""
    statements = ", ".join(f"{one.origin} {one.index}" for one in sheet.links)
    return (
        f"{sheet.contributors} members; counted by sum {sheet.count_sum.hex()}{added}. Totals over "
        f"all members: no member's own figure is in them. Statements: {statements}."
    )


def _sheet_row(one: Indicator, sheet: SheetOfYear) -> tuple[str, ...]:
    count = sheet.counts[one.code]
    members = f"<{LEAST_MEMBERS}" if count < LEAST_MEMBERS else str(count)
    cases = _cases(one, sheet)
    told = "" if cases is None else " of ".join(str(count) for count in cases)
    value = _value(one, sheet)
    return (one.code, one.title, "-" if value is None else f"{value} {one.unit}", told, members)


def _cases(one: Indicator, sheet: SheetOfYear) -> tuple[int, ...] | None:
    figure = sheet.figures.get(one.code)
    if figure is None:
        return None
    return figure if one.form is Form.RATE else (sum(figure),)


def _value(one: Indicator, sheet: SheetOfYear) -> str | None:
    """Return a value with two digits, as text: every machine writes it alike."""
    figure = sheet.figures.get(one.code)
    value = None if figure is None else value_of(one, figure)
    return None if value is None else f"{value:.2f}"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
