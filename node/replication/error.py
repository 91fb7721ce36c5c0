"""Say how a peer's answer can be wrong before the ledger ever sees it."""

from node.errors import PeerError, UnavailableError


class TransferError(PeerError):
    """A peer's answer is not shaped as the contract says.

    Reasons: TRANSFER_MALFORMED, parts out of order or of the wrong size; TRANSFER_TOO_LARGE,
    more than any honest run; TRANSFER_CUT_SHORT, the stream ended without its checkpoint.
    """

    reason = "TRANSFER_MALFORMED"
    public = "A peer's answer is not shaped as the contract says."


class StalledError(UnavailableError):
    """A peer keeps a call open and sends nothing."""

    reason = "TRANSFER_STALLED"
    public = "A peer sends nothing although the call is open."
