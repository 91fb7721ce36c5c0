"""A model card says everything once, in bytes that follow from it alone, and in plain words."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("torch")
pytest.importorskip("flwr")

from federation.training.assessment import (
    APPROVED,
    REFUSED,
    Assessment,
    read_answers,
)
from federation.training.card import ModelCard
from federation.training.error import DocumentError
from federation.training.limits import limits_of
from federation.training.plan import ROBUST, PrivacyTarget
from tests.training.cards import model_card

NOW = datetime(2026, 11, 23, 8, 30, 15, tzinfo=UTC)
RISK = {"risk": "wrong alarms", "mitigation": "verification first", "remaining": "low"}
SAID = {"purpose": "trial", "risks": [RISK], "reviewer": "risk office", "decision": "approved"}


def test_a_card_reads_back_and_its_digest_is_that_of_its_file() -> None:
    card = model_card()
    data = card.encode()

    assert ModelCard.parse(data) == card
    assert card.digest() == hashlib.sha256(data).digest()
    assert json.loads(data)["plan"]["rounds"] == card.plan.rounds


def test_every_other_byte_makes_another_card_or_none() -> None:
    data, known = model_card().encode(), {model_card().digest()}
    others = [_digest_of(data, place) for place in range(0, len(data), 97)]

    assert None in others
    assert not known & {*others}


def _digest_of(data: bytes, place: int) -> bytes | None:
    changed = bytearray(data)
    changed[place] ^= 1
    try:
        return ModelCard.parse(bytes(changed)).digest()
    except DocumentError:
        return None


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff", b"null", b'{"version":1}'])
def test_what_is_no_card_is_refused(damage: bytes) -> None:
    with pytest.raises(DocumentError) as refusal:
        ModelCard.parse(damage)

    assert refusal.value.reason == "CARD_MALFORMED"


def test_a_card_of_another_plan_is_refused() -> None:
    with pytest.raises(DocumentError):
        replace(model_card(), plan_digest=bytes(32))


def test_the_text_has_both_models_the_gains_the_limits_and_the_digests() -> None:
    card = model_card()
    text = card.markdown()
    worth, local = card.evaluation.federated, card.evaluation.local
    assert local is not None

    assert f"| {worth.pr_auc:.4f} | {local.pr_auc:.4f} |" in text
    assert "Round 2: carrier-b late (connection lost)" in text
    assert "Round 3: 3 updates that nobody measured" in text
    for digest in (card.plan_digest, card.model_digest, card.plan.schema_digest, card.digest()):
        assert digest.hex() in text
    for sentence in (*card.protection, *card.limits):
        assert f"- {sentence}" in text
    gains = card.evaluation.gains[0]
    assert sum(gains.counts) == 3
    assert "Members by gain of the federated model over their own" in text
    assert text == ModelCard.parse(card.encode()).markdown()


def test_each_protection_says_what_it_does_not_hold_against() -> None:
    plan = model_card().plan
    private = replace(plan, privacy=PrivacyTarget(8.0, 1e-5))
    open_average = replace(plan, protection=ROBUST)
    robust = replace(plan, protection=ROBUST, strategy=replace(plan.strategy, name="FedTrimmedAvg"))

    assert any("backdoor" in one for one in limits_of(plan))
    assert any("exact sums" in one for one in limits_of(plan))
    assert any("may betray single rows" in one for one in limits_of(plan))
    assert any("epsilon 8 and delta 1e-05" in one for one in limits_of(private))
    assert any("FedAvg outvotes nobody" in one for one in limits_of(open_average))
    assert any("more offenders than the plan expects" in one for one in limits_of(robust))


def test_an_assessment_reads_back_and_stands_in_the_text() -> None:
    card = model_card()
    assessment = Assessment.of(card, SAID, NOW)
    assessment.check(card)
    text = card.markdown(assessment)

    assert Assessment.parse(assessment.encode()) == assessment
    assert assessment.digest() == hashlib.sha256(assessment.encode()).digest()
    assert assessment.reviewed_time == NOW
    assert "**Approved** by risk office on 2026-11-23 08:30 UTC" in text
    assert "| wrong alarms | verification first | low |" in text


def test_an_assessment_that_refuses_or_is_of_another_model_lets_nothing_on() -> None:
    card = model_card()
    other = replace(card, ended_time=card.ended_time + timedelta(seconds=1))
    for said, of, reason in (
        (SAID | {"decision": REFUSED}, card, "ASSESSMENT_REFUSED"),
        (SAID | {"decision": APPROVED}, other, "ASSESSMENT_DIFFERS"),
    ):
        with pytest.raises(DocumentError) as refusal:
            Assessment.of(of, said, NOW).check(card)

        assert refusal.value.reason == reason
    assert "risk office" not in card.markdown(Assessment.of(other, SAID, NOW))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"purpose": ""}, "purpose"),
        ({"risks": []}, "risks"),
        ({"risks": "none"}, "risks"),
        ({"risks": [RISK | {"remaining": "some"}]}, "remaining"),
        ({"risks": [RISK | {"owner": "me"}]}, "owner"),
        ({"risks": ["wrong alarms"]}, "risk"),
        ({"reviewer": "  "}, "reviewer"),
        ({"decision": "perhaps"}, "decision"),
        ({"decision": 1}, "decision"),
        ({"approval": "yes"}, "approval"),
    ],
)
def test_an_answer_that_is_missing_or_wrong_is_named(change: dict[str, object], word: str) -> None:
    with pytest.raises(DocumentError, match=word) as refusal:
        Assessment.of(model_card(), SAID | change, NOW)

    assert refusal.value.reason == "ASSESSMENT_MALFORMED"


def test_answers_come_from_toml_and_json_and_from_nothing_else() -> None:
    toml = 'purpose = "trial"\n[[risks]]\nrisk = "x"\n'

    assert read_answers(toml, toml=True)["risks"] == [{"risk": "x"}]
    assert read_answers(json.dumps(SAID), toml=False) == SAID
    for text, is_toml in (("purpose =", True), ("{", False), ("[]", False)):
        with pytest.raises(DocumentError):
            read_answers(text, toml=is_toml)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"\xff"])
def test_what_is_no_assessment_is_refused(damage: bytes) -> None:
    with pytest.raises(DocumentError) as refusal:
        Assessment.parse(damage)

    assert refusal.value.reason == "ASSESSMENT_MALFORMED"
