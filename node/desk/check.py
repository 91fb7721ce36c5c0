"""Check values: a member asks its own replica, a query partner asks buckets of another node.

A partner's question shows no node which token it asks about: it fetches every token below a short
prefix, padded to one size, and looks inside by itself (DESIGN section 11, LookupPrefix).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import kind_name
from federation.vocabulary import Band, Purpose
from node.desk.intake import Intake, Known, Taken
from node.errors import PolicyError
from node.verdicts import Verdicts
from tocsin.desk.v1 import desk_service_pb2 as wire

CHECK_PURPOSES = frozenset({Purpose.CHECK, Purpose.WATCH, Purpose.VERIFICATION})


@dataclass(frozen=True, slots=True)
class Answer:
    """What may be told about one token."""

    band: Band
    codes: tuple[str, ...]
    expires_time: int
    sources: int


class Source(Protocol):
    """Where answers about tokens come from."""

    async def answer(self, tokens: Sequence[bytes], purpose: Purpose) -> dict[bytes, Answer]:
        """Return an answer for every token."""
        ...


class ReplicaSource:
    """A member's own replica: nobody learns what was asked."""

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts

    async def answer(self, tokens: Sequence[bytes], purpose: Purpose) -> dict[bytes, Answer]:
        """Judge the tokens from the replica."""
        del purpose  # nothing leaves the node
        known = await asyncio.to_thread(self._verdicts.outline, tokens)
        return {
            token: Answer(one.band, one.codes, one.expires, one.sources)
            for token, one in known.items()
        }


class Checker:
    """Answers raw values in the order asked."""

    def __init__(self, intake: Intake, source: Source, pad: Callable[[], int]) -> None:
        self._intake = intake
        self._source = source
        self._pad = pad

    async def check(self, request: wire.CheckRequest) -> wire.CheckResponse:
        """Check values.

        Raises:
            PolicyError: PURPOSE_NOT_ALLOWED (R12), QUOTA_EXCEEDED.
            UnavailableError: A token cannot be made now, or no node answers look-ups.
        """
        purpose = require_check_purpose(request.purpose)
        taken = await self._intake.take(request.values, purpose, self._pad())
        tokens = list(dict.fromkeys(one.token for one in taken.known))
        answers = await self._source.answer(tokens, purpose)
        return wire.CheckResponse(results=_results(request.values, taken, answers))


def require_check_purpose(number: int) -> Purpose:
    """Return the purpose of a question.

    Raises:
        PolicyError: PURPOSE_NOT_ALLOWED.
    """
    try:
        purpose = Purpose(number)
    except ValueError:
        purpose = None
    if purpose not in CHECK_PURPOSES:
        raise PolicyError(
            "a value may be checked for CHECK, WATCH or VERIFICATION only",
            reason="PURPOSE_NOT_ALLOWED",
        )
    return purpose


def _results(
    rows: Sequence[wire.RawIndicator], taken: Taken, answers: dict[bytes, Answer]
) -> list[wire.CheckResult]:
    by_place: dict[int, Known] = {one.place: one for one in taken.known}
    results = []
    for place, row in enumerate(rows):
        if (why := taken.refused.get(place)) is not None:
            results.append(wire.CheckResult(kind=row.kind, value=row.value, error=why.wire()))
            continue
        known = by_place[place]
        results.append(_result(row, known, answers[known.token]))
    return results


def _result(row: wire.RawIndicator, known: Known, answer: Answer) -> wire.CheckResult:
    result = wire.CheckResult(
        kind=kind_name(known.indicator.kind),
        value=row.value,
        band=answer.band.value,  # type: ignore[arg-type]  # equal numbers, tested
        display_codes=answer.codes,
        sources=answer.sources,
    )
    if answer.expires_time:
        result.expires_time.CopyFrom(Timestamp(seconds=answer.expires_time))
    return result
