"""Take raw rows in: parse, refuse what is malformed, tokenise the rest.

This is the only place where raw values become tokens; past it the values stay with the row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from federation.indicators import Indicator, IndicatorError, parse_indicator
from federation.vocabulary import Purpose
from node.errors import RequestError
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import desk_service_pb2 as wire

MAX_ROWS = 2_048  # one batch at the holders, 0.5 s of work on two cores


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row was not taken; the value itself is never repeated."""

    reason: str
    message: str

    def wire(self) -> wire.RowError:
        """Return the message of the inside door."""
        return wire.RowError(reason=self.reason, message=self.message)


@dataclass(frozen=True, slots=True)
class Known:
    """A row whose value has a token."""

    place: int
    indicator: Indicator
    token: bytes
    content_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the rows: those known, and the refusals by place."""

    known: tuple[Known, ...]
    refused: dict[int, Refusal]


class Intake:
    """Parses and tokenises rows for one member."""

    def __init__(self, tokeniser: Tokeniser) -> None:
        self._tokeniser = tokeniser

    async def parse(
        self, rows: Iterable[wire.RawIndicator]
    ) -> tuple[dict[int, Indicator], dict[int, Refusal]]:
        """Parse rows off the event loop.

        Raises:
            RequestError: BATCH_TOO_LARGE.
        """
        listed = list(rows)
        if len(listed) > MAX_ROWS:
            raise RequestError(
                f"at most {MAX_ROWS} rows in one call",
                reason="BATCH_TOO_LARGE",
                hint="the command line splits files by itself",
            )
        return await asyncio.to_thread(_parse_all, listed)

    async def tokenise(
        self, indicators: dict[int, Indicator], purpose: Purpose, pad: int
    ) -> tuple[Known, ...]:
        """Tokenise parsed rows, in the order of their places."""
        places = list(indicators)
        keys = await self._tokeniser.tokenise([indicators[p] for p in places], purpose, pad)
        return tuple(
            Known(place, indicators[place], key.token, key.content_key)
            for place, key in zip(places, keys, strict=True)
        )

    async def take(self, rows: Sequence[wire.RawIndicator], purpose: Purpose, pad: int) -> Taken:
        """Parse and tokenise rows."""
        indicators, refused = await self.parse(rows)
        return Taken(await self.tokenise(indicators, purpose, pad), refused)


def _parse_all(
    rows: Sequence[wire.RawIndicator],
) -> tuple[dict[int, Indicator], dict[int, Refusal]]:
    indicators: dict[int, Indicator] = {}
    refused: dict[int, Refusal] = {}
    for place, row in enumerate(rows):
        try:
            indicators[place] = parse_indicator(row.kind, row.value, region=row.region or None)
        except IndicatorError as error:
            refused[place] = Refusal(f"INDICATOR_{str(error.rule).upper()}", str(error))
    return indicators, refused
