"""Say what can go wrong on floor 3, by whose fault it is and who has to act.

NodeError
├── PeerError             another node broke the protocol; carries the evidence
├── PolicyError           the rules of the federation or of this member say no
├── RequestError          whoever asked sent something malformed
├── UnavailableError      the network, a peer or a resource is not there now; try again
└── ConfigError           this node's operator has to act: a file, a mode, a setting, a passphrase
"""

from collections.abc import Sequence

EXIT_FAILED = 1
EXIT_USAGE = 2


class NodeError(Exception):
    """Base of every error of this floor.

    Attributes:
        reason: Stable UPPER_SNAKE name, for programs.
        public: One sentence that may be shown to anybody.
        hint: The next command or the file to look at, where there is something.
        exit_code: With what a command ends that meets this error.
    """

    reason: str = "NODE_ERROR"
    public: str = "The node could not do this."
    hint: str | None = None
    exit_code: int = EXIT_FAILED

    def __init__(
        self, message: str | None = None, *, reason: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or self.public)
        if reason is not None:
            self.reason = reason
        if hint is not None:
            self.hint = hint


class PeerError(NodeError):
    """Another node broke the protocol.

    Attributes:
        member: Whom the error accuses, or None where the connection did not say.
        evidence: The bytes that prove it to a third party, such as two signed checkpoints.
    """

    reason = "PEER_PROTOCOL"
    public = "A peer broke the protocol."

    def __init__(
        self,
        message: str | None = None,
        *,
        reason: str | None = None,
        hint: str | None = None,
        member: str | None = None,
        evidence: Sequence[bytes] = (),
    ) -> None:
        super().__init__(message, reason=reason, hint=hint)
        self.member = member
        self.evidence = tuple(evidence)


class PolicyError(NodeError):
    """The rules of the federation or of this member say no."""

    reason = "POLICY_REFUSED"
    public = "The rules do not allow this."


class UnavailableError(NodeError):
    """The network, a peer or a resource is not there now; the same call may work later."""

    reason = "UNAVAILABLE"
    public = "A part that is needed cannot be reached now."


class ConfigError(NodeError):
    """This node's operator has to act: a file, a mode, a setting, a passphrase."""

    reason = "CONFIG_INVALID"
    public = "The node's configuration needs its operator."
    exit_code = EXIT_USAGE


class RequestError(NodeError):
    """Whoever asked sent something malformed; nothing was done."""

    reason = "REQUEST_INVALID"
    public = "The request is not well formed."
