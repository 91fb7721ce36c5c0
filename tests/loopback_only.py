"""Run a command where there is no network but loopback: ``python -m tests.loopback_only CMD...``.

A network of its own without a route: what is sent anywhere else fails at once, by whatever library.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

_NEW_USER = 0x10000000
_NEW_NETWORK = 0x40000000
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914
_UP = 0x1
NOT_ALLOWED = 77
"""Exit code where the system lets nobody make such a network."""


def is_allowed() -> bool:
    """Tell whether this system lets a plain user make such a network."""
    done = subprocess.run([sys.executable, __file__, "true"], check=False, capture_output=True)
    return done.returncode == 0


def leave_network() -> None:
    """Enter the network, as the same user.

    Raises:
        OSError: The system does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_NEW_USER | _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _GET_FLAGS, name))[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


if __name__ == "__main__":
    try:
        leave_network()
    except OSError as error:
        print(f"no network of its own: {error}", file=sys.stderr)
        sys.exit(NOT_ALLOWED)
    os.execvp(sys.argv[1], sys.argv[1:])
