"""Act 11: a member's client attacks a round, first loudly, then with a back door.

Carrier-c's node runs with another training process, which the story brings along; everybody else's
is as always. What holds is what the others' nodes check: lengths, influence, who pushes against
whom.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from federation.vocabulary import ModelStage, NoticeAction, TrainingOutcome
from node.demo.doors import Check, wait_until
from node.demo.night_harbour import runs
from node.demo.night_harbour.calls import ask, number
from node.demo.night_harbour.cast import CARRIERS, COORDINATOR
from node.demo.night_harbour.features import sector_schema
from node.demo.night_harbour.populations import unseen_rows
from node.demo.night_harbour.rows import STAND_IN, member_rows
from node.demo.night_harbour.scene import Scene
from node.errors import NodeError
from node.sandbox.process import node_arguments
from tocsin.desk.v1 import matter_service_pb2 as matters
from tocsin.desk.v1 import notice_service_pb2 as notices

CHEAT: Final = "carrier-c"
MOST_LOST: Final = 0.01
"""Share of the clean model's PR-AUC that an attack may cost."""
DEADLINE_SECONDS: Final = 14 * 86_400
"""Two weeks to mend what a notice names."""
CODE: Final = "POISONED_UPDATE"
SEED: Final = 3
NODE_SECONDS: Final = 30.0
"""Seconds that a node has to end."""

_LAUNCH: Final = """
import node.training.worker
node.training.worker.MODULE = "node.demo.night_harbour.poisoned_worker"
from node.cli import main
main()
"""


def play(scene: Scene) -> Iterator[Check]:
    """Let the carriers train while one of them cheats, and see what is left of it."""
    from node.demo.night_harbour.plans import visible_plan

    leader = STAND_IN if scene.coordinator_is_down else COORDINATOR
    schema = sector_schema("carrier")
    plan = visible_plan(schema, runs.EXPIRY, SEED)
    with _cheating(scene, CHEAT):
        digest = runs.propose(scene, leader, plan, CARRIERS)
        file = runs.run(scene, leader, digest, schema)
    runs.move(scene, leader, digest, ModelStage.REJECTED)
    yield from _judge(scene, leader, digest, plan, file)
    scene.facts["act11.finding"] = digest


def _judge(scene: Scene, leader: str, digest: bytes, plan: Any, file: Path) -> Iterator[Check]:
    """Read the rounds' report, and compare with the same run without a cheat."""
    from federation.training.local_engine import run_locally

    rows = {member: one.table for member, one in member_rows(scene.truth).items()}
    schema = sector_schema("carrier")
    clean = run_locally(plan, schema, {member: rows[member] for member in CARRIERS})
    yield from _check_named(scene, leader, digest)
    yield _check_worth(scene, plan, file, clean)


@contextmanager
def _cheating(scene: Scene, member: str) -> Iterator[None]:
    """Run a member's node with the attacker's training process."""
    home = scene.sandbox.home(member)
    scene.sandbox.stop(member)
    command = [sys.executable, "-c", _LAUNCH, *node_arguments(home)]
    output = scene.file("cheating-node.txt", [])
    with (
        output.open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as node,  # noqa: S603  # our own
    ):
        try:
            wait_until(lambda: _answers(scene, member), "the cheating node did not start")
            yield
        finally:
            node.terminate()
            node.wait(NODE_SECONDS)
            scene.reopen(member)
            scene.sandbox.start(member)


def _answers(scene: Scene, member: str) -> bool:
    scene.reopen(member)
    try:
        return bool(scene.status(member).ready)
    except NodeError:
        return False


def _check_named(scene: Scene, leader: str, digest: bytes) -> Iterator[Check]:
    found = runs.outcomes(scene, leader, digest)
    named = {
        place: each[CHEAT][1].name
        for place, each in enumerate(found, 1)
        if each[CHEAT][0] is TrainingOutcome.REJECTED
    }
    honest = [each[one][0] for each in found for one in CARRIERS if one != CHEAT]
    loud = [named.get(place) for place in range(1, 4)]
    yield Check(
        "act-11-update-times-minus-ten-clipped-out",
        set(loud) == {"UPDATE_NORM"} and set(honest) == {TrainingOutcome.OK},
        f"rounds 1 to 3: {CHEAT} rejected with UPDATE_NORM, the others OK",
    )
    later = {place: reason for place, reason in named.items() if place > 3}
    scene.saw(
        leader,
        f"{CHEAT} rejected in rounds {', '.join(map(str, named))} of {len(found)}"
        + (f" ({', '.join(sorted(set(later.values())))} later)" if later else ""),
    )
    scene.saw(CHEAT, "its own client's updates did not count; it keeps its rows and its node")


def _check_worth(scene: Scene, plan: Any, file: Path, clean: Any) -> Check:
    """Compare with the same run without a cheat, which the story trains for itself."""
    from federation.training.released import ReleasedModel
    from node.demo.night_harbour.measuring import join, precision_area, silenced

    usual = ReleasedModel(
        plan, sector_schema("carrier"), clean.scaling, clean.model, clean.threshold
    )
    poisoned = ReleasedModel.load(file)
    test = join([unseen_rows(member) for member in CARRIERS], usual.schema)
    before, after = precision_area(usual, test), precision_area(poisoned, test)
    scene.saw(
        "story",
        f"back door: {silenced(poisoned, test):.0%} of the alarms fall silent under its pattern, "
        f"{silenced(usual, test):.0%} without an attack",
    )
    return Check(
        "act-11-precision-recall-holds",
        after >= (1 - MOST_LOST) * before,
        f"PR-AUC {after:.3f} after the attack, {before:.3f} without it "
        f"({after / before - 1:+.1%}): no update counts that is longer than the bound, and none "
        "for more than its place between the others",
    )


def notify(scene: Scene) -> Iterator[Check]:
    """Give the cheat notice of what the round's report says, as the regulator."""
    digest: bytes = scene.facts["act11.finding"]
    request = notices.IssueNoticeRequest(
        member=CHEAT, code=CODE, finding_digest=hashlib.sha256(digest).digest()
    )
    request.deadline_time.seconds = scene.now() + DEADLINE_SECONDS
    notice: bytes = ask(scene, COORDINATOR, "notice", "IssueNotice", request).matter_id
    scene.facts["act11.notice"] = notice
    wait_until(lambda: notice in notices_at(scene, CHEAT), "a notice did not arrive")
    scene.saw(CHEAT, f"notice {notice.hex()[:8]} {CODE}: to be mended within 14 days")
    yield Check(
        "act-11-client-quarantined-with-notice",
        notice in notices_at(scene, CHEAT),
        f"the report names {CHEAT}, the run's model is rejected, and the notice stands in the log",
    )


def notices_at(scene: Scene, member: str) -> dict[bytes, str]:
    """Return the notices that a member sees, and the state of each."""
    request = matters.ListMattersRequest(kind="notice", limit=1_000)
    found = ask(scene, member, "matter", "ListMatters", request).matters
    return {one.matter_id: one.state for one in found}


def step(scene: Scene, member: str, notice: bytes, taken: NoticeAction, paper: bytes = b"") -> None:
    """Take the next step of a notice."""
    digest = hashlib.sha256(paper).digest() if paper else b""
    request = notices.StepNoticeRequest(matter_id=notice, step=number(taken), paper_digest=digest)
    ask(scene, member, "notice", "StepNotice", request)
