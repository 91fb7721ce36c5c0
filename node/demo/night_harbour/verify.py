"""Act 6: members ask each other in secret: N1 is confirmed, N2 refuted, N3 is another's now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from federation.statements import (
    Body,
    UnknownBody,
    VerificationExamination,
    VerificationOpen,
    VerificationTally,
    decode_statement,
)
from federation.vocabulary import Band, FraudStage, VerificationAnswer, VerificationDecision
from node.demo.doors import Check
from node.demo.night_harbour.calls import (
    ask,
    ask_partner,
    check,
    explain,
    number,
    raw,
    round_of,
    wait_bands,
    wait_round,
)
from node.demo.night_harbour.cast import COORDINATOR, LOGS, PARTNER
from node.demo.night_harbour.nominations import nominate
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import verify_service_pb2 as verify

SUSPECTING: Final = ("carrier-a", "net-p", "bank-y")
"""Members whose own records show N1 in a fraud; nobody says who they are."""
_MODEL_HIGH: Final = 78
# Where a by-hand answer is kept, and only there.
_KEPT: Final = b"verification/"


def play(scene: Scene) -> Iterator[Check]:
    """Ask about three numbers, and look whether anybody's answer can be found."""
    scene.at("T-2d 23:06")
    n1, n2 = _open_rounds(scene)
    yield _confirmed(scene, n1)
    yield from _refuted(scene, n2)
    yield _new_epoch(scene)
    yield _secret(scene, {n1: SUSPECTING, n2: ("net-q",)})


def _open_rounds(scene: Scene) -> tuple[bytes, bytes]:
    """Answer from own records, and open the rounds about N1 and N2 at once."""
    truth, suspect = scene.truth, VerificationAnswer.HIT_SUSPECT
    for member in SUSPECTING:
        scene.own(member, "phone", truth.n1)
    scene.own("net-q", "phone", truth.n2)
    scene.each(lambda member: _answer(scene, member, truth.n1, suspect), SUSPECTING)
    _answer(scene, "net-q", truth.n2, VerificationAnswer.HIT_BENIGN)
    nominate(scene, "carrier-b", ("phone", truth.n2), _MODEL_HIGH, stage=FraudStage.CONTACT)
    wait_bands(scene, "phone", truth.n2, lambda band: band >= Band.HIGH)
    scene.saw("carrier-b", "its model says HIGH of N2: hundreds of short calls, as a farm makes")
    scene.saw("net-q", "N2 is its registered courier merchant: known as benign")
    asked = {"carrier-a": truth.n1, "carrier-b": truth.n2}
    opened = scene.each(lambda member: _open(scene, member, asked[member]), tuple(asked))
    scene.facts["act6.confirmed"], scene.facts["act6.refuted"] = opened.values()
    return opened["carrier-a"], opened["carrier-b"]


def _answer(scene: Scene, member: str, phone: str, answer: VerificationAnswer) -> None:
    request = verify.AnswerVerificationRequest(value=raw("phone", phone), answer=number(answer))
    ask(scene, member, "verify", "AnswerVerification", request)


def _open(scene: Scene, member: str, phone: str) -> bytes:
    request = verify.OpenVerificationRequest(value=raw("phone", phone))
    matter_id: bytes = ask(scene, member, "verify", "OpenVerification", request).matter_id
    return matter_id


def _told(status: verify.VerificationStatus) -> str:
    tally = status.tally
    return f"{tally.suspect} suspect, {tally.benign} benign, {tally.no_record} no record"


def _confirmed(scene: Scene, matter_id: bytes) -> Check:
    status = wait_round(scene, LOGS, matter_id, "CONFIRMED")
    tally = status.tally
    scene.moment("T-2d 23:06", "S3", "all members", f"N1 confirmed: {_told(status)}")
    answered = len(status.answered)
    scene.saw("every member", f"N1: {_told(status)}; that {answered} answered, not who what")
    return Check(
        "act-06-n1-confirmed",
        (tally.suspect, tally.benign, tally.no_record, tally.declined) == (3, 0, 4, 0),
        f"N1 at all nodes: {_told(status)} -> CONFIRMED",
    )


def _refuted(scene: Scene, matter_id: bytes) -> Iterator[Check]:
    """See the conflict about N2, and let the coordinator, who did not ask, examine it."""
    status = wait_round(scene, LOGS, matter_id, "CONFLICT")
    yield Check(
        "act-06-n2-conflict",
        (status.tally.suspect, status.tally.benign) == (1, 1),
        f"N2: {_told(status)} -> CONFLICT, for a person to look at",
    )
    request = verify.ExamineVerificationRequest(
        matter_id=matter_id, decision=number(VerificationDecision.REFUTE)
    )
    ask(scene, COORDINATOR, "verify", "ExamineVerification", request)
    wait_round(scene, LOGS, matter_id, "REFUTED")
    wait_bands(scene, "phone", scene.truth.n2, lambda band: band is Band.NONE)
    told = ask_partner(scene, "phone", scene.truth.n2, lambda band: band is Band.NONE)
    scene.saw(COORDINATOR, "a conflict about N2, examined: a courier's dispatcher, refuted")
    yield Check(
        "act-06-n2-refuted",
        Band(told.band) is Band.NONE,
        f"{COORDINATOR}, which did not ask, examines it -> REFUTED; NONE at all {len(LOGS)} "
        f"members and for {PARTNER}",
    )


def _new_epoch(scene: Scene) -> Check:
    """Let carrier-b say, late, that N3 has a new owner since three days before."""
    phone = scene.truth.n3
    request = desk.ReassignRequest(values=[raw("phone", phone)])
    request.effective_time.seconds = int(scene.time("T-3d 09:00").timestamp())
    ask(scene, "carrier-b", "desk", "Reassign", request)
    wait_bands(scene, "phone", phone, lambda band: band is Band.NONE)
    told = [check(scene, one, "phone", phone) for one in LOGS]
    told.append(ask_partner(scene, "phone", phone, lambda band: band is Band.NONE))
    found = explain(scene, "bank-x", "phone", phone)
    old = [one.state for one in found.found_out]
    scene.saw("carrier-b", "N3 has a new owner since day -3: says so, so that nobody inherits it")
    scene.saw(PARTNER, "N3: NONE, REASSIGNED")
    fresh = all(Band(one.band) is Band.NONE and "REASSIGNED" in one.display_codes for one in told)
    return Check(
        "act-06-n3-new-epoch-none",
        fresh and old == ["CONFIRMED"],
        f"N3: CONFIRMED in its old epoch, NONE and REASSIGNED in the new one at all "
        f"{len(LOGS)} members and for {PARTNER}",
    )


def _secret(scene: Scene, rounds: Mapping[bytes, tuple[str, ...]]) -> Check:
    """Search every node for an answer; ``rounds`` says by matter who answered by hand."""
    allowed = (VerificationOpen, VerificationTally, VerificationExamination)
    kinds, tallies = set[type](), list[set[tuple[int, ...]]]()
    for matter_id in rounds:
        said = [body for member in LOGS for body in said_in(scene, member, matter_id)]
        kinds.update(type(body) for body in said)
        tallies.append({_numbers(body) for body in said if isinstance(body, VerificationTally)})
    kept = {one: _holders(scene, one) for one in rounds}
    told = [", ".join(f"{a}/{b}/{c}" for a, b, c, _ in sorted(one)) for one in tallies]
    return Check(
        "act-06-votes-not-retrievable",
        kinds <= set(allowed)
        and all(len(one) == 1 for one in tallies)
        and all(kept[one] == set(members) for one, members in rounds.items()),
        f"all logs at all nodes hold totals alone (N1 {told[0]}, N2 {told[1]}); each of the "
        f"{sum(map(len, kept.values()))} answers given by hand is at its own member only",
    )


def _numbers(body: VerificationTally) -> tuple[int, ...]:
    return body.suspect, body.benign, body.no_record, body.declined


def said_in(scene: Scene, member: str, matter_id: bytes) -> list[Body | UnknownBody]:
    """Return everything that a member's database holds about a matter."""
    database = scene.home(member).data / "public.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        query = "SELECT bytes FROM view_matter WHERE matter = ?"
        rows: list[Any] = connection.execute(query, (matter_id,)).fetchall()
    return [decode_statement(body).body for (body,) in rows]


def _holders(scene: Scene, matter_id: bytes) -> set[str]:
    """Return the members on whose disk an answer given by hand about a round's subject is."""
    status = round_of(scene, COORDINATOR, matter_id)
    assert status is not None  # noqa: S101  # it has ended
    key = _KEPT + status.token.hex().encode()
    return {member for member in LOGS if _holds(scene.home(member).data, key)}


def _holds(directory: Path, text: bytes) -> bool:
    files = (path for path in directory.rglob("*") if path.is_file())
    return any(text in path.read_bytes() for path in files)
