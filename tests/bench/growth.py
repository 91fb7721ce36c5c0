"""Measure how cost grows: time, memory and bytes against items, and training against members.

Every size is measured in a process of its own, so that memory is of that size alone. Tokens are
measured up to 10^5: above it they are more of the same batches of 2,048, one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tests.bench.curve import Curve
from tests.bench.growing import (
    Cost,
    cost_of_matching,
    cost_of_replication,
    cost_of_tokens,
    cost_of_training,
    has_training,
)
from tests.bench.isolation import apart
from tests.bench.result import NotMeasuredError

MEBIBYTE: Final = 1024 * 1024

TOKENS: Final = (1_000, 10_000, 100_000)
REPLICATION: Final = (1_000, 10_000, 100_000, 1_000_000)
MATCHING: Final = (1_000, 10_000, 100_000, 1_000_000)
MEMBERS: Final = (3, 6, 12, 30)


def measure() -> Iterator[Curve]:
    """Yield a curve of each cost of each kind of work."""
    yield from _curves("tokens", cost_of_tokens, TOKENS)
    yield from _curves("replication", cost_of_replication, REPLICATION)
    yield from _curves("matching, 1,000 asked", cost_of_matching, MATCHING)
    if not has_training():
        raise NotMeasuredError("no training: the extra 'train' is not installed")
    yield from _curves("training, 4 rounds", cost_of_training, MEMBERS, "members")


def _curves(
    name: str, work: Callable[[int], Cost], sizes: Sequence[int], items: str = "items"
) -> Iterator[Curve]:
    costs = [apart(work, size) for size in sizes]
    for cost, unit, values in (
        ("time", "seconds of CPU", [one.seconds for one in costs]),
        ("memory", "MiB of its process", [one.resident / MEBIBYTE for one in costs]),
        ("bytes", "bytes sent", [one.sent for one in costs]),
    ):
        if all(values):
            yield Curve(name, cost, unit, tuple(sizes), tuple(values), items)
