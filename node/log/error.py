"""Say what can be wrong with a log, by whose fault it is.

Reasons of ``LogError``:
    ORIGIN_UNKNOWN: Nothing of this log is held.
    ORIGIN_STOPPED: The log was forked; an operator has to clear it.
    POSITION_INVALID: The position or size lies outside what is held.
    CHECKPOINT_INVALID: The bytes are no checkpoint of this log by its member.
    RUN_INVALID: The entries do not lead from what is held to the checkpoint's size.
    ENTRY_INVALID: An own entry is no statement, or a removed one has no leaf hash.
    KEY_MISSING: This node has no signing key, so it can only read.
    LOG_DAMAGED: What is stored contradicts itself; ``verify`` says where.
"""

from enum import StrEnum

from federation.fork import ForkEvidence
from node.errors import NodeError


class LogError(NodeError):
    """A log cannot be read or changed as asked; nothing was changed."""

    reason = "LOG_ERROR"
    public = "The log cannot be read or changed as asked."


class RootMismatchError(LogError):
    """Entries and checkpoint do not belong together, or two checkpoints contradict each other.

    Attributes:
        held: The latest checkpoint of the log that this node holds; empty if none.
        offered: The checkpoint that came with the entries; its signature is valid.
        evidence: Proof that the member forked the log; None where whoever relayed the entries
            may have changed them.
    """

    reason = "ROOT_MISMATCH"
    public = "The entries of a log do not lead to the root that its member signed."

    def __init__(self, held: bytes, offered: bytes, evidence: ForkEvidence | None = None) -> None:
        super().__init__(hint="read the log from another peer, and compare the checkpoints")
        self.held = held
        self.offered = offered
        self.evidence = evidence


class Part(StrEnum):
    """What of a log is damaged."""

    BODY = "body"
    MISSING = "missing body"
    TILE = "leaf tile"
    BODY_AND_TILE = "body and leaf tile"
    UPPER_TILE = "upper tile"
    CHECKPOINT = "checkpoint"
    STATE = "log state"
    SURPLUS = "entry that no checkpoint covers"


class DamageError(LogError):
    """The stored log is not what its member signed.

    Attributes:
        origin: The log.
        part: What is damaged.
        first: Position of the first bad entry, or the first position of the smallest run that
            holds it; for a checkpoint its size.
        last: Last position of that run; equal to ``first`` where the entry is known exactly.
    """

    reason = "LOG_DAMAGED"
    public = "A stored log is damaged."

    def __init__(self, origin: str, part: Part, first: int, last: int | None = None) -> None:
        self.origin = origin
        self.part = part
        self.first = first
        self.last = first if last is None else last
        super().__init__(
            f"{origin}: {part} damaged, {self._where()}",
            hint="restore the file from a backup, or drop the log and replicate it again",
        )

    def _where(self) -> str:
        if self.part in (Part.CHECKPOINT, Part.STATE):
            return f"at size {self.first}"
        if self.first == self.last:
            return f"at index {self.first}"
        return f"first bad entry between index {self.first} and {self.last}"
