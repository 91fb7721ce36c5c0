"""Count what a member did in a year: each statement that counts, where it stands.

A count is the number of its links, so that everybody can count it again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from federation.annual.items import Link
from federation.annual.reading import Place, Question, Told
from federation.matters import AnyMatter, FoldedMatter, Kind, State, Step
from federation.matters.disposition_facts import APPEAL_SECONDS
from federation.matters.responsibility import ROLE_OF
from federation.names import MemberId
from federation.roles import Role
from federation.statements import (
    Alarm,
    Appeal,
    AppealDecision,
    CaseBrief,
    Clue,
    ClueHandOver,
    Designation,
    DesignationLifted,
    DispositionOrder,
    DispositionReceipt,
    DispositionReverify,
    DutyAdoption,
    DutyAttestation,
    FarmAlert,
    KeyConfirm,
    MarkCorrection,
    Nomination,
    NoticeStep,
    NumberMark,
    OneIdAnswer,
    OneIdDecision,
    OneIdDispute,
    OneIdRequest,
    Opinion,
    ProblemNotice,
    ProtectedObject,
    Reassigned,
    Report,
    ReportStep,
    Retraction,
    Sighting,
    Statement,
    SumPartial,
    SumShares,
    TraceHop,
    TrainingApproval,
    TrainingStage,
    UnknownBody,
    VerificationExamination,
    VerificationOpen,
    VerificationTally,
    WarningStep,
    WarningTask,
)
from federation.vocabulary import DispositionOutcome, ReceiptStep, WarningAction

Links = dict[str, list[Link]]
"""What counts, by code of the item."""
_Part = Callable[[Any], str]

_WRONGLY: Final = frozenset({DispositionOutcome.LIFTED_APPEAL, DispositionOutcome.LIFTED_REFUTED})


def no_links() -> Links:
    """Return links of no item yet."""
    return defaultdict(list)


def _whole(_body: Any) -> str:
    return ""


_PLAIN: Final[Mapping[type, tuple[str, _Part]]] = {
    Nomination: ("NOMINATIONS", lambda body: body.kind.name),
    Sighting: ("SIGHTINGS", lambda body: body.sighting_kind.name),
    Opinion: ("OPINIONS", lambda body: body.value.name),
    Retraction: ("RETRACTIONS", lambda body: body.reason.name),
    Reassigned: ("REASSIGNED_NUMBERS", _whole),
    ProtectedObject: ("PROTECTED_OBJECTS", lambda body: body.ground.name),
    FarmAlert: ("FARM_ALERTS", _whole),
    NumberMark: ("MARKS_COUNTED", lambda body: body.label.name),
    MarkCorrection: ("MARKS_CORRECTED", lambda body: body.reason.name),
    CaseBrief: ("CASE_BRIEFS", lambda body: body.fraud_type.name),
    Designation: ("DESIGNATIONS", lambda body: body.kind.name),
    DesignationLifted: ("DESIGNATIONS_LIFTED", lambda body: body.reason.name),
    KeyConfirm: ("KEY_CEREMONIES", _whole),
    SumShares: ("SUMS_CONTRIBUTED", _whole),
    SumPartial: ("SUMS_OPENED", _whole),
    Alarm: ("ALARMS_RAISED", lambda body: body.alarm_kind.name),
    UnknownBody: ("STATEMENTS_NOT_UNDERSTOOD", lambda body: str(body.field_number)),
}
"""What counts by itself, without a matter."""

_STEPS: Final[Mapping[type, tuple[str, _Part]]] = {
    VerificationOpen: ("VERIFICATIONS_OPENED", _whole),
    VerificationTally: ("VERIFICATIONS_READ", _whole),
    VerificationExamination: ("CONFLICTS_EXAMINED", lambda body: body.decision.name),
    DispositionOrder: ("ORDERS_GIVEN", lambda body: body.measure.name),
    DispositionReverify: ("REVERIFICATIONS", lambda body: body.decision.name),
    Appeal: ("APPEALS_TAKEN_IN", lambda body: body.ground.name),
    AppealDecision: ("APPEALS_DECIDED", lambda body: body.decision.name),
    WarningTask: ("WARNINGS_RAISED", lambda body: body.risk.name),
    Clue: ("CLUES_FOUND", lambda body: body.source.name),
    ClueHandOver: ("CLUES_HANDED_OVER", _whole),
    TraceHop: ("TRACES_ANSWERED", lambda body: body.step.name),
    Report: ("REPORTS_TAKEN_IN", lambda body: body.fraud_type.name),
    ReportStep: ("REPORTS_WORKED_ON", lambda body: body.step.name),
    OneIdRequest: ("IDENTITY_QUERIES_TAKEN_IN", _whole),
    OneIdAnswer: ("IDENTITY_QUERIES_ANSWERED", _whole),
    OneIdDispute: ("ACCOUNTS_DISPUTED", _whole),
    OneIdDecision: ("DISPUTES_DECIDED", lambda body: body.step.name),
    TrainingApproval: ("PLANS_DECIDED", lambda body: body.decision.name),
    TrainingStage: ("MODELS_STAGED", lambda body: body.stage.name),
    NoticeStep: ("NOTICES_ANSWERED", lambda body: body.step.name),
}
"""What a step of a matter counts as, where its body alone says so."""


def count_plain(told: Told, question: Question, links: Links) -> None:
    """Count a statement that is about no matter: of the member, or an alarm about it."""
    body, member = told.statement.body, question.member
    if not question.holds(told.statement.issued_time):
        return
    if isinstance(body, Alarm) and told.member != member == body.member:
        links["ALARMS_ABOUT"].append(Link(told.place, body.alarm_kind.name))
    counted = _PLAIN.get(type(body))
    if told.member == member and counted is not None:
        code, part = counted
        links[code].append(Link(told.place, part(body), getattr(body, "sum_id", b"")))


def count_matter(
    folded: FoldedMatter,
    places: Mapping[int, Place],
    roles: frozenset[Role],
    question: Question,
    links: Links,
) -> None:
    """Count what the member did in a matter, and how the matter stands with it at the end.

    Args:
        folded: The matter, of all that was said up to then.
        places: Where each of its statements stands, by ``id()`` of the statement.
        roles: What the member is at the end.
        question: What is asked.
        links: What is counted is added.
    """
    for step in folded.steps:
        if not question.holds(step.statement.issued_time):
            continue
        place = places[id(step.statement)]
        for code, part in _step_counts(step, folded.matter, question.member):
            links[code].append(Link(place, part, getattr(step.statement.body, "sum_id", b"")))
    if folded.matter is not None:
        _count_standing(folded, folded.matter, places, roles, question, links)
        _count_appeals(folded, places, question, links)


def _step_counts(step: Step, matter: AnyMatter | None, me: MemberId) -> Iterator[tuple[str, str]]:
    body: Any = step.statement.body
    if step.error is not None:
        if step.member == me:
            yield "STATEMENTS_REFUSED", step.error.reason
        return
    assert matter is not None  # noqa: S101  # something counted, so it was opened
    if isinstance(body, ProblemNotice | NoticeStep) and matter.facts.notice.member == me:
        if isinstance(body, ProblemNotice):
            yield "NOTICES_RECEIVED", body.code
        elif step.member != me:
            yield "NOTICES_ENDED", body.step.name
    if step.member != me:
        return
    if type(body) in _STEPS:
        code, part = _STEPS[type(body)]
        if code != "NOTICES_ANSWERED" or matter.facts.notice.member == me:
            yield code, part(body)
    elif isinstance(body, DispositionReceipt):
        yield _receipt_counts(body, matter)
    elif isinstance(body, WarningStep):
        yield from _warning_counts(body)
    elif isinstance(body, DutyAdoption):
        yield "DUTIES_ADOPTED", matter.facts.item.code
    elif isinstance(body, DutyAttestation):
        item = matter.facts.item
        is_late = step.statement.issued_time > matter.facts.due(body.period) + item.grace_seconds
        yield "DUTIES_ATTESTED_LATE" if is_late else "DUTIES_ATTESTED", item.code


def _receipt_counts(body: DispositionReceipt, matter: AnyMatter) -> tuple[str, str]:
    if body.step is ReceiptStep.EXECUTED:
        return "ORDERS_EXECUTED", matter.facts.order.measure.name
    if body.step is ReceiptStep.NOTIFIED:
        return "PERSONS_NOTIFIED", ""
    if body.outcome is not None:
        return "MEASURES_TAKEN_BACK", body.outcome.name
    return "ORDERS_NOT_EXECUTED", (body.exemption or body.step).name


def _warning_counts(body: WarningStep) -> Iterator[tuple[str, str]]:
    if body.channel is not None:
        yield "WARNINGS_SENT", body.channel.name
    elif body.step is WarningAction.ACKNOWLEDGED:
        yield "WARNINGS_ACKNOWLEDGED", ""
    elif body.outcome is not None:
        yield "WARNINGS_ENDED", body.outcome.name


def _count_standing(
    folded: FoldedMatter,
    matter: AnyMatter,
    places: Mapping[int, Place],
    roles: frozenset[Role],
    question: Question,
    links: Links,
) -> None:
    """Count what the matter shows of the member at the end of the year."""
    me, at = question.member, question.end - 1
    opening = places[id(_said_first(folded.steps))]
    if me in matter.late_at(at):
        links["STEPS_OVERDUE"].append(Link(opening, matter.kind.value))
    if matter.kind is Kind.NOTICE and matter.facts.notice.member == me and not matter.is_over:
        links["NOTICES_OPEN"].append(Link(opening, matter.facts.notice.code))
    if matter.kind is Kind.RESPONSIBILITY and _is_neglected(matter, me, roles, at):
        links["DUTIES_NOT_ADOPTED"].append(Link(opening, matter.facts.item.code))
    if matter.kind is Kind.DISPOSITION and matter.facts.lift in _WRONGLY:
        done = [places[id(one.statement)] for one in folded.steps if _has_executed(one, me)]
        if done and question.holds(matter.facts.lifted_time):
            links["MEASURES_WRONG"].append(Link(done[0], matter.facts.lift.name))


def _said_first(steps: Iterable[Step]) -> Statement:
    return next(step.statement for step in steps if step.error is None)


def _is_neglected(matter: AnyMatter, me: MemberId, roles: frozenset[Role], at: int) -> bool:
    item = matter.facts.item
    if matter.state is State.RETIRED or me in matter.facts.adopted:
        return False
    is_concerned = bool(roles & {ROLE_OF[sector] for sector in item.sectors})
    return is_concerned and item.first_due_time + item.grace_seconds < at


def _has_executed(step: Step, me: MemberId) -> bool:
    body = step.statement.body
    counts = step.error is None and step.member == me and isinstance(body, DispositionReceipt)
    return counts and getattr(body, "step", None) is ReceiptStep.EXECUTED


def _count_appeals(
    folded: FoldedMatter, places: Mapping[int, Place], question: Question, links: Links
) -> None:
    """Count the member's decisions that came later than a day after the appeal."""
    waiting = 0
    for step in folded.steps:
        body, time = step.statement.body, step.statement.issued_time
        if step.error is not None:
            continue
        if isinstance(body, Appeal):
            waiting = waiting or time
        elif isinstance(body, AppealDecision):
            is_late = 0 < waiting < time - APPEAL_SECONDS
            if is_late and step.member == question.member and question.holds(time):
                links["APPEALS_DECIDED_LATE"].append(
                    Link(places[id(step.statement)], body.decision.name)
                )
            waiting = 0
