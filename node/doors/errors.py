"""Say why a door refuses a call.

CallerError     (PolicyError)       the certificate does not show who the caller is
AccessError     (PolicyError)       who the caller is, is known; it may not do this
CallError       (PolicyError)       the call itself is not acceptable
BusyError       (UnavailableError)  a limit is reached; try again
StandbyError    (UnavailableError)  another process of this node takes the call; try again
AddressError    (ConfigError)       the outside door's address cannot be used
SocketError     (ConfigError)       the inside door's socket cannot be used
"""

from typing import Final

from node.errors import ConfigError, PolicyError, UnavailableError

ERROR_DOMAIN: Final = "tocsin"
"""Domain of the ErrorInfo that both ends use; reasons are unique within it."""

STANDING_BY: Final = "STANDING_BY"
"""The reason of a process that answers some calls, and not this one."""


class CallerError(PolicyError):
    """A certificate does not prove who calls.

    Reasons: CERTIFICATE_MISSING, MEMBER_UNKNOWN, IDENTITY_MISMATCH, and those of
    ``keys.errors.CertificateError``, which is raised as it is.
    """

    reason = "CERTIFICATE_MISSING"
    public = "The caller's certificate does not prove who it is."


class AccessError(PolicyError):
    """A known member may not do this: MEMBER_REVOKED, ROLE_NOT_ALLOWED."""

    reason = "ROLE_NOT_ALLOWED"
    public = "The charter does not allow the caller to do this."


class CallError(PolicyError):
    """The call is not acceptable: DEADLINE_MISSING, DEADLINE_TOO_LONG, MESSAGE_INVALID."""

    reason = "CALL_INVALID"
    public = "The call is not acceptable."


class BusyError(UnavailableError):
    """The caller has too many calls open at this node."""

    reason = "TOO_MANY_CALLS"
    public = "The caller has too many calls open; end some first."


class StandbyError(UnavailableError):
    """What the caller asks for is kept by another process behind the same address."""

    reason = STANDING_BY
    public = "Another process of this node takes such calls; try again over a new connection."


class AddressError(ConfigError):
    """The outside door cannot listen where it was told to."""

    reason = "ADDRESS_UNUSABLE"
    public = "The node's address could not be used."
    hint = "see whether another program listens there, and whether the host is this machine's"


class SocketError(ConfigError):
    """The inside door's socket cannot be used.

    Reasons: NODE_RUNNING, NODE_NOT_RUNNING, SOCKET_DIRECTORY_OPEN, SOCKET_PATH_TAKEN.
    """

    reason = "SOCKET_UNUSABLE"
    public = "The node's own socket could not be used."
