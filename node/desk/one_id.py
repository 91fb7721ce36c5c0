"""Serve citizens' questions about accounts, and their disputes, over the inside door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from federation.charter import Charter
from federation.matters import AnyMatter, FoldedMatter, Kind
from federation.matters.one_id import OneIdMatter
from federation.matters.one_id_dispute import DisputeMatter
from federation.names import MemberId, NameFormatError
from federation.one_id import ConsentForm
from federation.statements import OneIdAnswer
from federation.vocabulary import AccountKind, OneIdMove, OneIdReason, Purpose
from node.desk.intake import Intake, Refusal
from node.desk.one_id_form import form_message
from node.duties.holdings import MAX_ACCOUNT_CHARACTERS, Holding, Holdings
from node.duties.one_id import OneIds
from node.duties.one_id_disputes import Disputes, DisputeView
from node.errors import PolicyError, RequestError
from node.matters.book import MatterBook
from node.matters.one_id_days import require_standing
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import one_id_service_pb2 as wire
from tocsin.desk.v1 import one_id_service_pb2_grpc as stubs

MAX_ITEMS: Final = 1_000
"""Requests or disputes in one answer: more than a person reads."""
REFUSED: Final = "REFUSED"
"""What a request reads as where another of the same day came before."""

_ACCOUNT_INVALID: Final = Refusal(
    "ACCOUNT_INVALID", f"an own reference has 1 to {MAX_ACCOUNT_CHARACTERS} characters"
)
_KIND_INVALID: Final = Refusal("ACCOUNT_KIND_UNKNOWN", "the kind of account is missing or unknown")

_KINDS: Final = frozenset(int(one) for one in AccountKind)

E = TypeVar("E", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class OneIdParts:
    """What only a node with a log has."""

    one_ids: OneIds
    disputes: Disputes
    holdings: Holdings
    intake: Intake
    book: MatterBook
    charter: Callable[[], Charter]
    pad: Callable[[], int]
    clock: Callable[[], int]


class OneIdService(stubs.OneIdServiceServicer):
    """What a member's people do for citizens, and about own customers' disputes."""

    def __init__(self, parts: OneIdParts | None) -> None:
        self._maybe_parts = parts

    @property
    def _parts(self) -> OneIdParts:
        if self._maybe_parts is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_parts

    async def PrepareOneId(  # noqa: N802  # the contract's name
        self, request: wire.PrepareOneIdRequest, context: Any
    ) -> wire.PrepareOneIdResponse:
        """Make the form that a citizen signs."""
        form = await self._parts.one_ids.prepare(
            request.value,
            [_member_of(AccountKind, one, "wanted") for one in request.wanted],
            request.receiving_key,
            request.consent_key,
            request.proof_digest,
        )
        return wire.PrepareOneIdResponse(form=form_message(form))

    async def OpenOneId(  # noqa: N802  # the contract's name
        self, request: wire.OpenOneIdRequest, context: Any
    ) -> wire.OpenOneIdResponse:
        """Ask the members for a citizen who has signed."""
        matter = await self._parts.one_ids.open(_read_form(request.form), request.signature)
        status = await asyncio.to_thread(self._statuses, [matter])
        return wire.OpenOneIdResponse(status=status[0])

    async def ListOneIds(  # noqa: N802  # the contract's name
        self, request: wire.ListOneIdsRequest, context: Any
    ) -> wire.ListOneIdsResponse:
        """List requests, newest first."""
        return await asyncio.to_thread(self._list_requests, request)

    async def FetchOneId(  # noqa: N802  # the contract's name
        self, request: wire.FetchOneIdRequest, context: Any
    ) -> wire.FetchOneIdResponse:
        """Give out what only the citizen can open."""
        return await asyncio.to_thread(self._fetch, request.matter_id)

    async def AddHoldings(  # noqa: N802  # the contract's name
        self, request: wire.AddHoldingsRequest, context: Any
    ) -> wire.AddHoldingsResponse:
        """Keep own accounts."""
        results = await self._change(request.rows, is_new=True)
        return wire.AddHoldingsResponse(results=results)

    async def RemoveHoldings(  # noqa: N802  # the contract's name
        self, request: wire.RemoveHoldingsRequest, context: Any
    ) -> wire.RemoveHoldingsResponse:
        """Forget own accounts."""
        results = await self._change(request.rows, is_new=False)
        return wire.RemoveHoldingsResponse(results=results)

    async def CountHoldings(  # noqa: N802  # the contract's name
        self, request: wire.CountHoldingsRequest, context: Any
    ) -> wire.CountHoldingsResponse:
        """Count what is kept."""
        counts = await asyncio.to_thread(self._parts.holdings.counts)
        return wire.CountHoldingsResponse(
            counts=[
                wire.HoldingCount(account_kind=int(kind), count=count)  # type: ignore[arg-type]  # equal numbers, tested
                for kind, count in counts.items()
            ]
        )

    async def RaiseDispute(  # noqa: N802  # the contract's name
        self, request: wire.RaiseDisputeRequest, context: Any
    ) -> wire.RaiseDisputeResponse:
        """Hand a citizen's dispute on to the holder."""
        view = await self._parts.disputes.hand_on(request.holder, request.sealed_dispute)
        return wire.RaiseDisputeResponse(status=_dispute(view, self._parts.clock()))

    async def ListDisputes(  # noqa: N802  # the contract's name
        self, request: wire.ListDisputesRequest, context: Any
    ) -> wire.ListDisputesResponse:
        """List disputes, the next due first."""
        return await asyncio.to_thread(self._list_disputes, request)

    async def DecideDispute(  # noqa: N802  # the contract's name
        self, request: wire.DecideDisputeRequest, context: Any
    ) -> wire.DecideDisputeResponse:
        """Take a dispute up, or decide it."""
        step = _member_of(OneIdMove, request.step, "step")
        reason = _member_of(OneIdReason, request.reason, "reason")
        disputes = self._parts.disputes
        view = await disputes.decide(request.matter_id, step, reason, request.text)
        return wire.DecideDisputeResponse(status=_dispute(view, self._parts.clock()))

    async def _change(
        self, rows: Sequence[wire.Holding], *, is_new: bool
    ) -> list[desk_service_pb2.RowResult]:
        """Add or remove rows, and say of each what became of it."""
        parts = self._parts
        indicators, refused = await parts.intake.parse(row.value for row in rows)
        for place, row in enumerate(rows):
            if not 1 <= len(row.account) <= MAX_ACCOUNT_CHARACTERS:
                refused.setdefault(place, _ACCOUNT_INVALID)
            if row.account_kind not in _KINDS:
                refused.setdefault(place, _KIND_INVALID)
        kept = {place: one for place, one in indicators.items() if place not in refused}
        keyed = tuple(kept) if is_new else ()
        known = await parts.intake.tokenise(kept, Purpose.ONE_ID, parts.pad(), keyed)
        holdings = [
            Holding(one.token, AccountKind(rows[one.place].account_kind), rows[one.place].account)
            for one in known
        ]
        if is_new:
            keys = {one.token: one.content_key for one in known if one.content_key is not None}
            changed = await asyncio.to_thread(parts.holdings.add, holdings, keys)
        else:
            changed = await asyncio.to_thread(parts.holdings.remove, holdings)
        outcome = {one.place: new for one, new in zip(known, changed, strict=True)}
        return [_row(refused.get(place), outcome.get(place)) for place in range(len(rows))]

    def _list_requests(self, request: wire.ListOneIdsRequest) -> wire.ListOneIdsResponse:
        one_ids = self._parts.one_ids
        matters = [one_ids.find(request.matter_id)] if request.matter_id else one_ids.all()
        if request.held_only:
            matters = [one for one in matters if self._parts.holdings.of(one.subject)]
        return wire.ListOneIdsResponse(requests=self._statuses(matters[:MAX_ITEMS]))

    def _statuses(self, matters: Sequence[OneIdMatter]) -> list[wire.OneIdStatus]:
        parts = self._parts
        now = parts.clock()
        return [
            _request(
                one,
                one.state_at(now) if parts.one_ids.stands(one) else REFUSED,
                parts.holdings.of(one.subject),
                is_proven=parts.one_ids.is_proven(one),
            )
            for one in matters
        ]

    def _list_disputes(self, request: wire.ListDisputesRequest) -> wire.ListDisputesResponse:
        disputes, now = self._parts.disputes, self._parts.clock()
        if request.matter_id:
            views = [disputes.view(disputes.find(request.matter_id))]
        else:
            views = disputes.all(own_only=request.own_only, with_closed=request.with_closed)
        return wire.ListDisputesResponse(disputes=[_dispute(one, now) for one in views[:MAX_ITEMS]])

    def _fetch(self, prefix: bytes) -> wire.FetchOneIdResponse:
        parts = self._parts
        matter: AnyMatter = parts.book.find(prefix).matter
        if matter.kind is Kind.ONE_ID:
            require_standing(parts.book, matter)
            return _answers(parts.book.history(matter), matter, parts.charter())
        if matter.kind is Kind.ONE_ID_DISPUTE:
            return _feedback(matter, parts.charter(), parts.clock())
        raise RequestError("this is no request or dispute of a citizen", reason="MATTER_UNKNOWN")


def _read_form(form: wire.OneIdForm) -> ConsentForm:
    try:
        opener, members = MemberId(form.opener), tuple(MemberId(one) for one in form.members)
    except NameFormatError as error:
        raise RequestError("a member id is malformed", reason="MEMBER_INVALID") from error
    return ConsentForm(
        opener,
        form.token,
        form.epoch,
        tuple(_member_of(AccountKind, one, "wanted") for one in form.wanted),
        members,
        form.receiving_key,
        form.consent_key,
        form.proof_digest,
        form.consent_time.seconds,
        form.knowledge_proof,
    )


def _request(
    matter: OneIdMatter, state: str, own: Sequence[Holding], *, is_proven: bool
) -> wire.OneIdStatus:
    request = matter.facts.request
    status = wire.OneIdStatus(
        matter_id=matter.id,
        opener=matter.opener,
        state=state,
        token=request.token,
        opened_time=Timestamp(seconds=matter.opened),
        wanted=[int(one) for one in request.wanted],  # type: ignore[misc]  # equal numbers, tested
        members=request.members,
        answered=sorted(matter.facts.answers),
        own_accounts=[one.account for one in own],
        proof_digest=request.proof_digest,
        is_proven=is_proven,
    )
    if matter.due is not None:
        status.due_time.seconds = matter.due
    return status


def _answers(told: FoldedMatter, matter: OneIdMatter, charter: Charter) -> wire.FetchOneIdResponse:
    # What is sealed is read from the logs when it is fetched: the book would hold it for ever.
    sealed = {
        step.member: step.statement.body.sealed_answer
        for step in told.steps
        if step.error is None and isinstance(step.statement.body, OneIdAnswer)
    }
    return wire.FetchOneIdResponse(
        federation=charter.federation,
        matter_id=matter.id,
        opener=matter.opener,
        answers=[
            wire.SealedAnswer(
                member=member,
                sealed_answer=answer,
                sealing_key=charter.member(member).sealing_key,
            )
            for member, answer in sorted(sealed.items())
        ],
        awaited=sorted(matter.facts.awaited),
    )


def _feedback(matter: DisputeMatter, charter: Charter, now: int) -> wire.FetchOneIdResponse:
    return wire.FetchOneIdResponse(
        federation=charter.federation,
        matter_id=matter.id,
        opener=matter.opener,
        holder=matter.facts.dispute.holder,
        state=matter.state_at(now),
        sealed_feedback=matter.facts.feedback,
    )


def _dispute(view: DisputeView, now: int) -> wire.DisputeStatus:
    matter = view.matter
    status = wire.DisputeStatus(
        matter_id=matter.id,
        opener=matter.opener,
        holder=matter.facts.dispute.holder,
        state=matter.state_at(now),
        opened_time=Timestamp(seconds=matter.opened),
        is_overdue=matter.is_overdue_at(now),
        reason=int(matter.facts.reason),  # type: ignore[arg-type]  # equal numbers, tested
        is_authentic=view.request is not None,
        own_accounts=[one.account for one in view.accounts],
        unknown_count=view.unknown,
    )
    if matter.due is not None:
        status.due_time.seconds = matter.due
    if view.signed is not None:
        wanted = view.signed.wanted
        status.wish, status.text = wanted.wish.value, wanted.text
        status.request_id = wanted.request_id
    return status


def _row(refusal: Refusal | None, changed: bool | None) -> desk_service_pb2.RowResult:
    if refusal is not None:
        return desk_service_pb2.RowResult(
            outcome=desk_service_pb2.ROW_OUTCOME_REFUSED, error=refusal.wire()
        )
    new, old = desk_service_pb2.ROW_OUTCOME_ADDED, desk_service_pb2.ROW_OUTCOME_UNCHANGED
    return desk_service_pb2.RowResult(outcome=new if changed else old)


def _member_of(enumeration: type[E], number: int, field: str) -> E:
    try:
        return enumeration(number)
    except ValueError as error:
        raise RequestError(f"{field} is missing or unknown", reason="ENUM_UNKNOWN") from error
