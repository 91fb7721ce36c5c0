"""Take times of a process's own work: CPU seconds, which other programs hardly disturb."""

import time
from collections.abc import Callable
from statistics import median
from typing import Final, TypeVar

R = TypeVar("R")

SEED: Final = 1
"""Of everything that a bench draws, so that two runs measure the same items."""

ROUNDS: Final = 5
"""Rounds of a short run; the median of them is shown."""


def cpu_of(work: Callable[[], R]) -> tuple[float, R]:
    """Return the CPU seconds of all threads that a call took, and its result."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def wall_of(work: Callable[[], R]) -> tuple[float, R]:
    """Return the seconds of the clock that a call took, and its result."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def medians(
    work: Callable[[], dict[str, float]],
    rounds: int = ROUNDS,
    warm: Callable[[], object] | None = None,
) -> dict[str, float]:
    """Run rounds that each take all figures in turn, and return the median of each figure.

    Args:
        work: One round.
        rounds: How many are counted, five at least.
        warm: What is done before and not counted; a whole round if nothing is named.
    """
    if rounds < ROUNDS:
        raise ValueError(f"a median is of {ROUNDS} rounds at least")
    (warm or work)()
    taken = [work() for _ in range(rounds)]
    return {name: median(one[name] for one in taken) for name in taken[0]}
