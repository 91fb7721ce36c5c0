"""A trial finds member ids for any names, reads what a person changes, and shows rounds by name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.cli.plan_file import read_plan_changes
from node.cli.train.rounds import round_line
from node.errors import RequestError
from node.trial.names import member_ids
from tocsin.desk.v1 import train_service_pb2 as wire
from tocsin.v1 import training_pb2


def test_names_that_can_be_member_ids_stay() -> None:
    names = ["carrier-a", "bank-x", "net-1"]

    assert member_ids(names) == {name: name for name in names}


@pytest.mark.parametrize(
    "names",
    [
        ["北京", "上海"],
        ["carrier-a", "Org B"],
        ["0", "1", "2"],
        ["coord-a", "bank-x"],
        ["bank-" + "x" * 30],
        ["bank-1234567"],
        ["BANK-A"],
        ["bank-a", "police-b"],
    ],
)
def test_all_names_get_ids_where_one_cannot_be_one(names: list[str]) -> None:
    ids = member_ids(names)

    assert list(ids) == names
    assert list(ids.values()) == [f"net-{place}" for place in range(1, len(names) + 1)]


def test_what_a_person_changes_is_read_and_nothing_is_required(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(
        'rounds = 5\nschema = "left.alone"\nexpiry_time = 2030-01-01T00:00:00Z\n'
        "[model]\nwidth = 8\n[privacy]\nepsilon = 8\n"
    )

    assert read_plan_changes(file) == {
        "rounds": 5,
        "expiry_time": datetime(2030, 1, 1, tzinfo=UTC),
        "model": {"width": 8},
        "privacy": {"epsilon": 8.0},
    }


@pytest.mark.parametrize("text", ["round = 5", "model = 3", "rounds = 'many'", "[model]\nwide = 1"])
def test_a_change_that_no_plan_has_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(text)

    with pytest.raises(RequestError) as refusal:
        read_plan_changes(file)

    assert refusal.value.reason == "PLAN_FILE_INVALID"


def test_a_round_is_one_line_with_everybody_by_name() -> None:
    def outcome(member: str, number: int, reason: int = 0) -> training_pb2.MemberOutcome:
        return training_pb2.MemberOutcome(
            member=member,
            outcome=number,  # type: ignore[arg-type]  # the mirrored number
            reason=reason,  # type: ignore[arg-type]  # the mirrored number
        )

    outcomes = [outcome("net-1", 1), outcome("net-2", 2, 9), outcome("net-3", 1)]
    response = wire.RunResponse(
        status=wire.PlanStatus(rounds=40),
        last_round=training_pb2.TrainingRound(
            round=7, checkpoint_digest=bytes(32), outcomes=outcomes
        ),
        loss_millionths=250_000,
        round_milliseconds=1_240,
    )
    line = round_line(response, {"net-1": "北京", "net-2": "上海"})

    assert line.startswith("round  7 of 40   1.2 s  loss 0.2500")
    assert line.endswith("ok: 北京, net-3; late: 上海 (deadline_passed)")
