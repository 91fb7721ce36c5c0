"""Take citizens' reports in, work on those that are this member's, and judge reporters by the end.

What is reported about one value at this member is one matter and at most one weak nomination
(``federation.reporting``). Who reported stays in the private store.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.authorisation import may_say
from federation.charter import Charter
from federation.errors import FederationError
from federation.indicators import Kind as IndicatorKind
from federation.matters import Kind, State, advance
from federation.matters.report import ReportMatter
from federation.names import MemberId, NameFormatError
from federation.reporting import ReportWeight, roles_able, weigh_reports
from federation.roles import INDUSTRY, Role
from federation.statements import (
    BODY_NAMES,
    Body,
    Nomination,
    Report,
    ReportCount,
    ReportStep,
    Retraction,
    Statement,
    StatementError,
)
from federation.verdict import default_term_seconds
from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    Purpose,
    ReportAction,
    ReportChannel,
    ReportReason,
    RetractionReason,
    SubjectRole,
)
from keys.errors import SealError
from keys.sealing import SealingKey, open_from_indicator, seal_to_indicator, seal_to_member
from node.desk.intake import Known, Refusal
from node.desk.voice import Voice
from node.duties.filings import FiledMatter, Filings, NewFiling
from node.duties.pseudonyms import Pseudonyms
from node.errors import NodeError, PolicyError, RequestError
from node.matters.book import BookedMatter, MatterBook
from node.telemetry import describe_error, get_log
from tocsin.desk.v1 import desk_service_pb2, report_service_pb2

TEXT_CONTEXT: Final = b"report-text/v1"
MAX_TEXT_BYTES: Final = 16_384
"""Bytes of what a citizen tells: some pages."""
MAX_REPORTER_CHARACTERS: Final = 256
"""Characters of how a member knows a reporter."""
LOOK_SECONDS: Final = 2.0
"""Seconds between looks at how reports ended; nobody waits for it."""

_REPORTER: Final = "reporter"
_OPEN: Final = frozenset({State.SUBMITTED, State.ACCEPTED, State.VERIFYING})
_NOMINATION_LABEL: Final = b"tocsin/report-nomination/1"
_UNFOUNDED: Final = frozenset(
    {ReportReason.NOT_FRAUD, ReportReason.MASS_REPORTING, ReportReason.NO_EVIDENCE}
)
_BASES: Final = {Kind.VERIFICATION: State.CONFIRMED, Kind.DISPOSITION: None}

NO_REPORTER: Final = Refusal("REPORTER_INVALID", "say in 1 to 256 characters who reports")
NO_TYPE: Final = Refusal("ENUM_UNKNOWN", "the type of fraud or the channel is missing")
LONG_TEXT: Final = Refusal("TEXT_TOO_LONG", f"a text has at most {MAX_TEXT_BYTES} bytes")
NO_ACTOR: Final = Refusal("ACTOR_UNKNOWN", "no active member with customers has this name or role")

Rows = Sequence[report_service_pb2.ReportRow]


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
        self._charter = charter
        self._sealing = sealing
        self._pseudonyms = pseudonyms
        self._seen: tuple[int, int] | None = None

    async def run(self) -> None:
        """Let reports that ended count for their reporters, for ever."""
        while True:
            await self.settle_if_changed()
            await asyncio.sleep(LOOK_SECONDS)

    async def submit(self, rows: Rows) -> list[desk_service_pb2.RowResult]:
        """Take reports in; each has its own result, with the id of the matter that it is in.

        Raises:
            UnavailableError: No token can be made now; nothing was said.
            PolicyError: ROLE_NOT_ALLOWED, or the holders refuse; nothing was said.
        """
        self._voice.speaker.require_may_say(Report)
        indicators, refused = await self._voice.intake.parse(row.indicator for row in rows)
        for place, row in enumerate(rows):
            why = self._refuse(row, indicators[place].kind if place in indicators else None)
            if why is not None:
                refused.setdefault(place, why)
        taken = {place: one for place, one in indicators.items() if place not in refused}
        with_text = [place for place in taken if rows[place].text]
        known = await self._voice.intake.tokenise(
            taken, Purpose.VERIFICATION, self._voice.pad(), with_text
        )
        async with self._voice.speaker.lock:
            results, statements = await asyncio.to_thread(self._file, rows, known)
            await self._voice.speaker.say(statements)
        for place, why in refused.items():
            outcome = desk_service_pb2.ROW_OUTCOME_REFUSED
            results[place] = desk_service_pb2.RowResult(outcome=outcome, error=why.wire())
        return [results[place] for place in range(len(rows))]

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

    def matters(self) -> list[BookedMatter]:
        """Return all reports that are known here, newest first."""
        return self._book.all(Kind.REPORT)

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
        token = matter.facts.report.token
        held = self._voice.stores.catalogue.nominations(self.me, [token])
        confidence, _expires = held.get(nomination_of(matter.id), (0, 0))
        return MatterWeight(weigh_reports(filings), confidence)

    def references(self, matter: ReportMatter) -> list[str]:
        """Return this member's references to the subject, where it is a customer watched."""
        return self.filings.references(matter.facts.report.token)

    def _refuse(
        self, row: report_service_pb2.ReportRow, kind: IndicatorKind | None
    ) -> Refusal | None:
        if not 0 < len(row.reporter.strip()) <= MAX_REPORTER_CHARACTERS:
            return NO_REPORTER
        if row.fraud_type not in set(FraudType) or row.channel not in set(ReportChannel):
            return NO_TYPE
        if len(row.text.encode()) > MAX_TEXT_BYTES:
            return LONG_TEXT
        if kind is not None and not self._actors(row, kind):
            return NO_ACTOR
        return None

    def _actors(
        self, row: report_service_pb2.ReportRow, kind: IndicatorKind
    ) -> tuple[MemberId, ...]:
        """Return who can act: whom the citizen names, else all whose role it is."""
        active = list(self._charter().active(self._voice.clock()))
        industry = [one for one in active if one.roles & INDUSTRY]
        if row.actor:
            return tuple(one.member for one in industry if one.member == _member(row.actor))
        able = [one.member for one in industry if one.roles & roles_able(kind)]
        return tuple(able or [one.member for one in industry])

    def _file(
        self, rows: Rows, known: Iterable[Known]
    ) -> tuple[dict[int, desk_service_pb2.RowResult], list[Statement]]:
        """Store reports under their matters, and return results and what is to be said."""
        by_token: dict[bytes, list[Known]] = {}
        for one in known:
            by_token.setdefault(one.token, []).append(one)
        results: dict[int, desk_service_pb2.RowResult] = {}
        statements: list[Statement] = []
        for token, items in by_token.items():
            matter_id, booked = self._matter_of(token)
            added = self.filings.file(matter_id, token, [self._filing(rows, one) for one in items])
            for one, new in zip(items, added, strict=True):
                outcome = (
                    desk_service_pb2.ROW_OUTCOME_ADDED
                    if new
                    else desk_service_pb2.ROW_OUTCOME_UNCHANGED
                )
                results[one.place] = desk_service_pb2.RowResult(
                    outcome=outcome, statement_id=matter_id
                )
            weight = weigh_reports(self.filings.filings(matter_id))
            statements += self._words(matter_id, booked, rows, items[0], weight)
        return results, statements

    def _matter_of(self, token: bytes) -> tuple[bytes, BookedMatter | None]:
        """Return the open matter that a report joins, or the id of a new one."""
        for filed in self.filings.matters_of(token, self._voice.clock()):
            booked = self._book.get(Kind.REPORT, filed.id, self.me)
            if booked is None or booked.matter.state in _OPEN:
                return filed.id, booked  # None: a crash came before it was said
        return secrets.token_bytes(16), None

    def _filing(self, rows: Rows, one: Known) -> NewFiling:
        row = rows[one.place]
        text = " ".join(row.text.split()).casefold().encode()
        return NewFiling(
            pseudonym=self._pseudonyms.of(_REPORTER, row.reporter),
            contact=row.reporter.strip(),
            time=self._voice.clock(),
            text_digest=hashlib.sha256(text).digest() if text else b"",
        )

    def _words(
        self,
        matter_id: bytes,
        booked: BookedMatter | None,
        rows: Rows,
        first: Known,
        weight: ReportWeight,
    ) -> list[Statement]:
        """Return what the reports of a matter let this member say."""
        fraud_type = FraudType(rows[first.place].fraud_type)
        found: list[Statement] = []
        if booked is None:
            body = self._report(rows[first.place], first, weight)
            found.append(self._statement(body, matter_id))
        else:
            facts = booked.matter.facts
            fraud_type = facts.report.fraud_type
            if weight.band > facts.reporters:
                found.append(self._statement(ReportCount(matter_id, weight.band)))
        nomination = self._nomination(matter_id, first, fraud_type, weight.confidence)
        return found if nomination is None else [*found, nomination]

    def _report(
        self, row: report_service_pb2.ReportRow, one: Known, weight: ReportWeight
    ) -> Report:
        kind = one.indicator.kind
        actors = self._actors(row, kind)
        return Report(
            token=one.token,
            kind=kind,
            epoch=self._voice.epoch(),
            fraud_type=FraudType(row.fraud_type),
            channel=ReportChannel(row.channel),
            reporters=weight.band,
            actors=actors,
            sealed_text=self._seal(row.text, one, actors),
        )

    def _seal(self, text: str, one: Known, actors: tuple[MemberId, ...]) -> bytes:
        if not text:
            return b""
        if len(actors) == 1:
            public = self._charter().member(actors[0]).sealing_key
            return seal_to_member(public, text.encode(), TEXT_CONTEXT)
        return seal_to_indicator(one.content_key or b"", text.encode(), TEXT_CONTEXT)

    def _nomination(
        self, matter_id: bytes, one: Known, fraud_type: FraudType, confidence: int
    ) -> Statement | None:
        """Return the one nomination that reports come to; None where it stands or may not be."""
        stores, token = self._voice.stores, one.token
        statement_id = nomination_of(matter_id)
        held = stores.catalogue.nominations(self.me, [token])
        is_said = held.get(statement_id, (0, 0))[0] == confidence
        if is_said or not may_say(self._roles(), BODY_NAMES[Nomination]):
            return None
        indicator = (one.indicator.kind.value, one.indicator.value)
        if stores.verdicts.protected([token]) or stores.private.protected_values([indicator]):
            return None
        if stores.catalogue.retracted(self.me, [statement_id]):
            return None  # a person took it back
        stores.private.put_values([(token, *indicator)], self._voice.epoch())
        body = Nomination(
            token=token,
            kind=one.indicator.kind,
            epoch=self._voice.epoch(),
            fraud_type=fraud_type,
            stage=FraudStage.UNSPECIFIED,
            subject_role=SubjectRole.UNSPECIFIED,
            confidence=confidence,
        )
        return self._voice.speaker.statement(
            body,
            Purpose.NOMINATION,
            statement_id=statement_id,
            legal_basis=LegalBasis.ATNFL_32,
            expires_time=self._voice.clock() + default_term_seconds(body.kind),
        )

    async def _settle(self, filed: FiledMatter) -> None:
        booked = await asyncio.to_thread(self._book.get, Kind.REPORT, filed.id, self.me)
        if booked is None or booked.matter.facts.ended is None:
            return
        facts = booked.matter.facts
        upheld = facts.ended is ReportAction.DISPOSE
        unfounded = facts.reason in _UNFOUNDED
        if not upheld:
            await self._take_back(filed, mistaken=unfounded)
        judged = upheld if upheld or unfounded else None
        await asyncio.to_thread(self.filings.settle, filed.id, upheld=judged)
        get_log().info("report.settled", state=booked.matter.state)

    async def _take_back(self, filed: FiledMatter, *, mistaken: bool) -> None:
        """Take the nomination of reports that came to nothing back, if it stands."""
        target = nomination_of(filed.id)
        async with self._voice.speaker.lock:
            catalogue = self._voice.stores.catalogue
            held = await asyncio.to_thread(catalogue.nominations, self.me, [filed.token])
            if target not in held:
                return
            reason = RetractionReason.MISTAKEN if mistaken else RetractionReason.OVER
            body = Retraction(target_id=target, token=filed.token, reason=reason)
            purpose = Purpose.PROTECTION
            await self._voice.speaker.say([self._voice.speaker.statement(body, purpose)])

    def _check_basis(self, matter: ReportMatter, step: ReportAction, basis: bytes) -> bytes:
        """Return the whole id of what a step rests on; empty for nothing."""
        if not basis:
            return b""
        found = self._book.find(basis).matter
        must_be = _BASES.get(found.kind, State.ABSENT)
        same = found.procedure.subject(found.facts) == matter.facts.report.token
        carries = must_be is None or found.state is must_be
        if found.kind not in _BASES or not same:
            raise PolicyError(
                "a report rests on a verification or disposition of its own subject",
                reason="BASIS_DIFFERS",
                hint="tocsin matter list",
            )
        if step is ReportAction.DISPOSE and not carries:
            raise PolicyError(
                "the verification did not confirm the subject", reason="BASIS_NOT_CONFIRMED"
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

    def _statement(self, body: Body, statement_id: bytes | None = None) -> Statement:
        return self._voice.speaker.statement(
            body,
            Purpose.VERIFICATION,
            statement_id=statement_id,
            legal_basis=LegalBasis.ATNFL_32,
        )


def nomination_of(matter_id: bytes) -> bytes:
    """Return the id, 16 bytes, of the one nomination that the reports of a matter come to."""
    return hashlib.sha256(_NOMINATION_LABEL + matter_id).digest()[:16]


def _member(text: str) -> MemberId | None:
    try:
        return MemberId(text)
    except NameFormatError:
        return None


def _decoded(open_it: Callable[[], bytes]) -> str:
    """Return a text that another member wrote, without what could steer a terminal."""
    try:
        text = open_it().decode(errors="replace")
    except SealError:
        return ""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
