"""Build flwr's strategies by name, and put the plan's protection in front of them.

``robust``: each visible update is checked, the offender named, and what is left goes to the
strategy. ``secret``: only the sum of all updates is opened, and the strategy gets the mean as if
one member had sent it; FedAvg, FedProx and FedAdam need no more than that.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from flwr.app import Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import (
    FedAdam,
    FedAvg,
    FedProx,
    FedTrimmedAvg,
    MultiKrum,
)

from federation.training.adapter import Summed, describe_failure
from federation.training.checkpoint import OK, REJECTED, Outcome, RoundReport
from federation.training.checks import Bounds, euclidean_length, find_offenders
from federation.training.error import UpdateError
from federation.training.fixed_point import FixedPoint
from federation.training.plan import SECRET, StrategyChoice, TrainingPlan
from federation.training.records import (
    ARRAYS,
    LOSS,
    METRICS,
    MODEL,
    WEIGHT,
    MessageError,
    read_array,
    read_number,
    write_arrays,
)

Floats = npt.NDArray[np.float32]
SumParts = Callable[[Sequence[Message]], Summed]
NameMember = Callable[[int], str]

ADAM_STEADINESS: Final = 1e-4  # FedAdam's tau, below the usual size of a parameter's change


def build_strategy(choice: StrategyChoice) -> FedAvg:
    """Make the flwr strategy of a plan."""
    common: dict[str, Any] = {
        "min_train_nodes": 1,  # the app checks the quorum itself: flwr would wait for ever
        "min_evaluate_nodes": 1,
        "min_available_nodes": 1,
        "arrayrecord_key": ARRAYS,
    }
    if choice.name == "FedProx":
        return FedProx(**common, proximal_mu=choice.proximal)
    if choice.name == "FedAdam":
        return FedAdam(**common, eta=choice.server_rate, tau=ADAM_STEADINESS)
    if choice.name == "FedTrimmedAvg":
        return FedTrimmedAvg(**common)
    if choice.name == "MultiKrum":
        return MultiKrum(**common, num_malicious_nodes=choice.offenders)
    return FedAvg(**common)


def _fit_to_count(strategy: FedAvg, offenders: int, count: int) -> None:
    """Cut or leave out as many updates as may be bad, of those that are left in a round."""
    if isinstance(strategy, FedTrimmedAvg):
        # flwr cuts int(beta * n) at each end: a little above offenders / n cuts exactly those.
        strategy.beta = min(offenders / count + 1e-6, 0.499)
    if isinstance(strategy, MultiKrum):
        strategy.num_malicious_nodes = offenders
        strategy.num_nodes_to_select = max(1, count - offenders - 1) if offenders else count


def _outcome_in(summed: Summed, node: int) -> Outcome:
    """Say how a member that replied came out of the round's sum."""
    if node in summed.contributors:
        return Outcome(OK)
    if node in summed.absent:
        return Outcome(*summed.absent[node])
    return Outcome(REJECTED, summed.rejected.get(node, "PROTOCOL: not in the sum"))


@dataclass
class GuardedStrategy:
    """A strategy behind the plan's protection.

    Attributes:
        plan: What is allowed.
        sum_parts: Opens the sum of the replies' vectors; used by ``secret`` alone.
        name_member: For reports.
        scale: How the round's updates are written; used by ``secret`` alone.
        row_cap: Most rows that a member may claim.
        inner: The flwr strategy.
        minimum_members: Fewer good updates leave the model as it is.
    """

    plan: TrainingPlan
    sum_parts: SumParts
    name_member: NameMember
    scale: FixedPoint | None = None
    row_cap: Callable[[int], int] = lambda _node_id: 1
    inner: FedAvg = field(init=False)

    def __post_init__(self) -> None:
        self.inner = build_strategy(self.plan.strategy)

    def aggregate(
        self, number: int, model: Floats, replies: Iterable[Message]
    ) -> tuple[Floats, RoundReport]:
        """Make the next model of a round's replies.

        Returns:
            The new model, or the old one if too few good updates came, and the report.
        """
        outcomes: dict[str, Outcome] = {}
        good: list[Message] = []
        for reply in sorted(replies, key=lambda reply: int(reply.metadata.src_node_id)):
            if reply.has_error():
                name = self.name_member(reply.metadata.src_node_id)
                outcomes[name] = Outcome(*describe_failure(reply))
            else:
                good.append(reply)
        opened = True
        if self.plan.protection == SECRET:
            good, weight, loss, opened = self._open_sum(number, model, good, outcomes)
        else:
            good, weight, loss = self._check_each(number, model, good, outcomes)
        if not good:
            return model, RoundReport(number, outcomes, moved=False, norms_opened=opened)
        record, _ = self.inner.aggregate_train(number, good)
        if record is None:
            return model, RoundReport(number, outcomes, moved=False)
        new = np.asarray(record[MODEL].numpy(), np.float32)
        change = euclidean_length(new - model)
        return new, RoundReport(number, outcomes, True, weight, loss, change, opened)

    def _check_each(
        self, number: int, model: Floats, replies: list[Message], outcomes: dict[str, Outcome]
    ) -> tuple[list[Message], int, float]:
        longest = self.plan.bound(number)
        changes: dict[int, Floats] = {}
        kept: list[Message] = []
        for reply in replies:
            bounds = Bounds(len(model), longest, self.row_cap(reply.metadata.src_node_id))
            try:
                changes[reply.metadata.src_node_id] = self._change(bounds, model, reply)
                kept.append(reply)
            except UpdateError as error:
                self._reject(outcomes, reply, error)
        most, least = self.plan.strategy.offenders, self.plan.minimum_members
        outlying = find_offenders(changes, most, least)
        for reply in kept:
            if reply.metadata.src_node_id in outlying:
                self._reject(outcomes, reply, outlying[reply.metadata.src_node_id])
            else:
                outcomes[self.name_member(reply.metadata.src_node_id)] = Outcome(OK)
        kept = [reply for reply in kept if reply.metadata.src_node_id not in outlying]
        if len(kept) < self.plan.minimum_members:
            return [], 0, 0.0
        # Whoever is out already is one of the offenders that the plan expects.
        out = sum(outcome.status == REJECTED for outcome in outcomes.values())
        _fit_to_count(self.inner, max(0, self.plan.strategy.offenders - out), len(kept))
        weights = np.array([read_number(reply.content, WEIGHT) for reply in kept])
        losses = np.array([read_number(reply.content, LOSS) for reply in kept])
        return kept, int(weights.sum()), float((weights * losses).sum() / weights.sum())

    @staticmethod
    def _change(bounds: Bounds, model: Floats, reply: Message) -> Floats:
        try:
            sent = read_array(reply.content, MODEL)
            weight, loss = read_number(reply.content, WEIGHT), read_number(reply.content, LOSS)
        except MessageError as error:
            raise UpdateError("has not the agreed records", reason="UPDATE_SHAPE") from error
        if sent.shape != model.shape:
            raise UpdateError(f"not {len(model)} numbers in one row", reason="UPDATE_SHAPE")
        if not np.isfinite(loss):
            raise UpdateError("its loss is not finite", reason="UPDATE_NOT_FINITE")
        with np.errstate(invalid="ignore", over="ignore"):
            change = sent - model
        return bounds.check(change, weight)

    def _reject(self, outcomes: dict[str, Outcome], reply: Message, error: UpdateError) -> None:
        name = self.name_member(reply.metadata.src_node_id)
        outcomes[name] = Outcome(REJECTED, f"{error.reason}: {error}")

    def _open_sum(
        self, number: int, model: Floats, replies: list[Message], outcomes: dict[str, Outcome]
    ) -> tuple[list[Message], int, float, bool]:
        if self.scale is None or len(replies) < self.plan.minimum_members:
            return [], 0, 0.0, True
        summed = self.sum_parts(replies)
        for reply in replies:
            node = reply.metadata.src_node_id
            outcomes[self.name_member(node)] = _outcome_in(summed, node)
        if len(summed.contributors) < self.plan.minimum_members:
            return [], 0, 0.0, summed.norms_opened
        caps = [self.row_cap(node) for node in summed.contributors]
        try:
            change, weight, loss = self.scale.decode(summed.total, self.plan.bound(number), caps)
        except UpdateError as error:
            for node in summed.contributors:
                outcomes[self.name_member(node)] = Outcome(REJECTED, f"{error.reason}: {error}")
            return [], 0, 0.0, summed.norms_opened
        arrays = write_arrays(model=model + change)
        content = RecordDict({ARRAYS: arrays, METRICS: MetricRecord({WEIGHT: weight, LOSS: loss})})
        return [Message(content, reply_to=replies[0])], weight, loss, summed.norms_opened

    def moments(self) -> dict[str, Floats]:
        """Give the server optimiser's state for a checkpoint."""
        if not isinstance(self.inner, FedAdam):
            return {}
        pairs = (("m", self.inner.m_t), ("v", self.inner.v_t))
        return {name: value[MODEL] for name, value in pairs if value}

    def resume(self, moments: dict[str, Floats]) -> None:
        """Take up the server optimiser's state from a checkpoint."""
        if isinstance(self.inner, FedAdam) and moments:
            self.inner.m_t, self.inner.v_t = {MODEL: moments["m"]}, {MODEL: moments["v"]}
