"""Show what came of the story: to people in tables of 100 columns, to programs as one object."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from node.demo.doors import Check
from node.demo.lists import MEMBERS, PARTNER
from node.demo.story import Result
from node.trial.report import HEADER, as_rows

_SERVICE_PREFIX = "/tocsin.v1."
_MAX_FINDINGS = 10
_COLUMNS = 100
_DETAIL_COLUMN = 36
_BAR_CHARACTERS = 40


def document(result: Result) -> dict[str, Any]:
    """Return the report for programs."""
    facts = result.facts
    return {
        "passed": result.passed,
        "source": result.material.source,
        "real_data": result.material.is_real,
        "members": [_member_document(result, member) for member in result.roles],
        "indicators": sum(facts.accepted.values()),
        "statements": facts.statements,
        "tokens": facts.tokens,
        "catalogue_roots_equal": facts.catalogue_roots_equal,
        "checks": [
            {"name": check.name, "passed": check.passed, "detail": check.detail}
            for check in result.checks
        ],
        "bytes_sent": {
            member: {_short(method): size for method, size in sent.items()}
            for member, sent in facts.traffic.items()
        },
        "raw_identifiers_found": len(facts.findings) if facts.files else None,
        "findings": facts.findings[:_MAX_FINDINGS],
        "training": facts.training or None,
        "skipped": result.skipped,
        "timings": result.timings,
    }


def _member_document(result: Result, member: str) -> dict[str, Any]:
    facts = result.facts
    return {
        "member": member,
        "role": result.roles[member],
        "list": result.material.lists[member].source if member in MEMBERS else None,
        "nominated": facts.accepted.get(member, 0),
        "watched": len(facts.watched.get(member, ())),
        "hits": facts.hits.get(member, 0),
    }


def check_lines(check: Check) -> Iterator[str]:
    """Return the lines of one check."""
    mark = click.style("passed", fg="green") if check.passed else click.style("FAILED", fg="red")
    first, *others = textwrap.wrap(check.detail, _COLUMNS - _DETAIL_COLUMN) or [""]
    yield f"  {mark}  {check.name:<{_DETAIL_COLUMN - 11}} {first}"
    yield from (" " * _DETAIL_COLUMN + line for line in others)


def lines(result: Result) -> Iterator[str]:
    """Return the tables at the end of the report, for people."""
    yield from _seen(result)
    yield ""
    yield from traffic_lines(result.facts.traffic)
    yield ""
    yield from _search(result)
    yield ""
    if result.facts.training:
        yield from training_lines(result.facts.training)
        yield ""
    failed = [check.name for check in result.checks if not check.passed]
    verdict = f"{len(result.checks)} checks, "
    verdict += f"{len(failed)} failed: {', '.join(failed)}" if failed else "all passed"
    colour = "red" if failed else "green"
    yield click.style(f"{verdict}; {result.timings['total']:.0f} seconds", fg=colour, bold=True)


def _seen(result: Result) -> Iterator[str]:
    yield _title("WHAT EACH PARTY SAW, AND NEVER SAW")
    rows = [("", "saw", "never saw")]
    rows.extend((member, *_saw(result, member)) for member in result.roles)
    yield from _table(rows)


def _saw(result: Result, member: str) -> tuple[str, str]:
    facts = result.facts
    if member == PARTNER:
        saw = f"a band for each of the {facts.partner_asked:,} values it asked"
        return saw, "who said it; any list"
    own = len(result.material.nominated_by(member))
    saw = f"its own {own:,} values, {facts.tokens:,} tokens"
    if member in facts.watched:
        saw += f", {facts.hits.get(member, 0)} hits"
    others = len(result.material.listed) - own
    return saw, f"{others:,} values and all customers of others"


def traffic_lines(sent: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Return the table of bytes that left nodes, by message type; one column a node."""
    yield _title("BYTES THAT LEFT EACH NODE, BY MESSAGE TYPE")
    methods = sorted({method for one in sent.values() for method in one})
    rows = [("", *sent)]
    rows.extend(
        (_short(method), *(_size(one.get(method, 0)) for one in sent.values()))
        for method in methods
    )
    yield from _table(rows, right=True)


def _search(result: Result) -> Iterator[str]:
    facts = result.facts
    found = len(facts.findings)
    yield _title(f"raw identifiers found: {found if facts.files else 'not searched'}")
    yield (
        f"  {facts.searched:,} values, in every spelling used, searched in {facts.files} files and"
        f" captures ({facts.bytes_read / 1e6:,.0f} MB)"
    )
    if facts.too_short:
        yield f"  {facts.too_short} values are too short to tell from chance and were left out"
    if facts.indistinct:
        yield (
            f"  {facts.indistinct} lie inside longer values of another member and were not searched"
            " at that member"
        )
    yield from (f"  {finding}" for finding in facts.findings[:_MAX_FINDINGS])


def training_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Return the table of what training together gained."""
    yield _title(f"WHAT TRAINING TOGETHER GAINED, ON {found['source'].upper()}")
    rows = [(*row, _bar(float(row[1]))) for row in as_rows(found)]
    yield from _table([(*HEADER, "AUC from 0.5 to 1"), *rows])


def _bar(share: float) -> str:
    """Draw a number from a half to one, as AUC is."""
    return "█" * max(0, round((share - 0.5) * 2 * _BAR_CHARACTERS))


def _short(method: str) -> str:
    return method.removeprefix(_SERVICE_PREFIX).replace("/", ".")


def _size(count: int) -> str:
    """Return a number of bytes in at most eight characters."""
    if count == 0:
        return "-"
    if count < 10_000:
        return f"{count} B"
    return f"{count / 1e3:,.0f} kB" if count < 10_000_000 else f"{count / 1e6:,.1f} MB"


def _title(text: str) -> str:
    return click.style(text, bold=True)


def _table(rows: Sequence[Sequence[str]], *, right: bool = False) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if right and place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()
