"""Measure whole nodes, as ``tocsin node run`` runs them: spread, cold sync, start, memory.

The sender's million statements are appended to its log while its node is down, by the ledger that
the node itself uses, so that they need not pass its desk. Ten million tokens are more than the
bench has time for: the rows of nine million are put straight into the view of what is known, as
folding would have put them, and the node is started over them.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from federation.views import EVIDENCE
from node.sandbox import Sandbox
from tests.bench.held_tokens import open_to_fill
from tests.bench.nodes import (
    MEMBERS,
    append_at,
    held,
    peak_resident,
    percentile,
    process_of,
    processor_seconds,
    resident,
    running_nodes,
    start_timed,
)
from tests.bench.result import Result
from tests.bench.spread import Spread, measure_spread

STATEMENTS: Final = 1_000_000
TOKENS: Final = 10_000_000
SYNC_SECONDS: Final = 300.0
REST_SECONDS: Final = 3.0
"""Seconds in which a node that works on nothing uses hardly any processor."""
REST_SHARE: Final = 0.15
SETTLE_SECONDS: Final = 120.0
"""Seconds until a node has done with what it works on by itself: reading ten million tokens."""
MEGABYTE: Final = 1_000_000
_LOOK_SECONDS: Final = 0.05


def measure() -> Iterator[Result]:
    """Yield seconds and megabytes of three whole nodes."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_nodes(Path(directory) / "federation") as sandbox,
    ):
        yield from spread_results(measure_spread(sandbox), "")
        sandbox.down()
        yield from _grow(sandbox)


def spread_results(spread: Spread, where: str) -> Iterator[Result]:
    """Yield how fast news spread, with its targets."""
    for name, seconds, target in (
        ("visible at a peer", spread.visible, 2),
        ("taken back at a peer", spread.gone, 5),
    ):
        yield Result(f"replication: {name}, median{where}", percentile(seconds, 0.5), "s")
        yield Result(f"replication: {name}, p99{where}", percentile(seconds, 0.99), "s", target)


def _grow(sandbox: Sandbox) -> Iterator[Result]:
    sender, receiver, _ = MEMBERS
    append_at(sandbox, sender, STATEMENTS)
    seconds = start_timed(sandbox.home(sender))
    yield Result("replication: start with 10⁶ statements", seconds, "s", 3)
    start_timed(sandbox.home(receiver))
    process = process_of(sandbox.home(receiver))
    spent = processor_seconds(process)
    seconds = wait_held(sandbox, receiver, sender)
    spent = processor_seconds(process) - spent
    yield Result("replication: cold sync of 10⁶", seconds, "s wall", 60)
    yield Result("replication: cold sync of 10⁶, receiver", spent, "s CPU")
    wait_rested(process)
    yield _memory("after its cold sync of 10⁶", process, 300)
    sandbox.stop(sender)
    sandbox.stop(receiver)
    seconds = start_timed(sandbox.home(receiver))
    yield Result("replication: start with 10⁶ foreign tokens", seconds, "s", 3)
    wait_rested(process_of(sandbox.home(receiver)))
    yield _memory("holding 10⁶ foreign tokens", process_of(sandbox.home(receiver)), 300)
    sandbox.stop(receiver)
    fill_view(sandbox.home(receiver).data / "public.db", sender, TOKENS - STATEMENTS)
    seconds = start_timed(sandbox.home(receiver))
    yield Result("replication: start with 10⁷ foreign tokens", seconds, "s")
    process = process_of(sandbox.home(receiver))
    wait_rested(process)
    yield _memory("holding 10⁷ foreign tokens", process, 1_000)
    peak = peak_resident(process) / MEGABYTE
    yield Result("replication: memory at most, reading 10⁷ foreign tokens", peak, "MB", 1_000)


def wait_held(sandbox: Sandbox, receiver: str, sender: str) -> float:
    """Return the seconds until a node has the whole log of another on disk."""
    total, begin = held(sandbox, sender, sender), time.perf_counter()
    while held(sandbox, receiver, sender) < total:
        if time.perf_counter() - begin > SYNC_SECONDS:
            raise RuntimeError("the log did not arrive")
        time.sleep(_LOOK_SECONDS)
    return time.perf_counter() - begin


def wait_rested(process: int) -> None:
    """Wait until a node has done with what it does by itself, such as reading its index."""
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        before = processor_seconds(process)
        time.sleep(REST_SECONDS)
        if processor_seconds(process) - before < REST_SHARE * REST_SECONDS:
            return


def fill_view(path: Path, member: str, count: int) -> None:
    """Put so many rows into a node's view of evidence, like some that are there, by token.

    Raises:
        LookupError: The view has no row of this member to make others like.
    """
    with closing(open_to_fill(path)) as database:
        columns = ", ".join(f'quote("{name}")' for name, _ in EVIDENCE.columns)
        query = f'SELECT {columns} FROM "view_evidence" WHERE member = ? LIMIT 1'  # names
        if (row := database.execute(query, (member,)).fetchone()) is None:
            raise LookupError("there is no row of this member")
        values = ", ".join(("?1", row[1], "?1", *row[3:]))  # token, member and statement first
        step = 2**128 // count + 1
        # Spread evenly, like tokens, but in order, which a table by token takes fastest.
        tokens = (((number * step).to_bytes(16),) for number in range(count))
        database.execute("BEGIN")
        database.executemany(f'INSERT INTO "view_evidence" VALUES ({values})', tokens)  # quoted
        database.execute("COMMIT")


def _memory(what: str, process: int, target: float) -> Result:
    return Result(
        f"replication: memory of a node {what}", resident(process) / MEGABYTE, "MB", target
    )
