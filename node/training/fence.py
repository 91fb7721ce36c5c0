"""Take away from a training process what it does not need, before it loads any training code."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import socket
import struct
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

_GET_FLAGS: Final = 0x8913
_SET_FLAGS: Final = 0x8914
_IS_UP: Final = 0x1
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
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


def close_fence(*, network: bool, loopback: bool = False) -> None:
    """Limit this process; call it once, before any other thread runs.

    Args:
        network: Whether it may use the network: only for rows that lie in a database server.
        loopback: Whether it may speak with itself over loopback, and with its node over a socket
            in its own directory.
    """
    if not network:
        _leave_network()
        if loopback:
            with contextlib.suppress(OSError):
                _raise_loopback()
        sys.addaudithook(_refuse_all_but_own if loopback else _refuse_network)
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


def _raise_loopback() -> None:
    """Bring up the loopback of a network of its own; the system's own is up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _GET_FLAGS, asked))[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _IS_UP))


def _refuse_network(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _NETWORK_EVENTS:
        raise PermissionError("a training process has no network")


def _refuse_all_but_own(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _NETWORK_EVENTS:
        return
    if event == "socket.getaddrinfo":
        own = arguments[0] in _LOOPBACK
    else:
        family, address = arguments[0].family, arguments[1]
        own = family == socket.AF_UNIX or (isinstance(address, tuple) and address[0] in _LOOPBACK)
    if not own:
        raise PermissionError("this process speaks with its own node alone")


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_WATCH_SECONDS)
    os._exit(1)  # the node is gone; nothing here is worth keeping
