"""A plan as a person writes it: defaults for what is left out, and every slip named."""

import pytest

from federation.training.app_identity import app_digest
from federation.training.error import PlanError
from federation.training.plan import ModelChoice
from federation.training.schema import Column, FeatureSchema
from federation.vocabulary import TrainingLabel, TrainingProtection, TrainingUse
from node.cli.plan_file import parse_plan_file, read_plan_file
from node.errors import RequestError
from tests.federation.said import opaque

SCHEMA = FeatureSchema((Column("calls"),))
TEXT = f"""
task = "carrier_subscribers"
schema = "s.schema"
initial_model = "{opaque("model", 32).hex()}"
label = {{ definition = "confirmed", maturity_days = 30 }}
data_use = {{ purpose = "trial", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T08:00:00+08:00
"""


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "s.schema").write_bytes(SCHEMA.encode())
    return tmp_path


def reason(text, directory):
    with pytest.raises((RequestError, PlanError)) as caught:
        parse_plan_file(text, directory)
    return caught.value.reason, str(caught.value)


def test_what_is_left_out_has_the_defaults_of_the_plan(directory):
    body = parse_plan_file(TEXT, directory)

    assert body.schema_digest == SCHEMA.digest()
    assert body.code_digest == app_digest()
    assert body.label is TrainingLabel.CONFIRMED
    assert body.use is TrainingUse.TRIAL
    assert body.protection is TrainingProtection.SECRET
    assert body.value().model == ModelChoice()
    assert body.value().privacy is None
    assert body.value().expiry_time.hour == 0


def test_everything_can_be_said(directory):
    more = """
rounds = 7
protection = "robust"
norm_bound = 2
strategy = { name = "FedTrimmedAvg", offenders = 1 }
model = { name = "logistic", seed = 9 }
optimiser = { learning_rate = 0.01 }
privacy = { epsilon = 8, delta = 1e-5 }
"""
    body = parse_plan_file(TEXT + more, directory)

    assert (body.rounds, body.seed, body.norm_bound_millionths) == (7, 9, 2_000_000)
    assert body.learning_rate_billionths == 10_000_000
    assert body.epsilon_millionths == 8_000_000
    assert body.protection is TrainingProtection.ROBUST


def test_the_same_file_gives_the_same_plan_and_another_value_another(directory):
    digest = parse_plan_file(TEXT, directory).digest()

    assert parse_plan_file(TEXT, directory).digest() == digest
    assert parse_plan_file(TEXT + "rounds = 21\n", directory).digest() != digest


@pytest.mark.parametrize(
    ("before", "after", "why", "message"),
    [
        ("task =", "tsk =", "PLAN_FILE_INVALID", "did you mean task?"),
        ('task = "carrier_subscribers"', "", "PLAN_FILE_INVALID", "task is missing"),
        ('"carrier_subscribers"', "7", "PLAN_FILE_INVALID", "task must be a str"),
        ("maturity_days", "maturity", "PLAN_FILE_INVALID", "did you mean maturity_days?"),
        ('legal_basis = "atnfl_32"', "", "PLAN_FILE_INVALID", "TOML"),
        (', legal_basis = "atnfl_32"', "", "PLAN_FILE_INVALID", "data_use.legal_basis is missing"),
        ("2099-01-31T08:00:00+08:00", "2099-01-31", "PLAN_FILE_INVALID", "expiry_time"),
        ("s.schema", "absent.schema", "PLAN_FILE_INVALID", "the schema cannot be read"),
        (opaque("model", 32).hex(), "f00d", "PLAN_FILE_INVALID", "initial_model"),
        ('"confirmed"', '"my list"', "PLAN_NOT_SHAREABLE", "closed list"),
        ('"trial"', '"marketing"', "PLAN_NOT_SHAREABLE", "closed list"),
        ("2099", "2199", "PLAN_NOT_SHAREABLE", "expiry_time"),
    ],
)
def test_a_slip_is_named(directory, before, after, why, message):
    found, sentence = reason(TEXT.replace(before, after, 1), directory)

    assert found == why
    assert message in sentence


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("rounds = 0", "PLAN_INVALID"),
        ("rounds = 2.5", "PLAN_FILE_INVALID"),
        ("rounds = true", "PLAN_FILE_INVALID"),
        ("norm_bound = 0.3333333333", "PLAN_NOT_SHAREABLE"),
        ("norm_bound = nan", "PLAN_INVALID"),
        ("minimum_members = 2", "PLAN_INVALID"),
        ("model = 3", "PLAN_FILE_INVALID"),
        ("privacy = { epsilon = 8.0 }", "PLAN_FILE_INVALID"),
        ('code = "mine"', "PLAN_FILE_INVALID"),
        ("app_digest = 3", "PLAN_FILE_INVALID"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(directory, more, why):
    assert reason(f"{TEXT}{more}\n", directory)[0] == why


def test_without_schema_file_or_model_nobody_knows_the_first_model(directory):
    lines = [line for line in TEXT.splitlines() if not line.startswith("initial_model")]
    text = "\n".join(lines).replace("s.schema", SCHEMA.digest().hex())

    assert "initial_model is missing" in reason(text, directory)[1]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"a" * 70_000])
def test_a_file_that_is_no_plan_is_refused(directory, content):
    path = directory / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        read_plan_file(path)

    assert caught.value.reason in ("FILE_UNREADABLE", "PLAN_FILE_INVALID")
