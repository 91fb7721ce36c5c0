"""Keep memory that the node has freed from staying with its process.

glibc's allocator gives each thread an arena and keeps there what is freed: after a burst the arenas
of a node held almost as much again as was in use. So there are few of them, a large block is mapped
by itself and goes back to the system when it is freed, and now and then all that is free goes back.
With any other C library nothing of this is there, and nothing is done.

    settle_allocator()                            # before threads are started
    tasks.spawn(keep_giving_back)                 # for as long as the node runs

Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import asyncio
import ctypes
from typing import Final

# Arenas: threads wait for each other at the interpreter's lock long before they do here.
ARENAS: Final = 2
# Bytes from which a block is mapped by itself: arrays of the index, runs of a log, large messages.
# Setting it also keeps glibc from raising it to 32 MiB by itself.
MAPPED_BYTES: Final = 512 * 1024
# Bytes free at the end of an arena that stay with it, so that it does not shrink and grow all day.
KEPT_BYTES: Final = 4 * 1024 * 1024
# Seconds: a burst's memory is back well within the minute; a trim takes some milliseconds.
TRIM_SECONDS: Final = 15.0

# malloc.h
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_SETTINGS: Final = (
    (_M_ARENA_MAX, ARENAS),
    (_M_MMAP_THRESHOLD, MAPPED_BYTES),
    (_M_TRIM_THRESHOLD, KEPT_BYTES),
)

_C: Final = ctypes.CDLL(None)


def settle_allocator() -> None:
    """Set how much this process's allocator may keep."""
    if hasattr(_C, "mallopt"):
        for number, value in _SETTINGS:
            _C.mallopt(number, value)


def give_back_memory() -> None:
    """Give free pages back to the system; takes milliseconds, and other threads run on."""
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)


async def keep_giving_back() -> None:
    """Give free pages back again and again, until cancelled."""
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        await asyncio.to_thread(give_back_memory)
