"""Nominate single values, as a member's fraud desk does."""

from __future__ import annotations

from federation.vocabulary import FraudStage, FraudType, SubjectRole, TrafficLight
from node.demo.night_harbour.calls import ask, number, raw
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import desk_service_pb2 as desk


def nominate(
    scene: Scene,
    member: str,
    subject: tuple[str, str],
    confidence: int,
    *,
    stage: FraudStage = FraudStage.CONTACT,
    role: SubjectRole = SubjectRole.OFFENDER_RESOURCE,
) -> None:
    """Nominate one value so that query partners may be told its band."""
    ask(scene, member, "desk", "Nominate", nomination(subject, confidence, stage, role))


def nomination(
    subject: tuple[str, str],
    confidence: int,
    stage: FraudStage = FraudStage.CONTACT,
    role: SubjectRole = SubjectRole.OFFENDER_RESOURCE,
) -> desk.NominateRequest:
    """Return a nomination as the desk takes it, one that query partners may be told of."""
    row = desk.NominationRow(
        indicator=raw(*subject),
        fraud_type=number(FraudType.CUSTOMER_SERVICE),
        confidence=confidence,
        stage=number(stage),
        subject_role=number(role),
    )
    return desk.NominateRequest(rows=[row], tlp=number(TrafficLight.AMBER))
