"""Refuse what would make a private sum wrong, or would make it show more than the sum."""

from collections.abc import Iterable

from federation.errors import PeerError, PolicyError
from federation.names import MemberId


class SumRefusedError(PolicyError):
    """This sum, or this step of it, is not allowed or not possible yet.

    ``reason`` says why, from this closed set: SUM_REFUSED, SUM_NOT_PARTY, SUM_NOT_READY, SUM_OVER,
    SUM_TOO_FEW, SUM_REPEATED, VECTOR_INVALID, VECTOR_OVERFLOW. No message holds an entry of a
    vector.
    """

    reason = "SUM_REFUSED"
    public = "A private sum is refused."

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, reason=reason, hint=hint)


class SumFaultError(PeerError):
    """Another party of a sum broke the protocol.

    ``reason`` says how, from this closed set: SUM_UNKNOWN, SUM_CLOSED_TWICE, CLOSE_INVALID,
    SHARE_INVALID, PARTIAL_INVALID, PARTIALS_DISAGREE, TOTAL_IMPLAUSIBLE, LABELS_WRONG.

    Attributes:
        members: Who is to blame; empty where it cannot be told.
    """

    reason = "SHARE_INVALID"
    public = "A party of a private sum broke the protocol."

    def __init__(self, message: str, *, reason: str, members: Iterable[MemberId] = ()) -> None:
        super().__init__(message, reason=reason)
        self.members = tuple(members)
