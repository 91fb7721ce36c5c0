"""Run the unmodified app on Flower's deployment engine, whose SuperLink is in this process.

Members are known by the certificate of the tunnel through which their SuperNode came, and only
plans that show updates get here: this engine cannot add without showing the parts.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from flwr.app import Message

from federation.training.adapter import REFUSED, failed_reply, quieten
from federation.training.checkpoint import Checkpoint, RoundReport
from federation.training.error import PlanError
from federation.training.grpc_grid import GrpcRun, RunSetting, run_on_grid
from federation.training.plan import SECRET, TrainingPlan
from federation.training.schema import FeatureSchema
from federation.training.stock_grid import StockGrid
from federation.training.superlink import SuperLink

JOIN_SECONDS: Final = 120.0
"""Seconds for attached members to start their SuperNodes, many of them on one small machine."""
ASK_SECONDS: Final = 1.0
"""Seconds between questions to the node who is still there."""
LOOK_SECONDS: Final = 0.2
NOT_APPROVED: Final = "PLAN_NOT_APPROVED"


class FlowerTransport(Protocol):
    """What the grid asks of the coordinator's node."""

    def roster(self) -> list[str]:
        """Give the members that are attached and whose SuperNodes start."""

    def losses(self) -> Mapping[str, str]:
        """Give which members do not take part now, each with the reason."""

    def keep(self, checkpoint: Checkpoint, report: RoundReport | None) -> None:
        """Keep a finished round, or the state before the first, so that it outlives a crash."""


class FlowerGrid(StockGrid):
    """The members whose SuperNodes are connected to this process's SuperLink."""

    def __init__(
        self,
        link: SuperLink,
        transport: FlowerTransport,
        setting: RunSetting,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Make the grid of one run.

        Args:
            link: Of the run.
            transport: To the node.
            setting: The run's members.
            checkpoint: To go on from.
        """
        super().__init__(
            link.grid(), self._connected, row_caps=setting.row_caps, checkpoint=checkpoint
        )
        quieten()
        self._link = link
        self._transport = transport
        self._setting = setting
        self._lost: Mapping[str, str] = {}
        self._asked = 0.0

    def start_count(self) -> int:
        """Give how often this run was started before."""
        return self._setting.starts

    def why_lost(self, node_id: int) -> str:
        """Ask the node now and then whether the member is still there and still approves."""
        if time.monotonic() - self._asked > ASK_SECONDS:
            self._ask_for_losses()
        return self._lost.get(self.member_name(node_id), "")

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Ask the members; the answer of one that has withdrawn meanwhile does not count."""
        requests = {one.metadata.dst_node_id: one for one in messages}
        replies = super().send_and_receive(requests.values(), timeout=timeout)
        self._ask_for_losses()
        return [self._still_approved(requests, reply) for reply in replies]

    def keep_checkpoint(self) -> None:
        """Keep the state before the first round."""
        assert self._checkpoint is not None  # noqa: S101  # saved just before
        self._transport.keep(self._checkpoint, None)

    def report_round(self, report: RoundReport) -> None:
        """Keep the round."""
        assert self._checkpoint is not None  # noqa: S101  # saved just before
        self._transport.keep(self._checkpoint, report)

    def _connected(self) -> Mapping[int, str]:
        """Wait until the SuperNodes of those attached are there, or their time is over."""
        wanted = set(self._transport.roster())
        end = time.monotonic() + JOIN_SECONDS
        while True:
            found = {node: name for node, name in self._link.members().items() if name in wanted}
            if len(found) == len(wanted) or time.monotonic() > end:
                return found
            time.sleep(LOOK_SECONDS)

    def _ask_for_losses(self) -> None:
        self._lost, self._asked = self._transport.losses(), time.monotonic()

    def _still_approved(self, requests: Mapping[int, Message], reply: Message) -> Message:
        node = int(reply.metadata.src_node_id)
        if reply.has_error() or self._lost.get(self.member_name(node)) != NOT_APPROVED:
            return reply
        return failed_reply(requests[node], REFUSED, NOT_APPROVED)


def run_over_superlink(
    link: SuperLink,
    plan: TrainingPlan,
    schema: FeatureSchema,
    setting: RunSetting,
    transport: FlowerTransport,
    checkpoint: Checkpoint | None,
) -> GrpcRun:
    """Run a plan, or what is left of it.

    Raises:
        PlanError: PROTECTION_UNAVAILABLE for a plan whose updates nobody may see, or it cannot run.
        QuorumError: Too few members.
    """
    if plan.protection == SECRET:
        raise PlanError(
            "Flower's deployment engine cannot add updates without showing them",
            reason="PROTECTION_UNAVAILABLE",
            hint="run the plan on the members' own streams",
        )
    return run_on_grid(FlowerGrid(link, transport, setting, checkpoint), plan, schema)
