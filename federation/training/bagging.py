"""Check the members' trees, and put them side by side with Flower's FedXgbBagging.

A member's trees are numbers of an agreed shape. They are read as such and written anew before the
strategy sees them, so that no document of a member's making is ever parsed as one. Each member's
leaves are weighed by its rows: together they step as far as one member alone would.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, FedXgbBagging

from federation.training.adapter import describe_failure
from federation.training.checkpoint import OK, REJECTED, Outcome, RoundReport
from federation.training.checks import euclidean_length, find_offenders
from federation.training.error import UpdateError
from federation.training.forest import Codes, Trees, count_columns, tree_numbers
from federation.training.plan import TrainingPlan
from federation.training.records import (
    ARRAYS,
    LOSS,
    METRICS,
    MODEL,
    WEIGHT,
    MessageError,
    read_array,
    read_number,
)
from federation.training.schema import FeatureSchema
from federation.training.strategies import NameMember

Floats = npt.NDArray[np.float32]

ONLY_ARRAY: Final = "0"  # the name under which the strategy looks for its one array
PROBES: Final = 1_024  # made-up rows on which members' trees are compared
PROBE_SEED: Final = 0xB00


class Bagging(FedXgbBagging):
    """Flower's strategy for one round at a time: the trees of earlier rounds are kept by the app.

    Flower reads and writes all earlier trees once for each reply; a round's own trees are enough.
    """

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask the members as FedAvg does, and begin with no tree."""
        self.current_bst = b""
        return FedAvg.configure_train(self, server_round, arrays, config, grid)


@dataclass(frozen=True)
class _Part:
    """A member's checked part of a round."""

    reply: Message
    trees: Trees
    weight: int
    loss: float


@dataclass
class GuardedBagging:
    """The strategy behind its checks; used as ``GuardedStrategy`` is.

    Attributes:
        plan: What is allowed.
        schema: Decides where trees may split.
        name_member: For reports.
        row_cap: Most rows that a member may claim.
    """

    plan: TrainingPlan
    schema: FeatureSchema
    name_member: NameMember
    row_cap: Callable[[int], int] = lambda _node_id: 1

    def __post_init__(self) -> None:
        self.inner = build_bagging()
        self._columns = count_columns(self.schema)
        self._probes = probe_rows(self.plan.model.bins, self._columns)

    def aggregate(
        self, number: int, model: Floats, replies: Iterable[Message]
    ) -> tuple[Floats, RoundReport]:
        """Make the next model of a round's replies: the old trees and the new ones.

        Returns:
            The new model, or the old one if too few good updates came, and the report.
        """
        outcomes: dict[str, Outcome] = {}
        parts: dict[int, _Part] = {}
        for reply in sorted(replies, key=lambda reply: int(reply.metadata.src_node_id)):
            node = int(reply.metadata.src_node_id)
            try:
                if reply.has_error():
                    outcomes[self.name_member(node)] = Outcome(*describe_failure(reply))
                else:
                    parts[node] = self._check(number, reply)
            except UpdateError as error:
                outcomes[self.name_member(node)] = _rejected(error)
        opinions = {node: self._opinion(part) for node, part in parts.items()}
        most, least = self.plan.strategy.offenders, self.plan.minimum_members
        offenders = find_offenders(opinions, most, least)
        for node in parts:
            bad = offenders.get(node)
            outcomes[self.name_member(node)] = _rejected(bad) if bad else Outcome(OK)
        kept = {node: opinions[node] for node in parts if node not in offenders}
        good = [_shortened(parts[node], kept) for node in kept]
        if len(good) < self.plan.minimum_members:
            return model, RoundReport(number, outcomes, moved=False)
        total = sum(part.weight for part in good)
        new = self._put_together(number, good, total)
        change = float(np.linalg.norm(new.values.astype(np.float64)))
        loss = sum(part.weight * part.loss for part in good) / total
        report = RoundReport(number, outcomes, True, total, loss, change)
        return np.concatenate([model, new.encode()]), report

    def _check(self, number: int, reply: Message) -> _Part:
        try:
            sent = read_array(reply.content, MODEL)
            weight, loss = read_number(reply.content, WEIGHT), read_number(reply.content, LOSS)
        except MessageError as error:
            raise UpdateError("has not the agreed records", reason="UPDATE_SHAPE") from error
        count = self.plan.model.networks * self.plan.optimiser.epochs
        leaves = self.plan.model.width
        if sent.shape != (count * tree_numbers(leaves),):
            raise UpdateError(f"not {count} trees of {leaves} leaves", reason="UPDATE_SHAPE")
        trees = Trees.parse(sent, leaves, self._columns)
        largest, bound = float(np.abs(trees.values).max()), self.plan.bound(number)
        if largest > bound * (1 + 1e-4):  # float32 rounding of a leaf cut to the bound
            raise UpdateError(
                f"a leaf of {largest:.3g}, the plan's largest is {bound:.3g}", reason="UPDATE_NORM"
            )
        if not np.isfinite(loss):
            raise UpdateError("its loss is not finite", reason="UPDATE_NOT_FINITE")
        most = self.row_cap(reply.metadata.src_node_id)
        if not 1 <= weight <= most:
            raise UpdateError(f"claims more or fewer rows than 1 to {most}", reason="UPDATE_WEIGHT")
        return _Part(reply, trees, int(weight), loss)

    def _opinion(self, part: _Part) -> Floats:
        """Say what a member's trees would do to made-up rows: what trees are compared by."""
        margins = np.zeros((len(self._probes), 1))
        return part.trees.add_margins(self._probes, margins)[:, 0].astype(np.float32)

    def _put_together(self, number: int, parts: list[_Part], total: int) -> Trees:
        messages = [
            Message(
                RecordDict(
                    {
                        ARRAYS: _write_document(part.trees.scaled(part.weight / total)),
                        METRICS: MetricRecord({WEIGHT: part.weight, LOSS: part.loss}),
                    }
                ),
                reply_to=part.reply,
            )
            for part in parts
        ]
        record, _ = self.inner.aggregate_train(number, messages)
        assert record is not None  # noqa: S101  # there is at least one message
        return _read_document(record[ONLY_ARRAY].numpy(), self.plan.model.width, self._columns)

    def moments(self) -> dict[str, Floats]:
        """Give the state that a checkpoint needs beside the model: none."""
        return {}

    def resume(self, moments: dict[str, Floats]) -> None:
        """Take up nothing: the model is all the state."""


def build_bagging() -> Bagging:
    """Make the flwr strategy of trees."""
    common: dict[str, Any] = {"min_train_nodes": 1, "min_evaluate_nodes": 1}
    return Bagging(**common, min_available_nodes=1, arrayrecord_key=ARRAYS)


def probe_rows(bins: int, columns: int) -> Codes:
    """Make rows of random codes without empty cells, always the same for the same schema.

    The cuts are quantiles: a code drawn evenly is one as frequent as any other among all rows.
    """
    half = columns // 2
    codes = np.random.default_rng(PROBE_SEED).integers(1, bins + 2, (PROBES, half))
    return np.concatenate([codes, codes], axis=1).astype(np.uint8)


def _shortened(part: _Part, opinions: Mapping[int, Floats]) -> _Part:
    """Scale a member's trees down if they would move rows further than most members' do."""
    lengths = {node: euclidean_length(opinion) for node, opinion in opinions.items()}
    own = lengths[int(part.reply.metadata.src_node_id)]
    usual = float(np.median(list(lengths.values())))
    return part if own <= usual else replace(part, trees=part.trees.scaled(usual / own))


def _rejected(error: UpdateError) -> Outcome:
    return Outcome(REJECTED, f"{error.reason}: {error}")


def _write_document(trees: Trees) -> ArrayRecord:
    """Write trees as the strategy reads them: the frame of an XGBoost document around numbers."""
    rows = trees.encode().reshape(len(trees), -1).tolist()
    count = str(len(trees))
    model = {
        "gbtree_model_param": {"num_trees": count, "num_parallel_tree": count},
        "iteration_indptr": [0, len(trees)],
        "tree_info": [0] * len(trees),
        "trees": [{"id": place, "numbers": numbers} for place, numbers in enumerate(rows)],
    }
    document = json.dumps({"learner": {"gradient_booster": {"model": model}}}).encode()
    return ArrayRecord({ONLY_ARRAY: Array(np.frombuffer(document, np.uint8))})


def _read_document(document: npt.NDArray[Any], leaves: int, columns: int) -> Trees:
    model = json.loads(document.tobytes())["learner"]["gradient_booster"]["model"]
    numbers = [tree["numbers"] for tree in model["trees"]]
    return Trees.parse(np.array(numbers, np.float32).ravel(), leaves, columns)
