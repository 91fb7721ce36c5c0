"""Make the path of a socket short enough for an address, whatever directory a home lies in."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SOCKET_PATH_BYTES: Final = 100
"""Bytes: macOS ends socket paths at 104 and Linux at 108, the final zero included."""


@contextmanager
def short_path(socket: Path) -> Iterator[str]:
    """Give a path to the socket that fits into an address, over a link where it has to be.

    The link lies in a new directory of mode 0700, which is removed at the end; both sides make
    one of their own, so nothing has to be agreed.
    """
    if len(os.fsencode(socket)) <= SOCKET_PATH_BYTES:
        yield str(socket)
        return
    with tempfile.TemporaryDirectory(prefix="tocsin-") as directory:
        link = Path(directory, "run")
        link.symlink_to(socket.parent, target_is_directory=True)
        yield str(link / socket.name)
