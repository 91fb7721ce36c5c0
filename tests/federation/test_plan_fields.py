"""A plan on the wire and the plan that training obeys are the same plan, field by field."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tocsin.v1
from federation.statements import StatementError, TrainingPlan
from federation.statements.plan_fields import FIELDS
from federation.training import plan as training
from federation.training.error import PlanError
from federation.vocabulary import TrainingProtection, TrainingStrategy
from tests.federation.said import NOW, opaque, plan


def leaves(kind, before=""):
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        inner = next((one for one in get_args(hint) if is_dataclass(one)), hint)
        if get_origin(hint) is not tuple and is_dataclass(inner):
            yield from leaves(inner, f"{before}{field.name}.")
        else:
            yield f"{before}{field.name}"


def value(**changes):
    return replace(plan().value(), **changes)


def test_every_field_of_the_plan_travels_and_no_other():
    assert sorted(path for path, _unit in FIELDS.values()) == sorted(leaves(training.TrainingPlan))
    assert list(FIELDS) == [field.name for field in fields(TrainingPlan)]


def test_a_plan_survives_the_wire():
    body = plan()

    assert TrainingPlan.of(body.value()) == body
    assert body.digest() == body.value().digest()


CHANGES = {
    "schema_digest": opaque("another schema", 32),
    "code_digest": opaque("another code", 32),
    "initial_model_digest": opaque("another model", 32),
    "strategy": TrainingStrategy.FED_ADAM,
    "minimum_members": 4,
}


@pytest.mark.parametrize("field", FIELDS)
def test_another_value_in_any_field_is_another_plan(field):
    body = plan(strategy=TrainingStrategy.FED_AVG)
    now = getattr(body, field)
    if field in CHANGES:
        other = CHANGES[field]
    elif isinstance(now, int) and type(now) is not int:
        other = next(item for item in type(now) if item not in (now, 3))
    else:
        other = now + 1
    changed = replace(body, **{field: other})

    assert changed.digest() != body.digest()
    assert TrainingPlan.of(changed.value()) == changed


@given(st.integers(1, 10**9), st.integers(0, 999_999), st.integers(1, 9_999_999_999))
def test_whole_numbers_survive_being_fractions(rate, dropout, delta):
    body = plan(learning_rate_billionths=rate, dropout_millionths=dropout, delta_trillionths=delta)

    assert TrainingPlan.of(body.value()) == body


def test_without_privacy_its_three_numbers_are_zero():
    body = plan(epsilon_millionths=0, delta_trillionths=0, clip_norm_millionths=0)

    assert body.value().privacy is None
    assert TrainingPlan.of(body.value()) == body


@pytest.mark.parametrize(
    "fields",
    [
        {"epsilon_millionths": 0},
        {"delta_trillionths": 0},
        {"strategy": TrainingStrategy.MULTI_KRUM},
        {"minimum_members": 2},
        {"rounds": 0},
        {"rounds": 10_001},
        {"norm_bound_millionths": 0},
        {"dropout_millionths": 1_000_000},
        {"least_steps": 300},
        {"protection": TrainingProtection.ROBUST, "strategy": TrainingStrategy.FED_XGB_BAGGING},
    ],
    ids=str,
)
def test_what_cannot_be_run_is_no_plan(fields):
    with pytest.raises(StatementError) as caught:
        plan(**fields)

    assert caught.value.reason == "PLAN_INVALID"


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "call 13800138000"},
        {"label": training.LabelRule("whatever the boss says")},
        {"data_use": training.DataUse("marketing", "atnfl_32")},
        {"data_use": training.DataUse("trial", "because")},
        {"norm_bound": 1 / 3},
        {"norm_bound": 1e-9},
        {"expiry_time": datetime(2200, 1, 1, tzinfo=UTC)},
        {"schema_digest": b"13800138000" + bytes(21)},
    ],
    ids=str,
)
def test_free_text_and_endless_fractions_are_never_proposed(changes):
    with pytest.raises(PlanError) as caught:
        TrainingPlan.of(value(**changes))

    assert caught.value.reason == "PLAN_NOT_SHAREABLE"
    assert "138" not in str(caught.value)


def test_an_expired_plan_says_so():
    with pytest.raises(PlanError):
        plan(expiry_time=NOW).value().check_time(datetime.fromtimestamp(NOW, UTC))


def test_the_contract_shows_the_text_and_the_digest_of_a_plan():
    readme = Path(tocsin.v1.__path__[0]).parents[1] / "README.md"
    section = readme.read_text(encoding="utf-8").partition("## Training plan")[2]
    text, _, digest = section.split("```")[1].strip().rpartition("\n\n")

    assert text.replace("\n", "") == plan().value().encode().decode()
    assert digest == plan().digest().hex()
