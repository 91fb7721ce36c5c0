"""Fold statements into tables: what a node knows is nothing but its logs, read again.

``fold`` is pure and writes only rows keyed with the member that speaks, so that

- logs of different members may be folded in any order and give the same tables;
- no member can touch what another has said;
- deleting every table and folding the logs again gives the same rows.

A caller writes, in the transaction that stores the entry::

    for change in fold(member, position, body_bytes, decode_statement(body_bytes)):
        ...  # Put: insert or replace the row; Drop: delete the row with that key, if any

Within one log the order is that of the log. Source: DESIGN §7.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from federation.matters import PROCEDURE_OF, name_matter
from federation.names import MemberId
from federation.statements import (
    BODY_NUMBERS,
    Alarm,
    CaseBrief,
    ClueOutcome,
    Designation,
    DesignationLifted,
    FarmAlert,
    KeyComplaint,
    KeyConfirm,
    KeyDeal,
    KeyJoin,
    KeyOpen,
    MarkCorrection,
    Nomination,
    NumberMark,
    Opinion,
    ProtectedObject,
    QuotaGrant,
    Reassigned,
    Retraction,
    Sighting,
    Statement,
    SumCheck,
    SumClose,
    SumEcho,
    SumLabels,
    SumOpen,
    SumPartial,
    SumShares,
)
from federation.vocabulary import RetractionReason

Row = tuple[Any, ...]


class Outcome(enum.IntEnum):
    """Say how a member's own statement ended; only OVERTURNED counts against its reliability."""

    OVERTURNED = 1
    OVER = 2
    ERASED = 3


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the views.

    Attributes:
        columns: Name and SQLite type of each, in the order of a row.
        key: Columns that identify a row.
        indexes: Further columns to find rows by.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()


class Put(NamedTuple):
    """Insert a row, or replace the one with its key."""

    table: str
    row: Row


class Drop(NamedTuple):
    """Delete the row with a key, if there is one."""

    table: str
    key: Row


def _columns(text: str) -> tuple[tuple[str, str], ...]:
    """Read ``name:type`` pairs, where B, T and I stand for BLOB, TEXT and INTEGER."""
    types = {"B": "BLOB", "T": "TEXT", "I": "INTEGER"}
    pairs = (word.split(":") for word in text.split())
    return tuple((name, types[letter]) for name, letter in pairs)


# ``body`` is the field number of the body in ``Statement``; ``detail`` the origin of a nomination,
# the value of an opinion, the kind of a sighting, the second of a designation's review or the
# result of a clue; a time of 0 in ``expires`` is none. Enumerations are their numbers.
EVIDENCE: Final = Table(
    "evidence",
    _columns(
        "token:B member:T statement:B kind:I body:I confidence:I detail:I fraud_type:I stage:I"
        " subject_role:I count:I issued:I seen:I expires:I epoch:I position:I"
    ),
    key=("token", "member", "statement"),
)
CUTOFF: Final = Table(
    "cutoff",
    _columns("token:B member:T statement:B kind:I effective:I expires:I"),
    key=("token", "member", "statement"),
)
PROTECTION: Final = Table(
    "protection",
    _columns("token:B member:T statement:B kind:I ground:I expires:I"),
    key=("token", "member", "statement"),
)
RETRACTION: Final = Table(
    "retraction",
    _columns("member:T statement:B reason:I issued:I"),
    key=("member", "statement"),
)
OUTCOME: Final = Table(
    "outcome",
    _columns("member:T statement:B outcome:I"),
    key=("member", "statement"),
)
# What a retraction took back is gone; that the member cleared the token stays, for who learns from
# outcomes. A retraction for erasure leaves nothing that has the token.
LIFT: Final = Table(
    "lift",
    _columns("token:B member:T statement:B reason:I issued:I"),
    key=("token", "member", "statement"),
)
# The place in the log is part of the key: the first statement of a member and body counts, and
# none replaces it.
CEREMONY: Final = Table(
    "ceremony",
    _columns("ceremony:B member:T body:I statement:B bytes:B position:I"),
    key=("ceremony", "member", "position"),
)
# All that holders must say alike is the key, so that a changed grant is another row.
GRANT: Final = Table(
    "grant",
    _columns("grant_id:B holder:T member:T kind_class:I amount:I issued:I"),
    key=("grant_id", "holder", "member", "kind_class", "amount"),
    indexes=(("member", "kind_class"),),
)
ALARM: Final = Table(
    "alarm",
    _columns("member:T statement:B issued:I bytes:B"),
    key=("member", "statement"),
    indexes=(("issued",),),
)
# A matter's state rests on what several members say, so it is not kept: only the statements are,
# each under its speaker, and federation/matters folds them when they are read. The opener is part
# of the key, so that a copied plan or id is another matter.
MATTER: Final = Table(
    "matter",
    _columns("kind:T matter:B opener:T member:T body:I statement:B bytes:B position:I"),
    key=("kind", "matter", "opener", "member", "position"),
    indexes=(("kind", "matter", "opener"),),  # to count without reading the statements
)
# Where each statement of a sum stands: shares are too long to be kept twice.
SUM: Final = Table(
    "sum",
    _columns("sum_id:B member:T body:I statement:B issued:I position:I"),
    key=("sum_id", "member", "position"),
)
# What customers together mark a number as, and up to when such marks do not count.
MARK: Final = Table(
    "mark",
    _columns("token:B member:T statement:B kind:I label:I band:I counted:I expires:I sum_id:B"),
    key=("token", "member", "statement"),
)
CORRECTION: Final = Table(
    "correction",
    _columns("token:B member:T statement:B kind:I effective:I expires:I"),
    key=("token", "member", "statement"),
)
FARM: Final = Table(
    "farm",
    _columns("token:B member:T statement:B window:I total:I issued:I epoch:I expires:I"),
    key=("token", "member", "statement"),
    indexes=(("issued",),),
)
# Whole: a brief is read seldom, and nothing is found by what is in it.
BRIEF: Final = Table(
    "brief",
    _columns("member:T statement:B issued:I bytes:B"),
    key=("member", "statement"),
    indexes=(("issued",),),
)
TABLES: Final = (
    EVIDENCE,
    CUTOFF,
    PROTECTION,
    RETRACTION,
    OUTCOME,
    LIFT,
    CEREMONY,
    GRANT,
    ALARM,
    MATTER,
    SUM,
    MARK,
    CORRECTION,
    FARM,
    BRIEF,
)

_NOMINATION: Final = BODY_NUMBERS[Nomination]
_SIGHTING: Final = BODY_NUMBERS[Sighting]
_OPINION: Final = BODY_NUMBERS[Opinion]
_DESIGNATION: Final = BODY_NUMBERS[Designation]
_CLUE_OUTCOME: Final = BODY_NUMBERS[ClueOutcome]

_OUTCOME_OF: Final = {
    RetractionReason.MISTAKEN: Outcome.OVERTURNED,
    RetractionReason.OVER: Outcome.OVER,
    RetractionReason.ERASURE: Outcome.ERASED,
}

_LIFTING: Final = frozenset({RetractionReason.MISTAKEN, RetractionReason.OVER})

_Changes = list[Put | Drop]


def fold(member: str, position: int, body_bytes: bytes, statement: Statement) -> _Changes:
    """Return what one entry of a member's log changes in the tables.

    Args:
        member: Whose log it is.
        position: Place of the entry in it, from 0.
        body_bytes: The entry, exactly as written.
        statement: The same entry, decoded.

    Returns:
        Changes to apply in order; none for a body from a newer node.
    """
    folder = _FOLDERS.get(type(statement.body))
    return folder(member, position, body_bytes, statement) if folder else []


def _fold_nomination(member: str, position: int, _bytes: bytes, statement: Statement) -> _Changes:
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


def _fold_sighting(member: str, position: int, _bytes: bytes, statement: Statement) -> _Changes:
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


def _fold_opinion(member: str, position: int, _bytes: bytes, statement: Statement) -> _Changes:
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


def _fold_designation(member: str, position: int, _bytes: bytes, statement: Statement) -> _Changes:
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


def _fold_clue_outcome(member: str, position: int, entry: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    issued, expires = statement.issued_time, statement.expires_time or 0
    found = [
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
    return [*found, *_fold_matter(member, position, entry, statement)]


def _fold_retraction(member: str, _position: int, _bytes: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    key = (body.token, member, body.target_id)
    taken_back = (member, body.target_id, int(body.reason), statement.issued_time)
    outcome = (member, body.target_id, int(_OUTCOME_OF[body.reason]))
    lift = Put("lift", (body.token, *taken_back)) if body.reason in _LIFTING else Drop("lift", key)
    return [
        Drop("evidence", key),
        Drop("cutoff", key),
        Drop("protection", key),
        Drop("mark", key),
        Drop("correction", key),
        Put("retraction", taken_back),
        Put("outcome", outcome),
        lift,
    ]


def _fold_reassigned(member: str, _position: int, _bytes: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    expires = statement.expires_time or 0
    row = (body.token, member, statement.id, int(body.kind), body.effective_time, expires)
    return [Put("cutoff", row)]


def _fold_protection(member: str, _position: int, _bytes: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    expires = statement.expires_time or 0
    row = (body.token, member, statement.id, int(body.kind), int(body.ground), expires)
    return [Put("protection", row)]


def _fold_ceremony(member: str, position: int, entry: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    number = BODY_NUMBERS[type(body)]
    return [Put("ceremony", (body.ceremony_id, member, number, statement.id, entry, position))]


def _fold_grant(member: str, _position: int, _bytes: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    row = (
        body.grant_id,
        member,
        str(body.member),
        int(body.kind_class),
        body.amount,
        statement.issued_time,
    )
    return [Put("grant", row)]


def _fold_alarm(member: str, _position: int, entry: bytes, statement: Statement) -> _Changes:
    return [Put("alarm", (member, statement.id, statement.issued_time, entry))]


def _fold_farm(member: str, _position: int, _entry: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    about = (body.token, member, statement.id, body.window_time, body.total)
    until = statement.expires_time or 0
    return [Put("farm", (*about, statement.issued_time, body.epoch, until))]


def _fold_brief(member: str, _position: int, entry: bytes, statement: Statement) -> _Changes:
    return [Put("brief", (member, statement.id, statement.issued_time, entry))]


def _fold_matter(member: str, position: int, entry: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    named, kind = name_matter(MemberId(member), statement), PROCEDURE_OF[type(body)].kind
    assert named is not None  # noqa: S101  # it is folded here because it is about a matter
    number = BODY_NUMBERS[type(body)]
    row = (str(kind), named.id, str(named.opener), member, number, statement.id, entry, position)
    return [Put("matter", row)]


def _fold_sum(member: str, position: int, _entry: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    number = BODY_NUMBERS[type(body)]
    row = (body.sum_id, member, number, statement.id, statement.issued_time, position)
    return [Put("sum", row)]


def _fold_mark(member: str, _position: int, _bytes: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    row = (
        body.token,
        member,
        statement.id,
        int(body.kind),
        int(body.label),
        int(body.reporters),
        body.counted_time,
        statement.expires_time or 0,
        body.sum_id,
    )
    return [Put("mark", row)]


def _fold_correction(member: str, _position: int, _bytes: bytes, statement: Statement) -> _Changes:
    body: Any = statement.body
    expires = statement.expires_time or 0
    row = (body.token, member, statement.id, int(body.kind), body.effective_time, expires)
    return [Put("correction", row)]


_FOLDERS: Final[dict[type[Any], Callable[[str, int, bytes, Statement], _Changes]]] = {
    Nomination: _fold_nomination,
    Sighting: _fold_sighting,
    Opinion: _fold_opinion,
    Retraction: _fold_retraction,
    Reassigned: _fold_reassigned,
    ProtectedObject: _fold_protection,
    KeyOpen: _fold_ceremony,
    KeyJoin: _fold_ceremony,
    KeyDeal: _fold_ceremony,
    KeyConfirm: _fold_ceremony,
    KeyComplaint: _fold_ceremony,
    QuotaGrant: _fold_grant,
    Alarm: _fold_alarm,
    FarmAlert: _fold_farm,
    SumOpen: _fold_sum,
    SumShares: _fold_sum,
    SumCheck: _fold_sum,
    SumClose: _fold_sum,
    SumEcho: _fold_sum,
    SumPartial: _fold_sum,
    SumLabels: _fold_sum,
    NumberMark: _fold_mark,
    MarkCorrection: _fold_correction,
    Designation: _fold_designation,
    CaseBrief: _fold_brief,
    DesignationLifted: _fold_retraction,
    **dict.fromkeys(PROCEDURE_OF, _fold_matter),
    ClueOutcome: _fold_clue_outcome,
}
