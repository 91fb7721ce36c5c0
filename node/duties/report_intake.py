"""Take citizens' reports in: one matter for a value, one weak nomination, no name leaves."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from federation.charter import Charter
from federation.indicators import Kind as IndicatorKind
from federation.marks import start_of
from federation.matters import Kind, State
from federation.names import MemberId, NameFormatError
from federation.reporting import ReportWeight, roles_able, weigh_reports
from federation.roles import INDUSTRY
from federation.statements import Report, ReportCount, Statement
from federation.statements.shape import IDENTIFIER_BYTES
from federation.vocabulary import FraudType, LegalBasis, Purpose, ReportChannel
from keys.sealing import seal_to_indicator, seal_to_member
from node.desk.intake import Known, Refusal
from node.desk.voice import Voice
from node.duties.filings import Filings, NewFiling
from node.duties.pseudonyms import Pseudonyms
from node.duties.report_nominations import ReportNominations
from node.matters.book import BookedMatter, MatterBook
from tocsin.desk.v1 import desk_service_pb2, report_service_pb2

TEXT_CONTEXT: Final = b"report-text/v1"
MAX_TEXT_BYTES: Final = 16_384
"""Bytes of what a citizen tells: some pages."""
MAX_REPORTER_CHARACTERS: Final = 256
"""Characters of how a member knows a reporter."""

NO_REPORTER: Final = Refusal("REPORTER_INVALID", "say in 1 to 256 characters who reports")
NO_TYPE: Final = Refusal("ENUM_UNKNOWN", "the type of fraud or the channel is missing")
LONG_TEXT: Final = Refusal("TEXT_TOO_LONG", f"a text has at most {MAX_TEXT_BYTES} bytes")
NO_ACTOR: Final = Refusal("ACTOR_UNKNOWN", "no active member with customers has this name or role")

_REPORTER: Final = "reporter"
_OPEN: Final = frozenset({State.SUBMITTED, State.ACCEPTED, State.VERIFYING})

Rows = Sequence[report_service_pb2.ReportRow]


class ReportIntake:
    """Turns citizens' reports into matters of this member's."""

    def __init__(
        self,
        voice: Voice,
        book: MatterBook,
        charter: Callable[[], Charter],
        filings: Filings,
        pseudonyms: Pseudonyms,
    ) -> None:
        """Take in for the member that the voice speaks for."""
        self._me = MemberId(voice.member)
        self._voice = voice
        self._book = book
        self._charter = charter
        self._filings = filings
        self._pseudonyms = pseudonyms
        self._nominations = ReportNominations(voice)

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

    def _refuse(
        self, row: report_service_pb2.ReportRow, kind: IndicatorKind | None
    ) -> Refusal | None:
        if not 0 < len(row.reporter.strip()) <= MAX_REPORTER_CHARACTERS:
            return NO_REPORTER
        try:
            FraudType(row.fraud_type), ReportChannel(row.channel)
        except ValueError:
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
            added = self._filings.file(matter_id, token, [self._filing(rows, one) for one in items])
            for one, new in zip(items, added, strict=True):
                outcome = (
                    desk_service_pb2.ROW_OUTCOME_ADDED
                    if new
                    else desk_service_pb2.ROW_OUTCOME_UNCHANGED
                )
                results[one.place] = desk_service_pb2.RowResult(
                    outcome=outcome, statement_id=matter_id
                )
            weight = weigh_reports(self._filings.filings(matter_id))
            statements += self._words(matter_id, booked, rows, items[0], weight)
        return results, statements

    def _matter_of(self, token: bytes) -> tuple[bytes, BookedMatter | None]:
        """Return the open matter that a report joins, or the id of a new one."""
        since = self._last_owner(token)
        for filed in self._filings.matters_of(token, self._voice.clock()):
            if filed.opened <= since:
                continue  # it is about who had the number before (R68)
            booked = self._book.get(Kind.REPORT, filed.id, self._me)
            if booked is None or booked.matter.state in _OPEN:
                return filed.id, booked  # None: a crash came before it was said
        return secrets.token_bytes(IDENTIFIER_BYTES), None

    def _last_owner(self, token: bytes) -> int:
        """Return when a number last changed hands; 0: never."""
        stores, now = self._voice.stores, self._voice.clock()
        found = stores.catalogue.marks([token]).get(token)
        cutoffs = () if found is None else found.cutoffs
        return start_of((), cutoffs, stores.verdicts.standing(), now)

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
        roles = self._book.roles(self._me, self._voice.clock())
        nomination = self._nominations.nominate(
            matter_id, first, fraud_type, weight.confidence, roles
        )
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

    def _statement(
        self, body: Report | ReportCount, statement_id: bytes | None = None
    ) -> Statement:
        return self._voice.speaker.statement(
            body,
            Purpose.VERIFICATION,
            statement_id=statement_id,
            legal_basis=LegalBasis.ATNFL_32,
        )


def _member(text: str) -> MemberId | None:
    try:
        return MemberId(text)
    except NameFormatError:
        return None
