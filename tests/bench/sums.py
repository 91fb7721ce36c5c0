"""Measure a private sum of 10^5 labels by 20 members with 2 of 3 holders, all parties together.

Every party's work is counted: sharing and sealing, the holders' checks, the close, the partials
and the total, each with what a node folds anew from the log before it. The baseline is what the
same members' vectors cost to add up in the open, as a server of plain federated averaging does:
each is sent as bytes, read and added.
"""

from collections.abc import Iterator
from statistics import median
from typing import Final

import numpy as np

from tests.bench.clock import SEED, cpu_of, medians
from tests.bench.result import Result
from tests.federation.sums.sum_world import HOLDERS, MEMBERS, World, vectors

LABELS: Final = 100_000
CONTRIBUTORS: Final = 20
SMALL: Final = 1_000
TARGET: Final = 3.0
"""Seconds of CPU in all, DESIGN §14."""

STEPS: Final = ("contribute", "check", "close", "answer", "total")


def measure() -> Iterator[Result]:
    """Yield the seconds in all, beside a sum in the open, and those of each step."""
    taken = medians(price, warm=lambda: price(SMALL))
    open_sum = median(_in_the_open(LABELS, CONTRIBUTORS) for _ in range(5))
    yield Result("sums: 10^5 labels × 20 members, 2 of 3", taken["all"], "s CPU", TARGET)
    for step in STEPS:
        yield Result(f"sums: of it, {step}", taken[step], "s CPU")
    yield Result("sums: the same in the open (plain averaging)", open_sum, "s CPU")
    yield Result("sums: private against open", taken["all"], "s CPU", baseline=open_sum)
    yield Result("sums: sent by a member", taken["bytes"] / LABELS, "bytes/label")


def price(labels: int = LABELS, contributors: int = CONTRIBUTORS) -> dict[str, float]:
    """Return the CPU seconds of each step, of all, and the bytes that a member sends."""
    world = World(labels=labels, contributors=contributors, holders=3, threshold=2)
    everybody = vectors(contributors, labels, seed=SEED)
    holders = HOLDERS[:3]
    taken = {
        "contribute": cpu_of(lambda: world.contribute(everybody))[0],
        "check": cpu_of(lambda: world.check(*holders))[0],
        "close": cpu_of(world.close)[0],
        "answer": cpu_of(lambda: world.answer(*holders))[0],
    }
    taken["total"], total = cpu_of(world.total)
    if not np.array_equal(total.units, sum(everybody.values())):
        raise RuntimeError("the total is wrong")
    shares = next(iter(world.state.shares[MEMBERS[0]].values()))
    taken["all"] = sum(taken[step] for step in STEPS)
    taken["bytes"] = sum(len(one) for one in shares.sealed_shares)
    return taken


def _in_the_open(labels: int, contributors: int) -> float:
    everybody = [one.astype(np.int64) for one in vectors(contributors, labels, seed=SEED).values()]

    def add() -> np.ndarray:
        sent = [one.tobytes() for one in everybody]
        return sum(np.frombuffer(one, dtype=np.int64) for one in sent)

    return cpu_of(add)[0]
