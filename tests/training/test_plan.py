"""A plan is its canonical bytes; a change of any field is another plan."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from federation.names import MemberId
from federation.training.error import PlanError
from federation.training.plan import (
    DataUse,
    LabelRule,
    ModelChoice,
    Optimiser,
    PrivacyTarget,
    StrategyChoice,
    TrainingPlan,
)
from tests.training.plans import plan

OTHER: dict[str, Any] = {
    "task": "another task",
    "schema_digest": b"\x01" * 32,
    "label": LabelRule("designated by police", 15),
    "app_digest": b"\x01" * 32,
    "initial_model_digest": b"\x01" * 32,
    "data_use": DataUse("find fraud numbers", "article 2"),
    "expiry_time": datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC),
    "model": ModelChoice(width=33),
    "optimiser": Optimiser(learning_rate=0.0011),
    "strategy": StrategyChoice("FedProx", proximal=0.1),
    "rounds": 21,
    "protection": "robust",
    "privacy": PrivacyTarget(8.0, 1e-5),
    "minimum_members": 4,
    "deadline_seconds": 601,
    "norm_bound": 8.5,
    "weight_cap": 999_999,
    "leaks": "refuse",
}


def test_a_plan_reads_back_from_its_bytes() -> None:
    whole = plan(privacy=PrivacyTarget(8.0, 1e-5))

    assert TrainingPlan.parse(plan().encode()) == plan()
    assert TrainingPlan.parse(whole.encode()) == whole


def test_every_field_is_among_the_changes_tried() -> None:
    assert set(OTHER) == {field.name for field in fields(TrainingPlan)}


@pytest.mark.parametrize("name", sorted(OTHER))
def test_a_change_of_any_field_voids_the_approval(name: str) -> None:
    approval = plan().approve(MemberId("carrier-a"))
    approval.check(plan())
    changed = replace(plan(), **{name: OTHER[name]})

    with pytest.raises(PlanError) as refusal:
        approval.check(changed)

    assert refusal.value.reason == "PLAN_NOT_APPROVED"
    assert changed.digest() != plan().digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"task": ""},
        {"schema_digest": bytes(31)},
        {"expiry_time": datetime(2027, 1, 1)},  # noqa: DTZ001  # what is tested
        {"expiry_time": datetime(2027, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
        {"rounds": 0},
        {"protection": "open"},
        {"minimum_members": 2},
        {"deadline_seconds": 0},
        {"norm_bound": float("nan")},
        {"norm_bound": float("inf")},
        {"weight_cap": 0},
        {"leaks": "ignore"},
        {"strategy": StrategyChoice("FedTrimmedAvg")},
        {"strategy": StrategyChoice("MultiKrum")},
        {"strategy": StrategyChoice("MultiKrum"), "protection": "robust", "minimum_members": 3},
    ],
)
def test_a_value_out_of_range_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PlanError) as refusal:
        plan(**changes)

    assert refusal.value.reason == "PLAN_INVALID"


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (ModelChoice, {"name": "forest"}),
        (ModelChoice, {"width": 0}),
        (ModelChoice, {"dropout": 1.0}),
        (Optimiser, {"learning_rate": 0.0}),
        (Optimiser, {"least_steps": 10, "most_steps": 9}),
        (StrategyChoice, {"name": "FedSgd"}),
        (PrivacyTarget, {"epsilon": 0.0, "delta": 1e-5}),
        (PrivacyTarget, {"epsilon": 1.0, "delta": 0.5}),
        (DataUse, {"purpose": "", "legal_basis": "article 1"}),
    ],
)
def test_a_part_out_of_range_is_refused(kind: type[Any], changes: dict[str, Any]) -> None:
    with pytest.raises(PlanError):
        kind(**changes)


def test_a_plan_ends_at_its_expiry() -> None:
    whole = plan()
    whole.check_time(whole.expiry_time - timedelta(seconds=1))

    with pytest.raises(PlanError) as refusal:
        whole.check_time(whole.expiry_time)

    assert refusal.value.reason == "PLAN_EXPIRED"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"rounds":20', b'"rounds":20.0'),
        (b'"rounds":20', b'"rounds": 20'),
        (b'"rounds":20', b'"rounds":true'),
        (b'"rounds":20', b'"rounds":20,"rounds":20'),
        (b'"rounds":20', b'"rounds":20,"secret":1'),
        (b'"rounds":20,', b""),
        (b'"norm_bound":8.0', b'"norm_bound":8'),
        (b'"norm_bound":8.0', b'"norm_bound":NaN'),
        (b'"privacy":null', b'"privacy":{}'),
        (b'"expiry_time":', b'"expiry_time":9999999999999999'),
        (b"{", b"["),
    ],
)
def test_other_bytes_of_the_same_plan_are_refused(old: bytes, new: bytes) -> None:
    text = plan().encode()
    assert old in text

    with pytest.raises(PlanError) as refusal:
        TrainingPlan.parse(text.replace(old, new, 1))

    assert refusal.value.reason == "PLAN_MALFORMED"


@given(some.binary(max_size=200), some.integers(0, 900), some.binary(min_size=1, max_size=3))
def test_parsing_gives_a_plan_or_the_one_error(data: bytes, place: int, patch: bytes) -> None:
    text = plan().encode()
    for candidate in (data, text[:place] + patch + text[place + len(patch) :]):
        try:
            read = TrainingPlan.parse(candidate)
        except PlanError:
            continue

        assert read.encode() == candidate
