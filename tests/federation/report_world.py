"""Reports for tests: who takes them in, who can act, and what can be said about them."""

from __future__ import annotations

from typing import Any

from federation.matters import MatterError, advance
from federation.names import MemberId
from federation.roles import Role
from federation.statements import ReportCount, ReportStep
from federation.vocabulary import CountBand, ReportAction, ReportReason
from tests.federation.said import NOW, opaque, report, said

INTAKE, ACTOR, OTHER = MemberId("bank-a"), MemberId("carrier-b"), MemberId("carrier-e")
COORD, POLICE, STRANGER = MemberId("coord"), MemberId("police"), MemberId("stranger")
ROLES = {
    INTAKE: frozenset({Role.BANK}),
    ACTOR: frozenset({Role.CARRIER}),
    OTHER: frozenset({Role.CARRIER}),
    COORD: frozenset({Role.COORDINATOR}),
    POLICE: frozenset({Role.POLICE}),
    STRANGER: frozenset[Role](),
}
BASIS = opaque("verification")
OPENING = report(actors=(ACTOR, OTHER))
OPENS = [OPENING, report(actors=(ACTOR,), reporters=CountBand.MANY)]
MATTER = opaque("a report's matter")

_REASONS = {
    ReportAction.REJECT: ReportReason.NOT_OURS,
    ReportAction.UNSUBSTANTIATE: ReportReason.NO_EVIDENCE,
    ReportAction.WITHDRAW: ReportReason.MASS_REPORTING,
}


def take(
    step: ReportAction, matter: bytes = MATTER, opener: MemberId = INTAKE, basis: bytes = b""
) -> ReportStep:
    return ReportStep(matter, opener, step, _REASONS.get(step, ReportReason.UNSPECIFIED), basis)


def moves(name: Any) -> list[Any]:
    return [
        *(ReportCount(name.id, band) for band in CountBand),
        *(take(step, name.id, name.opener) for step in ReportAction),
        take(ReportAction.DISPOSE, name.id, name.opener, BASIS),
    ]


def say(matter: Any, member: MemberId, body: Any, at: int = 0) -> Any:
    """Return the matter after a statement said ``at`` seconds after the report."""
    own = MATTER if matter is None else opaque(f"{body!r} at {at}")
    return advance(matter, member, ROLES[member], said(body, id=own, issued_time=NOW + at))


def after(*story: tuple[MemberId, Any]) -> Any:
    matter = say(None, INTAKE, OPENING)
    for at, (member, body) in enumerate(story, 1):
        matter = say(matter, member, body, at)
    return matter


def refusal(matter: Any, member: MemberId, body: Any, at: int = 100) -> str:
    try:
        say(matter, member, body, at)
    except MatterError as error:
        return error.reason
    return "ACCEPTED"
