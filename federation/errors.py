"""Say what can go wrong on floor 2: one tree, by whose fault it is and who acts.

FederationError
├── PeerError       another member broke the protocol; its subclasses carry the evidence
├── PolicyError     the federation's rules say no to a request that is well formed
├── ConfigError     this node's own configuration or data is wrong: its operator acts
└── IndicatorError  a text is no indicator of its kind: whoever wrote it acts
"""


class FederationError(Exception):
    """Base of every error of this floor.

    Attributes:
        reason: Stable UPPER_SNAKE name, for programs.
        public: One sentence that may be shown to anybody.
        hint: What to do next, where there is something.
    """

    reason: str = "FEDERATION_ERROR"
    public: str = "The federation's rules do not allow this."
    hint: str | None = None

    def __init__(
        self, message: str | None = None, *, reason: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message or self.public)
        if reason is not None:
            self.reason = reason
        if hint is not None:
            self.hint = hint


class PeerError(FederationError):
    """Another member sent something that the protocol forbids."""

    reason = "PEER_ERROR"
    public = "Another member broke the protocol."


class PolicyError(FederationError):
    """A well-formed request that the federation's rules refuse."""

    reason = "POLICY_REFUSED"
    public = "The federation's rules refuse this request."


class ConfigError(FederationError):
    """This node's own configuration or data cannot be used."""

    reason = "CONFIG_INVALID"
    public = "The node's configuration is not valid."
