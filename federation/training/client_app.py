"""The member's half of the app: statistics, rounds and evaluation over its own table.

Everything the member decides itself stands in the node configuration, never in a message: its own
copy of the plan and the schema, where its table is, and what plan it approved. A message that
names another plan is refused before any row is read.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federation.packing import pack, pack_number
from federation.training.checks import clip_length
from federation.training.differential_privacy import fit_private_round
from federation.training.error import PlanError, TableError
from federation.training.evaluation import Comparison, Part
from federation.training.fitting import Examples, fit_round, network_scores
from federation.training.fixed_point import FixedPoint, Floats, Integers
from federation.training.forest import encode_rows
from federation.training.memory import recall_table
from federation.training.own_model import TIME_SHARE, OwnModel, train_own_model
from federation.training.plan import SECRET, TREES, ModelChoice, TrainingPlan
from federation.training.records import (
    ARRAYS,
    ATTEMPT,
    COMPARE,
    EDGES,
    LOSS,
    METRICS,
    MODEL,
    PLAN,
    ROWS,
    SCALING,
    SUMMED,
    WEIGHT,
    MessageError,
    read_array,
    read_bytes,
    read_count,
    read_flag,
    read_round,
    write_arrays,
)
from federation.training.scaling import FINE_BUCKETS, Scaling, count_coarsely, count_finely
from federation.training.schema import FeatureSchema
from federation.training.table import Rows, Table, check_table, query_table, read_table

MEMORY: Final = "memory:"
OWN: Final = "own"
"""In the member's context after an evaluation: its own numbers, which no message carries."""
CACHED_TABLES: Final = 16  # of one process: one of a member's worker, a few in a simulation

app = ClientApp()


@dataclass(frozen=True)
class _Member:
    """A member's own side of a run, read from its node configuration."""

    plan: TrainingPlan
    schema: FeatureSchema
    name: str
    source: str
    query: str
    row_cap: int

    @classmethod
    def open(cls, message: Message, context: Context) -> "_Member":
        """Check that the message is of the approved plan.

        Raises:
            PlanError: PLAN_NOT_APPROVED.
        """
        own = context.node_config
        plan = TrainingPlan.parse(str(own["plan"]).encode())
        digest = plan.digest()
        named = read_bytes(message, PLAN)
        if named != digest or str(own["approved"]) != digest.hex():
            raise PlanError("this member approved another plan", reason="PLAN_NOT_APPROVED")
        schema = FeatureSchema.parse(str(own["schema"]).encode())
        if schema.digest() != plan.schema_digest:
            raise PlanError("the schema is not the plan's", reason="PLAN_NOT_APPROVED")
        query = str(own.get("query", ""))
        row_cap = int(own.get("row_cap", plan.weight_cap))
        return cls(plan, schema, str(own["member"]), str(own["source"]), query, row_cap)

    def rows(self) -> Rows:
        """Open the table.

        Raises:
            TableError: It does not fit the schema.
        """
        return _open_rows(self.source, self.query, self.schema.encode().decode())

    def examples(self, scaling: bytes) -> Examples:
        """Encode the rows as the run does."""
        schema_text = self.schema.encode().decode()
        return _encode_rows(self.source, self.query, schema_text, self.plan.model, scaling)

    def own_model(self) -> OwnModel | None:
        """Train a model on these rows alone, once in this process."""
        plan_text, schema_text = self.plan.encode().decode(), self.schema.encode().decode()
        return _train_own_model(self.source, self.query, schema_text, plan_text)

    def seed(self, number: int, attempt: int) -> int:
        """Give a seed that no other member, round and attempt has, the same on every engine."""
        parts = pack(self.plan.digest(), self.name.encode(), pack_number(number))
        if attempt:
            # Another update: a sum of the same one over other members would show who is missing.
            parts += pack_number(attempt)
        return int.from_bytes(hashlib.sha256(parts).digest()[:4], "big") >> 1


@app.query("coarse")
def count(message: Message, context: Context) -> Message:
    """Give the member's part of the first sum of statistics."""
    member = _Member.open(message, context)
    return _reply_summand(message, count_coarsely(member.schema, member.rows()))


@app.query("fine")
def count_again(message: Message, context: Context) -> Message:
    """Give the member's part of the second sum, in the buckets the coordinator names."""
    member = _Member.open(message, context)
    edges = read_array(message.content, EDGES)
    if edges.ndim != 2 or edges.shape[1] != FINE_BUCKETS + 1 or not np.isfinite(edges).all():
        raise MessageError("the buckets are not of the agreed shape")
    return _reply_summand(message, count_finely(member.schema, member.rows(), edges))


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train for one round; answer as the plan's protection says."""
    member = _Member.open(message, context)
    plan = member.plan
    number = read_round(message)
    start = read_array(message.content, MODEL).astype(np.float32)
    examples = member.examples(read_bytes(message, SCALING))
    seed = member.seed(number, read_count(message, ATTEMPT, 0))
    fit = fit_round if plan.privacy is None else fit_private_round
    fitted, loss = fit(plan, start, examples, number, seed)
    weight = min(len(examples), plan.weight_cap, member.row_cap)
    if plan.model.name == TREES:
        return _reply_update(message, fitted[len(start) :], weight, loss)
    change = clip_length(fitted - start, plan.bound(number))
    if plan.protection == SECRET:
        members, rows = read_count(message, SUMMED, 1), read_count(message, ROWS, 1)
        scale = FixedPoint.fitting(len(start), members, rows)
        part = scale.encode(change, plan.bound(number), weight, member.row_cap, loss)
        return _reply_summand(message, part)
    return _reply_update(message, start + change, weight, loss)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Count blind scores of the model, and beside it of a model of the member's own rows alone."""
    member = _Member.open(message, context)
    model = read_array(message.content, MODEL).astype(np.float32)
    examples = member.examples(read_bytes(message, SCALING))
    scores = network_scores(member.plan, model, examples)
    federated = Part.count(examples.labels, examples.folds, scores)
    own = member.own_model() if read_flag(message, COMPARE) else None
    if own is None:
        found = Comparison(federated)
    else:
        local = Part.count(own.examples.labels, own.examples.folds, own.scores)
        found = Comparison(federated, local, own.rounds < member.plan.rounds)
    context.state[OWN] = ConfigRecord({OWN: json.dumps(found.describe())})
    return _reply_summand(message, found.summand())


@lru_cache(maxsize=CACHED_TABLES)
def _open_rows(source: str, query: str, schema_text: str) -> Rows:
    return check_table(_open_table(source, query), FeatureSchema.parse(schema_text.encode()))


def _open_table(source: str, query: str) -> Table:
    if source.startswith(MEMORY):
        return recall_table(source.removeprefix(MEMORY))
    return query_table(source, query) if query else read_table(Path(source))


@lru_cache(maxsize=CACHED_TABLES)
def _encode_rows(
    source: str, query: str, schema_text: str, choice: ModelChoice, scaling: bytes
) -> Examples:
    schema = FeatureSchema.parse(schema_text.encode())
    rows = _open_rows(source, query, schema_text)
    try:
        known = Scaling.parse(schema, choice.bins, scaling)
    except ValueError as error:
        raise TableError("the run's scaling does not fit the schema") from error
    inputs = encode_rows(choice, known, schema, rows)
    return Examples.of(inputs, rows.labels, known.prior, choice.networks)


@lru_cache(maxsize=CACHED_TABLES)
def _train_own_model(source: str, query: str, schema_text: str, plan_text: str) -> OwnModel | None:
    rows, plan = _open_rows(source, query, schema_text), TrainingPlan.parse(plan_text.encode())
    schema = FeatureSchema.parse(schema_text.encode())
    seconds = TIME_SHARE * plan.deadline_seconds
    return train_own_model(plan, schema, rows, most_seconds=seconds)


def _reply_summand(message: Message, numbers: Integers) -> Message:
    """Answer with nothing but a vector that is meant to be summed."""
    arrays = write_arrays(summand=np.ascontiguousarray(numbers, np.int64))
    return Message(RecordDict({ARRAYS: arrays}), reply_to=message)


def _reply_update(message: Message, model: Floats, weight: int, loss: float) -> Message:
    metrics = MetricRecord({WEIGHT: weight, LOSS: loss})
    arrays = write_arrays(model=model)
    return Message(RecordDict({ARRAYS: arrays, METRICS: metrics}), reply_to=message)
