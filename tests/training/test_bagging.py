"""Boosted trees in the whole app: rounds, attacks, resumption, the model as a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")
pytest.importorskip("xgboost")

from flwr.app import Context, Message, RecordDict  # noqa: E402

from federation.training import metrics  # noqa: E402
from federation.training.error import PlanError, TableError  # noqa: E402
from federation.training.fitting import probabilities  # noqa: E402
from federation.training.forest import (  # noqa: E402
    count_columns,
    encode_rows,
    tree_numbers,
)
from federation.training.local_engine import (  # noqa: E402
    LocalGrid,
    LocalRun,
    member_config,
    run_locally,
)
from federation.training.memory import remember_table  # noqa: E402
from federation.training.plan import (  # noqa: E402
    ModelChoice,
    PrivacyTarget,
    StrategyChoice,
    TrainingPlan,
)
from federation.training.reasons import reasons  # noqa: E402
from federation.training.records import read_array, write_arrays  # noqa: E402
from federation.training.released import ReleasedModel  # noqa: E402
from federation.training.scaling import Scaling  # noqa: E402
from federation.training.schema import FeatureSchema  # noqa: E402
from federation.training.scorer import build_scorer  # noqa: E402
from federation.training.server_app import app as server_app  # noqa: E402
from federation.training.server_app import outcome_of  # noqa: E402
from federation.training.table import Rows, check_table  # noqa: E402
from tests.training.attacks import flip_labels, tampering  # noqa: E402
from tests.training.planted import planted_members, planted_rows  # noqa: E402
from tests.training.small import small_trees  # noqa: E402

PLAN, SCHEMA = small_trees()


@pytest.fixture(scope="module")
def honest() -> LocalRun:
    return run_locally(PLAN, SCHEMA, planted_members(3, 600))


@pytest.fixture(scope="module")
def truth() -> Rows:
    return check_table(planted_rows(2_000, 99), SCHEMA)


def _released(run: LocalRun, plan: TrainingPlan = PLAN) -> ReleasedModel:
    return ReleasedModel(plan, SCHEMA, run.scaling, run.model, run.threshold)


def _area(run: LocalRun, truth: Rows, plan: TrainingPlan = PLAN) -> float:
    return metrics.roc_auc(truth.labels, _released(run, plan).score_rows(truth))


def test_members_grow_one_model_together(honest: LocalRun, truth: Rows) -> None:
    trees = len(honest.model) // tree_numbers(PLAN.model.width)

    assert _area(honest, truth) > 0.87
    assert honest.blind["auc"] == pytest.approx(_area(honest, truth), abs=0.05)
    assert trees == 3 * PLAN.model.networks * PLAN.rounds
    assert all(report.moved for report in honest.reports)
    assert [report.weight for report in honest.reports].count(1_800) >= PLAN.rounds - 1
    assert honest.reports[-1].loss < honest.reports[0].loss


def test_a_run_of_trees_repeats_to_the_bit(honest: LocalRun) -> None:
    again = run_locally(PLAN, SCHEMA, planted_members(3, 600), threads=3)

    assert (again.model == honest.model).all()
    assert again.threshold == honest.threshold


def test_every_members_step_counts_by_its_rows(honest: LocalRun) -> None:
    tables = planted_members(3, 300)
    tables["carrier-b"] = planted_rows(2_700, 6)
    run = run_locally(replace(PLAN, rounds=1), SCHEMA, tables)
    leaves = run.model.reshape(3, -1, tree_numbers(PLAN.model.width))[:, :, -PLAN.model.width :]
    largest = sorted(numpy.abs(leaves).max(axis=(1, 2)).tolist())

    assert largest[2] > 3 * largest[1]


def test_the_scorer_gives_the_models_own_scores(honest: LocalRun, truth: Rows) -> None:
    model = _released(honest)
    scaling = Scaling.parse(SCHEMA, PLAN.model.bins, honest.scaling)
    codes = encode_rows(PLAN.model, scaling, SCHEMA, truth)
    expected = probabilities(PLAN, honest.model, codes, scaling.prior)
    scorer = build_scorer(model)
    part = truth.select(numpy.arange(5))

    assert scorer.score(truth) == pytest.approx(expected, abs=1e-6)
    assert metrics.roc_auc(truth.labels, scorer.log_odds(truth)) > 0.87
    assert all(len(found) <= 3 for found in reasons(scorer, part))
    assert any(found for found in reasons(scorer, part))


def test_a_released_model_of_trees_comes_back_from_its_file(
    honest: LocalRun, truth: Rows, tmp_path: Path
) -> None:
    model = _released(honest)
    model.save(tmp_path / "model")
    again = ReleasedModel.load(tmp_path / "model")

    assert again.digest() == model.digest()
    assert (again.score_rows(truth) == model.score_rows(truth)).all()


@pytest.mark.parametrize("number", [float("nan"), -3.0, 1e9, 0.5])
def test_a_file_with_other_than_trees_is_refused(honest: LocalRun, number: float) -> None:
    vector = honest.model.copy()
    vector[0] = number
    data = replace(_released(honest), vector=vector).encode()

    with pytest.raises(TableError) as refusal:
        ReleasedModel.parse(data)

    assert refusal.value.reason == "MODEL_MALFORMED"


REASONS: dict[str, Any] = {
    "update x -10": "UPDATE_NORM",
    "sign flip x 5": ("UPDATE_NORM", "UPDATE_OPPOSED"),
    "NaN": "UPDATE_NOT_FINITE",
    "wrong shape": "UPDATE_SHAPE",
    "claim of 10^9 rows": "UPDATE_WEIGHT",
}


@pytest.mark.parametrize("attack", sorted(REASONS))
def test_a_poisoner_of_trees_is_named_and_left_out(attack: str, truth: Rows) -> None:
    plan = replace(PLAN, minimum_members=3, rounds=4)
    tables = planted_members(5, 200)
    run = run_locally(plan, SCHEMA, tables, tamper={"carrier-a": tampering(plan)[attack]})

    outcomes = [report.outcomes["carrier-a"] for report in run.reports]
    named = [each.reason for each in outcomes if each.status == "rejected"]

    assert len(named) >= (3 if attack == "sign flip x 5" else 4)
    assert all(reason.startswith(REASONS[attack]) for reason in named)
    assert all(report.outcomes["carrier-b"].status == "ok" for report in run.reports)
    assert _area(run, truth, plan) > 0.83


def _sending(array: Any) -> Any:
    def tamper(request: Message, reply: Message) -> Message:
        if request.metadata.message_type != "train":
            return reply
        sent = read_array(reply.content, "model")
        content = {**reply.content, "arrays": write_arrays(model=array(sent))}
        return Message(RecordDict(content), reply_to=request)

    return tamper


def _with_split(number: float) -> Any:
    def change(sent: Any) -> Any:
        changed = sent.copy()
        changed[0] = number
        return changed

    return change


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (_with_split(256.0 * count_columns(SCHEMA)), "UPDATE_SHAPE"),
        (_with_split(-1.0), "UPDATE_SHAPE"),
        (_with_split(0.25), "UPDATE_SHAPE"),
        (_with_split(float("inf")), "UPDATE_NOT_FINITE"),
        (lambda sent: sent.astype(float), "UPDATE_SHAPE"),
        (lambda sent: numpy.concatenate([sent, sent]), "UPDATE_SHAPE"),
        (lambda sent: sent.reshape(2, -1), "UPDATE_SHAPE"),
        (lambda sent: numpy.frombuffer(b'{"learner":' + b"[" * 5_000, numpy.uint8), "UPDATE_SHAPE"),
    ],
    ids=["beyond", "below", "between", "infinite", "floats", "twice", "two-rows", "document"],
)
def test_whatever_a_member_sends_for_trees_is_read_as_numbers_or_refused(
    array: Any, reason: str
) -> None:
    plan = replace(PLAN, rounds=1)
    run = run_locally(plan, SCHEMA, planted_members(3, 100), tamper={"carrier-a": _sending(array)})

    assert run.reports[0].outcomes["carrier-a"].status == "rejected"
    assert run.reports[0].outcomes["carrier-a"].reason.startswith(reason)
    assert run.reports[0].moved


def test_flipped_labels_are_named_and_outvoted_by_trees(truth: Rows) -> None:
    tables = planted_members(5, 300)
    plan = replace(PLAN, minimum_members=3, rounds=12)
    clean = run_locally(plan, SCHEMA, tables)
    tables["carrier-c"] = flip_labels(tables["carrier-c"], "label")
    run = run_locally(plan, SCHEMA, tables)
    statuses = [report.outcomes["carrier-c"].status for report in run.reports]

    assert statuses.count("rejected") > 6
    assert _area(run, truth, plan) > _area(clean, truth, plan) - 0.02


def _context(plan: TrainingPlan, schema: FeatureSchema) -> Context:
    run_config: Any = {"plan": plan.encode().decode(), "schema": schema.encode().decode()}
    return Context(1, 1, {}, RecordDict(), run_config)


def test_a_run_of_trees_goes_on_from_its_checkpoint_to_the_same_model() -> None:
    prefix = "resume-trees/"
    for member, table in planted_members(3, 200).items():
        remember_table(prefix + member, table)
    members = {each: member_config(PLAN, SCHEMA, each, prefix) for each in planted_members(3, 9)}
    whole = _context(PLAN, SCHEMA)
    server_app(LocalGrid(members), whole)
    first = _Stopping(members, after=3)
    with pytest.raises(KeyboardInterrupt):
        server_app(first, _context(PLAN, SCHEMA))
    rest = _context(PLAN, SCHEMA)
    second = LocalGrid(members, checkpoint=first.checkpoint)
    server_app(second, rest)

    assert [report.number for report in second.reports] == [4, 5, 6, 7, 8]
    assert (outcome_of(rest)[0] == outcome_of(whole)[0]).all()


class _Stopping(LocalGrid):
    """A coordinator that dies after a round."""

    def __init__(self, members: Any, after: int) -> None:
        super().__init__(members)
        self._after = after

    def report_round(self, report: Any) -> None:
        if report.number == self._after:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protection": "secret", "minimum_members": 3}, "trees have no sum"),
        ({"privacy": PrivacyTarget(8.0, 1e-5)}, "differential privacy"),
    ],
)
def test_trees_are_refused_where_they_cannot_be_protected(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words) as refusal:
        replace(PLAN, **changes)

    assert refusal.value.reason == "PROTECTION_UNAVAILABLE"
    assert refusal.value.hint is not None
    assert "residual" in refusal.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": StrategyChoice("FedAvg", averaged_rounds=0.0)},
        {"strategy": StrategyChoice("FedXgbBagging")},
        {"model": ModelChoice()},
    ],
    ids=str,
)
def test_trees_and_their_strategy_belong_together(changes: dict[str, Any]) -> None:
    with pytest.raises(PlanError):
        replace(PLAN, **changes)


@pytest.mark.parametrize("shape", [{"width": 12}, {"width": 1}, {"width": 512}, {"blocks": 1}])
def test_a_tree_has_a_power_of_two_of_leaves(shape: dict[str, int]) -> None:
    with pytest.raises(PlanError):
        ModelChoice(**({"name": "trees", "width": 16, "blocks": 0} | shape))
