"""Take part in verification rounds: ask, answer from own data or by hand, read the tally, decide.

The answer goes into the private sum of the round and nowhere else: no statement, table or log of
any node has it, but for one that this member's own people gave by hand, in its private store.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.errors import FederationError
from federation.indicators import Kind as IndicatorKind
from federation.matters import Kind, MatterError, State, advance
from federation.matters.verification import (
    DEFAULT_QUORUM,
    LONGEST_SECONDS,
    Tally,
    VerificationMatter,
    is_sound,
    read_tally,
)
from federation.names import MemberId
from federation.packing import pack
from federation.statements import (
    Body,
    StatementError,
    SumOpen,
    SumShares,
    VerificationExamination,
    VerificationOpen,
    VerificationTally,
)
from federation.sums import Exclusion, Progress, SumFaultError, Total, digest_named, label_of
from federation.vocabulary import Purpose, VerificationAnswer, VerificationDecision
from node.alarms import Alarms
from node.duties.own_answer import OwnWords, answer_from
from node.errors import NodeError, RequestError
from node.matters.book import BookedMatter, MatterBook
from node.speaker import Speaker
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.sums.carrier import Sums
from node.sums.opener import (
    CONTRIBUTE_SECONDS,
    HOLDER_SECONDS,
    SumDraft,
    default_contributors,
)
from node.sums.sources import Asked, Source, wait_for_more
from node.telemetry import describe_error, get_log

SOURCE: Final = "VERIFICATION"
LOOK_SECONDS: Final = 2.0
"""Seconds between looks where no log grew: a round is decided while a call lasts."""
BY_HAND: Final = "by-hand"

_Round = tuple[MemberId, bytes]
_SUBJECT: Final = b"tocsin/verification/1"
_LABELS: Final = {
    label_of(b"verification answer", one.name.encode()): one for one in VerificationAnswer
}


@dataclass(frozen=True, slots=True)
class OwnData:
    """Where this member's own answers come from.

    Attributes:
        policy: ``automatic`` or ``by-hand``, as in node.toml.
    """

    catalogue: Catalogue
    private: PrivateStore
    policy: str


@dataclass(frozen=True, slots=True)
class Voices:
    """With what this member speaks: statements, sums, alarms."""

    speaker: Speaker
    sums: Sums
    alarms: Alarms


def subject_of(token: bytes) -> bytes:
    """Return what the sum of the answers about a token is about, 32 bytes.

    It is the same for every round about the token, so that two rounds among different members
    are refused: together they would show an answer.
    """
    return hashlib.sha256(pack(_SUBJECT, token)).digest()


class Verifications:
    """This member's part in verification rounds."""

    def __init__(
        self,
        me: MemberId,
        book: MatterBook,
        own: OwnData,
        voices: Voices,
        clock: Callable[[], int],
    ) -> None:
        self.me = me
        self.book = book
        self.sums = voices.sums
        self._own = own
        self._speaker = voices.speaker
        self._alarms = voices.alarms
        self._clock = clock
        # By round, not by sum: a rival may announce another's sum as its own.
        self._looked: dict[_Round, tuple[int, int]] = {}
        self._unchecked: dict[_Round, int] = {}
        self._read: dict[_Round, Tally] = {}
        self._version: tuple[int, int] | None = None

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._clock()

    def source(self) -> Source:
        """Return the source of this member's answers, to be registered."""
        return Source(
            SOURCE,
            "what own data say about one indicator, in a verification round",
            frozenset({Purpose.VERIFICATION}),
            self._count,
            lambda _subject: {label: one.name.lower() for label, one in _LABELS.items()},
            largest=1,
        )

    async def open(
        self,
        token: bytes,
        kind: IndicatorKind,
        epoch: int,
        quorum: int = DEFAULT_QUORUM,
        seconds: int = CONTRIBUTE_SECONDS,
    ) -> BookedMatter:
        """Ask every member with customers about a token; an own round under way is not repeated.

        Raises:
            RequestError: QUORUM_INVALID, or as ``Sums.open``.
            PolicyError, SumRefusedError: As ``Sums.open``; SUM_UNPROVEN where the charter has too
                few key holders to hold each member to one answer.
            MatterError: TERM_INVALID or ROLE_NOT_ALLOWED.
        """
        self._speaker.require_may_say(VerificationOpen)
        running = await asyncio.to_thread(self._running, token)
        if running is not None:
            return running

        def announce(opening: SumOpen) -> Body:
            members, due = opening.contributors, opening.deadline_time
            try:
                body = VerificationOpen(token, kind, epoch, opening.sum_id, members, quorum, due)
            except StatementError as error:
                raise RequestError(str(error), reason="QUORUM_INVALID") from error
            self._try(None, body)
            return body

        draft = SumDraft(
            source=SOURCE,
            labels=tuple(_LABELS),
            purpose=Purpose.VERIFICATION,
            seconds=seconds,
            largest=1,
            subject=subject_of(token),
            one_hot=1,  # nobody votes twice, for others or against another's answer
        )
        sum_id = await self.sums.open(draft, announce)
        booked = await asyncio.to_thread(self._of_sum, sum_id, self.me)
        assert booked is not None  # noqa: S101  # it stands in the own log
        return booked

    async def answer(self, token: bytes, answer: VerificationAnswer) -> list[BookedMatter]:
        """Keep what this member's people answer about a token, and give it where it is asked now.

        Returns:
            The rounds under way that it is the answer of.
        """
        await asyncio.to_thread(self._own.private.put, _key(token), bytes([answer]))
        asked = await asyncio.to_thread(self._unanswered, token)
        for one in asked:
            await self.sums.advance(one.matter.facts.opening.sum_id)
        return asked

    async def examine(
        self, matter: VerificationMatter, decision: VerificationDecision
    ) -> BookedMatter:
        """Decide a conflict.

        Raises:
            MatterError: The matter does not allow it: no conflict, another's, or too few suspects.
        """
        body = VerificationExamination(matter.id, matter.opener, decision)
        await self._say(matter, body)
        booked = await asyncio.to_thread(self.book.get, Kind.VERIFICATION, matter.id, matter.opener)
        assert booked is not None  # noqa: S101  # it was there before
        return booked

    def own_answer(self, token: bytes) -> VerificationAnswer | None:
        """Return what this member answers now; None where its people have to. Blocking."""
        by_hand = self._own.private.get(_key(token))
        if by_hand is not None:
            return VerificationAnswer(by_hand[0])
        if self._own.policy == BY_HAND:
            return None
        return answer_from(self._own_words(token), self._clock())

    async def progress(self, matter: VerificationMatter) -> Progress | None:
        """Return how the sum of a round stands; None where it is not here."""
        try:
            return await self.sums.progress(matter.facts.opening.sum_id)
        except SumFaultError:
            return None

    async def advance(self) -> None:
        """Say what sums that have opened came to, and name whose tally is another one."""
        version = self.book.version()
        rounds = await asyncio.to_thread(self.book.all, Kind.VERIFICATION)
        counts = await asyncio.to_thread(self.sums.records.counts) if rounds else {}
        now = self._clock()
        for booked in rounds:
            if version != self._version and booked.matter.opened > now - LONGEST_SECONDS:
                await self._name_narrow(booked.matter)
            if booked.matter.state_at(now) is State.VERIFYING or version != self._version:
                statements = counts.get(booked.matter.facts.opening.sum_id, 0)
                await self._advance_safely(booked, statements)
        self._version = version

    async def _advance_safely(self, booked: BookedMatter, statements: int) -> None:
        """Advance one round; what somebody said in it must not stop the others."""
        try:
            await self._advance(booked, statements)
        except (NodeError, FederationError) as error:
            self._looked.pop(_round(booked.matter), None)
            get_log().warning(
                "verification.not_advanced", reason=error.reason, **describe_error(error)
            )

    async def _advance(self, booked: BookedMatter, statements: int) -> None:
        matter: VerificationMatter = booked.matter
        tally = await self._own_reading(matter, statements)
        if tally is None:
            return
        await self._name_liars(booked, tally)
        facts, state = matter.facts, matter.state_at(self._clock())
        may_say = self.me in facts.opening.members and self.me not in facts.tallies
        if state is State.VERIFYING and may_say:
            body = VerificationTally(matter.id, matter.opener, *tally)
            try:
                await self._say(matter, body)
            except MatterError:
                return  # others have decided it meanwhile

    async def _own_reading(self, matter: VerificationMatter, statements: int) -> Tally | None:
        """Return what this node itself reads in the sum of a round; None before, or never."""
        key = _round(matter)
        if key in self._read:
            return self._read[key]
        total = await self._total(matter, statements)
        if total is None:
            return None
        tally = Tally(*(int(number) for number in total.units))
        asked = len(matter.facts.opening.members)
        if sum(tally) != len(total.contributors) or not is_sound(tally, asked):
            get_log().warning("verification.tally_impossible")
            return None
        self._read[key] = tally
        return tally

    async def _total(self, matter: VerificationMatter, statements: int) -> Total | None:
        """Return the total once it can be read and trusted, and only if something has changed."""
        key, sum_id = _round(matter), matter.facts.opening.sum_id
        seen = (statements, len(matter.facts.tallies))
        if self._looked.get(key) == seen and key not in self._unchecked:
            return None
        self._looked[key] = seen
        head = await asyncio.to_thread(self.sums.records.head, sum_id)
        if head is None or not self._is_its_own(matter, head.sum.opener, head.sum.opening):
            return None
        progress = await self.progress(matter)
        if progress is None:
            return None
        await self._name_cheats(matter, progress)
        total = progress.total
        return None if total is None or self._may_be_false(key, total) else total

    def _may_be_false(self, key: _Round, total: Total) -> bool:
        """Say whether to wait for one holder more, so that a false partial would show."""
        if total.is_checked:
            self._unchecked.pop(key, None)
            return False
        since = self._unchecked.setdefault(key, self._clock())
        return self._clock() < since + HOLDER_SECONDS

    async def _name_cheats(self, matter: VerificationMatter, progress: Progress) -> None:
        """Name who answered with something else than one answer: of 2t - 1 holders t are honest."""
        for member, found in progress.findings.items():
            if found.reason is Exclusion.NOT_ONE_HOT and member != self.me:
                await self._alarms.matter_refused(member, matter.id, found.reason)

    async def _name_narrow(self, matter: VerificationMatter) -> None:
        """Name who asks so few that they could be its friends; its round counts all the same.

        How many members there were is in no log, so no fold can refuse it: each node says what it
        sees by its own charter, as long as the round is new.
        """
        eligible = default_contributors(self.sums.records.charter(), matter.opened)
        asked = len(set(eligible) & set(matter.facts.opening.members))
        wanted = (len(eligible) + 1) // 2
        if asked < wanted and matter.opener != self.me:
            await self._alarms.round_asks_few(matter, asked, wanted)

    async def _name_liars(self, booked: BookedMatter, tally: Tally) -> None:
        for member in differing(booked, tally):
            if member != self.me:
                await self._alarms.matter_refused(member, booked.matter.id, "TALLY_DIFFERS")

    async def _say(self, matter: VerificationMatter, body: Body) -> None:
        async with self._speaker.lock:
            booked = await asyncio.to_thread(
                self.book.get, Kind.VERIFICATION, matter.id, matter.opener
            )
            self._try(booked.matter if booked else None, body)
            await self._speaker.say([self._speaker.statement(body, Purpose.VERIFICATION)])

    def _try(self, matter: VerificationMatter | None, body: Body) -> None:
        """Refuse what the table would refuse."""
        statement = self._speaker.statement(body, Purpose.VERIFICATION)
        advance(matter, self.me, self.book.roles(self.me, self._clock()), statement)

    def _count(self, asked: Asked) -> NDArray[np.int64] | None:
        booked = self._of_sum(asked.opening.sum_id, asked.opener)
        if booked is None or not self._is_its_own(booked.matter, asked.opener, asked.opening):
            return None
        answer = self.own_answer(booked.matter.subject)
        if answer is None:
            raise wait_for_more()
        return np.array([_LABELS[label] is answer for label in asked.labels], dtype=np.int64)

    def _is_its_own(self, matter: VerificationMatter, opener: MemberId, opening: SumOpen) -> bool:
        """Say whether a sum is exactly the one that the round announced."""
        return opener == matter.opener and is_asked(matter, opening)

    def _of_sum(self, sum_id: bytes, opener: MemberId) -> BookedMatter | None:
        for booked in self.book.all(Kind.VERIFICATION):
            matter = booked.matter
            if matter.opener == opener and matter.facts.opening.sum_id == sum_id:
                return booked
        return None

    def _running(self, token: bytes) -> BookedMatter | None:
        now = self._clock()
        for booked in self.book.all(Kind.VERIFICATION):
            matter = booked.matter
            mine = matter.opener == self.me and matter.subject == token
            if mine and matter.state is State.VERIFYING and now < matter.facts.opening.due_time:
                return booked
        return None

    def _unanswered(self, token: bytes) -> list[BookedMatter]:
        now = self._clock()
        return [
            one
            for one in self.book.all(Kind.VERIFICATION)
            if one.matter.subject == token
            and one.matter.state_at(now) is State.VERIFYING
            and self.me in one.matter.facts.opening.members
            and not self._has_answered(one.matter.facts.opening.sum_id)
        ]

    def _has_answered(self, sum_id: bytes) -> bool:
        rows = self.sums.records.rows(sum_id)
        return any(row.member == self.me and row.body is SumShares for row in rows)

    def _own_words(self, token: bytes) -> OwnWords:
        catalogue, private = self._own.catalogue, self._own.private
        rows = catalogue.evidence([token]).get(token)
        lifts = catalogue.lifts([token]).get(token, ())
        values = [(one.kind, one.value) for one in private.values([token]).values()]
        protects = rows is not None and any(row[1] == self.me for row in rows.protections)
        return OwnWords(
            evidence=[row for row in rows.evidence if row[1] == self.me] if rows else (),
            lifts=[row for row in lifts if row[1] == self.me],
            is_protected=protects or bool(private.protected_values(values)),
        )


def differing(booked: BookedMatter, tally: Tally) -> list[MemberId]:
    """Return the members whose tally is another one, whether it counted or not."""
    found = {member for member, said in booked.matter.facts.tallies.items() if said != tally}
    for refused in booked.refused:
        body = refused.statement.body
        if isinstance(body, VerificationTally) and read_tally(body) != tally:
            found.add(refused.member)
    return sorted(found)


def is_asked(matter: VerificationMatter, opening: SumOpen) -> bool:
    """Say whether a sum asks what the round announced: one answer of each member, and no more."""
    asked, labels = matter.facts.opening, tuple(_LABELS)
    return (
        opening.sum_id == asked.sum_id
        and opening.labels_digest == digest_named(SOURCE, subject_of(asked.token), labels)
        and opening.label_count == len(labels)
        and opening.contributors == asked.members
        and opening.deadline_time == asked.due_time
        and opening.purpose is Purpose.VERIFICATION
        and (opening.scale, opening.largest) == (1, 1)
        and opening.one_hot == 1
    )


def _round(matter: VerificationMatter) -> _Round:
    return matter.opener, matter.id


def _key(token: bytes) -> str:
    return f"verification/{token.hex()}"
