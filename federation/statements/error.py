"""Refuse what is no statement."""

from federation.errors import PeerError


class StatementError(PeerError):
    """The bytes or fields are no statement of this federation.

    ``reason`` says which rule they break, from this closed set: STATEMENT_MALFORMED,
    STATEMENT_TOO_LARGE, BODY_MISSING, FIELD_MISSING, ENUM_UNKNOWN, LENGTH_INVALID,
    BYTES_READABLE, TIME_INVALID, COUNT_INVALID, CONFIDENCE_INVALID, REGION_INVALID,
    MEMBER_INVALID, REASON_INVALID, LIST_INVALID, EVIDENCE_INVALID, PLAN_INVALID,
    DECISION_INVALID, KIND_INVALID, STR_SECRET, UNKNOWN_BODY. The message names the field and never
    repeats its value.
    """

    reason = "STATEMENT_MALFORMED"
    public = "A statement is not well formed."

    def __init__(self, reason: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, reason=reason, hint=hint)
