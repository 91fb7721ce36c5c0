"""Fold what is evidence about a token, each into one row that verdicts are made of."""

from typing import Any, Final

from federation.statements import (
    BODY_NUMBERS,
    ClueOutcome,
    Designation,
    Nomination,
    Opinion,
    Sighting,
    Statement,
)
from federation.views.tables import Changes, Put

_NOMINATION: Final = BODY_NUMBERS[Nomination]
_SIGHTING: Final = BODY_NUMBERS[Sighting]
_OPINION: Final = BODY_NUMBERS[Opinion]
_DESIGNATION: Final = BODY_NUMBERS[Designation]
_CLUE_OUTCOME: Final = BODY_NUMBERS[ClueOutcome]


def fold_nomination(member: str, position: int, _bytes: bytes, statement: Statement) -> Changes:
    """Fold a nomination."""
    body: Any = statement.body
    issued = statement.issued_time
    row = (
        body.token,
        member,
        statement.id,
        int(body.kind),
        _NOMINATION,
        body.confidence,
        int(body.origin),
        int(body.fraud_type),
        int(body.stage),
        int(body.subject_role),
        1,
        issued,
        body.last_seen_time or issued,
        statement.expires_time or 0,
        body.epoch,
        position,
    )
    return [Put("evidence", row)]


def fold_sighting(member: str, position: int, _bytes: bytes, statement: Statement) -> Changes:
    """Fold a sighting."""
    body: Any = statement.body
    row = (
        body.token,
        member,
        statement.id,
        int(body.kind),
        _SIGHTING,
        0,
        int(body.sighting_kind),
        0,
        0,
        0,
        body.count,
        statement.issued_time,
        body.seen_time,
        statement.expires_time or 0,
        body.epoch,
        position,
    )
    return [Put("evidence", row)]


def fold_opinion(member: str, position: int, _bytes: bytes, statement: Statement) -> Changes:
    """Fold an opinion."""
    body: Any = statement.body
    row = (
        body.token,
        member,
        statement.id,
        int(body.kind),
        _OPINION,
        body.confidence,
        int(body.value),
        0,
        0,
        0,
        1,
        statement.issued_time,
        statement.issued_time,
        statement.expires_time or 0,
        body.epoch,
        position,
    )
    return [Put("evidence", row)]


def fold_designation(member: str, position: int, _bytes: bytes, statement: Statement) -> Changes:
    """Fold a designation."""
    body: Any = statement.body
    issued = statement.issued_time
    row = (
        body.token,
        member,
        statement.id,
        int(body.kind),
        _DESIGNATION,
        100,
        body.review_time,
        int(body.fraud_type),
        0,
        0,
        1,
        issued,
        issued,
        statement.expires_time or 0,
        body.epoch,
        position,
    )
    return [Put("evidence", row)]


def fold_clue_outcome(member: str, position: int, _bytes: bytes, statement: Statement) -> Changes:
    """Fold the outcome of a clue, a row for each subject."""
    body: Any = statement.body
    issued, expires = statement.issued_time, statement.expires_time or 0
    return [
        Put(
            "evidence",
            (
                one.token,
                member,
                statement.id,
                int(one.kind),
                _CLUE_OUTCOME,
                0,
                int(body.result),
                0,
                0,
                0,
                1,
                issued,
                issued,
                expires,
                one.epoch,
                position,
            ),
        )
        for one in body.subjects
    ]
