"""Write a file whole or not at all, so that no crash leaves half of one.

What is written stands beside its place under a name of its own until it is on the disk; then it is
renamed, and the directory fsynced. A failure leaves what was there and nothing else.

    write_whole(path, data)             # new, or in place of the old one
    create_whole(path, data, 0o644)     # new, or FileExistsError
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

OWNER_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def whole_file(path: Path, mode: int = OWNER_MODE) -> Iterator[BinaryIO]:
    """Open what replaces ``path`` at the end of the block; nothing changes where that fails.

    Args:
        path: In a directory that exists.
        mode: Of the new file, whatever the umask.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    with _new_file(beside, mode) as file:
        os.fchmod(file.fileno(), mode)
        yield file
    try:
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def write_whole(path: Path, data: bytes, mode: int = OWNER_MODE) -> Path:
    """Write it as ``whole_file`` does.

    Returns:
        The path, durable with what was written.
    """
    with whole_file(path, mode) as file:
        file.write(data)
    return path


def create_whole(path: Path, data: bytes, mode: int = OWNER_MODE) -> None:
    """Write a new file, durable when this returns.

    Args:
        path: Where nothing is.
        data: All of it.
        mode: What the umask may lessen for others than the owner.

    Raises:
        FileExistsError: Something is there, be it a link that leads nowhere.
    """
    with _new_file(path, mode) as file:
        file.write(data)
    _sync_directory(path.parent)


@contextmanager
def _new_file(path: Path, mode: int) -> Iterator[BinaryIO]:
    descriptor = os.open(path, _NEW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # A strange umask may have taken from the owner, too.
            os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o777 | OWNER_MODE)
            yield file
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
