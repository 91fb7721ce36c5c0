"""Keep what is known of each peer: whether it answers, since when not, and what is wrong."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum

from federation.names import MemberId


class Topic(StrEnum):
    """What a remark about a peer that answers is about; one remark stands for each."""

    LOG = "log"
    CHECKPOINT = "checkpoint"
    CHARTER = "charter"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class PeerState:
    """A peer as the status shows it.

    Attributes:
        member: Which.
        reachable: Whether the last call reached it.
        reason: Of the last failure, or what is wrong with what it said; empty if nothing.
        last_contact: When it last answered, seconds since 1970; 0 for never.
        clock_offset: Seconds by which its clock is ahead of this node's; None if unknown.
    """

    member: MemberId
    reachable: bool
    reason: str
    last_contact: int
    clock_offset: int | None


@dataclass(slots=True)
class _Entry:
    reachable: bool = False
    failure: str = ""
    last_contact: int = 0
    clock_offset: int | None = None
    remarks: dict[Topic, str] = field(default_factory=dict)


class PeerBoard:
    """What the tasks of replication learn about peers; used from the event loop alone."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._entries: dict[MemberId, _Entry] = {}

    def reached(self, member: MemberId) -> None:
        """Note that a call to a peer was answered."""
        entry = self._entry(member)
        entry.reachable, entry.failure, entry.last_contact = True, "", self._clock()

    def failed(self, member: MemberId, reason: str) -> None:
        """Note that a call to a peer failed."""
        entry = self._entry(member)
        entry.reachable, entry.failure = False, reason

    def remark(self, member: MemberId, topic: Topic, reason: str) -> None:
        """Note what is wrong with a peer that answers; an empty reason clears the topic."""
        remarks = self._entry(member).remarks
        if reason:
            remarks[topic] = reason
        else:
            remarks.pop(topic, None)

    def set_clock_offset(self, member: MemberId, seconds: int) -> None:
        """Note by how much a peer's clock is ahead."""
        self._entry(member).clock_offset = seconds

    def keep(self, members: Collection[MemberId]) -> None:
        """Forget all peers but these."""
        for member in self._entries.keys() - set(members):
            del self._entries[member]
        for member in members:
            self._entry(member)

    def states(self) -> list[PeerState]:
        """Return all peers, by name."""
        return [_state(member, entry) for member, entry in sorted(self._entries.items())]

    def state(self, member: MemberId) -> PeerState:
        """Return one peer."""
        return _state(member, self._entry(member))

    def _entry(self, member: MemberId) -> _Entry:
        return self._entries.setdefault(member, _Entry())


def _state(member: MemberId, entry: _Entry) -> PeerState:
    remark = next((entry.remarks[topic] for topic in Topic if topic in entry.remarks), "")
    return PeerState(
        member,
        entry.reachable,
        entry.failure or remark,
        entry.last_contact,
        entry.clock_offset,
    )
