"""The grid over members' nodes, with the members' engines in this process instead of workers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")

from federation.training.app_identity import app_digest  # noqa: E402
from federation.training.checkpoint import Checkpoint, RoundReport  # noqa: E402
from federation.training.error import QuorumError, UpdateError  # noqa: E402
from federation.training.grpc_grid import (  # noqa: E402
    Answer,
    Answered,
    GrpcRun,
    RunSetting,
    SumQuestion,
    run_over_nodes,
)
from federation.training.grpc_member import MemberEngine  # noqa: E402
from federation.training.local_engine import member_config, run_locally  # noqa: E402
from federation.training.memory import remember_table  # noqa: E402
from federation.training.sum_labels import labels_digest  # noqa: E402
from tests.training.planted import planted_members  # noqa: E402
from tests.training.small import small_plan  # noqa: E402

ROWS = 150
TABLES = planted_members(3, ROWS)
CHEAT, *_ = TABLES


class KilledError(Exception):
    """The run's process was killed."""


class Transport:
    """Members' engines, and sums as the holders would make them."""

    def __init__(self, plan: Any, schema: Any, prefix: str, *, dies_after: int = 0) -> None:
        self.plan, self.dies_after = plan, dies_after
        for name, table in TABLES.items():
            remember_table(prefix + name, table)
        configs = {name: member_config(plan, schema, name, prefix) for name in TABLES}
        own = {"row_cap": ROWS, "approved": plan.digest().hex()}
        self.engines = {name: MemberEngine(config | own) for name, config in configs.items()}
        self.vectors: dict[tuple[str, bytes], Any] = {}
        self.kept: list[tuple[Checkpoint, RoundReport | None]] = []
        self.labels: list[str] = []
        self.change: Any = lambda vector: vector
        self.norms_opened = True
        self.missing: set[str] = set()

    def roster(self) -> list[str]:
        return sorted(self.engines)

    def exchange(
        self, number: int, seconds: float, messages: Sequence[tuple[str, bytes]]
    ) -> list[Answer]:
        assert seconds == 0.75 * self.plan.deadline_seconds
        return [self._ask(name, number, data) for name, data in messages]

    def _ask(self, name: str, number: int, data: bytes) -> Answer:
        engine = self.engines[name]
        answer = engine.answer(data, number)
        labels, summand = engine.take_summand()
        self.vectors[name, labels] = numpy.frombuffer(summand, "<i8").astype(numpy.int64)
        return Answer(answer)

    def add(self, question: SumQuestion) -> Answered:
        self.labels.append(question.label)
        labels = labels_digest(self.plan.digest(), question.label)
        rejected, good = {}, {}
        for name in question.members:
            vector = self.vectors[name, labels]
            assert len(vector) == question.length
            if question.scale is not None and name == CHEAT:
                vector = self.change(vector)
            try:
                if question.scale is not None:
                    question.scale.check(vector, ROWS)
                good[name] = vector
            except UpdateError as error:
                rejected[name] = f"{error.reason}: {error}"
        absent = dict.fromkeys(self.missing & good.keys(), ("lost", "CONNECTION_LOST"))
        parts = [vector for name, vector in good.items() if name not in absent]
        if len(parts) < 3:
            return Answered(numpy.zeros(0, numpy.int64), (), rejected, absent, self.norms_opened)
        names = tuple(name for name in good if name not in absent)
        return Answered(sum(parts), names, rejected, absent, self.norms_opened)

    def keep(self, checkpoint: Checkpoint, report: RoundReport | None) -> None:
        self.kept.append((checkpoint, report))
        if report is not None and report.number == self.dies_after:
            raise KilledError


def made(prefix: str, **changes: Any) -> tuple[Any, Any, Transport]:
    plan, schema = small_plan(rounds=3)
    plan = replace(plan, app_digest=app_digest())
    return plan, schema, Transport(plan, schema, prefix, **changes)


def run(plan: Any, schema: Any, transport: Transport, **setting: Any) -> GrpcRun:
    kept = transport.kept[-1][0] if transport.kept else None
    caps = dict.fromkeys(TABLES, ROWS)
    return run_over_nodes(plan, schema, RunSetting(caps, **setting), transport, kept)


def test_secret_runs_give_the_model_of_one_process_and_keep_the_statistics_first() -> None:
    plan, schema, transport = made("same/")
    over_nodes = run(plan, schema, transport)
    local = run_locally(plan, schema, TABLES)

    assert (over_nodes.model.vector == local.model).all()
    assert over_nodes.model.threshold == local.threshold
    first, report = transport.kept[0]
    assert report is None
    assert first.scaling
    assert first.rows == 3 * ROWS
    assert transport.labels == [
        "query.coarse",
        "query.fine",
        *(f"round-{number}-0" for number in (1, 2, 3)),
        "evaluate",
    ]


def test_a_run_cut_off_goes_on_under_other_names_and_counts_nothing_twice() -> None:
    plan, schema, transport = made("resumed/", dies_after=2)
    with pytest.raises(KilledError):
        run(plan, schema, transport)
    transport.dies_after = 0
    transport.labels.clear()
    run(plan, schema, transport, starts=1)

    assert transport.labels == ["round-3-100", "evaluate"]


def test_an_offender_is_named_and_a_round_begun_again_has_another_name() -> None:
    plan, schema, transport = made("offender/")
    transport.change = lambda vector: numpy.r_[vector[:-1] * 100, vector[-1:]]

    with pytest.raises(QuorumError, match="3 rounds in a row"):
        run(plan, schema, transport)

    reports = [report for _, report in transport.kept if report is not None]
    assert [label for label in transport.labels if label.startswith("round")] == [
        f"round-1-{attempt}" for attempt in (0, 1, 2)
    ]
    for report in reports:
        assert report.outcomes[CHEAT].status == "rejected"
        assert report.outcomes[CHEAT].reason.startswith("UPDATE_NORM")
        assert not report.moved


def test_who_is_lost_in_the_sum_is_late_and_unmeasured_rounds_say_so() -> None:
    plan, schema, transport = made("lost/")
    transport.norms_opened = False
    transport.missing = {CHEAT}

    with pytest.raises(QuorumError):
        run(plan, schema, transport)

    transport.missing = set()
    run(plan, schema, transport)
    reports = [report for _, report in transport.kept if report is not None]

    assert not any(report.norms_opened for report in reports)
    assert all(report.moved for report in reports[-3:])


def test_a_vector_of_another_length_is_named_before_any_sum() -> None:
    plan, schema, transport = made("length/")
    engine = transport.engines[CHEAT]
    answer = engine.answer

    def longer(data: bytes, number: int) -> bytes:
        from federation.training import grpc_member

        with pytest.MonkeyPatch.context() as patch:
            withhold = grpc_member.withhold

            def one_more(request: Any, reply: Any) -> Any:
                told, vector = withhold(request, reply)
                told.content["metrics"]["length"] += 1
                return told, vector

            if number:
                patch.setattr(grpc_member, "withhold", one_more)
            return answer(data, number)

    engine.answer = longer  # type: ignore[method-assign]  # a cheat
    with pytest.raises(QuorumError):
        run(plan, schema, transport)

    report = transport.kept[-1][1]
    assert report is not None
    assert report.outcomes[CHEAT].reason.startswith("UPDATE_SHAPE")


def test_an_answer_that_is_no_message_is_named() -> None:
    plan, schema, transport = made("other/")
    engine = transport.engines[CHEAT]
    engine.answer = lambda data, number: b"\xff"  # type: ignore[method-assign]  # a cheat

    with pytest.raises(QuorumError, match="TRAINING_MESSAGE_MALFORMED"):
        run(plan, schema, transport)
