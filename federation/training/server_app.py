"""The coordinator's half of the app: statistics, rounds with a quorum, evaluation.

No wait is endless: every exchange ends at the plan's deadline, too few members end the run with an
error, and a run goes on from the checkpoint its engine kept.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from flwr.app import (
    ConfigRecord,
    Context,
    Message,
    MessageType,
    RecordDict,
)
from flwr.serverapp import Grid, ServerApp

from federation.training.adapter import Summed, TrainingGrid, add_plainly, describe_failure
from federation.training.bagging import GuardedBagging
from federation.training.checkpoint import Checkpoint, RoundReport
from federation.training.error import PlanError, QuorumError
from federation.training.evaluation import put_together
from federation.training.fixed_point import FixedPoint
from federation.training.models import initial_model, model_digest
from federation.training.plan import SECRET, TREES, TrainingPlan
from federation.training.records import (
    ARRAYS,
    ATTEMPT,
    COMPARE,
    CONFIG,
    EDGES,
    MODEL,
    PLAN,
    ROWS,
    SCALING,
    SUMMED,
    Numbers,
    read_array,
    write_arrays,
)
from federation.training.scaling import CoarseSums, Scaling
from federation.training.schema import FeatureSchema
from federation.training.strategies import GuardedStrategy, NameMember
from federation.training.sum_labels import round_label
from federation.training.worth import Evaluation

Floats = npt.NDArray[np.float32]

MOST_IDLE_ROUNDS: Final = 3  # in a row; then the run ends, and the report says who was missing
START_ATTEMPTS: Final = 100  # of a round that a crash cut off, those after each start are apart
TRAINING_SHARE: Final = 0.75  # of a secret round's deadline; the rest is for the sum

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the plan; leave the model and the outcome in ``context.state``.

    Raises:
        PlanError: The plan cannot run on this engine, or its first model is another.
        QuorumError: Too few members.
    """
    plan = TrainingPlan.parse(str(context.run_config["plan"]).encode())
    schema = FeatureSchema.parse(str(context.run_config["schema"]).encode())
    compare = bool(context.run_config.get(COMPARE, True))
    run = _Run.open(grid, plan, schema, compare=compare)
    run.train()
    run.evaluate(context)


@dataclass
class _Run:
    """One run: its state between the steps."""

    grid: Grid
    plan: TrainingPlan
    schema: FeatureSchema
    guard: GuardedStrategy | GuardedBagging
    state: Checkpoint
    compare: bool = True
    reports: list[RoundReport] = field(default_factory=list)

    @classmethod
    def open(
        cls, grid: Grid, plan: TrainingPlan, schema: FeatureSchema, *, compare: bool
    ) -> "_Run":
        if schema.digest() != plan.schema_digest:
            raise PlanError("the schema is not the plan's")
        if plan.protection == SECRET and not isinstance(grid, TrainingGrid):
            raise PlanError(
                "this engine cannot add updates without showing them",
                reason="PROTECTION_UNAVAILABLE",
                hint="use the plan's protection 'robust' on this engine",
            )
        name = grid.member_name if isinstance(grid, TrainingGrid) else str
        guard = _guard(plan, schema, name)
        kept = grid.load_checkpoint() if isinstance(grid, TrainingGrid) else None
        model = initial_model(plan.model, schema.width(plan.model.bins))
        if model_digest(model) != plan.initial_model_digest:
            raise PlanError("the first model is not the plan's")
        fresh = Checkpoint(0, model, b"", np.zeros(len(model)), 0)
        run = cls(grid, plan, schema, guard, kept or fresh, compare)
        guard.row_cap = run._row_cap
        guard.resume(run.state.moments)
        return run

    def train(self) -> None:
        """Learn the scaling, then do the rounds that are left."""
        if not self.state.scaling:
            scaling, rows = self._learn_scaling()
            self.state = replace(self.state, scaling=scaling.encode(), rows=rows)
            if isinstance(self.grid, TrainingGrid):
                # Members repeat the sums of statistics in the same company only.
                self.grid.save_checkpoint(self.state)
                self.grid.keep_checkpoint()
        idle, first, before = 0, self.state.number + 1, self._attempts_before()
        while self.state.number < self.plan.rounds:
            number = self.state.number + 1
            attempt = idle + (before if number == first else 0)
            # A round that changed nothing is run again under its number.
            idle = 0 if self._do_round(number, attempt).moved else idle + 1
            if idle == MOST_IDLE_ROUNDS:
                raise QuorumError(f"{idle} rounds in a row had too few good updates")

    def _attempts_before(self) -> int:
        """Count generously how often the next round was begun before a crash."""
        starts = self.grid.start_count() if isinstance(self.grid, TrainingGrid) else 0
        return starts * START_ATTEMPTS

    def _do_round(self, number: int, attempt: int) -> RoundReport:
        members = self._nodes()
        nodes: Any = _FixedNodes(members)  # all that configure_train asks of a Grid
        config = self._config()
        if self.plan.protection == SECRET and isinstance(self.guard, GuardedStrategy):
            self._prepare_sum(self.guard, number, attempt, members, config)
        record = write_arrays(model=self.state.model)
        requests = self.guard.inner.configure_train(number, record, config, nodes)
        replies = self._exchange(list(requests))
        model, report = self.guard.aggregate(number, self.state.model, replies)
        averaged, count = self.state.averaged, self.state.averaged_count
        last = int(self.plan.rounds * self.plan.strategy.averaged_rounds)
        if report.moved and number > self.plan.rounds - last:
            averaged, count = averaged + model, count + 1
        done = number if report.moved else number - 1
        self.state = replace(
            self.state,
            number=done,
            model=model,
            averaged=averaged,
            averaged_count=count,
            moments=self.guard.moments(),
        )
        self.reports.append(report)
        if isinstance(self.grid, TrainingGrid):
            self.grid.save_checkpoint(self.state)
            self.grid.report_round(report)
        return report

    def _prepare_sum(
        self,
        guard: GuardedStrategy,
        number: int,
        attempt: int,
        members: list[int],
        config: ConfigRecord,
    ) -> None:
        """Say to the members and to the strategy how the round's updates are written."""
        caps = [self._row_cap(node) for node in members]
        rows = max(1, min(max(caps), self.state.rows))
        scale = FixedPoint.fitting(len(self.state.model), len(members), rows)
        label = round_label(number, attempt)
        guard.scale = scale
        guard.sum_parts = lambda replies: self._sum(label, replies, scale)
        config[ATTEMPT], config[SUMMED], config[ROWS] = attempt, len(members), rows

    def _row_cap(self, node: int) -> int:
        cap = self.grid.row_cap(node) if isinstance(self.grid, TrainingGrid) else None
        return self.plan.weight_cap if cap is None else min(cap, self.plan.weight_cap)

    def model(self) -> Floats:
        """Give the run's model: the mean over its last rounds."""
        return self.state.final_model()

    def evaluate(self, context: Context) -> None:
        """Sum what the members measured, choose the threshold, leave all in the context.

        Raises:
            PlanError: The members' rows do not allow it.
        """
        model = self.model()
        summed = self._ask(MessageType.EVALUATE, {MODEL: model})
        try:
            found = put_together(summed.total, len(summed.contributors))
        except ValueError as error:
            raise PlanError(f"the model cannot be measured: {error}") from error
        worth = found.federated
        context.state[ARRAYS] = write_arrays(model=model)
        context.state["outcome"] = ConfigRecord(
            {
                "scaling": self.state.scaling,
                "threshold": worth.threshold,
                "action_threshold": worth.action_threshold,
                "blind": json.dumps({"auc": worth.roc_auc, "ap": worth.pr_auc}),
                "evaluation": found.encode().decode(),
                "reports": json.dumps([asdict(report) for report in self.reports]),
            }
        )

    def _learn_scaling(self) -> tuple[Scaling, int]:
        """Give the scaling and the number of all members' rows."""
        try:
            coarse = CoarseSums.parse(self.schema, self._ask("query.coarse", {}).total)
        except ValueError as error:
            raise PlanError(f"the statistics cannot be used: {error}") from error
        if coarse.leaking and self.plan.leaks == "refuse":
            names = ", ".join(self.schema.columns[place].name for place in coarse.leaking)
            raise PlanError(f"empty cells tell the label in: {names}", reason="LEAK_REFUSED")
        fine = self._ask("query.fine", {EDGES: coarse.edges}).total
        bins, drop = self.plan.model.bins, self.plan.leaks == "drop"
        scaling = Scaling.learn(self.schema, bins, coarse, fine, drop=drop)
        return scaling, coarse.negative + coarse.positive

    def _ask(self, kind: str, arrays: dict[str, Numbers]) -> Summed:
        """Send one question to every member and add the answers."""
        content: Any = {CONFIG: self._config(), ARRAYS: write_arrays(**arrays)}
        requests = [Message(RecordDict(content), node, kind) for node in self._nodes()]
        replies = self._exchange(requests)
        good = [reply for reply in replies if not reply.has_error()]
        if len(good) < self.plan.minimum_members:
            failures = (describe_failure(reply)[1] for reply in replies if reply.has_error())
            raise QuorumError(f"too few answers to {kind}: {'; '.join(failures) or 'none came'}")
        summed = self._sum(kind, good)
        if len(summed.contributors) < self.plan.minimum_members:
            absent = (reason for _status, reason in summed.absent.values())
            why = "; ".join((*summed.rejected.values(), *absent)) or "not said why"
            raise QuorumError(f"too few members are in the sum of {kind}: {why}")
        return summed

    def _sum(
        self, label: str, replies: Sequence[Message], scale: FixedPoint | None = None
    ) -> Summed:
        if isinstance(self.grid, TrainingGrid):
            return self.grid.sum_parts(label, replies, scale)
        return add_plainly(replies)

    def _exchange(self, requests: list[Message]) -> list[Message]:
        share = TRAINING_SHARE if self.plan.protection == SECRET else 1.0
        seconds = share * self.plan.deadline_seconds
        return list(self.grid.send_and_receive(requests, timeout=seconds))

    def _nodes(self) -> list[int]:
        nodes = sorted(self.grid.get_node_ids())
        if len(nodes) < self.plan.minimum_members:
            raise QuorumError(f"{len(nodes)} of {self.plan.minimum_members} members are connected")
        return nodes

    def _config(self) -> ConfigRecord:
        return ConfigRecord(
            {PLAN: self.plan.digest(), SCALING: self.state.scaling, COMPARE: self.compare}
        )


def _guard(
    plan: TrainingPlan, schema: FeatureSchema, name: NameMember
) -> GuardedStrategy | GuardedBagging:
    if plan.model.name == TREES:
        return GuardedBagging(plan, schema, name)
    return GuardedStrategy(plan, lambda replies: Summed(np.zeros(0, np.int64), ()), name)


class _FixedNodes:
    """A Grid's members at one moment: flwr waits without end for one that leaves meanwhile."""

    def __init__(self, nodes: list[int]) -> None:
        self._nodes = nodes

    def get_node_ids(self) -> list[int]:
        """Give the members that were connected when the round began."""
        return self._nodes


def outcome_of(context: Context) -> tuple[Floats, bytes, float, dict[str, Any]]:
    """Read what ``main`` left: model, scaling, threshold; ``blind`` metrics and ``reports``."""
    outcome: Any = context.state["outcome"]
    details = {name: json.loads(outcome[name]) for name in ("blind", "reports")}
    return read_array(context.state, MODEL), outcome["scaling"], outcome["threshold"], details


def evaluation_of(context: Context) -> Evaluation:
    """Read what the members measured together, as ``main`` left it."""
    outcome: Any = context.state["outcome"]
    return Evaluation.parse(outcome["evaluation"].encode())
