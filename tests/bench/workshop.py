"""Keep what takes long to make for the other benches of a run, such as ten million rows.

Each bench has a process of its own; the run names a directory to all of them by the environment,
and removes it at its end. A bench that runs by itself makes what it needs in one of its own.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

VARIABLE: Final = "TOCSIN_BENCH_WORKSHOP"


@contextmanager
def workshop() -> Iterator[Path]:
    """Name a directory to all benches that are started inside the block."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        os.environ[VARIABLE] = directory
        try:
            yield Path(directory)
        finally:
            del os.environ[VARIABLE]


def kept_file(name: str, make: Callable[[Path], None]) -> Path:
    """Return a file of the run, to be copied and never changed, made if it is not there.

    Args:
        name: What is in it: another content has another name.
        make: Writes it.
    """
    path = _directory() / name
    if not path.exists():
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        make(unfinished)
        unfinished.rename(path)
    return path


def _directory() -> Path:
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else Path(_own().name)


@cache
def _own() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="bench-")
