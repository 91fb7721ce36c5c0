"""Take times of a process's own work: CPU seconds, which other programs hardly disturb."""

import time
from collections.abc import Callable
from statistics import median
from typing import Final, TypeVar

R = TypeVar("R")

ROUNDS: Final = 5
"""Rounds of a short run; the median of them is shown."""


def cpu_of(work: Callable[[], R]) -> tuple[float, R]:
    """Return the CPU seconds of all threads that a call took, and its result."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def medians(work: Callable[[], dict[str, float]], rounds: int = ROUNDS) -> dict[str, float]:
    """Run rounds that each take all figures in turn, and return the median of each figure."""
    taken = [work() for _ in range(rounds)]
    return {name: median(one[name] for one in taken) for name in taken[0]}
