"""Work on citizens' reports that are this member's, and judge reporters by how theirs ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.charter import Charter
from federation.errors import FederationError
from federation.matters import Kind, State, advance
from federation.matters.report import ReportMatter
from federation.names import MemberId
from federation.reporting import ReportWeight, weigh_reports
from federation.roles import Role
from federation.statements import ReportStep, Statement, StatementError
from federation.vocabulary import LegalBasis, Purpose, ReportAction, ReportReason
from keys.errors import SealError
from keys.sealing import SealingKey, open_from_indicator
from node.desk.voice import Voice
from node.duties.filings import FiledMatter, Filings
from node.duties.pseudonyms import Pseudonyms
from node.duties.report_intake import TEXT_CONTEXT, ReportIntake
from node.duties.report_nominations import ReportNominations
from node.errors import NodeError, PolicyError, RequestError
from node.matters.book import BookedMatter, MatterBook, Wanted
from node.telemetry import describe_error, get_log
from tocsin.desk.v1 import desk_service_pb2

LOOK_SECONDS: Final = 2.0
"""Seconds between looks at how reports ended; nobody waits for it."""

_UNFOUNDED: Final = frozenset(
    {ReportReason.NOT_FRAUD, ReportReason.MASS_REPORTING, ReportReason.NO_EVIDENCE}
)
# What a report may be disposed of on, and the states in which that carries it.
_BASES: Final = {
    Kind.VERIFICATION: frozenset({State.CONFIRMED}),
    Kind.DISPOSITION: frozenset({State.EXECUTED, State.NOTIFIED, State.APPEALED, State.UPHELD}),
}


@dataclass(frozen=True, slots=True)
class MatterWeight:
    """What the reports of one own matter come to; ``confidence`` 0: no nomination stands."""

    weight: ReportWeight
    confidence: int


class Reports:
    """This member's part in citizens' reports. Async methods speak; the others block."""

    def __init__(
        self,
        voice: Voice,
        book: MatterBook,
        charter: Callable[[], Charter],
        sealing: SealingKey,
        pseudonyms: Pseudonyms,
    ) -> None:
        """Work in the name of the member that the voice speaks for."""
        self.me = MemberId(voice.member)
        self.filings = Filings(voice.stores.private)
        self._voice = voice
        self._book = book
        self._sealing = sealing
        self._nominations = ReportNominations(voice)
        self.intake = ReportIntake(voice, book, charter, self.filings, pseudonyms)
        self._seen: tuple[int, int] | None = None

    async def run(self) -> None:
        """Let reports that ended count for their reporters, for ever."""
        while True:
            await self.settle_if_changed()
            await asyncio.sleep(LOOK_SECONDS)

    async def step(
        self, prefix: bytes, step: ReportAction, reason: ReportReason, basis: bytes
    ) -> BookedMatter:
        """Take a report one step on.

        Raises:
            MatterError: The matter does not allow it now; nothing was said.
            PolicyError: BASIS_NOT_CONFIRMED; what it is to rest on does not carry it.
            RequestError: MATTER_UNKNOWN or another fault of the request.
        """
        matter = (await asyncio.to_thread(self._book.find, prefix, Kind.REPORT)).matter
        rests_on = await asyncio.to_thread(self._check_basis, matter, step, basis)
        try:
            body = ReportStep(matter.id, matter.opener, step, reason, rests_on)
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        async with self._voice.speaker.lock:
            statement = self._statement(body)
            booked = await asyncio.to_thread(self._get, matter.id, matter.opener)
            advance(booked.matter, self.me, self._roles(), statement)
            await self._voice.speaker.say([statement])
        await self.settle_if_changed()
        return await asyncio.to_thread(self._get, matter.id, matter.opener)

    async def settle_if_changed(self) -> None:
        """Let what ended count for its reporters, and take nominations of false reports back."""
        version = self._book.version()
        if version == self._seen:
            return
        for filed in await asyncio.to_thread(self.filings.unsettled):
            try:
                await self._settle(filed)
            except (NodeError, FederationError) as error:
                get_log().warning(
                    "report.not_settled", reason=error.reason, **describe_error(error)
                )
                return
        self._seen = version

    async def open_text(
        self, matter: ReportMatter, value: desk_service_pb2.RawIndicator | None
    ) -> str:
        """Return what was told, where this member can open it; else nothing.

        Args:
            matter: Which report.
            value: The value that it is about: whoever holds it can read what was told.

        Raises:
            RequestError: The value is no indicator, or another one than the report's.
        """
        report = matter.facts.report
        sealed = report.sealed_text
        if not sealed:
            return ""
        if report.actors == (self.me,):
            return _decoded(lambda: self._sealing.open(sealed, TEXT_CONTEXT))
        if value is None or not value.value:
            return ""
        taken = await self._voice.intake.take(
            [value], Purpose.VERIFICATION, self._voice.pad(), with_keys=True
        )
        for why in taken.refused.values():
            raise RequestError(why.message, reason=why.reason)
        (known,) = taken.known
        if known.token != report.token:
            raise RequestError("the report is about another value", reason="VALUE_DIFFERS")
        content_key = known.content_key or b""
        return _decoded(lambda: open_from_indicator(content_key, sealed, TEXT_CONTEXT))

    def queue(self, now: int, limit: int, *, mine: bool, closed: bool) -> list[BookedMatter]:
        """Return the reports that are known here, what is due first in front.

        Args:
            now: Second at which they are looked at.
            limit: At most so many.
            mine: Only those of which the next step is this member's.
            closed: Those that are closed, too.
        """
        over = None if closed else False
        wanted = Wanted(kind=Kind.REPORT, over=over, turn=self.me if mine else None)
        return self._book.queue(wanted, now, limit)

    def find(self, prefix: bytes) -> BookedMatter:
        """Return the report whose id begins so.

        Raises:
            RequestError: MATTER_ID_INVALID, MATTER_UNKNOWN or MATTER_AMBIGUOUS.
        """
        return self._book.find(prefix, Kind.REPORT)

    def next_steps(self, matter: ReportMatter) -> list[ReportAction]:
        """Return the steps that this member may take now, given a reason and a basis."""
        return [step for step in ReportAction if self._may(matter, step)]

    def weight(self, matter: ReportMatter) -> MatterWeight | None:
        """Return what the reports of an own matter come to; None for another member's."""
        filings = self.filings.filings(matter.id) if matter.opener == self.me else []
        if not filings:
            return None
        confidence = self._nominations.confidence(matter.id, matter.facts.report.token)
        return MatterWeight(weigh_reports(filings), confidence)

    def references(self, matter: ReportMatter) -> list[str]:
        """Return this member's references to the subject, where it is a customer watched."""
        return self.filings.references(matter.facts.report.token)

    async def _settle(self, filed: FiledMatter) -> None:
        booked = await asyncio.to_thread(self._book.get, Kind.REPORT, filed.id, self.me)
        if booked is None or booked.matter.facts.ended is None:
            return
        facts = booked.matter.facts
        upheld = facts.ended is ReportAction.DISPOSE
        unfounded = facts.reason in _UNFOUNDED
        if not upheld:
            await self._end_nomination(booked.matter)
        judged = upheld if upheld or unfounded else None
        await asyncio.to_thread(self.filings.settle, filed.id, upheld=judged)
        get_log().info("report.settled", state=booked.matter.state)

    async def _end_nomination(self, matter: ReportMatter) -> None:
        async with self._voice.speaker.lock:
            statement = await asyncio.to_thread(self._nominations.end, matter)
            await self._voice.speaker.say([] if statement is None else [statement])

    def _check_basis(self, matter: ReportMatter, step: ReportAction, basis: bytes) -> bytes:
        """Return the whole id of what a step rests on; empty for nothing."""
        if not basis:
            return b""
        found = self._book.find(basis).matter
        same = found.procedure.subject(found.facts) == matter.facts.report.token
        if found.kind not in _BASES or not same:
            raise PolicyError(
                "a report rests on a verification or disposition of its own subject",
                reason="BASIS_DIFFERS",
                hint="tocsin matter list",
            )
        if step is ReportAction.DISPOSE and found.state not in _BASES[found.kind]:
            raise PolicyError(
                "neither did a verification confirm the subject nor was an order carried out",
                reason="BASIS_NOT_CONFIRMED",
            )
        return found.id

    def _may(self, matter: ReportMatter, step: ReportAction) -> bool:
        with_reason = (ReportAction.REJECT, ReportAction.UNSUBSTANTIATE, ReportAction.WITHDRAW)
        reason = ReportReason.NOT_FRAUD if step in with_reason else ReportReason.UNSPECIFIED
        basis = matter.id if step is ReportAction.DISPOSE else b""
        body = ReportStep(matter.id, matter.opener, step, reason, basis)
        try:
            advance(matter, self.me, self._roles(), self._statement(body))
        except FederationError:
            return False
        return True

    def _get(self, matter_id: bytes, opener: MemberId) -> BookedMatter:
        booked = self._book.get(Kind.REPORT, matter_id, opener)
        if booked is None:
            raise RequestError("no report has this id", reason="MATTER_UNKNOWN")
        return booked

    def _roles(self) -> frozenset[Role]:
        return self._book.roles(self.me, self._voice.clock())

    def _statement(self, body: ReportStep) -> Statement:
        return self._voice.speaker.statement(
            body, Purpose.VERIFICATION, legal_basis=LegalBasis.ATNFL_32
        )


def _decoded(open_it: Callable[[], bytes]) -> str:
    """Return a text that another member wrote, without what could steer a terminal."""
    try:
        text = open_it().decode(errors="replace")
    except SealError:
        return ""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
