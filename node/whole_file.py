"""Write a file whole or not at all, so that no crash leaves half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside ``path``; at the end fsync it and rename it over, durably.

    Its directory is made if missing. Nothing is renamed where the block fails.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    writing = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(writing, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> Path:
    """Write it as ``whole_file`` does.

    Returns:
        The path, durable with what was written.
    """
    with whole_file(path) as file:
        file.write(data)
    return path
