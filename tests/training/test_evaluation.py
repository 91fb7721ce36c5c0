"""Members' counts add up to the metrics of all rows, and show what a network remembers."""

import json
import math

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")

from federation.training import metrics  # noqa: E402
from federation.training.evaluation import (  # noqa: E402
    SUMMAND_LENGTH,
    Comparison,
    Part,
    put_together,
)
from federation.training.fitting import assign_folds  # noqa: E402
from federation.training.grpc_member import MemberEngine  # noqa: E402
from federation.training.local_engine import run_locally  # noqa: E402
from federation.training.own_model import train_own_model  # noqa: E402
from federation.training.plan import ROBUST, SECRET, ModelChoice, Optimiser  # noqa: E402
from federation.training.table import check_table  # noqa: E402
from federation.training.worth import GAIN_STEPS, Evaluation, Gains  # noqa: E402
from tests.training.planted import planted_members, planted_rows  # noqa: E402
from tests.training.small import small_plan  # noqa: E402

NETWORKS = 4


def _rows(seed, count=1_500, surer=0.0):
    """Make labels, folds and scores; ``surer`` is what having seen a row adds to its log-odds."""
    source = numpy.random.default_rng(seed)
    labels = (source.uniform(size=count) < 0.2).astype(numpy.float32)
    folds = assign_folds(labels, NETWORKS)
    odds = source.normal(labels * 2.5 - 2, 1)[:, None] + source.normal(0, 0.2, (count, NETWORKS))
    seen = numpy.arange(NETWORKS) != folds[:, None]
    odds = odds + seen * surer * (2 * labels[:, None] - 1)
    return labels, folds, (1 / (1 + numpy.exp(-odds))).astype(numpy.float32)


def _blind(labels, folds, scores):
    return scores[numpy.arange(len(labels)), folds]


def test_sums_over_members_give_the_metrics_of_all_rows():
    reference = pytest.importorskip("sklearn.metrics")
    members = [_rows(seed) for seed in (1, 2, 3)]
    total = sum(Comparison(Part.count(*one), Part.count(*one)).summand() for one in members)
    found = put_together(total, 3)
    labels = numpy.concatenate([one[0] for one in members])
    scores = numpy.concatenate([_blind(*one) for one in members])
    worth = found.federated
    alarms = scores >= worth.threshold

    assert (found.rows, found.positives) == (len(labels), int(labels.sum()))
    assert (found.contributors, found.compared, found.shortened) == (3, 3, 0)
    assert worth.roc_auc == pytest.approx(reference.roc_auc_score(labels, scores), abs=2e-3)
    assert worth.pr_auc == pytest.approx(
        reference.average_precision_score(labels, scores), abs=5e-3
    )
    assert worth.macro_f1 == pytest.approx(
        reference.f1_score(labels, alarms, average="macro"), abs=1e-3
    )
    assert worth.recall_at_alerts == pytest.approx(
        metrics.recall_at_alerts(labels, scores, 100), abs=5e-3
    )
    assert worth.recall_at_fpr == pytest.approx(
        metrics.precision_at_false_positive_rate(labels, scores)[1], abs=0.02
    )
    assert worth.calibration_error == pytest.approx(
        metrics.calibration(labels, scores).error, abs=0.01
    )
    innocent = scores[labels < 0.5]
    assert (innocent >= worth.action_threshold).mean() <= 1e-4
    found_mean, wanted = (
        found.federated_mean,
        [reference.roc_auc_score(one[0], _blind(*one)) for one in members],
    )
    assert found_mean.roc_auc == pytest.approx(numpy.mean(wanted), abs=1e-5)


def test_a_model_that_remembers_its_rows_is_told_from_one_that_does_not():
    good, overfitted = (
        put_together(Comparison(Part.count(*_rows(4, surer=surer))).summand(), 3).federated
        for surer in (0.0, 2.0)
    )

    assert good.membership_advantage < 0.06
    assert good.membership_auc == pytest.approx(0.5, abs=0.03)
    assert overfitted.membership_advantage > 0.8
    assert overfitted.membership_auc > 0.95
    # Blind scores do not know of it: that is what makes the metrics honest.
    assert overfitted.roc_auc == pytest.approx(good.roc_auc, abs=1e-6)


def test_a_trained_network_that_overfits_shows_it_and_one_of_few_steps_does_not():
    found = {}
    for name, steps in (("few", 2), ("many", 120)):
        optimiser = Optimiser(0.005, weight_decay=0.0, least_steps=steps, most_steps=steps)
        choice = ModelChoice(width=32, networks=4, bins=8, dropout=0.0)
        plan, schema = small_plan(model=choice, optimiser=optimiser, rounds=1)
        rows = check_table(planted_rows(80, 3), schema)
        own = train_own_model(plan, schema, rows)
        part = Part.count(own.examples.labels, own.examples.folds, own.scores)
        found[name] = put_together(Comparison(part).summand(), 1).federated

    assert found["few"].membership_advantage < 0.25  # by chance, of 80 rows
    assert found["many"].membership_advantage > 0.4
    assert found["many"].membership_auc > found["few"].membership_auc + 0.05


@pytest.mark.parametrize(
    ("ticks", "rounds"),
    [
        ([0, 10, 15, 20, 25, 30], 2),  # one round took ten seconds: two are begun
        ([0, 1, 40], 1),  # the first of four was quick, the next one took too long
        ([0, 1, 2, 3, 4, 5], 4),
    ],
)
def test_a_slow_machine_trains_its_own_model_for_fewer_rounds(ticks, rounds):
    plan, schema = small_plan(rounds=4)
    rows = check_table(planted_rows(80, 3), schema)
    clock = iter(ticks).__next__
    own = train_own_model(plan, schema, rows, clock=clock, most_seconds=25.0)

    assert own.rounds == rounds


def test_one_network_is_measured_on_rows_that_it_never_saw():
    plan, schema = small_plan(model=ModelChoice(width=8, networks=1, bins=4, dropout=0.0))
    tables = planted_members(3, 200)
    found = run_locally(plan, schema, tables, compare=True).evaluation

    assert 40 < found.rows < 80  # one in ten
    assert found.federated.membership_advantage is not None
    assert found.compared == 3


def test_a_member_with_one_label_is_in_the_sums_and_not_in_the_comparison():
    labels, folds, scores = _rows(5)
    whole = Comparison(Part.count(labels, folds, scores), Part.count(labels, folds, scores))
    innocent = labels < 0.5
    part = Part.count(labels[innocent], folds[innocent], scores[innocent])
    lonely = Comparison(part)
    found = put_together(whole.summand() + lonely.summand(), 2)

    assert lonely.gains is None
    assert lonely.describe()["federated"] is None
    assert found.compared == 1
    assert found.rows == len(labels) + int(innocent.sum())
    assert [sum(one.counts) for one in found.gains] == [1, 1, 1]
    assert found.federated_mean.roc_auc == pytest.approx(found.federated.roc_auc, abs=0.01)


@pytest.mark.parametrize(
    ("gain", "place"),
    [(0.0, 11), (0.0051, 11), (0.015, 12), (-0.001, 10), (-0.5, 0), (0.7, 21)],
)
def test_a_gain_is_a_mark_in_one_bucket_that_names_its_edges(gain, place):
    labels, folds, scores = _rows(6, 400)
    base = Part.count(labels, folds, scores)
    better = Part(
        base.scores,
        base.membership,
        base.decisions,
        base.means + numpy.array([round(gain * 1_000_000)] * 3),
    )
    found = put_together(Comparison(better, base).summand(), 1)
    low, high = found.gains[0].edges(place)

    assert list(found.gains[0].counts) == [int(one == place) for one in range(2 * GAIN_STEPS + 2)]
    assert low <= gain < high
    assert Gains("auc", found.gains[0].counts).edges(0)[0] == -math.inf


def test_an_evaluation_reads_back_and_a_sum_of_another_length_is_none():
    labels, folds, scores = _rows(7)
    total = Comparison(Part.count(labels, folds, scores)).summand()
    found = put_together(total, 4)

    assert len(total) == SUMMAND_LENGTH
    assert found.local is None
    assert Evaluation.parse(found.encode()) == found
    with pytest.raises(ValueError, match="length"):
        put_together(total[:-1], 4)


@pytest.mark.parametrize(("protection", "records"), [(ROBUST, ["arrays"]), (SECRET, ["metrics"])])
def test_own_numbers_stay_out_of_the_answer(protection, records):
    from federation.training.adapter import encode_message, parse_message, stamp
    from federation.training.local_engine import member_config
    from federation.training.memory import forget_tables, remember_table

    plan, schema = small_plan(protection=protection)
    table = planted_members(1, 200)["carrier-a"]
    remember_table("own/carrier-a", table)
    try:
        settings = member_config(plan, schema, "carrier-a", "own/")
        engine = MemberEngine(settings)
        request = _evaluate_request(plan, schema, table)
        stamp(request)
        answer = engine.answer(encode_message(request), 0)
        own = json.loads(engine.take_own_numbers())
    finally:
        forget_tables("own/")
    content = parse_message(answer).content

    assert own["rows"] == 200
    assert own["gains"] is not None
    assert list(content) == records
    assert engine.take_own_numbers() == ""


def _evaluate_request(plan, schema, table):
    from flwr.app import ConfigRecord, Message, MessageType, RecordDict

    from federation.training.local_engine import node_id
    from federation.training.models import initial_model
    from federation.training.own_model import own_scaling
    from federation.training.records import (
        ARRAYS,
        COMPARE,
        CONFIG,
        MODEL,
        PLAN,
        SCALING,
        write_arrays,
    )

    scaling = own_scaling(plan, schema, check_table(table, schema)).encode()
    model = initial_model(plan.model, schema.width(plan.model.bins))
    content = {
        CONFIG: ConfigRecord({PLAN: plan.digest(), SCALING: scaling, COMPARE: True}),
        ARRAYS: write_arrays(**{MODEL: model}),
    }
    return Message(RecordDict(content), node_id("carrier-a"), MessageType.EVALUATE)
