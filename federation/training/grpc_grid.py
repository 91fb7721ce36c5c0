"""Run the unmodified app over the members' nodes: the default engine of a federation.

The grid knows no network: its transport is a pipe to the coordinator's node, which alone has keys
and connections.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from flwr.app import Context, Message, MessageType, RecordDict

from federation.training.adapter import (
    COORDINATOR_NODE,
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
from federation.training.fixed_point import FixedPoint, Integers
from federation.training.local_engine import RUN, node_id
from federation.training.plan import SECRET, TrainingPlan
from federation.training.records import MessageError, read_round
from federation.training.released import ReleasedModel
from federation.training.schema import FeatureSchema
from federation.training.server_app import app, evaluation_of, outcome_of
from federation.training.withholding import read_length
from federation.training.worth import Evaluation

OK: Final = ""
_CODES: Final = {"DEADLINE_PASSED": LATE, "CONNECTION_LOST": LOST}


@dataclass(frozen=True)
class Answer:
    """What a member gave: bytes, or why it gave none (a stable reason)."""

    data: bytes
    failure: str = OK


@dataclass(frozen=True)
class SumQuestion:
    """Which vectors to add.

    Attributes:
        label: Names the sum.
        members: Who withheld a vector for it.
        length: Of each.
        scale: How updates are written; None for other sums.
    """

    label: str
    members: tuple[str, ...]
    length: int
    scale: FixedPoint | None


@dataclass(frozen=True)
class Answered:
    """What came of a sum, by member names; an empty total where nothing opened."""

    total: Integers
    contributors: tuple[str, ...]
    rejected: Mapping[str, str]
    absent: Mapping[str, tuple[str, str]]
    norms_opened: bool


@dataclass(frozen=True)
class RunSetting:
    """What the coordinator's node knows of a run.

    Attributes:
        row_caps: Of the enrolled members, as they approved.
        starts: How often the run was started before.
    """

    row_caps: Mapping[str, int]
    starts: int = 0


class Transport(Protocol):
    """What the grid asks of the coordinator's node."""

    def roster(self) -> list[str]:
        """Give the members that are attached and enrolled."""

    def exchange(
        self, number: int, seconds: float, messages: Sequence[tuple[str, bytes]]
    ) -> list[Answer]:
        """Ask members; the answers come in the order of the messages."""

    def keep(self, checkpoint: Checkpoint, report: RoundReport | None) -> None:
        """Keep a finished round, or the state before the first, so that it outlives a crash."""

    def add(self, question: SumQuestion) -> Answered:
        """Add vectors that the members withheld."""


class GrpcGrid(TrainingGrid):
    """The members attached to this coordinator's node."""

    def __init__(
        self,
        transport: Transport,
        plan: TrainingPlan,
        setting: RunSetting,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Make the grid of one run.

        Args:
            transport: To the members.
            plan: Of the run.
            setting: Its members, and how often it was started.
            checkpoint: To go on from.
        """
        super().__init__(RUN)
        quieten()
        self._transport = transport
        self._plan = plan
        self._setting = setting
        self._names = {node_id(name): name for name in setting.row_caps}
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
        seconds = self._plan.deadline_seconds if timeout is None else timeout
        asked = [
            (self.member_name(one.metadata.dst_node_id), encode_message(one)) for one in requests
        ]
        number = _round_of(requests)
        answers = self._transport.exchange(number, seconds, asked)
        return [_reply(*pair) for pair in zip(requests, answers, strict=True)]

    def sum_parts(
        self, label: str, replies: Sequence[Message], scale: FixedPoint | None = None
    ) -> Summed:
        """Add what members gave: openly, or as the plan says in secret."""
        if self._plan.protection != SECRET:
            return add_plainly(replies)
        lengths, rejected = _read_lengths(replies)
        values = list(lengths.values())
        usual = max(values, key=values.count, default=0) if scale is None else scale.length
        for node in [node for node, length in lengths.items() if length != usual]:
            rejected[node] = "UPDATE_SHAPE: another length than agreed"
            del lengths[node]
        if not lengths:
            return Summed(np.zeros(0, np.int64), (), rejected)
        names = tuple(sorted(self.member_name(node) for node in lengths))
        found = self._transport.add(SumQuestion(label, names, usual, scale))
        return Summed(
            total=found.total,
            contributors=tuple(node_id(name) for name in found.contributors),
            rejected=rejected | {node_id(name): why for name, why in found.rejected.items()},
            absent={node_id(name): why for name, why in found.absent.items()},
            norms_opened=found.norms_opened,
        )

    def row_cap(self, node_id: int) -> int | None:
        """Give what the member approved."""
        return self._setting.row_caps.get(self.member_name(node_id))

    def start_count(self) -> int:
        """Give how often this run was started before."""
        return self._setting.starts

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Hold the state until the round's report is there, too."""
        self._checkpoint = checkpoint

    def keep_checkpoint(self) -> None:
        """Keep the state before the first round."""
        assert self._checkpoint is not None  # noqa: S101  # saved just before
        self._transport.keep(self._checkpoint, None)

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
    setting: RunSetting,
    transport: Transport,
    checkpoint: Checkpoint | None,
) -> GrpcRun:
    """Run a plan, or what is left of it.

    Raises:
        PlanError: The plan cannot run.
        QuorumError: Too few members.
    """
    return run_on_grid(GrpcGrid(transport, plan, setting, checkpoint), plan, schema)


def run_on_grid(grid: TrainingGrid, plan: TrainingPlan, schema: FeatureSchema) -> GrpcRun:
    """Run the app on a grid of the coordinator's node.

    Raises:
        PlanError: The plan cannot run.
        QuorumError: Too few members.
    """
    config = {"plan": plan.encode().decode(), "schema": schema.encode().decode()}
    context = Context(grid.run.run_id, COORDINATOR_NODE, {}, RecordDict(), dict(config))
    app(grid, context)
    model, scaling, threshold, _ = outcome_of(context)
    found = evaluation_of(context)
    action = found.federated.action_threshold
    released = ReleasedModel(plan, schema, scaling, model, threshold, action)
    return GrpcRun(released, found)


def _read_lengths(replies: Sequence[Message]) -> tuple[dict[int, int], dict[int, str]]:
    """Give the length of each vector, and who does not tell it."""
    lengths: dict[int, int] = {}
    rejected: dict[int, str] = {}
    for reply in replies:
        node = int(reply.metadata.src_node_id)
        try:
            lengths[node] = read_length(reply)
        except MessageError as error:
            rejected[node] = f"PROTOCOL: {error}"
    return lengths, rejected


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
