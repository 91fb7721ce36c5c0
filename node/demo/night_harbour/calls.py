"""Call members' desks as their own systems do, and wait for what comes of it elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Any, Final

from federation.vocabulary import (
    Band,
    DispositionBasis,
    DispositionReason,
    DocumentsNeeded,
    Measure,
    Purpose,
    ReceiptStep,
    Remedy,
    SubjectRole,
)
from node.demo.doors import SPREAD_SECONDS, wait_until
from node.demo.night_harbour.cast import PARTNER
from node.demo.night_harbour.scene import Scene
from node.errors import NodeError, UnavailableError
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import disposition_service_pb2 as disposition
from tocsin.desk.v1 import verify_service_pb2 as verify

CALL_SECONDS: Final = 120.0
"""Seconds for one call on two cores shared by ten nodes; most take some hundredths."""
TERM_SECONDS: Final = 30 * 86_400
"""Seconds that a measure of the story lasts unless it is lifted."""

# Times that a call is made while token holders are busy; nothing was said when they are.
_ATTEMPTS: Final = 4
_BUSY: Final = "HOLDERS_UNAVAILABLE"
# Looks of the partner at what all members know already, and the seconds between them.
_PARTNER_LOOKS: Final = 3
_PARTNER_SECONDS: Final = 2.0


def ask(scene: Scene, member: str, service: str, method: str, request: Any) -> Any:
    """Call a method of one of the services behind a member's inside door.

    Raises:
        NodeError: What the node said.
    """
    door = scene.door(member)
    call = getattr(getattr(door, service), method)
    for attempt in range(_ATTEMPTS - 1):
        try:
            return door.call(call, request, CALL_SECONDS)
        except UnavailableError as error:
            if error.reason != _BUSY:
                raise
            time.sleep(1.0 + attempt)
    return door.call(call, request, CALL_SECONDS)


def refusal(scene: Scene, member: str, service: str, method: str, request: Any) -> str:
    """Return the reason with which a call is refused, or nothing where it is not."""
    try:
        ask(scene, member, service, method, request)
    except NodeError as error:
        return error.reason
    return ""


def number(word: IntEnum) -> Any:
    """Return a word of the vocabulary as messages have it: the numbers are the same."""
    return word.value


def raw(kind: str, value: str) -> desk.RawIndicator:
    """Return a value as the inside door takes it."""
    return desk.RawIndicator(kind=kind, value=value)


def watch(scene: Scene, member: str, kind: str, references: Iterable[tuple[str, str]]) -> None:
    """Put values on a member's watchlist, each with the member's own reference."""
    rows = [
        desk.WatchRow(indicator=raw(kind, value), reference=reference)
        for value, reference in references
    ]
    ask(scene, member, "desk", "AddWatch", desk.AddWatchRequest(rows=rows))


def check(scene: Scene, member: str, kind: str, value: str) -> desk.CheckResult:
    """Return what a member is told about one value."""
    request = desk.CheckRequest(values=[raw(kind, value)], purpose=number(Purpose.CHECK))
    return ask(scene, member, "desk", "Check", request).results[0]  # type: ignore[no-any-return]  # as the contract says


def band(scene: Scene, member: str, kind: str, value: str) -> Band:
    """Return the band that a member is told."""
    return Band(check(scene, member, kind, value).band)


def wait_bands(scene: Scene, kind: str, value: str, fits: Callable[[Band], bool]) -> None:
    """Wait until every member with a log is told a band that fits."""
    waiting = list(scene.speaking)

    def look() -> bool:
        found = scene.each(lambda member: band(scene, member, kind, value), waiting)
        waiting[:] = [member for member, told in found.items() if not fits(told)]
        return not waiting

    wait_until(look, "a word did not arrive everywhere")


def ask_partner(
    scene: Scene, kind: str, value: str, fits: Callable[[Band], bool]
) -> desk.CheckResult:
    """Ask the query partner's node, which asks members; a few times at most, for it has a quota."""
    for _ in range(_PARTNER_LOOKS - 1):
        found = check(scene, PARTNER, kind, value)
        if fits(Band(found.band)):
            return found
        time.sleep(_PARTNER_SECONDS)
    return check(scene, PARTNER, kind, value)


def explain(scene: Scene, member: str, kind: str, value: str) -> desk.ExplainResponse:
    """Return how a member's node explains its verdict."""
    request = desk.ExplainRequest(value=raw(kind, value))
    return ask(scene, member, "desk", "Explain", request)  # type: ignore[no-any-return]  # as the contract says


def round_of(scene: Scene, member: str, matter_id: bytes) -> verify.VerificationStatus | None:
    """Return how a verification round stands at a member; None while it is not there."""
    request = verify.GetVerificationRequest(matter_id=matter_id)
    try:
        return ask(scene, member, "verify", "GetVerification", request).status  # type: ignore[no-any-return]  # as the contract says
    except NodeError as error:
        if error.reason != "MATTER_UNKNOWN":
            raise
        return None


def wait_round(
    scene: Scene, members: Sequence[str], matter_id: bytes, state: str
) -> verify.VerificationStatus:
    """Wait until a round stands so at all members, and return how the first one sees it."""

    def stands(member: str) -> bool:
        found = round_of(scene, member, matter_id)
        return found is not None and found.state == state

    wait_until(lambda: all(map(stands, members)), f"a round did not come to {state}")
    found = round_of(scene, members[0], matter_id)
    assert found is not None  # noqa: S101  # it was seen just now
    return found


def order(
    scene: Scene,
    member: str,
    subject: tuple[str, str],
    measure: Measure,
    reason: DispositionReason,
    *,
    role: SubjectRole = SubjectRole.OFFENDER_RESOURCE,
    to: Sequence[str] = (),
    basis: tuple[DispositionBasis, bytes] = (DispositionBasis.CHARTER, b""),
    seconds: int = TERM_SECONDS,
) -> disposition.DispositionStatus:
    """Order a measure about a kind and value; with nobody named, all that can act are addressed.

    Raises:
        NodeError: The order is refused.
    """
    request = order_request(
        subject, measure, reason, role=role, to=to, basis=basis, seconds=seconds
    )
    return ask(scene, member, "disposition", "OrderDisposition", request).status  # type: ignore[no-any-return]  # as the contract says


def order_request(
    subject: tuple[str, str],
    measure: Measure,
    reason: DispositionReason,
    *,
    role: SubjectRole = SubjectRole.OFFENDER_RESOURCE,
    to: Sequence[str] = (),
    basis: tuple[DispositionBasis, bytes] = (DispositionBasis.CHARTER, b""),
    seconds: int = TERM_SECONDS,
) -> disposition.OrderDispositionRequest:
    """Return an order as the desk takes it."""
    return disposition.OrderDispositionRequest(
        subject=raw(*subject),
        measure=number(measure),
        subject_role=number(role),
        reason=number(reason),
        remedy=number(Remedy.APPEAL),
        documents=number(DocumentsNeeded.PROOF_OF_IDENTITY),
        basis=number(basis[0]),
        basis_id=basis[1],
        members=to,
        term_seconds=seconds,
    )


def orders(scene: Scene, member: str, **asked: Any) -> list[disposition.DispositionStatus]:
    """Return the orders that a member sees, newest first."""
    request = disposition.ListDispositionsRequest(**asked)
    return list(ask(scene, member, "disposition", "ListDispositions", request).orders)


def part_of(status: disposition.DispositionStatus, member: str) -> disposition.DispositionPart:
    """Return an addressed member's part in an order."""
    return next(part for part in status.parts if part.member == member)


def wait_answered(
    scene: Scene, member: str, wanted: Iterable[bytes], seconds: float = SPREAD_SECONDS
) -> dict[bytes, disposition.DispositionStatus]:
    """Wait until a member sees an answer of everybody addressed by each of these orders."""
    ids = set(wanted)
    found: dict[bytes, disposition.DispositionStatus] = {}

    def look() -> bool:
        found.update({one.matter_id: one for one in orders(scene, member) if one.matter_id in ids})
        return found.keys() == ids and all(
            part.step for one in found.values() for part in one.parts
        )

    wait_until(look, "an order was not answered", seconds)
    return found


def notify_all(scene: Scene, member: str) -> int:
    """Tell every person concerned what a member's measures are; return how many were told."""
    owing = [one.matter_id for one in orders(scene, member, own_queue=True) if one.owed == "NOTIFY"]
    for one in owing:
        request = disposition.AnswerDispositionRequest(
            matter_id=one, step=number(ReceiptStep.NOTIFIED)
        )
        ask(scene, member, "disposition", "AnswerDisposition", request)
    return len(owing)
