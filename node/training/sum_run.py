"""Lead one private sum of a training run over the attached members, as the coordinator.

    outcome = await SumRun(desk, order).run()

Open, gather the shares, let the holders check, close, let the contributors repeat the close, let
the holders answer, read. Each step ends at its deadline; whoever is lost is not waited for. The
coordinator sees sealed shares, squared norms and the total.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from federation.charter import Charter
from federation.names import MemberId
from federation.statements import SumBody, SumClose, SumEcho
from federation.sums import (
    Exclusion,
    Finding,
    Said,
    Standing,
    Sum,
    SumFaultError,
    SumRefusedError,
    SumState,
    fold_sum,
    judge,
    read_total,
)
from federation.sums.norms import holders_for_norms
from federation.training.error import UpdateError
from keys.signing import SigningKey
from node.errors import PeerError
from node.telemetry import get_log
from node.training.hub import LATE, LOST, Hub
from node.training.sum_company import SumCompany
from node.training.sum_order import SumOrder, SumOutcome, open_order
from node.training.sum_speech import (
    CHECK,
    ECHO,
    PARTIAL,
    SHARES,
    Speech,
    speak,
    to_pieces,
)

HOLDER_SECONDS: Final = 15.0
"""Seconds that a sum waits for holders that were there before; they dial again within ten."""
HOLDER_SHARE: Final = 0.2
"""Of a sum's time, at most, for the same."""
SKEW_SECONDS: Final = 60
"""Seconds by which the members' clocks may differ."""
LINGER_SECONDS: Final = 1.0
"""Seconds for a partial more than needed: with it a false one would show."""
STEPS: Final = (0.4, 0.7, 0.85, 1.0)
"""When shares, checks, echoes and partials have to be there, in shares of the sum's time."""
HOLDERS_MISSING: Final = "HOLDERS_MISSING"
NOT_OPENED: Final = "SUM_NOT_OPENED"

_REASONS: Final[Mapping[Exclusion, str]] = {
    Exclusion.SHARES_LENGTH: "UPDATE_SHAPE",
    Exclusion.NORM_EXCEEDED: "UPDATE_NORM",
}


@dataclass(slots=True)
class SumDesk:
    """What the sums of one run share.

    Attributes:
        charter: Gives the one in force.
        clock: Seconds since 1970.
        missing: Holders that were not there the last time, so that they are not waited for.
    """

    hub: Hub
    me: MemberId
    key: SigningKey = field(repr=False)
    charter: Callable[[], Charter]
    company: SumCompany
    clock: Callable[[], int]
    missing: frozenset[MemberId] = frozenset()
    latest_deadline: int = 0

    def deadline(self, seconds: float) -> int:
        """Return a sum's deadline; no two are equal, so no two openings have one id."""
        wanted = self.clock() + int(seconds) + SKEW_SECONDS
        self.latest_deadline = max(wanted, self.latest_deadline + 1)
        return self.latest_deadline

    async def holders(self, wanted: Collection[MemberId], seconds: float) -> tuple[MemberId, ...]:
        """Return the holders that are attached; those never missed are waited for a while."""
        count = len(set(wanted) - self.missing)
        found = await self.hub.wait_for(set(wanted) - self.missing, count, seconds)
        found |= self.hub.members() & set(wanted)
        self.missing = frozenset(wanted) - found
        return tuple(name for name in wanted if name in found)


class _FailedError(Exception):
    """The sum came to nothing; ``reason`` says why, for whom no better one is known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _NoNormsError(Exception):
    """Too few holders checked for norms to be opened."""


class SumRun:
    """One sum, from its opening to its total."""

    def __init__(self, desk: SumDesk, order: SumOrder) -> None:
        self._desk = desk
        self._order = order
        self._until = time.monotonic() + order.seconds
        self._rejected: dict[MemberId, str] = {}
        self._absent: dict[MemberId, tuple[str, str]] = {}

    async def run(self) -> SumOutcome:
        """Lead the sum; nothing opens where too few contribute or hold."""
        opens_norms = self._order.scale is not None
        try:
            seconds = min(HOLDER_SECONDS, HOLDER_SHARE * self._order.seconds)
            holders = await self._desk.holders(self._desk.charter().holders, seconds)
            while True:
                opens_norms = opens_norms and self._can_open_norms(holders)
                try:
                    return await self._attempt(holders, opens_norms)
                except _NoNormsError:
                    opens_norms = False
                    holders = tuple(set(holders) & self._desk.hub.members())
        except _FailedError as error:
            get_log().warning("training.sum_failed", reason=error.reason)
            return self._nothing(error.reason, opens_norms)

    async def _attempt(self, holders: tuple[MemberId, ...], opens_norms: bool) -> SumOutcome:
        attempt = _Attempt(self._desk, self._order, self._until, holders)
        opened = await attempt.open(opens_norms)
        self._desk.hub.listen(opened.opening.sum_id, attempt)
        try:
            outcome = await attempt.lead()
        finally:
            self._desk.hub.stop_listening(opened.opening.sum_id)
            self._rejected |= attempt.rejected
            self._absent |= attempt.absent()
        return outcome

    def _can_open_norms(self, holders: Collection[MemberId]) -> bool:
        charter = self._desk.charter()
        return holders_for_norms(charter.threshold) <= len(holders)

    def _nothing(self, reason: str, opens_norms: bool) -> SumOutcome:
        others = set(self._order.members) - self._rejected.keys() - self._absent.keys()
        absent = self._absent | dict.fromkeys(others, ("late", reason))
        return SumOutcome(np.zeros(0, np.int64), (), self._rejected, absent, opens_norms)


class _Attempt:
    """One opening of a sum; hears what the members say to it."""

    def __init__(
        self, desk: SumDesk, order: SumOrder, until: float, holders: tuple[MemberId, ...]
    ) -> None:
        self._desk = desk
        self._order = order
        self._started, self._until = time.monotonic(), until
        self._holders = holders
        self._opened: Sum
        self._opens_norms = False
        self._heard: dict[tuple[int, MemberId], Speech] = {}
        self._bodies: list[Said] = []
        self._lost: set[MemberId] = set()
        self._declined: dict[tuple[int, MemberId], str] = {}
        self._step: int = SHARES
        self._changed = asyncio.Event()
        self.rejected: dict[MemberId, str] = {}

    def absent(self) -> dict[MemberId, tuple[str, str]]:
        """Return who of the contributors is not there any more, or said no."""
        found = dict.fromkeys(self._lost, ("lost", LOST))
        for (part, name), reason in self._declined.items():
            if part in (SHARES, ECHO):
                found.setdefault(name, ("late" if reason == LATE else "refused", reason))
        return {name: why for name, why in found.items() if name in self._order.members}

    def hear(self, member: MemberId, speech: Speech) -> None:
        """Take what a member said; what is not its own, or said before, is dropped."""
        if speech.speaker == member and speech.plan == self._order.plan and speech.body:
            self._heard.setdefault((speech.part, member), speech)
            self._changed.set()

    def miss(self, member: MemberId, reason: str) -> None:
        """Hear that a member is lost, or does not do what it is asked for at this step."""
        if reason == LOST:
            self._lost.add(member)
        else:
            self._declined.setdefault((self._step, member), reason)
        self._changed.set()

    def _is_gone(self, part: int, member: MemberId) -> bool:
        return member in self._lost or (part, member) in self._declined

    async def open(self, opens_norms: bool) -> Sum:
        """Open the sum.

        Raises:
            _FailedError: There are too few holders or contributors.
        """
        charter, order = self._desk.charter(), self._order
        if len(self._holders) < max(2, charter.threshold):
            raise _FailedError(HOLDERS_MISSING)
        company = await asyncio.to_thread(self._desk.company.invited, order, self._desk.clock())
        for outsider in set(order.members) - set(company):
            self._declined[SHARES, outsider] = "SUM_REPEATED"
        if len(set(order.members) & set(company)) < order.least:
            raise _FailedError("SUM_TOO_FEW")
        self._opens_norms = opens_norms and order.scale is not None
        deadline = self._desk.deadline(order.seconds)
        self._opened = open_order(
            charter, self._desk.me, order, company, deadline, opens_norms=self._opens_norms
        )
        return self._opened

    async def lead(self) -> SumOutcome:
        """Lead the sum to its total.

        Raises:
            _FailedError: Nothing opens.
            _NoNormsError: Too few holders checked to open norms.
        """
        rows = self._order.scale.rows if self._order.scale and self._opens_norms else 0
        opening = self._speak(self._opened.opening, rows)
        invited = [name for name in self._order.members if not self._is_gone(SHARES, name)]
        self._bodies.append(Said(self._desk.me, self._desk.clock(), self._opened.opening))
        await self._tell({*invited, *self._holders}, [opening])
        shares = await self._gather(SHARES, invited, 0)
        self._require(len(shares))
        await self._tell(self._holders, [*shares.values(), self._request(CHECK)])
        checks = await self._gather(CHECK, self._holders, 1)
        state = await asyncio.to_thread(self._fold)
        accepted = await asyncio.to_thread(self._judge, state, len(checks))
        said = await self._close(state, accepted)
        echoes = await self._repeat(said, accepted)
        await self._answer(checks, echoes)
        return await asyncio.to_thread(self._read)

    def _require(self, count: int) -> None:
        if count < self._order.least:
            raise _FailedError("SUM_TOO_FEW")

    async def _close(self, state: SumState, accepted: list[MemberId]) -> SumClose:
        """Close over the accepted vectors.

        Raises:
            _FailedError: SUM_TOO_FEW, or SUM_REPEATED, where the same was summed in other company.
        """
        self._require(len(accepted))
        now = self._desk.clock()
        names = await asyncio.to_thread(self._desk.company.closed, self._order, accepted, now)
        if names is None:
            raise _FailedError("SUM_REPEATED")
        for outsider in set(accepted) - set(names):
            self._declined[SHARES, outsider] = "SUM_REPEATED"
        waiting = state.waiting_shares()
        digests = b"".join(waiting[name][0] for name in names)
        return SumClose(self._opened.opening.sum_id, names, digests)

    async def _repeat(self, said: SumClose, accepted: Iterable[MemberId]) -> list[Speech]:
        """Say the close, and wait until each contributor has repeated it."""
        close = self._speak(said)
        self._bodies.append(Said(self._desk.me, self._desk.clock(), said))
        await self._tell({*accepted, *self._holders}, [close])
        echoes = await self._gather(ECHO, said.contributors, 2)
        digest = self._opened.close_digest(said)
        for one in self._bodies:
            if isinstance(one.body, SumEcho) and one.body.close_digest != digest:
                self.rejected[one.member] = "PROTOCOL: repeated another close"
        if len(echoes) < len(said.contributors) or self.rejected.keys() & set(said.contributors):
            raise _FailedError(NOT_OPENED)
        return list(echoes.values())

    async def _answer(self, checks: Mapping[MemberId, Speech], echoes: list[Speech]) -> None:
        """Let the holders answer; each gets what the others found."""
        ask = self._request(PARTIAL)
        holders = [name for name in self._holders if name in checks and name not in self._lost]
        for holder in holders:
            others = [speech for name, speech in checks.items() if name != holder]
            await self._tell([holder], [*others, *echoes, ask])
        enough = self._opened.opening.threshold
        await self._gather(PARTIAL, holders, 3, enough=enough)

    def _judge(self, state: SumState, checks: int) -> list[MemberId]:
        """Return whose vectors count, and note why the others' do not.

        Raises:
            _NoNormsError: Too few holders checked to open norms.
            _FailedError: HOLDERS_MISSING.
        """
        if checks < self._opened.opening.threshold:
            raise _FailedError(HOLDERS_MISSING)
        accepted = []
        for name, found in judge(state).items():
            if found.standing is Standing.WAITING:
                if self._opens_norms:
                    raise _NoNormsError
                raise _FailedError(HOLDERS_MISSING)
            why = self._why_not(name, found)
            if why:
                self.rejected[name] = why
                get_log().warning("training.sum_rejected", member=name, reason=why.split(":")[0])
            else:
                accepted.append(name)
        return accepted

    def _why_not(self, name: MemberId, found: Finding) -> str:
        """Return why a vector does not count; empty where it does."""
        scale = self._order.scale
        if found.norms and scale is not None:
            try:
                scale.judge(found.norms, self._order.row_caps[name])
            except UpdateError as error:
                return f"{error.reason}: {error}"
        if found.reason is None:
            return ""
        return f"{_REASONS.get(found.reason, 'PROTOCOL')}: {found.reason}"

    def _read(self) -> SumOutcome:
        keys = {one.member: one.signing_key for one in self._desk.charter().members}
        try:
            total = read_total(self._fold(), keys)
        except (SumFaultError, SumRefusedError) as error:
            raise _FailedError(error.reason) from error
        if total.liars:
            names = ", ".join(total.liars)
            get_log().warning("training.holder_lied", member=names, count=len(total.liars))
        return SumOutcome(
            units=total.units,
            contributors=total.contributors,
            rejected=self.rejected,
            absent=self.absent(),
            norms_opened=self._opens_norms or self._order.scale is None,
        )

    def _fold(self) -> SumState:
        charter, opened = self._desk.charter(), self._opened
        keys = {one.member: one.signing_key for one in charter.members}
        return fold_sum(charter.federation, opened.opening.sum_id, self._bodies, keys)

    def _read_all(self, found: Mapping[MemberId, Speech]) -> dict[MemberId, Speech]:
        """Add what was said to what the sum is folded from; who says nonsense is named."""
        now, good = self._desk.clock(), {}
        for name, speech in found.items():
            try:
                speech.verify(self._desk.charter().member(name).signing_key)
                self._bodies.append(Said(name, now, speech.read()))
                good[name] = speech
            except PeerError as error:
                get_log().warning("training.sum_malformed", member=name, reason=error.reason)
                if speech.part in (SHARES, ECHO):
                    self.rejected[name] = f"PROTOCOL: {error}"
        return good

    def _speak(self, body: SumBody, rows: int = 0) -> Speech:
        return speak(self._order.plan, self._desk.me, body, self._desk.key, rows)

    def _request(self, part: int) -> Speech:
        return Speech(self._order.plan, self._opened.opening.sum_id, part, self._desk.me)

    async def _tell(self, members: Collection[MemberId], speeches: Iterable[Speech]) -> None:
        """Say things to members, beside one another; one that does not read holds up nobody."""
        pieces = [piece for said in speeches for piece in to_pieces(said, self._desk.me)]
        left = max(0.0, self._until - time.monotonic())
        telling = [asyncio.create_task(self._desk.hub.say(name, pieces)) for name in members]
        _, stuck = await asyncio.wait(telling, timeout=left) if telling else (set(), set())
        for task in stuck:
            task.cancel()

    async def _gather(
        self, part: int, members: Collection[MemberId], step: int, enough: int | None = None
    ) -> dict[MemberId, Speech]:
        """Return who has said a part in due form; each says it, is lost, or its time is over.

        Args:
            part: What they say.
            members: From whom.
            step: Place in ``STEPS``.
            enough: So many suffice; more are waited for only a little.
        """
        self._step = part
        span = self._until - self._started
        until = self._started + STEPS[step] * span
        while True:
            self._changed.clear()
            found = {
                name: self._heard[part, name] for name in members if (part, name) in self._heard
            }
            waited = [one for one in members if one not in found and not self._is_gone(part, one)]
            if enough is not None and len(found) >= enough:
                until, enough = min(until, time.monotonic() + LINGER_SECONDS), None
            left = until - time.monotonic()
            if not waited or left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                continue
        for name in waited:
            self.miss(name, LATE)
        return await asyncio.to_thread(self._read_all, found)
