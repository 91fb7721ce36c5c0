"""Everything of flwr that is not its public interface, and the few names the app adds to it.

flwr keeps its records, strategies and Grid stable, and moves the rest. What is used of the rest
stands here alone, and its test runs against each supported version. Source: FLOWER.md §10.
"""

import logging
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

import numpy as np
from flwr.app import Error, Message, RecordDict
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from google.protobuf.message import DecodeError

from federation.training.checkpoint import Checkpoint, RoundReport
from federation.training.error import UpdateError
from federation.training.fixed_point import FixedPoint, Integers
from federation.training.records import SUMMAND, MessageError, Numbers, read_array

COORDINATOR_NODE: Final = 1
TASK: Final = 1

LATE: Final = 1001
LOST: Final = 1002
REFUSED: Final = 1003
_STATUS: Final = {LATE: "late", LOST: "lost", REFUSED: "refused"}


@dataclass(frozen=True)
class Summed:
    """The total of the members' vectors.

    Attributes:
        total: The sum.
        contributors: Node ids of those in it.
        rejected: Why others are not, by node id.
        absent: Whose vector did not come into the sum through no fault in it: status and reason.
        norms_opened: Whether the lengths of the vectors were measured, where that was asked for.
    """

    total: Integers
    contributors: tuple[int, ...]
    rejected: Mapping[int, str] = field(default_factory=dict)
    absent: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    norms_opened: bool = True


class TrainingGrid(Grid):
    """A Grid that can also add without showing the parts, and keep what must outlive a crash.

    The engines of this project subclass it. The app runs on a stock Grid too, without ``secret``.
    """

    def __init__(self, run_id: int) -> None:
        claim_process(run_id)
        self._run = Run.create_empty(run_id)

    @abstractmethod
    def sum_parts(
        self, label: str, replies: Sequence[Message], scale: FixedPoint | None = None
    ) -> Summed:
        """Add the integer vectors the members gave for this label.

        Args:
            label: Unique in the run; names the sum.
            replies: The replies without error; an engine that carries the vectors another way
                sends replies without arrays and finds the vectors by label and member.
            scale: How the vectors are written, where they are updates to be measured.
        """

    def row_cap(self, node_id: int) -> int | None:
        """Give the most rows that a member may claim; None where only the plan says."""
        return None

    def start_count(self) -> int:
        """Give how often this run was started before."""
        return 0

    def member_name(self, node_id: int) -> str:
        """Give the name of a member for reports."""
        return str(node_id)

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Hold the state after a round; engines that resume overwrite this."""

    def keep_checkpoint(self) -> None:
        """Keep the state held last where it outlives a crash, before there is any round."""

    def load_checkpoint(self) -> Checkpoint | None:
        """Give the state to go on from, or None for a new run."""
        return None

    def report_round(self, report: RoundReport) -> None:
        """Hear of a finished round."""

    @property
    def run(self) -> Run:
        """The run this grid serves."""
        return self._run

    def set_run(self, run: Run) -> None:
        """Take over another run's description."""
        self._run = run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message from the coordinator."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def push_messages(self, messages: Iterable[Message]) -> NoReturn:
        """Refuse: the app waits for its rounds with ``send_and_receive``."""
        raise NotImplementedError("use send_and_receive")

    def pull_messages(self, message_ids: Iterable[str]) -> NoReturn:
        """Refuse: the app waits for its rounds with ``send_and_receive``."""
        raise NotImplementedError("use send_and_receive")


def claim_process(run_id: int) -> None:
    """Tie this process to one run, as flwr wants before any message is made."""
    TaskIdentity.run_id = run_id
    TaskIdentity.node_id = COORDINATOR_NODE
    TaskIdentity.task_id = TASK


def stamp(message: Message) -> str:
    """Give a message its id, which a reply then names."""
    identifier = uuid.uuid4().hex
    message.metadata.__dict__["_message_id"] = identifier
    return identifier


def encode_message(message: Message) -> bytes:
    """Write a message for a wire."""
    return bytes(message_to_proto(message).SerializeToString())


def parse_message(data: bytes) -> Message:
    """Read a message.

    Raises:
        MessageError: The bytes are none.
    """
    try:
        return message_from_proto(MessageProto.FromString(data))
    except (DecodeError, ValueError, TypeError, KeyError) as error:
        raise MessageError("not a Flower message") from error


def failed_reply(request: Message, code: int, reason: str) -> Message:
    """Answer for a member that did not: LATE, LOST or REFUSED."""
    return Message(Error(code=code, reason=reason), reply_to=request)


def describe_failure(reply: Message) -> tuple[str, str]:
    """Give an error reply's status and reason for the round's report."""
    return _STATUS.get(reply.error.code, "failed"), str(reply.error.reason)


def add_plainly(
    replies: Sequence[Message], check: Callable[[int, Integers], None] | None = None
) -> Summed:
    """Add visible vectors: for plans whose updates the coordinator may see, and in one process.

    Args:
        replies: Each with a summand.
        check: Given a node id and its vector; raises UpdateError to leave it out.
    """
    parts: dict[int, Integers] = {}
    rejected: dict[int, str] = {}
    for reply in replies:
        node = int(reply.metadata.src_node_id)
        try:
            part = _whole_numbers(read_array(reply.content, SUMMAND))
            if check is not None:
                check(node, part)
        except (MessageError, UpdateError) as error:
            rejected[node] = f"{error.reason}: {error}"
        else:
            parts[node] = part
    return _add(parts, rejected)


def _whole_numbers(part: Numbers) -> Integers:
    if part.dtype != np.int64 or part.ndim != 1:
        raise UpdateError("not whole numbers in one row", reason="UPDATE_SHAPE")
    return part


def _add(parts: dict[int, Integers], rejected: dict[int, str]) -> Summed:
    """Add the vectors of the length most of them have."""
    lengths = [len(part) for part in parts.values()]
    usual = max(lengths, key=lengths.count, default=0)
    for node in [node for node, part in parts.items() if len(part) != usual]:
        rejected[node] = "UPDATE_SHAPE: another length than the others'"
        del parts[node]
    total = np.zeros(usual, np.int64)
    for part in parts.values():
        total += part
    return Summed(total, tuple(sorted(parts)), rejected)


def quieten() -> None:
    """Keep flwr's own progress lines out of the node's log."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
