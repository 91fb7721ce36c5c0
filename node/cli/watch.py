"""``tocsin watch`` and ``tocsin hits``: own customers, and which of them the federation names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

import click

from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.import_report import Rows, send_rows
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import Progress, data, json_object, say
from node.cli.table_file import Row
from node.cli.values import FILE_HELP, Source, raw_indicator, takes_values
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as wire

PAGE_SIZE: Final = 1_000
"""Entries of a page: some 100 kB."""

_WATCH_LAYOUT = "{:<16}  {:<32}  {}"
_HIT_LAYOUT = "{:<16}  {:<9}  {:>7}  {:<20}  {:<28}  {}"
_REMOVED = (
    "Removed: tokens, your references, hits and keys of these customers.\n"
    "Not shared: anything; the federation did not know whom you watched."
)
_CLOSING = (
    "Stored: tokens and your references, in this node's private store.\n"
    "Not shared: anything; the federation does not learn whom you watch.\n"
    "Next: tocsin hits"
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin watch add --file customers.csv --kind phone --map value=number,reference=customer
  tocsin watch remove --file left.csv --kind phone --map value=number,reference=customer
  tocsin watch list
"""
)
def watch_command() -> None:
    """Keep a private watchlist of own customers."""


@watch_command.command(
    "add",
    epilog=f"""The same again changes nothing, so a file that was cut off can be sent again. Values
are not kept: they are turned into tokens again then, and count against the quota again.

{FILE_HELP}
\b
EXAMPLES
  tocsin watch add phone +8613000000000 --reference line-4711
  tocsin watch add --file customers.csv --kind phone --map value=number,reference=customer
""",
)
@takes_values
@click.option("--reference", default="", help="Your own name for the customer; never leaves.")
@strict_option
@json_option
@pass_home
def add(home: Home, source: Source, reference: str, strict: bool, as_json: bool) -> int:
    """Add own customers to the watchlist."""
    rows = Rows(source, _watch_row, {"reference": reference}, strict=strict)
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.WatchRow]) -> Any:
            return door.start(door.desk.AddWatch, wire.AddWatchRequest(rows=items))

        return send_rows(rows, send, as_json=as_json, closing=_CLOSING)


def _watch_row(row: Row) -> wire.WatchRow:
    return wire.WatchRow(indicator=raw_indicator(row), reference=row.cells["reference"])


@watch_command.command(
    "remove",
    epilog=f"""Without a reference, all rows of the value go. The values are turned into tokens
again, as when they were added, and count against the quota.

{FILE_HELP}
\b
EXAMPLES
  tocsin watch remove phone +8613000000000 --reference line-4711
  tocsin watch remove --file left.csv --kind phone --map value=number,reference=customer
""",
)
@takes_values
@click.option("--reference", default="", help="Your own name for the customer; default: any.")
@strict_option
@json_option
@pass_home
def remove(home: Home, source: Source, reference: str, strict: bool, as_json: bool) -> int:
    """Take own customers off the watchlist, with their hits."""
    rows = Rows(source, _watch_row, {"reference": reference}, strict=strict)
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.WatchRow]) -> Any:
            return door.start(door.desk.RemoveWatch, wire.RemoveWatchRequest(rows=items))

        return send_rows(rows, send, as_json=as_json, closing=_REMOVED, done="removed")


@watch_command.command(
    "match",
    epilog="""The node does this by itself at every start, and keeps the hits right after that:
use it after restoring its private store from a backup. Where it is cut off it can be run again.

\b
EXAMPLES
  tocsin watch match
  tocsin watch match --json
""",
)
@json_option
@pass_home
def match(home: Home, as_json: bool) -> None:
    """Match the whole watchlist with the catalogue again."""
    sums = {"checked": 0, "hits": 0}
    with InsideDoor(home) as door, ExitStack() as stack:
        request, bar = wire.MatchWatchRequest(), None
        while True:
            answer = door.call(door.desk.MatchWatch, request)
            if bar is None and answer.next_page_token:
                bar = stack.enter_context(Progress("Matching", answer.total_size))
            if bar is not None:
                bar.advance(answer.checked_count)
            sums["checked"] += answer.checked_count
            sums["hits"] += answer.hit_count
            request.page_token = answer.next_page_token
            if not request.page_token:
                break
    if as_json:
        json_object(sums)
    else:
        data(f"checked {sums['checked']}, hits {sums['hits']}")


@watch_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin watch list
  tocsin watch list --limit 10 --json
""",
)
@click.option("--limit", type=click.IntRange(1), help="Entries at most; default: all.")
@json_option
@pass_home
def list_watch(home: Home, limit: int | None, as_json: bool) -> None:
    """List the watchlist; the values themselves are not shown."""
    with InsideDoor(home) as door:
        request = wire.ListWatchRequest(page_size=_page_size(limit))
        entries = _pages(door, door.desk.ListWatch, request, "entries", limit)
        if not _write(entries, _WATCH_LAYOUT, ("kind", "token", "reference"), as_json=as_json):
            say("no customer is on the watchlist: tocsin watch add")


@click.command(
    epilog="""\b
EXAMPLES
  tocsin hits
  tocsin hits --limit 20 --json
"""
)
@click.option("--limit", type=click.IntRange(1), help="Hits at most; default: all.")
@json_option
@pass_home
def hits_command(home: Home, limit: int | None, as_json: bool) -> None:
    """List own customers that the federation speaks about, newest first."""
    with InsideDoor(home) as door:
        request = wire.ListHitsRequest(page_size=_page_size(limit))
        hits = _pages(door, door.desk.ListHits, request, "hits", limit)
        columns = ("kind", "band", "sources", "first_seen_time", "display_codes", "reference")
        if not _write(hits, _HIT_LAYOUT, columns, as_json=as_json):
            say("no customer on the watchlist is known to the federation")


def _page_size(limit: int | None) -> int:
    return PAGE_SIZE if limit is None else min(limit, PAGE_SIZE)


def _pages(
    door: InsideDoor, method: Any, request: Any, name: str, limit: int | None
) -> Iterator[dict[str, Any]]:
    """Yield the entries of all pages, at most ``limit``."""
    left = limit
    while left is None or left > 0:
        answer = door.call(method, request)
        entries = getattr(answer, name)[:left]
        yield from map(describe, entries)
        left = None if left is None else left - len(entries)
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token


def _write(
    entries: Iterator[dict[str, Any]], layout: str, columns: Sequence[str], *, as_json: bool
) -> int:
    """Write entries as they come; return how many there were."""
    count = 0
    for count, entry in enumerate(entries, start=1):
        if as_json:
            json_object(entry)
            continue
        if count == 1:
            data(click.style(layout.format(*columns), bold=True))
        data(layout.format(*(_cell(entry[column]) for column in columns)))
    return count


def _cell(value: object) -> str:
    text = ",".join(value) if isinstance(value, list) else str(value if value is not None else "")
    return text or "-"
