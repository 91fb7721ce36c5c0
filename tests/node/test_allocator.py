import asyncio
import ctypes
import subprocess
import sys

import pytest

from node import allocator
from node.allocator import keep_giving_back

MEBIBYTE = 1024 * 1024

needs_glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim"
)

# Run apart: an allocator's settings are its process's, and so is what it has freed.
_BEGIN = """
from node.allocator import give_back_memory, settle_allocator
from node.status import resident_bytes

settle_allocator()
"""

_SMALL = """
blocks = [b"%06d" % number * 200 for number in range(50_000)]
last, full = blocks[-1], resident_bytes()
del blocks
freed = resident_bytes()
give_back_memory()
print(full, freed, resident_bytes(), len(last))
"""

_LARGE = """
blocks = [(b"x" * (1 << 20), b"y" * 1_000) for _ in range(50)]
small, full = [one for _, one in blocks], resident_bytes()
del blocks
print(full, resident_bytes(), len(small))
"""


def _run(program: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + program], capture_output=True, check=True, timeout=60
    )
    return [int(number) for number in done.stdout.split()]


@needs_glibc
def test_memory_of_small_blocks_goes_back_though_one_among_them_is_still_in_use() -> None:
    full, freed, trimmed, _ = _run(_SMALL)

    assert full - freed < 10 * MEBIBYTE
    assert full - trimmed > 40 * MEBIBYTE


@needs_glibc
def test_memory_of_large_blocks_goes_back_when_they_are_freed() -> None:
    full, freed, _ = _run(_LARGE)

    assert full - freed > 45 * MEBIBYTE


async def test_memory_is_given_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given, often = [], asyncio.Event()

    def count() -> None:
        given.append(True)
        if len(given) == 3:
            loop.call_soon_threadsafe(often.set)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(allocator, "TRIM_SECONDS", 0.001)
    monkeypatch.setattr(allocator, "give_back_memory", count)
    giving = asyncio.create_task(keep_giving_back())
    await asyncio.wait_for(often.wait(), 30)
    giving.cancel()
    await asyncio.gather(giving, return_exceptions=True)

    assert giving.cancelled()


def test_a_c_library_that_can_do_none_of_this_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allocator, "_C", object())

    allocator.settle_allocator()  # else AttributeError
    allocator.give_back_memory()
