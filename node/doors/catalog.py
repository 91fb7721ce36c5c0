"""Say how each error of the node looks to a caller: gRPC code, reason and public sentence.

An error class carries its reason and its public sentence; the table here adds the gRPC code, by
class, and by reason where one of a class's reasons means something else. A test holds the table
to every error class of all three floors.

What is not one of our errors is nobody's business: the caller sees an incident number.
"""

import secrets
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from federation import errors as federation_errors
from federation.charter import CharterError
from federation.fork import UndecidedError
from federation.indicators import IndicatorError
from federation.iot import IotError
from federation.names import NameFormatError
from keys import errors as keys_errors
from node import errors
from node.doors import errors as door_errors
from node.log.error import LogError
from node.peer_error import PeerCallError, PeerRefusedError
from node.store.error import StoreError

INTERNAL_REASON: Final = "INTERNAL"
INCIDENT_BYTES: Final = 8
"""Bytes of an incident number: enough to find one line in a log by it."""

DeclaredError = keys_errors.KeysError | federation_errors.FederationError | errors.NodeError

_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
_STATE = grpc.StatusCode.FAILED_PRECONDITION
_DENIED = grpc.StatusCode.PERMISSION_DENIED
_CALLER = grpc.StatusCode.UNAUTHENTICATED
_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
_MISSING = grpc.StatusCode.NOT_FOUND
_UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

CODE_BY_CLASS: Final = MappingProxyType(
    {
        # Floor 1.
        keys_errors.LibraryError: _STATE,
        keys_errors.GroupError: _ARGUMENT,
        keys_errors.RequestError: _ARGUMENT,
        keys_errors.ProofError: _ARGUMENT,
        keys_errors.CheckError: _STATE,
        keys_errors.CeremonyError: _ARGUMENT,
        keys_errors.MatchError: _ARGUMENT,
        keys_errors.SealError: _ARGUMENT,
        keys_errors.SignatureError: _ARGUMENT,
        keys_errors.KeyStoreError: _STATE,
        keys_errors.CertificateError: _CALLER,
        keys_errors.NoteError: _ARGUMENT,
        # Floor 2: what comes from a peer is checked there, so a caller sent what is wrong.
        federation_errors.PeerError: _ARGUMENT,
        federation_errors.PolicyError: _DENIED,
        federation_errors.ConfigError: _STATE,
        CharterError: _ARGUMENT,
        IndicatorError: _ARGUMENT,
        IotError: _ARGUMENT,
        NameFormatError: _ARGUMENT,
        UndecidedError: _STATE,
        # Floor 3.
        errors.RequestError: _ARGUMENT,
        errors.PeerError: _STATE,
        errors.PolicyError: _DENIED,
        errors.UnavailableError: _UNAVAILABLE,
        errors.ConfigError: _STATE,
        door_errors.CallerError: _CALLER,
        door_errors.CallError: _ARGUMENT,
        door_errors.BusyError: _EXHAUSTED,
        LogError: _STATE,
        PeerCallError: _UNAVAILABLE,
        PeerRefusedError: _DENIED,
        StoreError: _UNAVAILABLE,
    }
)
"""The code of a class and of all classes below it that have none of their own."""

CODE_BY_REASON: Final = MappingProxyType(
    {
        "MEMBER_UNKNOWN": _DENIED,
        "MEMBER_REVOKED": _DENIED,
        "IDENTITY_MISMATCH": _DENIED,
        "QUOTA_EXCEEDED": _EXHAUSTED,
        "ASKED_TOO_OFTEN": _EXHAUSTED,
        "ORIGIN_UNKNOWN": _MISSING,
        "CEREMONY_UNKNOWN": _MISSING,
        "METHOD_UNKNOWN": grpc.StatusCode.UNIMPLEMENTED,
        "PROTECTED_OBJECT": _STATE,
        "SHARED_INFRASTRUCTURE": _STATE,
        "POSITION_INVALID": _ARGUMENT,
        "CHECKPOINT_INVALID": _ARGUMENT,
        "NOT_A_HOLDER": _STATE,
        "EPOCH_UNKNOWN": _STATE,
    }
)
"""The code of a reason whose class has another."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as a caller sees it; ``incident`` stands only where the node itself failed."""

    code: grpc.StatusCode
    reason: str
    sentence: str
    metadata: dict[str, str] = field(default_factory=dict)

    def status(self) -> Status:
        """Return the status with the ErrorInfo that ``grpc_status`` sends in the trailers.

        Source: AIP-193.
        """
        detail = AnyMessage()
        detail.Pack(
            ErrorInfo(reason=self.reason, domain=door_errors.ERROR_DOMAIN, metadata=self.metadata),
        )
        return Status(code=self.code.value[0], message=self.sentence, details=[detail])


def is_declared(error: BaseException) -> bool:
    """Tell whether the error is one of ours, with a reason that callers may see."""
    return isinstance(error, DeclaredError)


def code_of(error: DeclaredError) -> grpc.StatusCode:
    """Return the gRPC code of one of our errors."""
    if (code := CODE_BY_REASON.get(error.reason)) is not None:
        return code
    return code_of_class(type(error)) or _STATE


def code_of_class(kind: type[BaseException]) -> grpc.StatusCode | None:
    """Return the gRPC code of a class of ours; None where the table forgot it."""
    for base in kind.__mro__:
        if base in CODE_BY_CLASS:
            return CODE_BY_CLASS[base]
    return None


def new_incident() -> str:
    """Draw the number under which the log tells what a caller is not told."""
    return secrets.token_hex(INCIDENT_BYTES)


def refusal_for(error: Exception, incident: str, *, show_private: bool = False) -> Refusal:
    """Say how an error looks to a caller.

    Args:
        error: What a handler or a check raised.
        incident: Number under which the node logs it.
        show_private: For the inside door alone: the message and hint too, which tell the
            node's own operator what to do and never hold a raw value.
    """
    if not isinstance(error, DeclaredError):
        sentence = f"The node failed; its operator finds the cause under incident {incident}."
        return Refusal(grpc.StatusCode.INTERNAL, INTERNAL_REASON, sentence, {"incident": incident})
    code = code_of(error)
    if not show_private:
        return Refusal(code, error.reason, error.public)
    metadata = {} if error.hint is None else {"hint": error.hint}
    return Refusal(code, error.reason, str(error), metadata)
