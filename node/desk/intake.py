"""Take raw rows in: parse, refuse what is malformed, tokenise the rest.

This is the only place where raw values become tokens; past it the values stay with the row. Values
that this member said something about before are not shown to the key holders again, so that they
are still answered while no holder can be reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from federation.indicators import PERSONS, Indicator, IndicatorError, parse_indicator
from federation.vocabulary import Purpose
from node.errors import RequestError
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import desk_service_pb2 as wire

Recall = Callable[[Collection[tuple[int, str]]], dict[tuple[int, str], bytes]]
"""Returns the tokens of those own values (kind number, canonical value) that are stored."""

MAX_ROWS = 2_048  # one batch at the holders, 0.5 s of work on two cores


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row was not taken; the value itself is never repeated."""

    reason: str
    message: str

    def wire(self) -> wire.RowError:
        """Return the message of the inside door."""
        return wire.RowError(reason=self.reason, message=self.message)


APPEAL_CONTACT_SECONDS = 180 * 86_400
"""Seconds for which what somebody gave in an appeal to be reached by is left out."""

APPEAL_CONTACT = Refusal(
    "APPEAL_CONTACT", "somebody gave this to be reached by in an appeal: it is not scored for that"
)


PERSON = Refusal(
    "KIND_NOT_ALLOWED", "this names a person, who is no indicator: only tocsin one-id takes it"
)
NO_PERSON = Refusal("KIND_NOT_ALLOWED", "this names no person: only an identity card does")


@dataclass(frozen=True, slots=True)
class Known:
    """A row whose value has a token; its content key is there only where it was asked for."""

    place: int
    indicator: Indicator
    token: bytes
    content_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the rows: those known, and the refusals by place."""

    known: tuple[Known, ...]
    refused: dict[int, Refusal]


class Intake:
    """Parses and tokenises rows for one member."""

    def __init__(
        self,
        tokeniser: Tokeniser,
        country: str = "",
        recall: Recall = lambda _: {},
        *,
        persons: bool = False,
    ) -> None:
        """Take rows for one purpose.

        Args:
            tokeniser: Asks the key holders.
            country: Whose national telephone forms are read.
            recall: What is known already.
            persons: Whether to take what names persons, and nothing else; else no such row.
        """
        self._tokeniser = tokeniser
        self._country = country
        self._recall = recall
        self._persons = persons

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
        return await asyncio.to_thread(_parse_all, listed, self._country, self._persons)

    async def tokenise(
        self,
        indicators: dict[int, Indicator],
        purpose: Purpose,
        pad: int,
        with_keys: Collection[int] = (),
    ) -> tuple[Known, ...]:
        """Tokenise parsed rows, in the order of their places.

        Args:
            indicators: The rows by place.
            purpose: Why; counted by the holders.
            pad: Smallest number of points that a holder may see.
            with_keys: Places whose content key is needed, which only the holders can give.

        Raises:
            UnavailableError: A value needs the holders, and too few answer.
            PolicyError: The holders refuse.
        """
        recalled = await self._recall_tokens(indicators, with_keys)
        asked = [place for place in indicators if place not in recalled]
        keys = await self._tokeniser.tokenise([indicators[p] for p in asked], purpose, pad)
        known = {
            place: Known(place, indicators[place], key.token, key.content_key)
            for place, key in zip(asked, keys, strict=True)
        }
        return tuple(known.get(place) or recalled[place] for place in indicators)

    async def take(
        self,
        rows: Sequence[wire.RawIndicator],
        purpose: Purpose,
        pad: int,
        *,
        with_keys: bool = False,
    ) -> Taken:
        """Parse and tokenise rows."""
        indicators, refused = await self.parse(rows)
        places = tuple(indicators) if with_keys else ()
        return Taken(await self.tokenise(indicators, purpose, pad, places), refused)

    async def _recall_tokens(
        self, indicators: dict[int, Indicator], with_keys: Collection[int]
    ) -> dict[int, Known]:
        values = {
            place: (one.kind.value, one.value)
            for place, one in indicators.items()
            if place not in with_keys
        }
        tokens = await asyncio.to_thread(self._recall, set(values.values()))
        return {
            place: Known(place, indicators[place], tokens[value], None)
            for place, value in values.items()
            if value in tokens
        }


def _parse_all(
    rows: Sequence[wire.RawIndicator], country: str, persons: bool
) -> tuple[dict[int, Indicator], dict[int, Refusal]]:
    indicators: dict[int, Indicator] = {}
    refused: dict[int, Refusal] = {}
    for place, row in enumerate(rows):
        try:
            found = parse_indicator(row.kind, row.value, region=row.region or country or None)
            if (found.kind in PERSONS) == persons:
                indicators[place] = found
            else:
                refused[place] = NO_PERSON if persons else PERSON
        except IndicatorError as error:
            sentence = f"{error}. {error.hint}" if error.hint else str(error)
            refused[place] = Refusal(f"INDICATOR_{str(error.rule).upper()}", sentence)
    return indicators, refused
