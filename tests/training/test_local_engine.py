"""The whole app in one process: statistics, rounds, evaluation, and what goes wrong in them."""

from dataclasses import replace
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")

from flwr.app import Context, Message, MetricRecord, RecordDict  # noqa: E402

from federation.training import metrics  # noqa: E402
from federation.training.adapter import TrainingGrid  # noqa: E402
from federation.training.error import PlanError, QuorumError  # noqa: E402
from federation.training.local_engine import (  # noqa: E402
    LocalGrid,
    LocalRun,
    member_config,
    run_locally,
)
from federation.training.memory import remember_table  # noqa: E402
from federation.training.plan import Optimiser, StrategyChoice  # noqa: E402
from federation.training.records import read_array, write_arrays  # noqa: E402
from federation.training.released import ReleasedModel  # noqa: E402
from federation.training.server_app import app as server_app  # noqa: E402
from federation.training.server_app import outcome_of  # noqa: E402
from federation.training.table import Table, check_table  # noqa: E402
from tests.training.planted import planted_members, planted_rows  # noqa: E402
from tests.training.small import small_plan  # noqa: E402

ROBUST = {"protection": "robust", "minimum_members": 2}


def _area(run: LocalRun, plan: Any, schema: Any) -> float:
    model = ReleasedModel(plan, schema, run.scaling, run.model, run.threshold)
    truth = check_table(planted_rows(2_000, 99), schema)
    return metrics.roc_auc(truth.labels, model.score_rows(truth))


@pytest.mark.parametrize("name", ["FedAvg", "FedProx", "FedAdam"])
@pytest.mark.parametrize("protection", ["secret", "robust"])
def test_every_summable_strategy_learns_under_both_protections(name: str, protection: str) -> None:
    strategy = StrategyChoice(name, proximal=0.01 if name == "FedProx" else 0.0)
    plan, schema = small_plan(protection=protection, strategy=strategy, rounds=8)
    run = run_locally(plan, schema, planted_members(3, 400))

    assert _area(run, plan, schema) > 0.8
    assert run.blind["auc"] > 0.75
    assert [report.moved for report in run.reports] == [True] * 8
    assert all(report.weight == 1_200 for report in run.reports)
    assert run.reports[-1].loss < run.reports[0].loss


@pytest.mark.parametrize("name", ["FedTrimmedAvg", "MultiKrum"])
def test_every_comparing_strategy_learns(name: str) -> None:
    plan, schema = small_plan(
        protection="robust", strategy=StrategyChoice(name), minimum_members=5, rounds=8
    )
    run = run_locally(plan, schema, planted_members(5, 300))

    assert _area(run, plan, schema) > 0.8


def test_secret_gives_the_model_of_robust_averaging_within_rounding() -> None:
    runs = []
    for protection in ("secret", "robust"):
        plan, schema = small_plan(protection=protection)
        tables = planted_members(3, 300)
        # The protection is part of the plan and the plan's digest seeds the members: the seeds of
        # both runs must be the same for their models to be comparable.
        runs.append(_with_seeds_of(small_plan()[0], plan, schema, tables))

    assert runs[0].model == pytest.approx(runs[1].model, abs=2e-5)


def _with_seeds_of(seeds: Any, plan: Any, schema: Any, tables: dict[str, Table]) -> LocalRun:
    from federation.training import client_app

    with pytest.MonkeyPatch.context() as patch:
        own = client_app._Member.seed
        patch.setattr(
            client_app._Member, "seed", lambda self, *which: own(replace(self, plan=seeds), *which)
        )
        return run_locally(plan, schema, tables)


def test_a_run_repeats_to_the_bit_with_threads_or_without() -> None:
    plan, schema = small_plan()
    tables = planted_members(3, 200)
    first = run_locally(plan, schema, tables)
    second = run_locally(plan, schema, tables, threads=3)

    assert (first.model == second.model).all()
    assert first.threshold == second.threshold


def test_a_secret_round_shows_the_strategy_no_update_weight_or_loss() -> None:
    seen: list[RecordDict] = []

    def look(request: Message, reply: Message) -> Message:
        if request.metadata.message_type == "train":
            seen.append(reply.content)
        return reply

    plan, schema = small_plan()
    run_locally(plan, schema, planted_members(3, 200), tamper={"carrier-a": look})

    assert len(seen) == plan.rounds
    for content in seen:
        assert [*content] == ["arrays"]
        assert [*content["arrays"]] == ["summand"]


def _times(factor: float) -> Any:
    def tamper(request: Message, reply: Message) -> Message:
        if request.metadata.message_type != "train":
            return reply
        start = read_array(request.content, "model")
        change = read_array(reply.content, "model") - start
        with numpy.errstate(invalid="ignore"):
            return _resend(request, reply, start + numpy.float32(factor) * change)

    return tamper


def _resend(request: Message, reply: Message, model: Any, rows: int = 200) -> Message:
    records = {"arrays": write_arrays(model=model)}
    records["metrics"] = MetricRecord({"num-examples": rows, "loss": 0.5})
    return Message(RecordDict(records), reply_to=request)


def _shape(request: Message, reply: Message) -> Message:
    if request.metadata.message_type != "train":
        return reply
    return _resend(request, reply, read_array(reply.content, "model")[:-1])


def _claim(request: Message, reply: Message) -> Message:
    if request.metadata.message_type != "train":
        return reply
    return _resend(request, reply, read_array(reply.content, "model"), rows=10**9)


def _empty(request: Message, reply: Message) -> Message:
    if request.metadata.message_type != "train":
        return reply
    return Message(RecordDict(), reply_to=request)


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (_times(-10), "UPDATE_NORM"),
        (_times(-5), "UPDATE_NORM"),
        (_times(float("nan")), "UPDATE_NOT_FINITE"),
        (_shape, "UPDATE_SHAPE"),
        (_claim, "UPDATE_WEIGHT"),
        (_empty, "UPDATE_SHAPE"),
    ],
)
@pytest.mark.parametrize(
    ("name", "members"), [("FedAvg", 5), ("FedTrimmedAvg", 3), ("MultiKrum", 5)]
)
def test_an_offender_is_named_and_the_model_unharmed(
    attack: Any, reason: str, name: str, members: int
) -> None:
    plan, schema = small_plan(
        protection="robust", strategy=StrategyChoice(name), minimum_members=members - 1, rounds=6
    )
    tables = planted_members(members, 200)
    honest = dict(list(tables.items())[1:])
    run = run_locally(plan, schema, tables, tamper={"carrier-a": attack})
    without = run_locally(plan, schema, honest)

    for report in run.reports:
        assert report.outcomes["carrier-a"].status == "rejected"
        assert report.outcomes["carrier-a"].reason.startswith(reason)
        assert report.outcomes["carrier-b"].status == "ok"
    assert _area(run, plan, schema) > _area(without, plan, schema) - 0.03


def _secretly(change: Any) -> Any:
    def tamper(request: Message, reply: Message) -> Message:
        if request.metadata.message_type != "train":
            return reply
        numbers = change(read_array(reply.content, "summand").copy())
        records = {"arrays": write_arrays(summand=numbers)}
        return Message(RecordDict(records), reply_to=request)

    return tamper


def _claim_secretly(numbers: Any) -> Any:
    numbers[-1] = 10**9
    return numbers


SECRET_ATTACKS = {
    "times -100": (lambda numbers: numbers * -100, "UPDATE_WEIGHT"),
    "length": (
        lambda numbers: numpy.concatenate([numbers[:-2] * -200, numbers[-2:]]),
        "UPDATE_NORM",
    ),
    "not finite": (lambda numbers: numpy.full_like(numbers, 2**63 - 1), "UPDATE_WEIGHT"),
    "lowest": (
        lambda numbers: numpy.concatenate([numpy.full_like(numbers[2:], -(2**63)), numbers[-2:]]),
        "UPDATE_NORM",
    ),
    "shape": (lambda numbers: numbers[:-1], "UPDATE_SHAPE"),
    "floats": (lambda numbers: numbers.astype(float), "UPDATE_SHAPE"),
    "claim": (_claim_secretly, "UPDATE_WEIGHT"),
}


@pytest.mark.parametrize("attack", sorted(SECRET_ATTACKS))
def test_a_part_that_breaks_the_bounds_is_not_in_the_sum(attack: str) -> None:
    change, reason = SECRET_ATTACKS[attack]
    plan, schema = small_plan(rounds=6)
    tables = planted_members(5, 200)
    run = run_locally(plan, schema, tables, tamper={"carrier-a": _secretly(change)})
    without = run_locally(plan, schema, dict(list(tables.items())[1:]))

    for report in run.reports:
        assert report.outcomes["carrier-a"].status == "rejected"
        assert report.outcomes["carrier-a"].reason.startswith(reason)
    assert _area(run, plan, schema) > _area(without, plan, schema) - 0.03


def test_flipped_labels_are_outvoted() -> None:
    plan, schema = small_plan(
        protection="robust", strategy=StrategyChoice("MultiKrum"), minimum_members=5, rounds=8
    )
    tables = planted_members(5, 300)
    columns = dict(tables["carrier-c"].columns)
    columns["label"] = 1 - columns["label"]
    tables["carrier-c"] = Table(columns)

    assert _area(run_locally(plan, schema, tables), plan, schema) > 0.8


def test_a_member_with_another_plan_refuses_before_reading_a_row() -> None:
    plan, schema = small_plan(**ROBUST)
    other, _ = small_plan(**ROBUST, task="another task")
    prefix = "another-plan/"
    for name, table in planted_members(3, 200).items():
        remember_table(prefix + name, table)
    members = {name: member_config(plan, schema, name, prefix) for name in planted_members(2, 9)}
    members["carrier-c"] = member_config(other, schema, "carrier-c", "no such table/")
    members["carrier-d"] = member_config(plan, schema, "carrier-d", "no such table/") | {
        "approved": other.digest().hex()
    }
    grid = _run(LocalGrid(members), plan, schema)

    for report in grid.reports:
        assert report.moved
        for name in ("carrier-c", "carrier-d"):
            assert report.outcomes[name].status == "refused"
            assert report.outcomes[name].reason.startswith("PLAN_NOT_APPROVED")


def _run(grid: LocalGrid, plan: Any, schema: Any) -> LocalGrid:
    context = _context(plan, schema)
    server_app(grid, context)
    return grid


def _context(plan: Any, schema: Any) -> Context:
    run_config = {"plan": plan.encode().decode(), "schema": schema.encode().decode()}
    return Context(1, 1, {}, RecordDict(), run_config)


def test_a_member_without_its_table_is_reported_and_the_run_goes_on() -> None:
    plan, schema = small_plan(**ROBUST)
    tables = planted_members(3, 200)
    tables["carrier-c"] = Table({"label": tables["carrier-c"].columns["label"]})
    run = run_locally(plan, schema, tables)

    outcome = run.reports[0].outcomes["carrier-c"]
    assert outcome.status == "refused"
    assert outcome.reason.startswith("TABLE_MISMATCH: column 'calls' is missing")


def test_too_few_members_end_the_run_with_their_reasons() -> None:
    plan, schema = small_plan()
    tables = planted_members(3, 200)
    tables["carrier-c"] = Table({"label": tables["carrier-c"].columns["label"]})

    with pytest.raises(QuorumError, match="'calls' is missing"):
        run_locally(plan, schema, tables)
    with pytest.raises(QuorumError, match="2 of 3 members"):
        run_locally(plan, schema, planted_members(2, 200))


def test_rounds_without_enough_good_updates_change_nothing_and_end_the_run() -> None:
    plan, schema = small_plan(protection="robust", minimum_members=3, rounds=9)
    prefix = "idle/"
    for name, table in planted_members(3, 200).items():
        remember_table(prefix + name, table)
    members = {name: member_config(plan, schema, name, prefix) for name in planted_members(3, 9)}
    grid = LocalGrid(members, tamper={"carrier-b": _times(float("inf"))})

    with pytest.raises(QuorumError, match="3 rounds in a row"):
        _run(grid, plan, schema)

    assert [report.moved for report in grid.reports] == [False] * 3
    assert grid.checkpoint is not None
    assert [report.number for report in grid.reports] == [1] * 3
    assert grid.checkpoint.number == 0


def test_a_member_later_than_the_deadline_is_not_waited_for() -> None:
    import time

    def slow(request: Message, reply: Message) -> Message:
        if request.metadata.message_type == "train":
            time.sleep(1.5)
        return reply

    plan, schema = small_plan(**ROBUST, rounds=1, deadline_seconds=1)
    run = run_locally(plan, schema, planted_members(3, 100), threads=3, tamper={"carrier-b": slow})

    assert run.reports[0].moved
    assert run.reports[0].outcomes["carrier-b"].status == "late"


@pytest.mark.parametrize("name", ["FedAvg", "FedAdam"])
def test_a_run_goes_on_from_its_checkpoint_to_the_same_model(name: str) -> None:
    plan, schema = small_plan(strategy=StrategyChoice(name), rounds=6)
    prefix = f"resume-{name}/"
    for member, table in planted_members(3, 200).items():
        remember_table(prefix + member, table)
    members = {each: member_config(plan, schema, each, prefix) for each in planted_members(3, 9)}
    whole = _context(plan, schema)
    server_app(LocalGrid(members), whole)
    first = _Stopping(members, after=3)
    with pytest.raises(KeyboardInterrupt):
        server_app(first, _context(plan, schema))
    rest = _context(plan, schema)
    second = LocalGrid(members, checkpoint=first.checkpoint)
    server_app(second, rest)

    assert [report.number for report in second.reports] == [4, 5, 6]
    assert (outcome_of(rest)[0] == outcome_of(whole)[0]).all()


class _Stopping(LocalGrid):
    """A coordinator that dies after a round."""

    def __init__(self, members: Any, after: int) -> None:
        super().__init__(members)
        self._after = after

    def report_round(self, report: Any) -> None:
        if report.number == self._after:
            raise KeyboardInterrupt


def test_secret_is_refused_where_sums_would_show_the_parts() -> None:
    plan, schema = small_plan()
    grid = LocalGrid({})

    class Stock:
        """A grid that is not of this project."""

        get_node_ids = grid.get_node_ids

    assert not isinstance(Stock(), TrainingGrid)
    with pytest.raises(PlanError) as refusal:
        server_app(Stock(), _context(plan, schema))

    assert refusal.value.reason == "PROTECTION_UNAVAILABLE"


def test_another_first_model_or_schema_is_refused() -> None:
    plan, schema = small_plan()
    wrong = replace(plan, initial_model_digest=bytes(32))

    with pytest.raises(PlanError, match="first model"):
        run_locally(wrong, schema, planted_members(3, 50))
    with pytest.raises(PlanError, match="schema"):
        run_locally(plan, replace(schema, label="fraud"), planted_members(3, 50))


def test_a_leak_is_refused_where_the_plan_says_so() -> None:
    tables = planted_members(3, 300)
    for name, table in tables.items():
        columns = dict(table.columns)
        columns["noise_1"] = numpy.where(
            (columns["label"] > 0) & (numpy.arange(300) % 2 == 0), numpy.nan, columns["noise_1"]
        )
        tables[name] = Table(columns)
    plan, schema = small_plan(leaks="refuse")

    with pytest.raises(PlanError, match="noise_1") as refusal:
        run_locally(plan, schema, tables)

    assert refusal.value.reason == "LEAK_REFUSED"


def test_a_member_with_few_rows_trains_beside_one_with_many() -> None:
    plan, schema = small_plan(optimiser=Optimiser(0.01, batch_rows=64, most_steps=10), rounds=5)
    tables = planted_members(3, 1_500)
    tables["carrier-b"] = planted_rows(12, 3)
    run = run_locally(plan, schema, tables)

    assert all(report.moved for report in run.reports)
    assert _area(run, plan, schema) > 0.75
