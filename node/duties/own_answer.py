"""Answer a verification round from this member's own data: its own last word, nobody else's.

Pure: rows of the views go in, those of this member alone. What it does not know it does not guess:
without an own word about the token the answer is NO_RECORD, whatever others have said. A nomination
below LEAST_CONFIDENCE is no own knowledge: it passes on what citizens reported or a model guessed,
and a crowd that reports at several members must not confirm itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.labels import LEAST_CONFIDENCE
from federation.vocabulary import (
    OpinionValue,
    Origin,
    RetractionReason,
    SightingKind,
    VerificationAnswer,
)
from federation.weighing import NOMINATION, NOT_OFFENDERS, OPINION, SIGHTING

Row = Sequence[Any]

_SUSPECT: Final = VerificationAnswer.HIT_SUSPECT
_BENIGN: Final = VerificationAnswer.HIT_BENIGN
_MEANING: Final = {
    **{(NOMINATION, int(origin)): _SUSPECT for origin in Origin},
    (SIGHTING, int(SightingKind.SEEN)): _SUSPECT,
    (SIGHTING, int(SightingKind.FALSE_POSITIVE)): _BENIGN,
    (OPINION, int(OpinionValue.STRONGLY_AGREE)): _SUSPECT,
    (OPINION, int(OpinionValue.AGREE)): _SUSPECT,
    (OPINION, int(OpinionValue.DISAGREE)): _BENIGN,
    (OPINION, int(OpinionValue.STRONGLY_DISAGREE)): _BENIGN,
}


@dataclass(frozen=True, slots=True)
class OwnWords:
    """What this member itself holds about one token.

    Attributes:
        evidence: Its own rows of the evidence.
        lifts: Its own rows of what it took back.
        is_protected: Whether it protects the object, for all or at its own desk.
    """

    evidence: Sequence[Row] = ()
    lifts: Sequence[Row] = ()
    is_protected: bool = False


def answer_from(words: OwnWords, now: int) -> VerificationAnswer:
    """Return what the member's own last word says; of two in one second the benign one counts."""
    if words.is_protected:
        return _BENIGN
    said = [*_from_evidence(words.evidence, now), *_from_lifts(words.lifts)]
    _time, answer = max(said, default=(0, VerificationAnswer.NO_RECORD))
    return answer


def _from_evidence(rows: Iterable[Row], now: int) -> Iterable[tuple[int, VerificationAnswer]]:
    for row in rows:
        body, detail, role, issued, expires = row[4], row[6], row[9], row[11], row[13]
        answer = _MEANING.get((body, detail))
        if answer is None or 0 < expires <= now:
            continue
        if body == NOMINATION and row[5] < LEAST_CONFIDENCE:
            continue
        # A victim, a spoofed number, a shared address: known, and no offender.
        yield issued, _BENIGN if role in NOT_OFFENDERS else answer


def _from_lifts(rows: Iterable[Row]) -> Iterable[tuple[int, VerificationAnswer]]:
    for _token, _member, _statement, reason, issued in rows:
        if reason == RetractionReason.MISTAKEN:
            yield issued, _BENIGN
