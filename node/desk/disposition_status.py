"""Write how an order stands for the inside door."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import kind_name
from federation.matters import Answer
from federation.matters.disposition import DispositionMatter
from node.duties.dispositions import Standing
from tocsin.desk.v1 import disposition_service_pb2 as wire


def describe_order(
    standing: Standing, references: Sequence[str], now: int
) -> wire.DispositionStatus:
    """Return everything about one order.

    Args:
        standing: How it stands.
        references: This member's own of the subject.
        now: Seconds since 1970.
    """
    matter, facts = standing.matter, standing.matter.facts
    order, lift = facts.order, standing.lift
    return wire.DispositionStatus(
        matter_id=matter.id,
        opener=matter.opener,
        state=standing.state.value,
        in_force=standing.in_force,
        token=order.token,
        kind=kind_name(order.kind),
        # The enumerations of the contract are mirrored number by number.
        subject_role=order.subject_role.value,  # type: ignore[arg-type]
        measure=order.measure.value,  # type: ignore[arg-type]
        reason=order.reason.value,  # type: ignore[arg-type]
        remedy=order.remedy.value,  # type: ignore[arg-type]
        documents=order.documents.value,  # type: ignore[arg-type]
        authority=order.authority.value,  # type: ignore[arg-type]
        basis=order.basis.value,  # type: ignore[arg-type]
        basis_id=order.basis_id,
        order_time=Timestamp(seconds=matter.opened),
        term_end_time=Timestamp(seconds=order.term_end_time),
        due_time=_time(matter.due or 0),
        parts=[_part(matter, member, now) for member in order.members],
        owed=standing.owed,
        references=references,
        lift=(lift.outcome.value if lift else 0),  # type: ignore[arg-type]
        lifted_by=lift.member if lift else "",
        lifted_time=_time(lift.time if lift else 0),
        lifting_matter_id=lift.matter_id if lift else b"",
        appealed_time=_time(facts.appealed_time),
        notice_seconds=order.notice_seconds,
        notice_duty=order.notice_duty.value,  # type: ignore[arg-type]
    )


def _part(matter: DispositionMatter, member: str, now: int) -> wire.DispositionPart:
    late = any(time < now for time, one in matter.facts.owed() if one == member)
    found = {str(one): answer for one, answer in matter.facts.answers.items()}.get(member)
    if found is None:
        return wire.DispositionPart(member=member, is_late=late)
    return _answered(member, found, late=late)


def _answered(member: str, answer: Answer, *, late: bool) -> wire.DispositionPart:
    return wire.DispositionPart(
        member=member,
        step=answer.step.value,  # type: ignore[arg-type]
        answered_time=_time(answer.answered_time),
        executed_time=_time(answer.executed_time),
        notified_time=_time(answer.notified_time),
        restored_time=_time(answer.restored_time),
        exemption=answer.exemption.value if answer.exemption else 0,  # type: ignore[arg-type]
        outcome=answer.outcome.value if answer.outcome else 0,  # type: ignore[arg-type]
        reverified=answer.reverified.value if answer.reverified else 0,  # type: ignore[arg-type]
        is_late=late,
        amount_band=answer.amount_band.value if answer.amount_band else 0,  # type: ignore[arg-type]
    )


def _time(seconds: int) -> Timestamp | None:
    return Timestamp(seconds=seconds) if seconds else None
