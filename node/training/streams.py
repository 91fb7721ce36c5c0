"""Carry the bytes of one connection to another."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

CHUNK_BYTES: Final = 64 * 1024
"""Bytes taken at once: what the contract allows in one message of a tunnel."""


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until one side ends, then close the other."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
