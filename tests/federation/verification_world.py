"""A verification round for tests: who is asked, what can be said in it, and its fold."""

from dataclasses import replace

from federation.matters import fold_matter
from federation.names import MemberId
from federation.roles import Role
from federation.statements import VerificationExamination, VerificationTally
from federation.statements.shape import MAX_TIME
from federation.vocabulary import VerificationDecision
from tests.federation import training_world
from tests.federation.said import NOW, opaque, said, verification_open

ROLES = training_world.ROLES | {
    MemberId("carrier-e"): frozenset({Role.CARRIER}),
    MemberId("net-f"): frozenset({Role.INTERNET}),
}
ASKED = tuple(
    sorted(name for name, roles in ROLES.items() if roles and name not in ("coord", "police"))
)
OPENER, OTHERS = ASKED[0], ASKED[1:]
ROUND = opaque("round")
OPENING = verification_open(members=ASKED, quorum=3)
OPENS = [OPENING, replace(OPENING, quorum=2), replace(OPENING, due_time=NOW + 8 * 86_400)]


def tally(suspect=0, benign=0, no_record=0, declined=0, *, round_id=ROUND, opener=OPENER):
    return VerificationTally(round_id, opener, suspect, benign, no_record, declined)


def examine(decision, *, round_id=ROUND, opener=OPENER):
    return VerificationExamination(round_id, opener, decision)


def moves(name):
    about = {"round_id": name.id, "opener": name.opener}
    return [
        tally(3, 0, 1, **about),
        tally(2, 2, **about),
        tally(0, 3, 1, **about),
        tally(0, 0, 4, **about),
        tally(1, 0, 0, **about),
        *(examine(decision, **about) for decision in VerificationDecision),
    ]


def opened(opening=OPENING):
    return OPENER, said(opening, id=ROUND, issued_time=NOW)


def says(member, body, later=1):
    return member, said(body, id=opaque(f"{member}/{body}/{later}"), issued_time=NOW + later)


def folded(*words, opening=OPENING):
    return fold_matter(
        [opened(opening), *words], lambda member, _time: ROLES.get(member, frozenset()), MAX_TIME
    )


def read_by(count, body):
    return [says(member, body) for member in ASKED[:count]]
