"""Act 3: a model gets its papers, is watched in the shadow for a week, and is released by all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from federation.training.assessment import Assessment
from federation.training.card import ModelCard
from federation.training.released import NO_ACTION
from federation.training.table import Table
from federation.vocabulary import ModelStage, TrainingLabel
from node.demo.doors import Check, wait_until
from node.demo.night_harbour import runs
from node.demo.night_harbour.calls import ask, number
from node.demo.night_harbour.cast import COORDINATOR, INDUSTRY
from node.demo.night_harbour.features import sector_of
from node.demo.night_harbour.populations import Population
from node.demo.night_harbour.rows import member_rows
from node.demo.night_harbour.scene import Scene
from node.demo.night_harbour.train import GROUPS
from node.errors import NodeError
from node.training.bundle import ModelFile
from node.whole_file import write_whole
from tocsin.desk.v1 import learning_service_pb2 as learning
from tocsin.desk.v1 import train_service_pb2 as wire

RELEASED: Final = ("carrier", "core")
"""Groups whose models go into force: the carriers' own, and that of all seven."""
SHADOW_SECONDS: Final = 7 * 86_400
"""A week in the shadow."""
KNOW_MULE: Final = ("bank-y", "carrier-b", "net-p")
"""Have rows of the mule whom act 9 asks about."""
LABEL_DAYS: Final = 30
"""Age of an outcome before it is a label."""
SAID: Final[Mapping[str, Any]] = {
    "purpose": "score_own_subjects",
    "reviewer": "risk office",
    "decision": "approved",
    "conditions": "Alarms open a verification, never a measure.",
    "risks": [
        {
            "risk": "A courier is taken for a fraudster.",
            "mitigation": "Cross-verification before any measure; appeals correct the labels.",
            "remaining": "medium",
        }
    ],
}


def play(scene: Scene) -> Iterator[Check]:
    """Bring two models from their papers through the shadow into force."""
    plans: Mapping[str, bytes] = scene.facts["act2.plans"]
    rows = member_rows(scene.truth)
    yield from _bring_into_shadow(scene, plans)
    for group in RELEASED:
        for member in GROUPS[group]:
            _score_in_shadow(scene, member, plans[group], rows[member])
    scene.advance(SHADOW_SECONDS)
    refused = {group: _refusal(scene, plans[group], ModelStage.RELEASED) for group in RELEASED}
    yield Check(
        "act-03-release-without-approval-refused",
        set(refused.values()) == {"RELEASE_NOT_APPROVED"},
        f"the coordinator tried after the shadow week: {', '.join(sorted(set(refused.values())))}",
    )
    yield from _release_all(scene, plans)
    scene.each(partial(_know_mule, scene), KNOW_MULE)


def _know_mule(scene: Scene, member: str) -> None:
    """Label the row of the later mule, so that its token finds it: labels are made weekly."""
    request = learning.LabelSubjectsRequest(
        kind="phone",
        values=[scene.truth.mule_phone.number],
        definition=number(TrainingLabel.CONFIRMED),
        maturity_days=LABEL_DAYS,
    )
    ask(scene, member, "learning", "LabelSubjects", request)


def _bring_into_shadow(scene: Scene, plans: Mapping[str, bytes]) -> Iterator[Check]:
    bare = {group: _refusal(scene, plans[group], ModelStage.SHADOW) for group in RELEASED}
    cards = {group: assess(scene, COORDINATOR, plans[group]) for group in RELEASED}
    for group in RELEASED:
        runs.move(scene, COORDINATOR, plans[group], ModelStage.SHADOW)
        runs.wait_state(scene, GROUPS[group], plans[group], "SHADOW")
        wait_models(scene, GROUPS[group], plans[group])
    card = cards["carrier"]
    action = card.evaluation.federated.action_threshold
    days = card.plan.label.maturity_days
    yield Check(
        "act-03-papers-before-shadow",
        set(bare.values()) == {"ASSESSMENT_MISSING"} and days > 0,
        f"without an assessment: {', '.join(sorted(set(bare.values())))}; the card says rows "
        f"read {card.started_time:%Y-%m-%d}, labels {days} days old from own case files, "
        + _threshold(action),
    )
    scene.saw(COORDINATOR, f"a model card of {len(card.rounds)} rounds and its risk assessment")


def _threshold(action: float | None) -> str:
    """Say from which score one alarm in 10,000 is false, if that could be measured."""
    if action is None or action >= NO_ACTION:
        return "and no score for one false alarm in 10,000: too few rows, so alarms only verify"
    return f"and one false alarm in 10,000 above a score of {action:.3f}"


def _release_all(scene: Scene, plans: Mapping[str, bytes]) -> Iterator[Check]:
    for group in RELEASED:
        scene.each(partial(runs.approve_release, scene, plans[group]), GROUPS[group])
        _move_when_heard(scene, plans[group])
    for group in RELEASED:
        runs.wait_state(scene, GROUPS[group], plans[group], "RELEASED")
    found = runs.describe(scene, "carrier-c", plans["carrier"])
    shadow = found.shadow
    yield Check(
        "act-03-released-after-a-shadow-week",
        found.status.in_force and shadow.rows > 0,
        f"carrier-c: {shadow.alarms} alarms in {shadow.rows} rows in the shadow, nobody was acted "
        f"on; {len(found.release_approved)} of {len(found.status.enrolled)} members approved",
    )
    for member in INDUSTRY:
        count = runs.describe(scene, member, plans["core"]).shadow.alarms
        own = f"{sector_of(member)} and common model" if sector_of(member) == "carrier" else "it"
        scene.saw(member, f"{count} own alarms of the common model in the shadow; approved {own}")


def assess(scene: Scene, leader: str, digest: bytes) -> ModelCard:
    """Record a person's risk assessment of a model beside its card, and return the card."""
    directory = scene.sandbox.home(leader).models / digest.hex()
    card = ModelCard.parse((directory / ModelFile.CARD.file_name).read_bytes())
    now = datetime.fromtimestamp(scene.now(), UTC)
    paper = Assessment.of(card, SAID, now)
    write_whole(directory / ModelFile.ASSESSMENT.file_name, paper.encode())
    return card


def wait_models(scene: Scene, members: Sequence[str], digest: bytes) -> None:
    """Wait until the members have fetched a model."""
    name = ModelFile.MODEL.file_name
    paths = [scene.sandbox.home(one).models / digest.hex() / name for one in members]
    wait_until(lambda: all(path.exists() for path in paths), "a model did not arrive")


def _move_when_heard(scene: Scene, digest: bytes) -> None:
    """Release a model as soon as the coordinator has heard enough approvals."""

    def heard() -> bool:
        return not _refusal(scene, digest, ModelStage.RELEASED)

    wait_until(heard, "a release was not allowed")


def _refusal(scene: Scene, digest: bytes, stage: ModelStage) -> str:
    """Take a model to a stage; return the reason of a refusal, or nothing."""
    try:
        runs.move(scene, COORDINATOR, digest, stage)
    except NodeError as error:
        return error.reason
    return ""


def _score_in_shadow(scene: Scene, member: str, digest: bytes, rows: Population) -> None:
    """Score a member's rows with a model that acts on nobody yet."""
    request = wire.ScoreRequest(
        model_digest=digest, shadow=True, rows=len(rows), columns=_columns(rows.table)
    )
    ask(scene, member, "train", "Score", request)


def _columns(table: Table) -> Iterator[wire.ScoreColumn]:
    for name, cells in table.columns.items():
        if cells.dtype == object:
            yield wire.ScoreColumn(name=name, texts=cells.tolist())
        else:
            yield wire.ScoreColumn(name=name, numbers=cells.astype("<f8").tobytes())
