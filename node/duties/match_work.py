"""Do the work of a match in the worker processes, spread over all of them.

Nothing that grows with the number of elements runs on the event loop, padding and mixing neither:
65,536 elements take seconds of a core to blind, one to pad, and a tenth of one to mix. What is
handed over at once is bounded, so that memory does not grow with a million values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from keys.errors import MatchError
from keys.group import ELEMENT_BYTES
from keys.psi import (
    blind_values,
    check_elements,
    evaluate,
    mix,
    offer_values,
    random_elements,
    unblind,
)
from keys.secret import Secret
from node.workers import Workers

LEAST_SHARE: Final = 256
"""Items for one process: below it, handing them over costs more than it saves."""

MOST_SHARE: Final = 8_192
"""Items handed to a process at once: half a second of its work, and half a megabyte."""

_Part = TypeVar("_Part")


async def blind_in_workers(
    workers: Workers, key: Secret, session: bytes, values: Sequence[bytes]
) -> bytes:
    """Hash and blind values, in their order."""
    step = _step(len(values), workers.count)
    parts = [values[start : start + step] for start in range(0, len(values), step)]
    return await _spread(parts, lambda part: workers.run(blind_values, key, session, part))


async def offer_in_workers(
    workers: Workers, key: Secret, session: bytes, values: Sequence[bytes]
) -> bytes:
    """Return the hashes of blinded values, in their order."""
    step = _step(len(values), workers.count)
    parts = [values[start : start + step] for start in range(0, len(values), step)]
    return await _spread(parts, lambda part: workers.run(offer_values, key, session, part))


async def check_in_worker(workers: Workers, elements: bytes, size: int) -> None:
    """Accept a peer's elements that are as many as announced and distinct.

    Raises:
        MatchError: MATCH_SIZE_INVALID or MATCH_ELEMENT_TWICE.
    """
    if len(elements) != size * ELEMENT_BYTES:  # too many are not handed over to be counted
        raise MatchError("the elements are not as many as announced", reason="MATCH_SIZE_INVALID")
    await workers.run(check_elements, elements, size)


async def evaluate_in_workers(workers: Workers, key: Secret, elements: bytes) -> bytes:
    """Blind a peer's elements, in their order.

    Raises:
        GroupError: One is not canonical, or the identity.
    """
    parts = _elements(elements, workers.count)
    return await _spread(parts, lambda part: workers.run(evaluate, key, part))


async def unblind_in_workers(
    workers: Workers, key: Secret, session: bytes, elements: bytes
) -> bytes:
    """Take the own key away and return 16 bytes of a hash each, in their order.

    Raises:
        GroupError: One is not canonical, or the identity.
    """
    parts = _elements(elements, workers.count)
    return await _spread(parts, lambda part: workers.run(unblind, key, session, part))


async def padding_in_workers(workers: Workers, count: int) -> bytes:
    """Return elements that stand for no value."""
    step = _step(count, workers.count)
    parts = [min(step, count - start) for start in range(0, count, step)]
    return await _spread(parts, lambda part: workers.run(random_elements, part))


async def pad_and_mix(workers: Workers, elements: bytes, size: int) -> tuple[bytes, list[int]]:
    """Fill elements up to a size, and put them in an order that says nothing.

    Returns:
        The elements, and the place of each before; those of padding come after all others.
    """
    padding = await padding_in_workers(workers, size - len(elements) // ELEMENT_BYTES)
    return await workers.run(mix, elements + padding)


async def _spread(parts: Sequence[_Part], work: Callable[[_Part], Awaitable[bytes]]) -> bytes:
    return b"".join(await asyncio.gather(*(work(part) for part in parts)))


def _elements(packed: bytes, processes: int) -> list[bytes]:
    step = ELEMENT_BYTES * _step(len(packed) // ELEMENT_BYTES, processes)
    return [packed[start : start + step] for start in range(0, len(packed), step)]


def _step(count: int, processes: int) -> int:
    return min(MOST_SHARE, max(LEAST_SHARE, -(-count // processes)))
