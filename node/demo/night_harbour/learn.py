"""Act 17: what became of the subjects is old enough to learn from; one more round, and a replay.

The farm's SIMs were of a kind that the first model had never seen: they rotate, so that none calls
much. And the couriers were in its rows as frauds. Both are put right by outcomes alone.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from federation.training.table import Table
from federation.vocabulary import TrainingLabel
from node.demo.doors import Check
from node.demo.night_harbour import runs
from node.demo.night_harbour.calls import ask, number
from node.demo.night_harbour.cast import CARRIERS, COORDINATOR, FARM_TOTAL
from node.demo.night_harbour.features import sector_schema
from node.demo.night_harbour.populations import (
    Face,
    Population,
    Subject,
    subject_rows,
    unseen_rows,
)
from node.demo.night_harbour.rows import COURIERS, SECTOR_ROWS, couriers, give_rows, member_rows
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import learning_service_pb2 as learning

REPLAYED: Final = 400
"""SIMs of the rotating kind at each carrier, that nobody trains on."""
FALSE_ALARMS: Final = 0.01
"""Share of usual subscribers who are looked at, by either model."""
MATURE_DAYS: Final = 1
"""Age of an outcome before it is a label; the real delay is 14 days in the middle (DOMAIN §8.3)."""
SEED: Final = 5
MOST: Final = 0.9
"""Share of the lifted subjects whose score has to fall."""
LEAST_RISE: Final = 0.2
"""By which recall has to rise, of all rotating SIMs."""


def play(scene: Scene) -> Iterator[Check]:
    """Label by outcome, train once more, and replay what the first model did not know."""
    from node.demo.night_harbour.plans import outcome_plan

    rows = _this_window(scene)
    schema = sector_schema("carrier")
    plan = outcome_plan(schema, runs.EXPIRY, SEED, MATURE_DAYS)
    digest = runs.propose(scene, COORDINATOR, plan, CARRIERS)
    young = _seized(scene)
    scene.at("T+2d 13:00")
    yield _check_labels(scene, young, _seized(scene), _label(scene, digest))
    file = runs.run(scene, COORDINATOR, digest, schema)
    yield from _replay(scene, scene.facts["act2.models"]["carrier"], file, rows)


def _seized(scene: Scene) -> Counter[str]:
    """Count what the farm's SIMs would be as labels now, at their carriers."""
    found: Counter[str] = Counter()
    for member in CARRIERS:
        request = learning.LabelSubjectsRequest(
            kind="phone",
            values=scene.truth.farm_sims[member],
            definition=number(TrainingLabel.CONFIRMED),
            maturity_days=MATURE_DAYS,
        )
        labels = ask(scene, member, "learning", "LabelSubjects", request).labels
        found.update(learning.SubjectLabel.Name(one).rpartition("_")[2] for one in labels)
    return found


def _this_window(scene: Scene) -> dict[str, Population]:
    """Give the carriers the rows of this window: the farm's SIMs are in them."""
    known = member_rows(scene.truth)
    found = {}
    for member in CARRIERS:
        sims = [Subject(one, Face.ROTATED, label=False) for one in scene.truth.farm_sims[member]]
        new = subject_rows(member, sims)
        found[member] = known[member] if new is None else known[member].joined(new)
        give_rows(scene, member, found[member])
    return found


def _label(scene: Scene, digest: bytes) -> dict[str, Mapping[str, Any]]:
    """Let each carrier label its own rows by what the logs say; return its counts."""

    def label(member: str) -> Mapping[str, Any]:
        words = ("train", "label", SECTOR_ROWS, "--plan", digest.hex(), "--json")
        found: Mapping[str, Any] = json.loads(scene.do(member, *words).out)
        for path in (scene.home(member).data / "labelled").iterdir():
            os.utime(path, (scene.now(), scene.now()))  # files know only the system's clock
        return found

    return scene.each(label, CARRIERS)


def _check_labels(
    scene: Scene, young: Counter[str], mature: Counter[str], told: Mapping[str, Mapping[str, Any]]
) -> Check:
    for member in CARRIERS:
        scene.saw(
            member,
            f"{told[member]['positive']} own subjects of outcome fraud, "
            f"{told[member]['cleared']} cleared, {told[member]['left_out']} in doubt left out",
        )
    cleared = sum(int(one["cleared"]) for one in told.values())
    return Check(
        "act-17-labels-mature",
        young["POSITIVE"] <= 1  # N1 was designated a day before the others
        and mature["POSITIVE"] == FARM_TOTAL
        and cleared >= sum(COURIERS.values()),
        f"of {FARM_TOTAL} seized SIMs {young['POSITIVE']} were labels after 22 hours and "
        f"{mature['POSITIVE']} after 26 (a day is asked for); {cleared} lifted subjects are "
        "cleared",
    )


def _replay(
    scene: Scene, before: Path, after: Path, rows: Mapping[str, Population]
) -> Iterator[Check]:
    from federation.training.released import ReleasedModel
    from node.demo.night_harbour.measuring import join, recall_at, scores_of

    old, new = ReleasedModel.load(before), ReleasedModel.load(after)
    usual = _usual(join([unseen_rows(member) for member in CARRIERS], old.schema))
    variant = join([unseen_rows(member, Face.ROTATED, REPLAYED) for member in CARRIERS], old.schema)
    recall = [recall_at(model, usual, variant, FALSE_ALARMS) for model in (old, new)]
    yield Check(
        "act-17-recall-on-rotated-sims-rises",
        recall[1] >= recall[0] + LEAST_RISE,
        f"of {len(variant)} rotating SIMs {recall[0]:.0%} stood out before and {recall[1]:.0%} "
        f"after, at {FALSE_ALARMS:.0%} of usual subscribers looked at",
    )
    lifted = _rows_of(rows, _lifted(scene))
    scores = [scores_of(model, lifted) for model in (old, new)]
    fell, means = int((scores[1] < scores[0]).sum()), [float(one.mean()) for one in scores]
    yield Check(
        "act-17-lifted-subjects-scores-fall",
        fell >= MOST * len(lifted) and means[1] < means[0],
        f"{fell} of {len(lifted)} subjects lifted on appeal or refuted: mean score "
        f"{means[0]:.2f} before, {means[1]:.2f} after",
    )
    scene.saw("D1 (citizen)", "the score of her number fell with those of all who were lifted")


def _lifted(scene: Scene) -> dict[str, tuple[str, ...]]:
    """Return who was lifted or refuted, by carrier: couriers, the dispatcher and the doctor."""
    found = {member: couriers(scene.truth, member) for member in CARRIERS}
    return {**found, "carrier-b": (*found["carrier-b"], scene.truth.n2, scene.truth.n3)}


def _rows_of(rows: Mapping[str, Population], wanted: Mapping[str, Sequence[str]]) -> Table:
    from node.demo.night_harbour.measuring import join

    parts = []
    for member, numbers in wanted.items():
        places = [rows[member].numbers.index(one) for one in numbers]
        parts.append(rows[member].select(places))
    return join(parts, sector_schema("carrier"))


def _usual(test: Table) -> Table:
    """Return the rows of those who are no frauds."""
    return test.select(test.columns["label"] == 0)
