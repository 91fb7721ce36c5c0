"""Turn one part into tokens, in whatever process: the node's own client of the key holders.

A process keeps its client, with its connections, from part to part. Group operations run in the
process itself, while the holders answer other batches of the same part.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from federation.indicators import PERSONS, Indicator, IndicatorError, parse_indicator
from federation.key_set import KeySet
from federation.names import MemberId
from federation.vocabulary import Purpose
from keys.evaluation import CheckMode
from node.bulk.part import Part
from node.bulk.records import RECORD_BYTES, pack_records
from node.desk.intake import PERSON
from node.tokens.key_ring import KeyRing
from node.tokens.tokeniser import Holders, Tokeniser
from node.turns import Turn

P = ParamSpec("P")
R = TypeVar("R")

OnBlame = Callable[[MemberId], None]
Connect = Callable[[OnBlame], Holders]
"""Returns how holders are reached from this process; called inside its event loop."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """All that a process needs to make tokens; it travels to other processes and machines.

    Attributes:
        identity: Of this run, so that a process knows its client again.
        federation: Whose tokens.
        key_set: The keys in use.
        mode: How holders are checked.
        purpose: Why; counted by the holders.
        pad: Smallest number of points that a holder may see.
        country: Whose national telephone forms are read.
        connect: How holders are reached.
    """

    identity: bytes
    federation: str
    key_set: KeySet
    mode: CheckMode
    purpose: Purpose
    pad: int
    country: str
    connect: Connect = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokenised:
    """What a part came to.

    Attributes:
        records: Sorted, packed.
        refused: Line and reason of rows that are no indicators.
        blamed: Holders that answered wrongly; others were asked instead.
        cpu_seconds: Of this process.
    """

    number: int
    records: bytes = field(repr=False)
    refused: tuple[tuple[int, str], ...]
    blamed: tuple[MemberId, ...]
    position: int
    cpu_seconds: float

    @property
    def rows(self) -> int:
        """How many rows the part had."""
        return len(self.records) // RECORD_BYTES + len(self.refused)


class _Here:
    """Runs group operations in this process."""

    async def run_in(
        self, turn: Turn, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a function, then let answers in."""
        del turn  # nobody else is here
        result = function(*args, **kwargs)
        await asyncio.sleep(0)
        return result


class _Client:
    """A process's client of the key holders, with the loop that its connections live on."""

    def __init__(self, source: TokenSource) -> None:
        self.identity = source.identity
        self.blamed: list[MemberId] = []
        self._runner = asyncio.Runner()
        self._source = source
        self._tokeniser = self._runner.run(self._connect())

    async def _connect(self) -> Tokeniser:
        source, ring = self._source, KeyRing()
        ring.accept(source.key_set)
        holders = source.connect(self.blamed.append)
        return Tokeniser(source.federation, ring, _Here(), holders, source.mode)

    def tokens(self, indicators: list[Indicator]) -> list[bytes]:
        made = self._tokeniser.tokenise(indicators, self._source.purpose, self._source.pad)
        return [key.token for key in self._runner.run(made)]

    def close(self) -> None:
        self._runner.close()


_clients: list[_Client] = []


def tokenise_part(source: TokenSource, part: Part) -> Tokenised:
    """Turn a part into tokens.

    Raises:
        UnavailableError: KEYS_MISSING, HOLDERS_UNAVAILABLE, EPOCH_CHANGED.
        PolicyError: QUOTA_EXCEEDED and other refusals of the holders.
    """
    begin = time.process_time()
    client = _client(source)
    lines: list[int] = []
    indicators: list[Indicator] = []
    refused = list(part.refused)
    for line, kind, value, region in part.values:
        try:
            found = parse_indicator(kind, value, region=region or source.country or None)
        except IndicatorError as error:
            refused.append((line, f"INDICATOR_{str(error.rule).upper()}"))
            continue
        if found.kind in PERSONS:
            refused.append((line, PERSON.reason))
        else:
            indicators.append(found)
            lines.append(line)
    client.blamed.clear()
    records = pack_records(client.tokens(indicators), lines)
    return Tokenised(
        part.number,
        records,
        tuple(sorted(refused)),
        tuple(sorted(set(client.blamed))),
        part.position,
        time.process_time() - begin,
    )


def forget_client() -> None:
    """Close this process's client, where it has one."""
    while _clients:
        _clients.pop().close()


def _client(source: TokenSource) -> _Client:
    if not _clients or _clients[0].identity != source.identity:
        forget_client()
        _clients.append(_Client(source))
    return _clients[0]
