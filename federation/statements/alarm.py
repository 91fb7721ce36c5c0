"""Hold what a member says when it saw something that endangers the federation.

Field names are those of ``statement.proto``.
"""

from dataclasses import dataclass
from typing import Final

from federation.checkpoint import MAX_CHECKPOINT_BYTES, CheckpointError, parse_checkpoint
from federation.indicators.kind import KindClass
from federation.names import MemberId
from federation.statements.error import StatementError
from federation.statements.shape import (
    DIGEST_BYTES,
    IDENTIFIER_BYTES,
    MAX_AMOUNT,
    SIGNATURE_BYTES,
    check_count,
    check_member,
    check_opaque,
    check_packed,
    check_reason,
    refuse,
)
from federation.vocabulary import AlarmKind
from keys.errors import NoteError
from keys.note import parse_note

# Bytes: an answer of 16,384 elements of 32 bytes with its proof and signature, and room for more.
MAX_ANSWER_BYTES: Final = 640 * 1024
# Hashes that connect two checkpoints: a consistency proof has at most 65 (RFC 9162 section 2.1.4).
MAX_PATH_HASHES: Final = 65
DATED_AHEAD: Final = "DATED_AHEAD"
"""Reason: a statement was dated later than a clock allowed; ``observed`` says by how much."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A member saw something that endangers the federation.

    Attributes:
        certificate_digest: SHA-256, 32 bytes, or empty.
        observed: What was asked for, in all; for drift the stability index in millionths; for a
            late step the seconds since it was due; for DATED_AHEAD the seconds ahead of the clock.
        limit: What is allowed.
        first_evidence: A signed checkpoint for a fork, a signed answer for a wrong evaluation.
        second_evidence: The other one.
        evidence_path: Hashes of 32 bytes, packed, that connect the two.
        reason: Upper-case snake, or empty.
        plan_digest: Of the plan whose model drifted, 32 bytes; empty for other alarms.
        matter_id: Of the matter whose next step is late, 16 or 32 bytes; empty for other alarms.
    """

    alarm_kind: AlarmKind
    member: MemberId
    certificate_digest: bytes = b""
    kind_class: KindClass | None = None
    observed: int = 0
    limit: int = 0
    first_evidence: bytes = b""
    second_evidence: bytes = b""
    evidence_path: bytes = b""
    reason: str = ""
    plan_digest: bytes = b""
    matter_id: bytes = b""

    def __post_init__(self) -> None:
        check_member("member", self.member)
        if self.certificate_digest:
            check_opaque("certificate_digest", self.certificate_digest, DIGEST_BYTES)
        check_count("observed", self.observed, 0, MAX_AMOUNT)
        check_count("limit", self.limit, 0, MAX_AMOUNT)
        check_packed("evidence_path", self.evidence_path, DIGEST_BYTES, 0, MAX_PATH_HASHES)
        if self.reason:
            check_reason(self.reason)
        if self.plan_digest or self.alarm_kind is AlarmKind.MODEL_DRIFTED:
            check_opaque("plan_digest", self.plan_digest, DIGEST_BYTES)
        if self.matter_id or self.alarm_kind is AlarmKind.MATTER_OVERDUE:
            long = len(self.matter_id) == DIGEST_BYTES  # a plan's id is its digest
            check_opaque("matter_id", self.matter_id, DIGEST_BYTES if long else IDENTIFIER_BYTES)
        _check_evidence(self.alarm_kind, "first_evidence", self.first_evidence)
        _check_evidence(self.alarm_kind, "second_evidence", self.second_evidence)


def _check_evidence(kind: AlarmKind, field: str, evidence: bytes) -> None:
    """Accept only what the kind of alarm calls evidence; an alarm carries nothing else."""
    if kind is AlarmKind.LOG_FORKED:
        _check_checkpoint(field, evidence)
    elif kind is AlarmKind.EVALUATION_WRONG and evidence:
        if not SIGNATURE_BYTES <= len(evidence) <= MAX_ANSWER_BYTES:
            refuse("EVIDENCE_INVALID", field, "has not the size of a signed answer")
        check_opaque(field, evidence, len(evidence))
    elif evidence:
        refuse("EVIDENCE_INVALID", field, "does not belong to this kind of alarm")


def _check_checkpoint(field: str, evidence: bytes) -> None:
    if len(evidence) > MAX_CHECKPOINT_BYTES:
        refuse("EVIDENCE_INVALID", field, "is larger than a checkpoint")
    try:
        parse_checkpoint(parse_note(evidence).text)
    except (NoteError, CheckpointError) as error:
        raise StatementError("EVIDENCE_INVALID", f"{field} is no signed checkpoint") from error
