"""Count how customers mark numbers, add that up over the members, and say what reaches the least.

Nobody learns who marked a number, nor how many of a named member's customers did. A mark that is
shown stands for at least ``LEAST_REPORTERS`` customers, fades, and is gone with a correction or
with the number's next owner.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.errors import FederationError
from federation.indicators import Kind
from federation.marks import (
    DAY_SECONDS,
    ENTRIES,
    LEAST_REPORTERS,
    MEMBER_REPORTERS,
    SOURCE_NAME,
    ShownMark,
    blur,
    entries_of,
    is_bounded,
    shown_marks,
    start_of,
    subject_of,
    token_of,
    totals_of,
)
from federation.reporting import count_band
from federation.statements import MarkCorrection, NumberMark, Statement
from federation.vocabulary import CorrectionReason, LegalBasis, MarkLabel, Purpose
from node.desk.intake import Known, Refusal, Taken
from node.desk.voice import Voice
from node.duties.mark_proof import MarkProof
from node.duties.own_marks import MarkSum, OwnMark, OwnMarks
from node.duties.pseudonyms import Pseudonyms
from node.errors import NodeError, PolicyError, RequestError
from node.store.catalogue import Catalogue, MarkRows
from node.sums.carrier import Sums
from node.sums.opener import CONTRIBUTE_SECONDS, SumDraft
from node.sums.sources import Asked, Source
from node.telemetry import describe_error, get_log
from node.verdicts import Verdicts
from tocsin.desk.v1 import desk_service_pb2, report_service_pb2

LOOK_SECONDS: Final = 1.0
"""Seconds between looks at sums under way; a person may wait for one."""
DUE_SECONDS: Final = 600
"""Seconds between looks for numbers whose marks are worth sharing."""
SETTLED_SECONDS: Final = 3_600
"""Seconds after the last mark of a number before its marks are shared: more may be coming."""
LEAST_OWN: Final = 3
"""Own customers who marked a number before it is worth a sum: it takes many such members else."""
LIFETIME_SECONDS: Final = 30 * 86_400
"""Seconds for which a mark stands at most; by then it has faded whatever it said."""
MAX_CUSTOMER_CHARACTERS: Final = 256

NO_CUSTOMER: Final = Refusal("CUSTOMER_INVALID", "say in 1 to 256 characters which customer")
NO_LABEL: Final = Refusal("ENUM_UNKNOWN", "the label is missing")
NO_NUMBER: Final = Refusal("KIND_NOT_MARKED", "only telephone numbers are marked")

_NO_ROWS: Final = MarkRows((), (), ())
_PURPOSES: Final = frozenset({Purpose.VERIFICATION})
_CUSTOMER: Final = "customer"
_LABEL_NUMBERS: Final = frozenset(int(label) for label in MarkLabel)
_MARK_LABEL: Final = b"tocsin/number-mark/1"


@dataclass(frozen=True, slots=True)
class NumberMarks:
    """How a number is marked: in the federation, by own customers, and since when marks count."""

    shown: Sequence[ShownMark]
    own: Mapping[MarkLabel, int]
    since: int


class MarkReader:
    """How numbers are marked, by the views; every method blocks."""

    def __init__(
        self, catalogue: Catalogue, verdicts: Verdicts, own: OwnMarks, proof: MarkProof
    ) -> None:
        self._catalogue = catalogue
        self._verdicts = verdicts
        self._own = own
        self._proof = proof

    def read(self, token: bytes, now: int) -> NumberMarks:
        """Return how one number is marked."""
        rows = self._catalogue.marks([token]).get(token, _NO_ROWS)
        standing = self._verdicts.standing()
        since = start_of(rows.corrections, rows.cutoffs, standing, now)
        proved = [row for row in rows.marks if self._proof.holds(row)]
        shown = shown_marks(proved, since, standing, now)
        return NumberMarks(shown, self._own.counts(token, since), since)


def marks_source(reader: MarkReader, pseudonyms: Pseudonyms) -> Source:
    """Make what answers a sum about one number: own customers' marks, blurred and capped."""

    def count(asked: Asked) -> NDArray[np.int64] | None:
        token = token_of(asked.subject, asked.now)
        if token is None:
            return None  # not about a number of today
        if not is_bounded(asked.opening) or asked.labels != tuple(ENTRIES):
            raise PolicyError("the sum has other bounds than marks", reason="BOUND_NOT_ALLOWED")
        own = reader.read(token, asked.now).own
        blurred = {}
        for label in MarkLabel:
            found = min(own.get(label, 0), MEMBER_REPORTERS)
            seed = pseudonyms.keyed(b"blur", token, label.to_bytes(4), found.to_bytes(4))
            blurred[label] = blur(found, seed)
        return np.array(entries_of(blurred), dtype=np.int64)

    return Source(
        SOURCE_NAME,
        "own customers who marked one number, by label and count",
        _PURPOSES,
        count,
        lambda _subject: {
            label: f"{one.name.lower()} {count}" for label, (one, count) in ENTRIES.items()
        },
        1,
    )


class Marks:
    """This member's part in marks of numbers. Async methods speak or ask holders."""

    def __init__(
        self,
        voice: Voice,
        sums: Sums,
        own: OwnMarks,
        reader: MarkReader,
        pseudonyms: Pseudonyms,
    ) -> None:
        """Work in the name of the member that the voice speaks for."""
        self._voice = voice
        self._sums = sums
        self._own = own
        self._reader = reader
        self._pseudonyms = pseudonyms
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Say what finished sums show, and share what is worth it, for ever."""
        due = 0
        while True:
            await self.finish_sums()
            if self._voice.clock() >= due:
                due = self._voice.clock() + DUE_SECONDS
                await self._share_due()
            await asyncio.sleep(LOOK_SECONDS)

    async def add(
        self, rows: Sequence[report_service_pb2.MarkRow]
    ) -> list[desk_service_pb2.RowResult]:
        """Count customers' marks; nothing is said to anybody.

        Raises:
            UnavailableError: No token can be made now; nothing was counted.
        """
        indicators, refused = await self._voice.intake.parse(row.indicator for row in rows)
        for place, row in enumerate(rows):
            if not 0 < len(row.customer.strip()) <= MAX_CUSTOMER_CHARACTERS:
                refused.setdefault(place, NO_CUSTOMER)
            elif row.label not in _LABEL_NUMBERS:
                refused.setdefault(place, NO_LABEL)
            elif place in indicators and indicators[place].kind is not Kind.PHONE:
                refused.setdefault(place, NO_NUMBER)
        taken = {place: one for place, one in indicators.items() if place not in refused}
        known = await self._voice.intake.tokenise(taken, Purpose.VERIFICATION, self._voice.pad())
        added = await asyncio.to_thread(self._add, rows, known)
        return _results(len(rows), refused, dict(zip([k.place for k in known], added, strict=True)))

    async def correct(
        self, values: Sequence[desk_service_pb2.RawIndicator], reason: CorrectionReason
    ) -> list[desk_service_pb2.RowResult]:
        """Take every mark of numbers back, in the whole federation.

        Raises:
            UnavailableError: No token can be made now; nothing was said.
            PolicyError: ROLE_NOT_ALLOWED; nothing was said.
        """
        self._voice.speaker.require_may_say(MarkCorrection)
        indicators, refused = await self._voice.intake.parse(values)
        for place, one in indicators.items():
            if one.kind is not Kind.PHONE:
                refused[place] = NO_NUMBER
        taken = {place: one for place, one in indicators.items() if place not in refused}
        known = await self._voice.intake.tokenise(taken, Purpose.PROTECTION, self._voice.pad())
        now = self._voice.clock()
        statements = [
            self._voice.speaker.statement(
                MarkCorrection(one.token, Kind.PHONE, self._voice.epoch(), reason, now),
                Purpose.PROTECTION,
                legal_basis=LegalBasis.ATNFL_32,
            )
            for one in known
        ]
        async with self._voice.speaker.lock:
            await self._voice.speaker.say(statements)
        return _results(len(values), refused, {one.place: True for one in known})

    async def share(self, value: desk_service_pb2.RawIndicator, seconds: int) -> bytes:
        """Open the sum over how all members' customers mark a number, and return its id.

        Raises:
            RequestError: The value is no telephone number.
            SumRefusedError: SUM_REPEATED, it was summed today with other contributors.
            UnavailableError, PolicyError: No token can be made now.
        """
        self._voice.speaker.require_may_say(NumberMark)
        known = await self._take(value)
        return await self._open(known.token, seconds)

    async def show(self, value: desk_service_pb2.RawIndicator) -> NumberMarks:
        """Return how a number is marked.

        Raises:
            RequestError: The value is no telephone number.
            UnavailableError, PolicyError: No token can be made now.
        """
        known = await self._take(value)
        return await asyncio.to_thread(self._reader.read, known.token, self._voice.clock())

    async def finish_sums(self) -> None:
        """Say the marks that finished sums show."""
        async with self._turn:
            for one in await asyncio.to_thread(self._own.open_sums):
                try:
                    await self._finish(one)
                except (NodeError, FederationError) as error:
                    get_log().warning("mark.not_said", reason=error.reason, **describe_error(error))

    async def _take(self, value: desk_service_pb2.RawIndicator) -> Known:
        taken: Taken = await self._voice.intake.take(
            [value], Purpose.VERIFICATION, self._voice.pad()
        )
        for why in taken.refused.values():
            raise RequestError(why.message, reason=why.reason)
        (known,) = taken.known
        if known.indicator.kind is not Kind.PHONE:
            raise RequestError(NO_NUMBER.message, reason=NO_NUMBER.reason)
        return known

    def _add(
        self, rows: Sequence[report_service_pb2.MarkRow], known: Collection[Known]
    ) -> list[bool]:
        now = self._voice.clock()
        marks = [
            OwnMark(
                one.token,
                self._pseudonyms.of(_CUSTOMER, rows[one.place].customer),
                MarkLabel(rows[one.place].label),
                now,
            )
            for one in known
        ]
        added = self._own.add(marks)
        for token in {one.token for one in marks}:
            since = self._reader.read(token, now).since
            self._own.renew([one for one in marks if one.token == token], since)
        return added

    async def _share_due(self) -> None:
        now = self._voice.clock()
        tokens = await asyncio.to_thread(
            self._own.due, LEAST_OWN, now - SETTLED_SECONDS, now - DAY_SECONDS
        )
        for token in tokens:
            try:
                await self._open(token, CONTRIBUTE_SECONDS)
            except (NodeError, FederationError) as error:
                get_log().info("mark.not_shared", reason=error.reason)

    async def _open(self, token: bytes, seconds: int) -> bytes:
        now = self._voice.clock()
        draft = SumDraft(
            source=SOURCE_NAME,
            labels=tuple(ENTRIES),
            purpose=Purpose.VERIFICATION,
            seconds=seconds or CONTRIBUTE_SECONDS,
            largest=1,
            one_hot=len(MarkLabel),
            subject=subject_of(token, now // DAY_SECONDS),
        )
        sum_id = await self._sums.open(draft)
        await asyncio.to_thread(self._own.add_sum, MarkSum(sum_id, token, now))
        return sum_id

    async def _finish(self, one: MarkSum) -> None:
        progress = await self._sums.progress(one.sum_id)
        if progress.total is None and not progress.reason:
            return
        if progress.total is not None:
            total = progress.total
            found = totals_of(total.units.tolist(), len(total.contributors))
            reached = {label: count for label, count in found.items() if count >= LEAST_REPORTERS}
            async with self._voice.speaker.lock:
                await self._voice.speaker.say(
                    [self._mark(one, label, count) for label, count in reached.items()]
                )
            get_log().info("mark.said", count=len(reached))
        await asyncio.to_thread(self._own.close_sum, one.sum_id)

    def _mark(self, one: MarkSum, label: MarkLabel, count: int) -> Statement:
        body = NumberMark(
            token=one.token,
            kind=Kind.PHONE,
            epoch=self._voice.epoch(),
            label=label,
            reporters=count_band(count),
            sum_id=one.sum_id,
            counted_time=one.opened,
        )
        return self._voice.speaker.statement(
            body,
            Purpose.VERIFICATION,
            statement_id=mark_id(one.token, label),
            legal_basis=LegalBasis.ATNFL_32,
            expires_time=one.opened + LIFETIME_SECONDS,
        )


def mark_id(token: bytes, label: MarkLabel) -> bytes:
    """Return the id, 16 bytes, of a member's mark of a number: a later one takes its place."""
    return hashlib.sha256(_MARK_LABEL + token + label.to_bytes(4)).digest()[:16]


def _results(
    count: int, refused: Mapping[int, Refusal], added: Mapping[int, bool]
) -> list[desk_service_pb2.RowResult]:
    results = []
    for place in range(count):
        if place in refused:
            outcome = desk_service_pb2.ROW_OUTCOME_REFUSED
            error = refused[place].wire()
            results.append(desk_service_pb2.RowResult(outcome=outcome, error=error))
        elif added[place]:
            results.append(desk_service_pb2.RowResult(outcome=desk_service_pb2.ROW_OUTCOME_ADDED))
        else:
            outcome = desk_service_pb2.ROW_OUTCOME_UNCHANGED
            results.append(desk_service_pb2.RowResult(outcome=outcome))
    return results
