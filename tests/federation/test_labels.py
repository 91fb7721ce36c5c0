"""What a subject teaches: matured outcomes, and nothing that was lifted, disputed or done to it."""

import pytest

from federation.indicators import Kind
from federation.labels import DAY_SECONDS, OutcomeRule, SubjectLabel, SubjectRows, label_subject
from federation.roles import Role
from federation.statements import Nomination, Opinion, ProtectedObject, Reassigned, Retraction
from federation.statements import Sighting as SightingBody
from federation.views import fold
from federation.vocabulary import (
    FraudStage,
    FraudType,
    OpinionBasis,
    OpinionValue,
    ProtectionGround,
    RetractionReason,
    SightingKind,
    SubjectRole,
    TrainingLabel,
)
from federation.weighing import Standing
from tests.federation.said import NOW, opaque, said

TOKEN = opaque("subject")
KIND = Kind.PHONE
STANDING = Standing(
    {
        "bank-a": frozenset({Role.BANK}),
        "carrier-b": frozenset({Role.CARRIER}),
        "net-c": frozenset({Role.INTERNET}),
        "police": frozenset({Role.POLICE}),
        "coord": frozenset({Role.COORDINATOR}),
        "gone": frozenset({Role.BANK}),
    },
    {},
    frozenset({"gone"}),
)
CONFIRMED = OutcomeRule(TrainingLabel.CONFIRMED, 30)
DESIGNATED = OutcomeRule(TrainingLabel.DESIGNATED, 30)
POSITIVE, CLEARED = SubjectLabel.POSITIVE, SubjectLabel.CLEARED
LEFT_OUT, UNKNOWN = SubjectLabel.LEFT_OUT, SubjectLabel.UNKNOWN


def nominate(confidence=80, role=SubjectRole.UNSPECIFIED):
    stage, fraud = FraudStage.UNSPECIFIED, FraudType.LOAN
    return Nomination(TOKEN, KIND, 1, fraud, stage, role, confidence)


def opine(value):
    return Opinion(TOKEN, KIND, 1, value, OpinionBasis.EXAMINED, 90)


def retract(reason, target="nomination"):
    return Retraction(opaque(target), TOKEN, reason)


def label(*words, rule=CONFIRMED, now=NOW):
    """Label by ``(member, days ago, body)``; a member's nomination has one id."""
    tables = {"evidence": {}, "cutoff": {}, "protection": {}, "lift": {}}
    for position, (member, days, body) in enumerate(words):
        named = "nomination" if isinstance(body, Nomination) else f"{position}"
        statement = said(body, id=opaque(named), issued_time=now - days * DAY_SECONDS)
        for change in fold(member, position, b"entry", statement):
            if change.table not in tables:
                continue
            if hasattr(change, "row"):
                tables[change.table][change.row[:3]] = change.row
            else:
                tables[change.table].pop(change.key, None)
    rows = SubjectRows(*(sorted(table.values()) for table in tables.values()))
    return label_subject(rows, rule, STANDING, now)


AGREE = opine(OpinionValue.AGREE)
DISAGREE = opine(OpinionValue.DISAGREE)
TWO = (("bank-a", 60, nominate()), ("carrier-b", 40, nominate()))
SEEN = SightingBody(TOKEN, KIND, 1, SightingKind.SEEN, 3, NOW - DAY_SECONDS)
FALSE = SightingBody(TOKEN, KIND, 1, SightingKind.FALSE_POSITIVE, 1, NOW - DAY_SECONDS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), UNKNOWN),
        (TWO, POSITIVE),
        ((("bank-a", 60, nominate()), ("net-c", 45, AGREE)), POSITIVE),
        ((("police", 60, nominate()),), POSITIVE),
        # One member alone, twice the same member, who is out, or who only saw it.
        ((("bank-a", 60, nominate()),), LEFT_OUT),
        ((("bank-a", 60, nominate()), ("bank-a", 50, AGREE)), LEFT_OUT),
        ((("bank-a", 60, nominate()), ("gone", 50, nominate())), LEFT_OUT),
        ((("bank-a", 60, nominate()), ("stranger", 50, nominate())), LEFT_OUT),
        ((("bank-a", 60, nominate()), ("net-c", 0, SEEN)), LEFT_OUT),
        # Too young: neither positive nor negative.
        ((("bank-a", 60, nominate()), ("carrier-b", 29, nominate())), LEFT_OUT),
        ((("police", 29, nominate()),), LEFT_OUT),
        # A model's score is below LEAST_CONFIDENCE, whoever repeats it.
        ((("bank-a", 60, nominate(29)), ("carrier-b", 60, nominate(29))), LEFT_OUT),
        ((("police", 60, nominate(29)),), LEFT_OUT),
        # Victims and imitated brands are no offenders.
        (
            (
                ("bank-a", 60, nominate(role=SubjectRole.VICTIM)),
                ("net-c", 60, nominate(role=SubjectRole.IMPERSONATED_BRAND)),
            ),
            LEFT_OUT,
        ),
        # Lifted, at once: no maturity for what clears.
        ((*TWO, ("carrier-b", 0, retract(RetractionReason.MISTAKEN))), LEFT_OUT),
        (
            (
                *TWO,
                ("carrier-b", 0, retract(RetractionReason.MISTAKEN)),
                ("bank-a", 0, retract(RetractionReason.MISTAKEN)),
            ),
            CLEARED,
        ),
        ((("bank-a", 60, nominate()), ("bank-a", 1, retract(RetractionReason.OVER))), LEFT_OUT),
        ((("bank-a", 60, nominate()), ("bank-a", 1, retract(RetractionReason.ERASURE))), UNKNOWN),
        ((*TWO, ("net-c", 0, DISAGREE)), LEFT_OUT),
        ((*TWO, ("net-c", 0, FALSE)), LEFT_OUT),
        ((("net-c", 0, DISAGREE),), CLEARED),
        ((("stranger", 0, DISAGREE),), LEFT_OUT),
        ((("stranger", 0, retract(RetractionReason.MISTAKEN)),), UNKNOWN),
        # A third member that takes its own word back does not undo two others.
        (
            (*TWO, ("net-c", 50, nominate()), ("net-c", 0, retract(RetractionReason.MISTAKEN))),
            POSITIVE,
        ),
        # Protected objects are benign, and a number that changed hands is another subject.
        (
            (("coord", 0, ProtectedObject(TOKEN, KIND, 1, ProtectionGround.HOTLINE)),),
            CLEARED,
        ),
        ((*TWO, ("carrier-b", 1, Reassigned(TOKEN, KIND, 1, NOW - DAY_SECONDS))), LEFT_OUT),
    ],
)
def test_confirmed_outcomes_become_labels(words, expected):
    assert label(*words) is expected


def test_designated_counts_the_police_alone():
    assert label(*TWO, rule=DESIGNATED) is LEFT_OUT
    assert label(("police", 31, nominate()), rule=DESIGNATED) is POSITIVE
    assert label(("police", 31, AGREE), rule=DESIGNATED) is LEFT_OUT


def test_an_old_fraud_was_one_though_its_evidence_has_decayed():
    old = (("bank-a", 900, nominate()), ("carrier-b", 900, nominate()))

    assert label(*old) is POSITIVE


def test_labels_mature_with_time():
    words = (("bank-a", 0, nominate()), ("carrier-b", 0, nominate()))

    assert label(*words) is LEFT_OUT
    assert label(*words, rule=OutcomeRule(TrainingLabel.CONFIRMED, 0)) is POSITIVE
