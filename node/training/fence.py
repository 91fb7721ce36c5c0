"""Take away from a training process what it does not need, before it loads any training code."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

OPEN_FILES: Final = 512
"""Files: libraries and the member's table; far from what would exhaust a machine."""
FILE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of any file it writes: it has nothing to write but its log."""
PARENT_WATCH_SECONDS: Final = 1.0
"""Seconds that it may outlive a killed node."""

_NEW_USER: Final = 0x10000000
_NEW_NETWORK: Final = 0x40000000
_NETWORK_EVENTS: Final = frozenset(
    {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg"}
)


def claim_pipe() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output for frames; what a library prints goes to standard error."""
    given = os.fdopen(os.dup(0), "rb")
    taken = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return given, taken


def close_fence(*, network: bool) -> None:
    """Limit this process; call it once, before any other thread runs.

    Args:
        network: Whether it may use the network: only for rows that lie in a database server.
    """
    if not network:
        _leave_network()
    limits = ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, FILE_BYTES))
    for kind, most in (*limits, (resource.RLIMIT_NOFILE, OPEN_FILES)):
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _leave_network() -> None:
    """Enter a network without routes where the system allows it, and refuse sockets anyway."""
    user, group = os.getuid(), os.getgid()
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None, use_errno=True)
        if library.unshare(_NEW_USER | _NEW_NETWORK) == 0:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _NETWORK_EVENTS:
        raise PermissionError("a training process has no network")


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_WATCH_SECONDS)
    os._exit(1)  # the node is gone; nothing here is worth keeping
