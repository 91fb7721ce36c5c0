"""Count and, where wanted, record every message that passes the outside door.

The counters show an operator what leaves the node and how much. The capture file lets somebody
who trusts nobody look at every byte: it holds the messages of the outside door in both
directions and nothing else. Both see exactly the bytes that gRPC sends, before its framing.
"""

import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from node.errors import ConfigError

CAPTURE_MODE = 0o600
"""Mode of the capture file: its readers see tokens and who asked for them."""

MAX_NAME_BYTES = 1_024
"""Bytes of a peer or method name in a capture: gRPC's own names are below 100."""

_MAGIC = b"tocsin capture v1\n"
_HEADER = struct.Struct(">BHHI")


class Direction(IntEnum):
    """Which way a message went, seen from this node."""

    SENT = 1
    RECEIVED = 2


class CaptureError(ConfigError):
    """A capture file is not one, or ends in the middle of a record."""

    reason = "CAPTURE_INVALID"
    public = "The capture file could not be used."


@dataclass(frozen=True, slots=True)
class MethodTraffic:
    """What passed under one full method name such as ``/tocsin.v1.LogService/Read``."""

    method: str
    sent_count: int
    sent_bytes: int
    received_count: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """One message; ``peer`` is a member id, or empty where nobody was identified."""

    direction: Direction
    peer: str
    method: str
    payload: bytes


class Meter(Protocol):
    """What both sides of the outside door tell of each message."""

    def record(self, direction: Direction, peer: str, method: str, payload: bytes) -> None:
        """Take note of one message."""


class Capture:
    """Append messages to a file; each record is written at once and whole.

    Source: a first line ``tocsin capture v1``, then records of direction (1 byte), lengths of
    peer and method (2 bytes each) and payload (4 bytes), big endian, followed by the three.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._descriptor = os.open(path, flags, CAPTURE_MODE)
        except OSError as error:
            raise CaptureError("the capture file cannot be opened") from error
        self._lock = threading.Lock()
        if os.fstat(self._descriptor).st_size == 0:
            os.write(self._descriptor, _MAGIC)

    def record(self, direction: Direction, peer: str, method: str, payload: bytes) -> None:
        """Append one message."""
        names = peer.encode()[:MAX_NAME_BYTES], method.encode()[:MAX_NAME_BYTES]
        header = _HEADER.pack(direction, len(names[0]), len(names[1]), len(payload))
        record = memoryview(b"".join((header, *names, payload)))
        with self._lock:
            while record:
                record = record[os.write(self._descriptor, record) :]

    def close(self) -> None:
        """Close the file; later messages raise."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_capture(path: Path) -> Iterator[CaptureRecord]:
    """Read a capture back, in the order in which the messages passed.

    Raises:
        CaptureError: The file is not a capture, is damaged, or its last record is cut off.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise CaptureError("the file does not start as a capture does")
        while header := file.read(_HEADER.size):
            yield _read_record(file, header)


def _read_record(file: BinaryIO, header: bytes) -> CaptureRecord:
    if len(header) < _HEADER.size:
        raise CaptureError("the last record is cut off")
    direction, *lengths = _HEADER.unpack(header)
    parts = [file.read(length) for length in lengths]
    if [len(part) for part in parts] != lengths:
        raise CaptureError("the last record is cut off")
    peer, method, payload = parts
    try:
        return CaptureRecord(Direction(direction), peer.decode(), method.decode(), payload)
    except ValueError as error:  # which UnicodeDecodeError is too
        raise CaptureError("a record is damaged") from error


class Traffic:
    """Count messages and bytes by method, and pass them on to a capture where there is one."""

    def __init__(self, capture: Capture | None = None) -> None:
        self._capture = capture
        self._counts: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def record(self, direction: Direction, peer: str, method: str, payload: bytes) -> None:
        """Take note of one message; from any thread."""
        place = 0 if direction is Direction.SENT else 2
        with self._lock:
            counts = self._counts.setdefault(method, [0, 0, 0, 0])
            counts[place] += 1
            counts[place + 1] += len(payload)
        if self._capture is not None:
            self._capture.record(direction, peer, method, payload)

    def snapshot(self) -> tuple[MethodTraffic, ...]:
        """Return the counters since the node's start, in the order of the method names."""
        with self._lock:
            return tuple(
                MethodTraffic(method, *counts) for method, counts in sorted(self._counts.items())
            )
