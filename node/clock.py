"""Read the time: the system's, or in a rehearsal the system's moved on by what a file says.

clock = open_clock(config)          # once, where the node is put together
clock()                             # whole seconds since 1970 UTC

A rehearsal plays weeks in minutes. All its nodes look into one file of 8 bytes, the seconds to
add, at each reading, so that they move together. A node that takes part in anything else has no
business with such a file: it starts only where every address is this machine's own. TLS stays with
the system's clock, for OpenSSL reads no other.
"""

from __future__ import annotations

import ipaddress
import mmap
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from federation.charter import Charter
from node.config import Config
from node.errors import ConfigError

Clock = Callable[[], int]
"""Gives whole seconds since 1970 UTC."""

OFFSET_BYTES: Final = 8
"""An unsigned number, little-endian: the seconds that a rehearsal's clock is ahead."""
MAX_OFFSET_SECONDS: Final = 10 * 366 * 86_400
"""Ten years: a longer story outlives the certificates of its members."""

_OFFSET: Final = struct.Struct("<Q")


class RehearsalError(ConfigError):
    """The clock of a rehearsal cannot be used here.

    Reasons: REHEARSAL_CLOCK_INVALID, REHEARSAL_NOT_LOCAL.
    """

    reason = "REHEARSAL_CLOCK_INVALID"
    public = "The clock of a rehearsal cannot be used here."


def system_clock() -> int:
    """Return the system's whole seconds since 1970 UTC."""
    return int(time.time())


class RehearsalClock:
    """The system's clock, ahead by what a file says at the moment."""

    def __init__(self, path: Path) -> None:
        self._offset = _map(path, mmap.ACCESS_READ)

    def __call__(self) -> int:
        """Return whole seconds since 1970 UTC, moved on.

        Raises:
            RehearsalError: REHEARSAL_CLOCK_INVALID, the file is years ahead.
        """
        return system_clock() + self.offset()

    def offset(self) -> int:
        """Return the seconds by which this clock is ahead.

        Raises:
            RehearsalError: REHEARSAL_CLOCK_INVALID.
        """
        (seconds,) = _OFFSET.unpack(self._offset[:OFFSET_BYTES])
        if seconds > MAX_OFFSET_SECONDS:
            raise RehearsalError("the clock file is more than ten years ahead")
        return int(seconds)


def open_clock(config: Config) -> Clock:
    """Return the clock that the settings name.

    Raises:
        RehearsalError: REHEARSAL_CLOCK_INVALID.
    """
    if not config.rehearsal_clock:
        return system_clock
    clock = RehearsalClock(Path(config.rehearsal_clock))
    clock.offset()
    return clock


def require_local(charter: Charter, listen: str = "") -> None:
    """Refuse a rehearsal among members that are anywhere but on this machine.

    Raises:
        RehearsalError: REHEARSAL_NOT_LOCAL.
    """
    addresses = [member.address for member in charter.members]
    if not all(_is_loopback(address) for address in (*addresses, listen) if address):
        raise RehearsalError(
            "the clock of a rehearsal is set, and the charter names other machines",
            reason="REHEARSAL_NOT_LOCAL",
            hint="remove rehearsal_clock from node.toml: it is for sandboxes alone",
        )


def write_clock(path: Path, seconds: int) -> None:
    """Set how far every clock that looks into the file is ahead; a missing file is made.

    Raises:
        ValueError: Below zero or above ten years.
    """
    if not 0 <= seconds <= MAX_OFFSET_SECONDS:
        raise ValueError(f"{seconds} seconds are no offset of a rehearsal")
    if not path.exists():
        path.write_bytes(_OFFSET.pack(seconds))
        return
    with _map(path, mmap.ACCESS_WRITE) as offset:
        offset[:OFFSET_BYTES] = _OFFSET.pack(seconds)


def _map(path: Path, access: int) -> mmap.mmap:
    """Map the file's number, which both sides then read and write in one piece."""
    try:
        with path.open("r+b" if access == mmap.ACCESS_WRITE else "rb") as file:
            return mmap.mmap(file.fileno(), OFFSET_BYTES, access=access)
    except (OSError, ValueError) as error:
        raise RehearsalError(
            f"{path} is not a clock file of {OFFSET_BYTES} bytes",
            hint="remove rehearsal_clock from node.toml, or make the sandbox anew",
        ) from error


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name leads wherever its resolver says
