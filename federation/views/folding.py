"""Fold one statement into changes of the tables."""

from collections.abc import Callable
from typing import Any, Final

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
from federation.views.evidence import (
    fold_clue_outcome,
    fold_designation,
    fold_nomination,
    fold_opinion,
    fold_sighting,
)
from federation.views.tables import Changes, Drop, Outcome, Put
from federation.vocabulary import RetractionReason

_OUTCOME_OF: Final = {
    RetractionReason.MISTAKEN: Outcome.OVERTURNED,
    RetractionReason.OVER: Outcome.OVER,
    RetractionReason.ERASURE: Outcome.ERASED,
}

_LIFTING: Final = frozenset({RetractionReason.MISTAKEN, RetractionReason.OVER})


def fold(member: str, position: int, body_bytes: bytes, statement: Statement) -> Changes:
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


def _fold_clue_outcome(member: str, position: int, entry: bytes, statement: Statement) -> Changes:
    evidence = fold_clue_outcome(member, position, entry, statement)
    return [*evidence, *_fold_matter(member, position, entry, statement)]


def _fold_retraction(member: str, _position: int, _bytes: bytes, statement: Statement) -> Changes:
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


def _fold_reassigned(member: str, _position: int, _bytes: bytes, statement: Statement) -> Changes:
    body: Any = statement.body
    expires = statement.expires_time or 0
    row = (body.token, member, statement.id, int(body.kind), body.effective_time, expires)
    return [Put("cutoff", row)]


def _fold_protection(member: str, _position: int, _bytes: bytes, statement: Statement) -> Changes:
    body: Any = statement.body
    expires = statement.expires_time or 0
    row = (body.token, member, statement.id, int(body.kind), int(body.ground), expires)
    return [Put("protection", row)]


def _fold_ceremony(member: str, position: int, entry: bytes, statement: Statement) -> Changes:
    body: Any = statement.body
    number = BODY_NUMBERS[type(body)]
    return [Put("ceremony", (body.ceremony_id, member, number, statement.id, entry, position))]


def _fold_grant(member: str, _position: int, _bytes: bytes, statement: Statement) -> Changes:
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


def _fold_alarm(member: str, _position: int, entry: bytes, statement: Statement) -> Changes:
    return [Put("alarm", (member, statement.id, statement.issued_time, entry))]


def _fold_farm(member: str, _position: int, _entry: bytes, statement: Statement) -> Changes:
    body: Any = statement.body
    about = (body.token, member, statement.id, body.window_time, body.total)
    until = statement.expires_time or 0
    return [Put("farm", (*about, statement.issued_time, body.epoch, until))]


def _fold_brief(member: str, _position: int, entry: bytes, statement: Statement) -> Changes:
    return [Put("brief", (member, statement.id, statement.issued_time, entry))]


def _fold_matter(member: str, position: int, entry: bytes, statement: Statement) -> Changes:
    body: Any = statement.body
    named, kind = name_matter(MemberId(member), statement), PROCEDURE_OF[type(body)].kind
    assert named is not None  # noqa: S101  # it is folded here because it is about a matter
    number = BODY_NUMBERS[type(body)]
    row = (str(kind), named.id, str(named.opener), member, number, statement.id, entry, position)
    return [Put("matter", row)]


def _fold_sum(member: str, position: int, _entry: bytes, statement: Statement) -> Changes:
    body: Any = statement.body
    number = BODY_NUMBERS[type(body)]
    row = (body.sum_id, member, number, statement.id, statement.issued_time, position)
    return [Put("sum", row)]


def _fold_mark(member: str, _position: int, _bytes: bytes, statement: Statement) -> Changes:
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


def _fold_correction(member: str, _position: int, _bytes: bytes, statement: Statement) -> Changes:
    body: Any = statement.body
    expires = statement.expires_time or 0
    row = (body.token, member, statement.id, int(body.kind), body.effective_time, expires)
    return [Put("correction", row)]


_FOLDERS: Final[dict[type[Any], Callable[[str, int, bytes, Statement], Changes]]] = {
    Nomination: fold_nomination,
    Sighting: fold_sighting,
    Opinion: fold_opinion,
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
    Designation: fold_designation,
    CaseBrief: _fold_brief,
    DesignationLifted: _fold_retraction,
    **dict.fromkeys(PROCEDURE_OF, _fold_matter),
    ClueOutcome: _fold_clue_outcome,
}
