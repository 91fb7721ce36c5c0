"""Serve private sums over the inside door: open one, see how they stand, read the total."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from federation.names import MemberId, NameFormatError
from federation.statements.shape import DIGEST_BYTES, IDENTIFIER_BYTES
from federation.sums import (
    MIN_CONTRIBUTORS,
    Finding,
    Phase,
    Progress,
    Standing,
    has_checked,
    split_labels,
)
from federation.vocabulary import Purpose
from node.errors import PolicyError, RequestError
from node.sums.carrier import Sums
from node.sums.opener import CONTRIBUTE_SECONDS, SumDraft
from node.sums.records import SumRecord
from tocsin.desk.v1 import sum_service_pb2 as wire
from tocsin.desk.v1 import sum_service_pb2_grpc as stubs

MAX_SUMS: Final = 1_000
"""Sums in one answer: more than a person reads."""
LEAST_PREFIX_BYTES: Final = 4
"""Bytes of an id that name a sum: less is a slip of the hand, not a choice."""

_OVER: Final = frozenset({Phase.DONE, Phase.ABANDONED, Phase.FAULTY})


class SumService(stubs.SumServiceServicer):
    """What the member's own people may do about private sums."""

    def __init__(self, sums: Sums | None) -> None:
        self._maybe_sums = sums
        self._over: dict[bytes, tuple[int, wire.SumStatus]] = {}

    @property
    def _sums(self) -> Sums:
        if self._maybe_sums is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_sums

    async def OpenSum(self, request: wire.OpenSumRequest, context: Any) -> wire.OpenSumResponse:  # noqa: N802  # the contract's name
        """Open a sum over all labels of a source."""
        sums = self._sums
        source = sums.sources.find(request.source)
        labels = await asyncio.to_thread(source.labels, request.subject)
        if not labels:
            raise RequestError("the source knows no labels for this", reason="SUM_LABELS_UNKNOWN")
        draft = SumDraft(
            source=source.name,
            labels=tuple(labels),
            purpose=_purpose(request.purpose),
            contributors=_members(request),
            least=request.least_contributors or MIN_CONTRIBUTORS,
            seconds=request.seconds or CONTRIBUTE_SECONDS,
            largest=source.largest,
            echoes=request.echoes,
            subject=_subject(request.subject),
        )
        return wire.OpenSumResponse(sum_id=await sums.open(draft))

    async def ListSums(self, request: wire.ListSumsRequest, context: Any) -> wire.ListSumsResponse:  # noqa: N802  # the contract's name
        """List the sums, newest first."""
        return await asyncio.to_thread(self._list)

    def _list(self) -> wire.ListSumsResponse:
        records = self._sums.records
        counts = records.counts()
        found = [(head.opened_time, one) for one in counts if (head := records.head(one))]
        newest = sorted(found, reverse=True)[:MAX_SUMS]
        return wire.ListSumsResponse(sums=[self._known(one, counts[one]) for _, one in newest])

    def _known(self, sum_id: bytes, count: int) -> wire.SumStatus:
        """Return how a sum stands; shares of one that is over are not read again."""
        known, status = self._over.get(sum_id, (0, wire.SumStatus()))
        if known == count:
            return status
        status = self._status(self._sums.records.find(sum_id))
        if status.state in _OVER:
            self._over[sum_id] = (count, status)
        return status

    async def GetSum(self, request: wire.GetSumRequest, context: Any) -> wire.GetSumResponse:  # noqa: N802  # the contract's name
        """Tell everything about one sum."""
        return await asyncio.to_thread(self._describe, request.sum_id)

    async def ListSources(  # noqa: N802  # the contract's name
        self, request: wire.ListSourcesRequest, context: Any
    ) -> wire.ListSourcesResponse:
        """List what this member can count."""
        return wire.ListSourcesResponse(
            sources=[
                wire.SumSource(
                    name=one.name,
                    sentence=one.sentence,
                    purposes=sorted(one.purposes),  # type: ignore[arg-type]  # equal numbers, tested
                    label_count=len(one.labels(b"")),
                )
                for one in self._sums.sources.all()
            ]
        )

    def _describe(self, prefix: bytes) -> wire.GetSumResponse:
        records = self._sums.records
        if not LEAST_PREFIX_BYTES <= len(prefix) <= IDENTIFIER_BYTES:
            raise RequestError(
                "a sum is named by at least the first 8 hexadecimal digits of its id",
                reason="SUM_ID_INVALID",
                hint="tocsin sum list",
            )
        record = records.find(records.complete_id(prefix))
        progress = records.progress(record, self._sums.now())
        total = progress.total
        return wire.GetSumResponse(
            status=self._status(record, progress),
            entries=_entries(self._sums, record, progress),
            checked=total is not None and total.is_checked,
            scale=record.head.sum.opening.scale,
        )

    def _status(self, record: SumRecord, progress: Progress | None = None) -> wire.SumStatus:
        head, opening = record.head, record.head.sum.opening
        if progress is None:
            progress = self._sums.records.progress(record, self._sums.now())
        return wire.SumStatus(
            sum_id=opening.sum_id,
            opener=head.sum.opener,
            source=head.labels.source if head.labels else "",
            subject=head.labels.subject if head.labels else b"",
            state=progress.phase,
            reason=progress.reason or self._own_reason(opening.sum_id, progress),
            opened_time=Timestamp(seconds=head.opened_time),
            deadline_time=Timestamp(seconds=opening.deadline_time),
            purpose=opening.purpose.value,  # type: ignore[arg-type]  # equal numbers, tested
            label_count=opening.label_count,
            least_contributors=opening.least_contributors,
            contributors=[
                self._contributor(name, record, progress) for name in opening.contributors
            ],
            holders=[_holder(name, record) for name in opening.holders],
            threshold=opening.threshold,
            blamed=progress.blamed,
        )

    def _own_reason(self, sum_id: bytes, progress: Progress) -> str:
        """Return why this node itself does not go on with a sum."""
        if progress.phase is Phase.CLOSED:
            return self._sums.holder.refused.get(sum_id, "")
        if progress.phase is Phase.CHECKING:
            return self._sums.opener.refused.get(sum_id, "")
        return ""

    def _contributor(
        self, name: MemberId, record: SumRecord, progress: Progress
    ) -> wire.SumContributor:
        found = progress.findings.get(name)
        state, reason = "SILENT", ""
        if found is not None:
            state, reason = found.standing.value, found.reason or ""
            state = _after_close(state, name, record)
        elif name == self._sums.me:
            reason = self._sums.contributor.declined.get(record.head.sum.opening.sum_id, "")
        return wire.SumContributor(
            member=name, state=state, reason=reason, refused_by=_refused_by(found)
        )


def _refused_by(found: Finding | None) -> tuple[MemberId, ...]:
    return () if found is None else found.refused_by


def _after_close(state: str, name: MemberId, record: SumRecord) -> str:
    """Say that an accepted contributor is in the close, where there is one."""
    is_closed = any(name in close.contributors for close in record.state.closes)
    return "SUMMED" if is_closed and state == Standing.ACCEPTED else state


def _holder(name: MemberId, record: SumRecord) -> wire.SumHolder:
    state = record.state
    return wire.SumHolder(
        member=name,
        checked=bool(state.checks.get(name)) and has_checked(state, name),
        answered=bool(state.partials.get(name)),
    )


def _entries(sums: Sums, record: SumRecord, progress: Progress) -> list[wire.SumEntry]:
    labels, total = record.head.labels, progress.total
    if labels is None or total is None:
        return []
    names = sums.sources.names(labels.source, labels.subject)
    pairs = zip(split_labels(labels), total.units.tolist(), strict=True)
    return [
        wire.SumEntry(label=label, name=names.get(label, ""), units=units) for label, units in pairs
    ]


def _purpose(number: int) -> Purpose:
    try:
        return Purpose(number)
    except ValueError as error:
        raise RequestError("the purpose is missing", reason="PURPOSE_MISSING") from error


def _subject(subject: bytes) -> bytes:
    if subject and len(subject) != DIGEST_BYTES:
        raise RequestError("a subject has 32 bytes", reason="SUM_DRAFT_INVALID")
    return subject


def _members(request: wire.OpenSumRequest) -> tuple[MemberId, ...]:
    try:
        return tuple(MemberId(name) for name in request.contributors)
    except NameFormatError as error:
        raise RequestError("a contributor is no member", reason="MEMBER_UNKNOWN") from error
