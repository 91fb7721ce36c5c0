"""Say on what the figures were taken."""

import os
import platform
from pathlib import Path

from keys.library import library


def describe_machine() -> str:
    """Return processor, cores, interpreter and group library in one line."""
    found = library()
    return (
        f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" libsodium {found.version}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
