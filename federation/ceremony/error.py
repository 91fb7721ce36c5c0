"""Refuse what goes wrong in a key ceremony, naming the dealer where there is one to blame."""

from federation.errors import PeerError
from federation.indicators.kind import KindClass
from federation.names import MemberId


class CeremonyError(PeerError):
    """A ceremony cannot go on, or a contribution to it is wrong.

    ``reason`` says why, from this closed set: CEREMONY_UNKNOWN, CEREMONY_REFUSED,
    CEREMONY_NOT_READY, DEAL_INVALID, SHARE_INVALID, PREVIOUS_SHARE_INVALID, KEY_INVALID.

    Attributes:
        dealer: Whose deal is wrong, if it is one member's.
        kind_class: Which of its deals.
    """

    reason = "CEREMONY_REFUSED"
    public = "A key ceremony cannot go on."

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        dealer: MemberId | None = None,
        kind_class: KindClass | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, reason=reason, hint=hint)
        self.dealer = dealer
        self.kind_class = kind_class
