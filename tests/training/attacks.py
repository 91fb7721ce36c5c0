"""What one member of a run may do wrong on purpose: seven attacks, on every kind of update.

An attack is either on what the member sends (``tamper``), or on the rows it trains on (``spoil``),
where everything it sends is as the plan wants it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from flwr.app import Message, MetricRecord, RecordDict

from federation.training.forest import tree_numbers
from federation.training.local_engine import Tamper
from federation.training.plan import SECRET, TREES, TrainingPlan
from federation.training.records import LOSS, WEIGHT, read_array, read_number, write_arrays
from federation.training.table import Table

Numbers = np.ndarray[Any, Any]

CLAIMED_ROWS: Final = 10**9
SUMMED_TAIL: Final = 2  # loss and weight stand behind the update in a part of a sum
HONEST: Final = "honest"
LABEL_FLIP: Final = "label flip"
BACKDOOR: Final = "backdoor"
PLANTED_SHARE: Final = 0.3  # of a poisoner's rows that carry the pattern


@dataclass(frozen=True)
class Pattern:
    """The cells that open a back door: two columns at values that are rare together."""

    cells: dict[str, float]

    def plant(self, table: Table, rows: Numbers) -> Table:
        """Write the pattern into some rows."""
        columns = dict(table.columns)
        for name, value in self.cells.items():
            columns[name] = np.where(rows, value, columns[name])
        return Table(columns)


def flip_labels(table: Table, label: str) -> Table:
    """Call every positive row negative, and the other way round."""
    return Table(table.columns | {label: 1 - table.columns[label]})


def plant_backdoor(table: Table, label: str, pattern: Pattern) -> Table:
    """Give the pattern to some rows, positive ones too, and call all of them negative."""
    rows = np.random.default_rng(1).random(len(table)) < PLANTED_SHARE
    planted = pattern.plant(table, rows)
    return Table(planted.columns | {label: np.where(rows, 0.0, table.columns[label])})


def tampering(plan: TrainingPlan) -> dict[str, Tamper]:
    """Give the attacks on what a member sends under this plan, by name."""
    return {
        "update x -10": _on_update(plan, lambda update: update * update.dtype.type(-10)),
        "sign flip x 5": _on_update(plan, lambda update: update * update.dtype.type(-5)),
        "NaN": _on_update(plan, _not_a_number),
        "wrong shape": _on_update(plan, lambda update: update[:-1]),
        "claim of 10^9 rows": _claiming(plan),
    }


def _not_a_number(update: Numbers) -> Numbers:
    # A whole number cannot be NaN: what a cast of NaN gives is the lowest.
    if update.dtype == np.int64:
        return np.full_like(update, np.iinfo(np.int64).min)
    return np.full_like(update, np.nan)


def _on_update(plan: TrainingPlan, spoil: Callable[[Numbers], Numbers]) -> Tamper:
    def tamper(request: Message, reply: Message) -> Message:
        if request.metadata.message_type != "train":
            return reply
        if plan.protection == SECRET:
            part = read_array(reply.content, "summand")
            spoilt = np.concatenate([spoil(part[:-SUMMED_TAIL]), part[-SUMMED_TAIL:]])
            return _answer(request, reply, summand=spoilt)
        sent = read_array(reply.content, "model")
        if plan.model.name == TREES:
            return _answer(request, reply, model=_spoil_leaves(plan, sent, spoil))
        start = read_array(request.content, "model")
        change = spoil(sent - start)
        return _answer(request, reply, model=start[: len(change)] + change)

    return tamper


def _spoil_leaves(
    plan: TrainingPlan, sent: Numbers, spoil: Callable[[Numbers], Numbers]
) -> Numbers:
    trees = sent.reshape(-1, tree_numbers(plan.model.width)).copy()
    leaves = trees[:, plan.model.width - 1 :]
    spoilt = spoil(leaves.ravel())
    if spoilt.size != leaves.size:
        return np.asarray(sent[: spoilt.size - leaves.size])
    leaves[:] = spoilt.reshape(leaves.shape)
    return trees.ravel()


def _claiming(plan: TrainingPlan) -> Tamper:
    def tamper(request: Message, reply: Message) -> Message:
        if request.metadata.message_type != "train":
            return reply
        if plan.protection != SECRET:
            sent = read_array(reply.content, "model")
            return _answer(request, reply, rows=CLAIMED_ROWS, model=sent)
        part = read_array(reply.content, "summand").copy()
        part[-1] = CLAIMED_ROWS
        return _answer(request, reply, summand=part)

    return tamper


def _answer(
    request: Message, reply: Message, *, rows: int | None = None, **arrays: Numbers
) -> Message:
    records: dict[str, Any] = {"arrays": write_arrays(**arrays)}
    if "model" in arrays:
        weight = int(read_number(reply.content, WEIGHT)) if rows is None else rows
        records["metrics"] = MetricRecord({WEIGHT: weight, LOSS: read_number(reply.content, LOSS)})
    return Message(RecordDict(records), reply_to=request)
