"""Blind the values and elements of a match in the worker processes, spread over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from keys.group import ELEMENT_BYTES
from keys.psi import blind_values, reblind
from keys.secret import Secret
from node.workers import Workers

LEAST_SHARE: Final = 256
"""Items for one process: below it, handing them over costs more than it saves."""


async def blind_in_workers(
    workers: Workers, key: Secret, session: bytes, values: Sequence[bytes]
) -> bytes:
    """Hash and blind values, in their order."""
    step = _step(len(values), workers.count)
    parts = [values[start : start + step] for start in range(0, len(values), step)]
    done = [workers.run(blind_values, key, session, part) for part in parts]
    return b"".join(await asyncio.gather(*done))


async def reblind_in_workers(workers: Workers, key: Secret, elements: bytes) -> bytes:
    """Blind a peer's elements, in their order.

    Raises:
        GroupError: One is not canonical, or the identity.
    """
    step = ELEMENT_BYTES * _step(len(elements) // ELEMENT_BYTES, workers.count)
    parts = [elements[start : start + step] for start in range(0, len(elements), step)]
    return b"".join(await asyncio.gather(*(workers.run(reblind, key, part) for part in parts)))


def _step(count: int, processes: int) -> int:
    return max(LEAST_SHARE, -(-count // processes))
