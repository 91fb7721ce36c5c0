"""Measure how cost grows: time, memory and bytes against items, and training against members.

Every size is measured in a process of its own, so that memory is of that size alone. Tokens are
measured up to 10^5: above it they are more of the same batches of 2,048, one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tests.bench.curve import Curve
from tests.bench.growing import (
    Cost,
    cost_of_index,
    cost_of_matching,
    cost_of_replication,
    cost_of_tokens,
    cost_of_training,
    has_training,
)
from tests.bench.isolation import apart
from tests.bench.result import NotMeasuredError

MEBIBYTE: Final = 1024 * 1024
SECONDS: Final = "seconds of CPU"
MEMORY: Final = "MiB of its process"

TOKENS: Final = (1_000, 10_000, 100_000)
REPLICATION: Final = (1_000, 10_000, 100_000, 1_000_000)
MATCHING: Final = (1_000, 10_000, 100_000, 1_000_000)
HELD: Final = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
MEMBERS: Final = (3, 6, 12, 30)


def measure() -> Iterator[Curve]:
    """Yield a curve of each cost of each kind of work."""
    yield from _curves("tokens", cost_of_tokens, TOKENS)
    yield from _curves("replication", cost_of_replication, REPLICATION)
    yield from _curves("matching, 1,000 asked", cost_of_matching, MATCHING)
    yield from _lookups()
    if not has_training():
        raise NotMeasuredError("no training: the extra 'train' is not installed")
    yield from _curves("training, 4 rounds", cost_of_training, MEMBERS, "members")


def _lookups() -> Iterator[Curve]:
    """Yield what an index costs to be made and to be kept, and what a batch of look-ups costs."""
    costs = [apart(cost_of_index, size) for size in HELD]
    for name, cost, unit, values in (
        ("look-up of 4,096", "time", SECONDS, [one.lookup_seconds for one in costs]),
        ("look-up, making the index", "time", SECONDS, [one.seconds for one in costs]),
        ("look-up index", "memory", MEMORY, [one.resident / MEBIBYTE for one in costs]),
    ):
        yield Curve(name, cost, unit, HELD, tuple(values))


def _curves(
    name: str, work: Callable[[int], Cost], sizes: Sequence[int], items: str = "items"
) -> Iterator[Curve]:
    costs = [apart(work, size) for size in sizes]
    for cost, unit, values in (
        ("time", SECONDS, [one.seconds for one in costs]),
        ("memory", MEMORY, [one.resident / MEBIBYTE for one in costs]),
        ("bytes", "bytes sent", [one.sent for one in costs]),
    ):
        if all(values):
            yield Curve(name, cost, unit, tuple(sizes), tuple(values), items)
