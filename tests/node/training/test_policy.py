"""A member's training.toml: what it approves by itself, and what it leaves to a person."""

from dataclasses import replace

import pytest

from federation.names import MemberId
from federation.training.app_identity import app_digest
from federation.training.schema import Column, FeatureSchema
from federation.vocabulary import LegalBasis, TrainingProtection, TrainingTask, TrainingUse
from node.errors import ConfigError
from node.training.leaving import describe_leaving
from node.training.policy import TrainingPolicy, load_policy, parse_policy
from tests.federation.said import opaque, plan

COORD = MemberId("coord")
PLAN = plan()
TEXT = f"""
[approval]
automatic = true
coordinators = ["coord"]
tasks = ["carrier_subscribers"]
uses = ["score_own_subjects"]
legal_bases = ["atnfl_32"]
protections = ["secret"]
codes = ["{PLAN.code_digest.hex()}"]
epsilon = 8.0

[budget]
epsilon = 20

[[data]]
name = "subscribers"
schema = "{PLAN.schema_digest.hex()}"
row_cap = 200000
connector = "csv"
path = "rows.csv"
"""


def policy(text=TEXT, directory=None):
    return parse_policy(text, directory)


def test_a_plan_that_fits_in_everything_needs_no_person():
    found = policy()
    source = found.source_for(PLAN)

    assert found.why_by_hand(PLAN, COORD) == ""
    assert (source.name, source.row_cap) == ("subscribers", 200_000)
    assert dict(source.settings) == {"connector": "csv", "path": "rows.csv"}
    assert found.budget_millionths == 20_000_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_digest": opaque("another", 32)}, "DATA_MISSING"),
        ({"task": TrainingTask.TABLE}, "TASK_NOT_LISTED"),
        ({"use": TrainingUse.TRIAL}, "USE_NOT_LISTED"),
        ({"legal_basis": LegalBasis.CONSENT}, "LEGAL_BASIS_NOT_LISTED"),
        ({"protection": TrainingProtection.ROBUST}, "PROTECTION_NOT_LISTED"),
        ({"code_digest": opaque("another", 32)}, "CODE_NOT_LISTED"),
        ({"epsilon_millionths": 8_000_001}, "EPSILON_TOO_LARGE"),
        (
            {"epsilon_millionths": 0, "delta_trillionths": 0, "clip_norm_millionths": 0},
            "PRIVACY_MISSING",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_left_to_a_person(changes, reason):
    assert policy().why_by_hand(replace(PLAN, **changes), COORD) == reason


def test_another_coordinator_is_left_to_a_person():
    assert policy().why_by_hand(PLAN, MemberId("bank-x")) == "COORDINATOR_NOT_LISTED"


def test_without_the_word_automatic_every_plan_is_left_to_a_person():
    text = TEXT.replace("automatic = true", "automatic = false")

    assert policy(text).why_by_hand(PLAN, COORD) == "NOT_AUTOMATIC"


@pytest.mark.parametrize(
    "key", ["automatic", "coordinators", "tasks", "uses", "legal_bases", "protections", "codes"]
)
def test_what_is_left_out_of_the_file_allows_nothing(key):
    lines = [line for line in TEXT.splitlines() if not line.startswith(f"{key} =")]

    assert policy("\n".join(lines)).why_by_hand(PLAN, COORD) != ""


def test_without_a_file_nothing_is_approved(tmp_path):
    found = load_policy(tmp_path / "training.toml")

    assert found == TrainingPolicy()
    assert found.why_by_hand(PLAN, COORD) == "NOT_AUTOMATIC"


def test_a_schema_may_be_a_file_and_the_code_the_installed_one(tmp_path):
    schema = FeatureSchema((Column("calls"),))
    (tmp_path / "s.schema").write_bytes(schema.encode())
    text = TEXT.replace(PLAN.schema_digest.hex(), "s.schema")
    found = policy(text.replace(PLAN.code_digest.hex(), "installed"), tmp_path)
    fitting = replace(PLAN, schema_digest=schema.digest(), code_digest=app_digest())

    assert found.why_by_hand(fitting, COORD) == ""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[approval]", "[aproval]", "did you mean approval?"),
        ("automatic = true", "automatc = true", "did you mean automatic?"),
        ("automatic = true", 'automatic = "yes"', "approval.automatic"),
        ('["coord"]', '["COORD!"]', "approval.coordinators"),
        ('["carrier_subscribers"]', '["carrier_subscriber"]', "carrier_subscribers"),
        ('["secret"]', '"secret"', "approval.protections"),
        ("epsilon = 8.0", "epsilon = -1", "epsilon"),
        ("epsilon = 8.0", "epsilon = nan", "epsilon"),
        ("epsilon = 8.0", "epsilon = true", "epsilon"),
        ("epsilon = 20", "epsilons = 20", "budget.epsilons"),
        ('name = "subscribers"', 'name = "a/b"', "data.name"),
        ("row_cap = 200000", "row_cap = 0", "data.row_cap"),
        (PLAN.schema_digest.hex(), "absent.schema", "data.schema"),
        (PLAN.code_digest.hex(), "f00d", "approval.codes"),
        ("[[data]]", "[data]", "[[data]]"),
        ("automatic = true", "automatic = ", "not TOML"),
    ],
)
def test_a_slip_in_the_file_is_named(tmp_path, before, after, message):
    with pytest.raises(ConfigError) as caught:
        policy(TEXT.replace(before, after, 1), tmp_path)

    assert caught.value.reason == "TRAINING_POLICY_INVALID"
    assert message in str(caught.value)


def test_two_sources_of_one_name_would_share_a_budget_by_mistake(tmp_path):
    part = TEXT[TEXT.index("[[data]]") :]
    with pytest.raises(ConfigError):
        policy(TEXT + part, tmp_path)


def test_what_leaves_is_said_according_to_the_protection():
    secret = " ".join(describe_leaving(PLAN))
    robust = " ".join(describe_leaving(replace(PLAN, protection=TrainingProtection.ROBUST)))
    bare = replace(PLAN, epsilon_millionths=0, delta_trillionths=0, clip_norm_millionths=0)

    assert "the coordinator sees only the sum" in secret
    assert "visible to the coordinator" in robust
    assert "epsilon 8, delta 1e-05" in secret
    assert "No differential privacy" in " ".join(describe_leaving(bare))
