"""Run the unmodified app over the members' nodes: the default engine of a federation.

The grid knows no network: its transport is a pipe to the coordinator's node, which alone has keys
and connections.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from flwr.app import Context, Message, MessageType, RecordDict

from federation.training.adapter import (
    LATE,
    LOST,
    REFUSED,
    Summed,
    TrainingGrid,
    add_plainly,
    encode_message,
    failed_reply,
    parse_message,
    quieten,
    stamp,
)
from federation.training.checkpoint import Checkpoint, RoundReport
from federation.training.fixed_point import FixedPoint
from federation.training.local_engine import RUN, node_id
from federation.training.plan import TrainingPlan
from federation.training.records import MessageError, read_round
from federation.training.released import ReleasedModel
from federation.training.schema import FeatureSchema
from federation.training.server_app import app, evaluation_of, outcome_of
from federation.training.worth import Evaluation

OK: Final = ""
_CODES: Final = {"DEADLINE_PASSED": LATE, "CONNECTION_LOST": LOST}


@dataclass(frozen=True)
class Answer:
    """What a member gave: bytes, or why it gave none (a stable reason)."""

    data: bytes
    failure: str = OK


class Transport(Protocol):
    """What the grid asks of the coordinator's node."""

    def roster(self) -> list[str]:
        """Give the members that are attached and enrolled."""

    def exchange(
        self, number: int, seconds: float, messages: Sequence[tuple[str, bytes]]
    ) -> list[Answer]:
        """Ask members; the answers come in the order of the messages."""

    def keep(self, checkpoint: Checkpoint, report: RoundReport) -> None:
        """Keep a finished round, so that it outlives a crash."""


class GrpcGrid(TrainingGrid):
    """The members attached to this coordinator's node."""

    def __init__(
        self,
        transport: Transport,
        members: Iterable[str],
        seconds: float,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Make the grid of one run.

        Args:
            transport: To the members.
            members: Those enrolled.
            seconds: Of an exchange for which the app names no timeout.
            checkpoint: To go on from.
        """
        super().__init__(RUN)
        quieten()
        self._transport = transport
        self._names = {node_id(name): name for name in members}
        self._seconds = seconds
        self._checkpoint = checkpoint

    def get_node_ids(self) -> Iterable[int]:
        """Give the members that are attached now."""
        return [node_id(name) for name in self._transport.roster()]

    def member_name(self, node_id: int) -> str:
        """Give a member's name."""
        return self._names.get(node_id, str(node_id))

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Ask the members; who has not answered by the deadline is late."""
        requests = list(messages)
        for request in requests:
            stamp(request)
        seconds = self._seconds if timeout is None else timeout
        asked = [
            (self.member_name(one.metadata.dst_node_id), encode_message(one)) for one in requests
        ]
        number = _round_of(requests)
        answers = self._transport.exchange(number, seconds, asked)
        return [_reply(*pair) for pair in zip(requests, answers, strict=True)]

    def sum_parts(
        self, label: str, replies: Sequence[Message], scale: FixedPoint | None = None
    ) -> Summed:
        """Add what members gave openly: only plans that show updates get here."""
        return add_plainly(replies)

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Hold the state until the round's report is there, too."""
        self._checkpoint = checkpoint

    def load_checkpoint(self) -> Checkpoint | None:
        """Give the state to go on from."""
        return self._checkpoint

    def report_round(self, report: RoundReport) -> None:
        """Keep the round."""
        assert self._checkpoint is not None  # noqa: S101  # saved just before
        self._transport.keep(self._checkpoint, report)


@dataclass(frozen=True)
class GrpcRun:
    """What a run over the nodes gave."""

    model: ReleasedModel
    evaluation: Evaluation


def run_over_nodes(
    plan: TrainingPlan,
    schema: FeatureSchema,
    members: Iterable[str],
    transport: Transport,
    checkpoint: Checkpoint | None,
) -> GrpcRun:
    """Run a plan, or what is left of it.

    Raises:
        PlanError: The plan cannot run.
        QuorumError: Too few members.
    """
    grid = GrpcGrid(transport, members, plan.deadline_seconds, checkpoint)
    config = {"plan": plan.encode().decode(), "schema": schema.encode().decode()}
    context = Context(RUN, grid.run.run_id, {}, RecordDict(), dict(config))
    app(grid, context)
    model, scaling, threshold, _ = outcome_of(context)
    found = evaluation_of(context)
    action = found.federated.action_threshold
    released = ReleasedModel(plan, schema, scaling, model, threshold, action)
    return GrpcRun(released, found)


def _round_of(requests: Sequence[Message]) -> int:
    """Give the round that messages train for, 0 for others."""
    trains = requests and requests[0].metadata.message_type == MessageType.TRAIN
    return read_round(requests[0]) if trains else 0


def _reply(request: Message, answer: Answer) -> Message:
    """Read an answer; whose it is, the connection has said, and never the message."""
    if answer.failure:
        return failed_reply(request, _CODES.get(answer.failure, REFUSED), answer.failure)
    try:
        reply = parse_message(answer.data)
    except MessageError as error:
        return failed_reply(request, REFUSED, error.reason)
    sent, got = request.metadata, reply.metadata
    names = (got.src_node_id, got.reply_to_message_id, got.message_type)
    if names != (sent.dst_node_id, sent.message_id, sent.message_type):
        return failed_reply(request, REFUSED, "PROTOCOL")
    return reply
