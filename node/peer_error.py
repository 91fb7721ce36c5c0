"""Say why a call to a peer failed: the peer's own reason, or why it could not be asked.

PeerCallError
├── PeerRefusedError       (PolicyError)       the peer answered, and said no
└── PeerUnreachedError     (UnavailableError)  no usable answer came
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from node.doors.errors import ERROR_DOMAIN
from node.errors import NodeError, PolicyError, UnavailableError

RETRYABLE: Final = frozenset(
    {
        "CONNECTION_REFUSED",
        "CONNECTION_TIMEOUT",
        "DEADLINE_EXCEEDED",
        "PEER_UNAVAILABLE",
        "TOO_MANY_CALLS",
    }
)
"""Reasons that may be gone at the next attempt without anybody's doing."""

_SENTENCES: Final = {
    "ADDRESS_UNKNOWN": "The peer's host name is not known.",
    "AUTHORITY_MISMATCH": "The peer says that another root issued this node's certificate.",
    "CERTIFICATE_EXPIRED": "This node's certificate has expired.",
    "CERTIFICATE_REFUSED": "The peer refuses this node's certificate.",
    "CLOCKS_DISAGREE": "By the peer's clock, this node's certificate is not valid now.",
    "CONNECTION_REFUSED": "Nothing listens at the peer's address.",
    "CONNECTION_TIMEOUT": "The peer does not answer at its address.",
    "DEADLINE_EXCEEDED": "The peer did not answer in time.",
    "HANDSHAKE_FAILED": "No secure connection to the peer can be made.",
    "MEMBER_REVOKED": "The charter has revoked the peer.",
    "PEER_AUTHORITY_MISMATCH": "Who answers there is not the peer: another root vouches for it.",
    "PEER_CERTIFICATE_EXPIRED": "The peer's certificate has expired.",
    "PEER_CERTIFICATE_NOT_YET_VALID": "The peer's certificate is not valid yet.",
    "PEER_FAILED": "The peer failed at the call.",
    "PEER_IDENTITY_MISMATCH": "Who answers there is not the peer: its certificate names another.",
    "PEER_UNAVAILABLE": "The peer cannot take calls now.",
    "UNKNOWN_AUTHORITY": "The peer does not know this member's root certificate.",
}
_HINTS: Final = {
    "ADDRESS_UNKNOWN": "see whether the peer's address in the charter is right",
    "CERTIFICATE_EXPIRED": "see whether the node's clock is right and its leaf is being renewed",
    "CERTIFICATE_REFUSED": "compare clocks and charters with the peer",
    "CLOCKS_DISAGREE": "compare the clocks of both nodes",
    "CONNECTION_REFUSED": "see whether the peer's node runs at the address in the charter",
    "CONNECTION_TIMEOUT": "see whether a firewall stands between, and whether the peer runs",
    "MATCH_NOT_OFFERED": "it has to offer this member numbers of that kind first, by match offer",
    "PEER_AUTHORITY_MISMATCH": "compare the peer's address and root fingerprint with the peer",
    "PEER_CERTIFICATE_EXPIRED": "compare clocks; else the peer has to renew its certificate",
    "UNKNOWN_AUTHORITY": "see whether the peer follows a charter that lists this root",
}


class PeerCallError(NodeError):
    """A call to a peer failed.

    Attributes:
        member: The peer.
        code: gRPC's code.
        metadata: Of the peer's ErrorInfo; names and numbers only.
    """

    reason = "PEER_CALL_FAILED"
    public = "A call to a peer failed."

    def __init__(
        self,
        member: str,
        reason: str,
        *,
        code: grpc.StatusCode,
        sentence: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{member}: {sentence}", reason=reason, hint=_HINTS.get(reason))
        self.member = member
        self.code = code
        self.metadata = MappingProxyType(dict(metadata or {}))

    @property
    def is_retryable(self) -> bool:
        """Say whether the same call may work at the next attempt."""
        return self.reason in RETRYABLE


class PeerRefusedError(PeerCallError, PolicyError):
    """The peer answered with a refusal; its reason is the peer's."""

    reason = "PEER_REFUSED"
    public = "A peer refused a call."


class PeerUnreachedError(PeerCallError, UnavailableError):
    """No usable answer came from the peer."""

    reason = "PEER_UNAVAILABLE"
    public = "A peer could not be asked."


_WITHOUT_INFO: Final = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.CANCELLED: "CALL_CANCELLED",
    grpc.StatusCode.UNIMPLEMENTED: "METHOD_UNKNOWN",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND",
}


def unreachable(member: str, reason: str) -> PeerCallError:
    """Return the error for a peer that cannot be asked, for a reason found out here."""
    sentence = _SENTENCES.get(reason, PeerUnreachedError.public)
    return PeerUnreachedError(member, reason, code=grpc.StatusCode.UNAVAILABLE, sentence=sentence)


def explain_status(member: str, error: grpc.aio.AioRpcError) -> PeerCallError | None:
    """Return what a failed call's status says; None where only the connection can tell."""
    code = error.code()
    info = _error_info(error)
    if info is None:
        if code is grpc.StatusCode.UNAVAILABLE:
            return None
        reason = _reason_without_info(error)
        sentence = _SENTENCES.get(reason, PeerCallError.public)
        return PeerUnreachedError(member, reason, code=code, sentence=sentence)
    kind = PeerUnreachedError if code in _NO_ANSWER else PeerRefusedError
    # The sentence is the peer's text, so it is shown to this node's operator and never parsed.
    sentence = _printable(error.details() or "")
    reason = info.reason if _REASON.fullmatch(info.reason) else "PEER_FAILED"
    metadata = {name: _printable(value) for name, value in info.metadata.items()}
    return kind(member, reason, code=code, sentence=sentence, metadata=metadata)


_NO_ANSWER: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL})
_SENTENCE_CHARACTERS: Final = 200
_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{1,62}")  # AIP-193


def _reason_without_info(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        # gRPC's own two limits, which only its text tells apart.
        return (
            "MESSAGE_TOO_LONG"
            if "larger than max" in (error.details() or "")
            else ("TOO_MANY_CALLS")
        )
    return _WITHOUT_INFO.get(error.code(), "PEER_FAILED")


def _error_info(error: grpc.aio.AioRpcError) -> ErrorInfo | None:
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the trailers contradict the status: as good as none
        return None
    for detail in status.details if status is not None else ():
        info = ErrorInfo()
        if detail.Is(ErrorInfo.DESCRIPTOR) and detail.Unpack(info) and info.domain == ERROR_DOMAIN:
            return info
    return None


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:_SENTENCE_CHARACTERS]
