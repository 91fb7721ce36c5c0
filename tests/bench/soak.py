"""Soak three nodes: ``python -m tests.bench.soak --minutes 24 [--load 0.7] [--json]``.

What the nodes can do at most is measured first, with every kind of call at once; then they do that
share of it for so long. At the end nothing may have failed, memory and the 99th percentile of
single look-ups must be as they were, and every node must hold the same catalogue.

Memory is what a node and its workers have resident. What a node holds stays the same, because as
many nominations are taken back as are said; logs and what was taken back grow on disk, and a row
says by how much. A third of the time counts as warm-up, in which caches fill.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from federation.indicators import Kind
from node.sandbox import Sandbox
from node.store.opening import PRIVATE_FILE
from node.store.private import PrivateStore
from tests.bench.large_nodes import wait_held
from tests.bench.machine import describe_machine
from tests.bench.nodes import (
    MEMBERS,
    append_at,
    held,
    percentile,
    process_of,
    resident,
    running_nodes,
    start_apart,
)
from tests.bench.result import Result, table
from tests.bench.soak_load import (
    BULK,
    CALLERS,
    EVALUATE,
    INGEST,
    SIZES,
    UNARY,
    Load,
    Tallies,
    Tally,
    loading,
    run_freely,
    run_paced,
)
from tests.end_to_end.members import Federation

HELD: Final = 300_000
"""Tokens that every node holds from the start: more than its caches have room for."""
VALUES: Final = 600_000
"""Own values that every node remembers from the start: as many as its cache has room for, else
memory would grow until that is full."""
EPOCH: Final = 1
CAPACITY_SECONDS: Final = 20.0
WARM_SECONDS: Final = 10.0
SAMPLE_SECONDS: Final = 15.0
PROGRESS_SECONDS: Final = 60.0
SYNC_SECONDS: Final = 60.0
MAX_INGESTS: Final = 40_000
"""Batches said at most, some ten million statements: bounds the disk that a long soak takes."""
MAX_GROWTH: Final = 1.05
MAX_SLOWING: Final = 1.5
MEGABYTE: Final = 1_000_000
UNITS: Final = {UNARY: "look-ups/s", BULK: "tokens/s", INGEST: "said/s", EVALUATE: "evaluations/s"}


@dataclass(slots=True)
class Record:
    """What was seen of a soak; times by the monotonic clock.

    Attributes:
        memory: By member, when and how many bytes.
    """

    begin: float
    end: float
    memory: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    tallies: Tallies = field(default_factory=lambda: {kind: Tally() for kind in CALLERS})


def main(arguments: list[str]) -> int:
    """Soak, show the verdict and return 1 where it is not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=24.0)
    parser.add_argument("--load", type=float, default=0.7, help="share of the capacity measured")
    parser.add_argument("--json", action="store_true", help="print a list instead of a table")
    asked = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as directory,
        running_nodes(Path(directory) / "federation") as sandbox,
    ):
        _fill(sandbox)
        results = asyncio.run(_soak(sandbox, 60.0 * asked.minutes, asked.load))
    machine = describe_machine()
    if asked.json:
        print(json.dumps([{**one.document(), "machine": machine} for one in results], indent=2))
    else:
        print(f"{machine}\n\n{table(results)}")
    return int(any(one.met is False for one in results))


def _fill(sandbox: Sandbox) -> None:
    """Let every node hold what fills its caches, and the tokens that look-ups are about."""
    sender = MEMBERS[0]
    _say(f"fills the log of {sender} with {HELD:,} statements")
    sandbox.down()
    for member in MEMBERS:
        with closing(PrivateStore(sandbox.home(member).data / PRIVATE_FILE)) as private:
            private.put_values(_values(), EPOCH)
    append_at(sandbox, sender, HELD)
    for member in MEMBERS:
        start_apart(sandbox.home(member))
    sandbox.up()
    for member in MEMBERS[1:]:
        wait_held(sandbox, member, sender)


def _values() -> Iterator[tuple[bytes, int, str]]:
    """Yield own values of some past, none of which is asked for."""
    step = 2**128 // VALUES
    for number in range(VALUES):
        yield (number * step).to_bytes(16), Kind.DOMAIN.value, f"past-{number}.example.com"


async def _soak(sandbox: Sandbox, seconds: float, share: float) -> list[Result]:
    async with loading(sandbox) as load:
        _say("measures what the nodes can do")
        await run_freely(load, WARM_SECONDS)
        capacity = await run_freely(load, CAPACITY_SECONDS)
        rates = {kind: share * capacity[kind] for kind in capacity}
        _say(f"soaks at {share:.0%} of that: {_shown(rates)}")
        sizes = await asyncio.to_thread(_disk, sandbox)
        record = await _run(sandbox, load, rates, seconds)
    grown = await asyncio.to_thread(_disk, sandbox) - sizes
    roots = await asyncio.to_thread(_equal_roots, sandbox)
    return [*_capacity_rows(capacity), *_load_rows(record, rates), *judge(record, roots, grown)]


async def _run(sandbox: Sandbox, load: Load, rates: dict[str, float], seconds: float) -> Record:
    begin = time.monotonic()
    record = Record(begin, begin + min(seconds, MAX_INGESTS / rates[INGEST]))
    looking = asyncio.create_task(_look(sandbox, record))
    try:
        await run_paced(load, rates, record.end, record.tallies)
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    return record


async def _look(sandbox: Sandbox, record: Record) -> None:
    """Note every node's memory again and again, and say how it goes."""
    told = record.begin
    while True:
        now = time.monotonic()
        for member in MEMBERS:
            size = await asyncio.to_thread(_memory, sandbox, member)
            record.memory.setdefault(member, []).append((now, size))
        if now - told >= PROGRESS_SECONDS:
            _say(_progress(record, told, now))
            told = now
        await asyncio.sleep(SAMPLE_SECONDS)


def _memory(sandbox: Sandbox, member: str) -> int:
    """Return the resident bytes of a node and of its workers."""
    process = process_of(sandbox.home(member))
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return sum(resident(number) for number in (process, *map(int, children.split())))


def _progress(record: Record, since: float, now: float) -> str:
    sizes = ", ".join(f"{one[-1][1] / MEGABYTE:.0f}" for one in record.memory.values())
    taken = _taken(record.tallies[UNARY], since, now) or [0.0]
    errors = sum(sum(one.errors.values()) for one in record.tallies.values())
    return (
        f"{(now - record.begin) / 60:.0f} min: memory {sizes} MB, single look-up"
        f" p50 {1_000 * percentile(taken, 0.5):.1f} p99 {1_000 * percentile(taken, 0.99):.1f} ms,"
        f" {sum(one.count for one in record.tallies.values()):,} calls, {errors} errors"
    )


def _capacity_rows(capacity: dict[str, float]) -> list[Result]:
    return [
        Result(f"soak: capacity, {kind}", SIZES[kind] * rate, UNITS[kind])
        for kind, rate in capacity.items()
    ]


def _load_rows(record: Record, rates: dict[str, float]) -> list[Result]:
    """Say how much was really done, beside what was meant to be."""
    seconds = record.end - record.begin
    return [
        Result(
            f"soak: done, {kind}",
            SIZES[kind] * tally.count / seconds,
            UNITS[kind],
            baseline=SIZES[kind] * rates[kind],
        )
        for kind, tally in record.tallies.items()
    ]


def judge(record: Record, roots: float, grown: int) -> list[Result]:
    """Hold what was recorded to its targets.

    Args:
        record: What was seen.
        roots: How many different catalogue roots the nodes showed at the end.
        grown: Bytes by which their stores grew.
    """
    third = (record.end - record.begin) / 3
    single = record.tallies[UNARY]
    first = _taken(single, record.begin, record.begin + third)
    last = _taken(single, record.end - third, record.end)
    slowing = percentile(last, 0.99) / percentile(first, 0.99)
    errors = sum((tally.errors for tally in record.tallies.values()), start=type(single.errors)())
    for reason, count in errors.most_common():
        _say(f"{count} calls failed: {reason}")
    said = SIZES[INGEST] * record.tallies[INGEST].count
    return [
        Result("soak: minutes", (record.end - record.begin) / 60, "min"),
        *(_growth(record, member) for member in MEMBERS),
        Result("soak: single look-up, median", 1_000 * percentile(last, 0.5), "ms"),
        Result("soak: single look-up, p99", 1_000 * percentile(last, 0.99), "ms"),
        Result("soak: p99, last third to first", slowing, "times", MAX_SLOWING),
        Result("soak: disk of all nodes, a value said and ended", grown / max(1, said), "bytes"),
        Result("soak: errors", errors.total(), "calls", 0),
        Result("soak: catalogue roots at the end", roots, "roots", 1),
    ]


def _growth(record: Record, member: str) -> Result:
    """Compare medians over a twelfth of the time each: after the warm-up, and at the end."""
    seconds = record.end - record.begin
    warm = record.begin + seconds / 3
    samples = record.memory[member]
    before = [size for at, size in samples if warm <= at <= warm + seconds / 12]
    after = [size for at, size in samples if at >= record.end - seconds / 12]
    ends = median(after or [samples[-1][1]]) / MEGABYTE
    begins = median(before or [samples[len(samples) // 3][1]]) / MEGABYTE
    return Result(f"soak: memory of {member}", ends, "MB", MAX_GROWTH, begins)


def _taken(tally: Tally, since: float, until: float) -> list[float]:
    return [seconds for at, seconds in tally.samples if since <= at < until]


def _equal_roots(sandbox: Sandbox) -> float:
    """Wait until every node has every log, and return how many different roots they show."""
    _wait(lambda: all(len(set(_sizes(sandbox, of))) == 1 for of in MEMBERS))
    return float(len(Federation(sandbox).roots(MEMBERS, int(time.time()))))


def _sizes(sandbox: Sandbox, of: str) -> Sequence[int]:
    return [held(sandbox, member, of) for member in MEMBERS]


def _wait(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SYNC_SECONDS
    while not is_so() and time.monotonic() < until:
        time.sleep(0.2)


def _disk(sandbox: Sandbox) -> int:
    """Return the bytes of all stores of all nodes."""
    homes = [sandbox.home(member) for member in MEMBERS]
    return sum(path.stat().st_size for home in homes for path in home.data.glob("*.db*"))


def _shown(rates: dict[str, float]) -> str:
    return ", ".join(f"{SIZES[kind] * rate:,.0f} {UNITS[kind]}" for kind, rate in rates.items())


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} soak {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
