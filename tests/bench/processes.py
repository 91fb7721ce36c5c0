"""Take the CPU time of other processes and of their children, from what the kernel counts."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
"""Ticks a second: a figure is good to 10 ms, so let the work take a second."""


def family_cpu(parent: int) -> float:
    """Return the CPU seconds of a process and of its living children, all threads."""
    return sum(cpu for pid, above, cpu in _processes() if pid == parent or above == parent)


def _processes() -> Iterator[tuple[int, int, float]]:
    """Yield number, parent and CPU seconds of every process."""
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended
        fields = text.rpartition(")")[2].split()  # behind the name, which may hold anything
        yield int(entry.name), int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS
