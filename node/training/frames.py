"""Speak over the pipe between a node and its training processes: frames of JSON and bytes.

Never pickles: what a training process says is read as carefully as what a peer says.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from node.errors import UnavailableError

MAX_HEADER_BYTES: Final = 4 * 1024 * 1024
"""Bytes: a plan, a schema of thousands of columns, or one line for each of 1,000 members."""
MAX_BODY_BYTES: Final = 2 * 1024 * 1024 * 1024
"""Bytes: the longest message for each of 32 members at once."""
_LENGTHS: Final = struct.Struct(">IQ")

Header = Mapping[str, Any]


class ProcessError(UnavailableError):
    """A training process ended, or sent what is no frame."""

    reason = "WORKER_FAILED"
    public = "A training process ended before it was done."


def encode_frame(header: Header, body: bytes = b"") -> bytes:
    """Write a frame."""
    head = json.dumps(header).encode()
    return _LENGTHS.pack(len(head), len(body)) + head + body


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read a frame; blocking.

    Raises:
        ProcessError: WORKER_FAILED.
    """
    head, body = _lengths(_read(stream, _LENGTHS.size))
    return _header(_read(stream, head)), _read(stream, body)


async def receive_frame(stream: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """Read a frame.

    Raises:
        ProcessError: WORKER_FAILED.
    """
    try:
        head, body = _lengths(await stream.readexactly(_LENGTHS.size))
        return _header(await stream.readexactly(head)), await stream.readexactly(body)
    except asyncio.IncompleteReadError as error:
        raise ProcessError from error


def _lengths(data: bytes) -> tuple[int, int]:
    head, body = _LENGTHS.unpack(data)
    if head > MAX_HEADER_BYTES or body > MAX_BODY_BYTES:
        raise ProcessError("a frame is longer than any may be")
    return head, body


def _header(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise ProcessError("the header of a frame is no JSON") from error
    if not isinstance(found, dict):
        raise ProcessError("the header of a frame is no object")
    return found


def _read(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise ProcessError
    return data
