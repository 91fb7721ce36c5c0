"""Find sites of SIM farms with the other carriers, by private sums over slots of bucket tokens.

One sum gives the totals of all slots of an hour; those that reach the threshold are split by a
second sum, rarely a third, which gives the tokens. Every carrier works out by itself, from the
total that all can read, which slots that are, and answers for no others and with nobody else.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.charter import Charter
from federation.farm import (
    LARGEST_PART,
    MAX_SIMS,
    MAX_STEPS,
    ROOT,
    WINDOW_SECONDS,
    Site,
    Slot,
    part_labels,
    part_vector,
    reached,
    read_parts,
    root_labels,
    root_vector,
    split,
    split_subject,
    window_subject,
)
from federation.packing import pack
from federation.roles import Role
from federation.statements import FarmAlert
from federation.statements.shape import IDENTIFIER_BYTES
from federation.sums import Total
from federation.vocabulary import Purpose
from node.duties.carriers import Carriers
from node.duties.farm_alerts import FarmAlerts, ToldSite
from node.duties.farm_table import KEPT_SECONDS, FarmTable, SuspectSim
from node.errors import RequestError
from node.speaker import Speaker
from node.sums.carrier import Sums
from node.sums.following import draft_after, find_first, is_after, total_of
from node.sums.opener import SumDraft
from node.sums.records import SumHead
from node.sums.sources import Asked, Source

SLOTS: Final = "FARM_SLOTS"
PARTS: Final = "FARM_PARTS"
WAIT_SECONDS: Final = 60
"""Seconds that carriers have for each sum: their nodes answer by themselves."""
ALERT_SECONDS: Final = 90 * 86_400
"""Seconds that an alert counts: a farm that is still there is found again."""
OnTold = Callable[[ToldSite], Awaitable[None]]
"""Does what follows an own alert; of one that it was given before, nothing."""
_MAY_DETECT: Final = frozenset({Role.CARRIER, Role.COORDINATOR})
_ALERT_ID: Final = b"tocsin/farm/alert/1"


@dataclass(frozen=True, slots=True)
class Detected:
    """What came of looking at one hour.

    Attributes:
        sites: Over the threshold.
        said: How many of them nobody had told before.
        unresolved: Slots over the threshold that are no single site.
        contributors: Carriers in the sum.
    """

    sites: tuple[Site, ...]
    said: int
    unresolved: int
    contributors: int


@dataclass(frozen=True, slots=True)
class _Step:
    """One sum on the way: of which hour, and which slots it adds up."""

    window: int
    slots: tuple[Slot, ...]


class Farms:
    """Opens the sums over suspect SIMs, and answers those of others."""

    def __init__(
        self,
        table: FarmTable,
        alerts: FarmAlerts,
        sums: Sums,
        speaker: Speaker,
        charter: Callable[[], Charter],
        epoch: Callable[[], int],
        on_told: OnTold,
    ) -> None:
        """Count as the member whose sums these are.

        Args:
            table: Own suspect SIMs.
            alerts: What the logs tell.
            sums: The member's part in private sums.
            speaker: Adds to the own log.
            charter: Returns the one in force.
            epoch: Returns the epoch of the token keys in use.
            on_told: Called for each site that this member told, perhaps again.
        """
        self.table = table
        self._alerts = alerts
        self._sums = sums
        self._speaker = speaker
        self._charter = charter
        self.carriers = Carriers(sums.me, charter, sums.now)
        self._epoch = epoch
        self._on_told = on_told
        purposes = frozenset({Purpose.VERIFICATION})
        sentence = "own suspect SIMs of an hour, by slot of the site's token"
        sums.sources.register(Source(SLOTS, sentence, purposes, self._count_slots))
        sentence = "own suspect SIMs of an hour in slots over the threshold, with tokens"
        sums.sources.register(Source(PARTS, sentence, purposes, self._count_parts))

    async def detect(self, window: int, seconds: int = WAIT_SECONDS) -> Detected:
        """Look at one hour with all carriers, and say an alert for each site not told before.

        Args:
            window: Seconds since 1970 of the hour's beginning.
            seconds: That carriers have for each sum.

        Raises:
            RequestError: FARM_WINDOW_INVALID.
            PolicyError: ROLE_NOT_ALLOWED or FARM_CARRIERS_FEW.
            SumRefusedError: SUM_REPEATED, this hour was looked at with other carriers.
            UnavailableError: A sum came to nothing, or not in time.
        """
        self._require_may_detect()
        now = self._sums.now()
        if window % WINDOW_SECONDS or not now - KEPT_SECONDS < window <= now:
            raise RequestError(
                "an hour of the last 31 days is looked at", reason="FARM_WINDOW_INVALID"
            )
        draft = SumDraft(
            SLOTS,
            root_labels(),
            Purpose.VERIFICATION,
            contributors=self.carriers.all(),
            seconds=seconds,
            largest=MAX_SIMS,
            subject=window_subject(window),
        )
        sum_id = await self._sums.open(draft)
        total = await self._sums.wait(sum_id, seconds + WAIT_SECONDS)
        sites, unresolved = await self._split(sum_id, total, seconds)
        said = [site for site in sites if await self._alert(site, window, sum_id)]
        return Detected(sites, len(said), unresolved, len(total.contributors))

    def sites(self) -> list[tuple[ToldSite, list[SuspectSim]]]:
        """Return the sites that were told, newest first, each with the own numbers there."""
        known: dict[tuple[bytes, int], ToldSite] = {}
        for row in self._alerts.all():
            known.setdefault((row.token, row.window), row)
        return [(row, self.table.sims(row.token, row.window)) for row in known.values()]

    async def tell_again(self) -> None:
        """Do again what follows each own alert that counts: the node may have ended before it.

        Raises:
            FederationError: Or another error of what follows.
        """
        now = self._sums.now()
        for told in await asyncio.to_thread(self._alerts.all):
            if told.member == self._sums.me and not 0 < told.expires <= now:
                await self._on_told(told)

    async def _split(
        self, sum_id: bytes, total: Total, seconds: int
    ) -> tuple[tuple[Site, ...], int]:
        sites: tuple[Site, ...] = ()
        slots = reached(ROOT, total.units)
        for _ in range(MAX_STEPS):
            if not slots:
                break
            children = split(slots)
            draft = SumDraft(
                PARTS,
                part_labels(children),
                Purpose.VERIFICATION,
                seconds=seconds,
                largest=LARGEST_PART,
                subject=split_subject(sum_id),
            )
            sum_id = await self._sums.open(draft_after(total, draft))
            total = await self._sums.wait(sum_id, seconds + WAIT_SECONDS)
            more, slots = read_parts(children, total.units)
            sites += more
        return sites, len(slots)

    async def _alert(self, site: Site, window: int, sum_id: bytes) -> bool:
        """Say a site unless somebody has; nothing below the threshold comes here."""
        alert = FarmAlert(
            token=site.token,
            epoch=self._epoch(),
            window_time=window,
            total=site.total,
            sum_id=sum_id,
        )
        async with self._speaker.lock:
            told = await asyncio.to_thread(self._alerts.all)
            if any((row.token, row.window) == (site.token, window) for row in told):
                return False
            statement = self._speaker.statement(
                alert,
                Purpose.VERIFICATION,
                statement_id=alert_id(site.token, window),
                expires_time=self._sums.now() + ALERT_SECONDS,
            )
            await self._speaker.say([statement])
        about = (site.token, window, self._sums.me, site.total)
        expires = statement.expires_time or 0
        await self._on_told(
            ToldSite(*about, statement.issued_time, statement.id, alert.epoch, expires)
        )
        return True

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._sums.now()

    def _require_may_detect(self) -> None:
        self._speaker.require_may_say(FarmAlert)
        self.carriers.require_enough("sites are looked for by", "FARM_CARRIERS_FEW")

    def _count_slots(self, asked: Asked) -> NDArray[np.int64] | None:
        window = self._window(asked.subject, asked.now)
        if window is None or asked.labels != root_labels() or not self._may_ask(asked):
            return None
        if asked.opening.contributors != self.carriers.all():
            return None
        return root_vector(self.table.counts(window, self._epoch()))

    def _count_parts(self, asked: Asked) -> NDArray[np.int64] | None:
        parent = self._parent(asked.subject)
        if parent is None or not self._may_ask(asked):
            return None
        total = self._total(parent)
        if not is_after(total, asked.opening):
            return None
        step = self._step_after(parent, total)
        if step is None or asked.labels != part_labels(step.slots):
            return None
        return part_vector(self.table.counts(step.window, self._epoch()), step.slots)

    def _may_ask(self, asked: Asked) -> bool:
        opener = self._charter().find(asked.opener)
        return opener is not None and bool(opener.roles & _MAY_DETECT)

    def _window(self, subject: bytes, now: int) -> int | None:
        newest = now - now % WINDOW_SECONDS
        for window in range(newest, now - KEPT_SECONDS, -WINDOW_SECONDS):
            if window_subject(window) == subject:
                return window
        return None

    def _parent(self, subject: bytes) -> SumHead | None:
        """Return the sum whose slots are split by one about this subject."""
        return find_first(self._sums.records, subject, split_subject)

    def _total(self, head: SumHead) -> Total:
        return total_of(self._sums.records, head, self._sums.now())

    def _step(self, head: SumHead, depth: int = 0) -> _Step | None:
        """Return which slots a sum adds up; None where it is none of ours."""
        labels = head.labels
        if labels is None or depth > MAX_STEPS:
            return None
        if labels.source == SLOTS:
            window = self._window(labels.subject, self._sums.now())
            return None if window is None else _Step(window, ROOT)
        parent = self._parent(labels.subject) if labels.source == PARTS else None
        return None if parent is None else self._step_after(parent, self._total(parent), depth + 1)

    def _step_after(self, head: SumHead, total: Total, depth: int = 0) -> _Step | None:
        """Return the step that follows a sum with this total."""
        step = self._step(head, depth)
        if step is None:
            return None
        if step.slots == ROOT:
            full = reached(ROOT, total.units)
        else:
            _, full = read_parts(step.slots, total.units)
        return _Step(step.window, split(full)) if full else None


def alert_id(token: bytes, window: int) -> bytes:
    """Return the id of a site's alert, 16 bytes: the same site and hour have the same."""
    return hashlib.sha256(pack(_ALERT_ID, token, window.to_bytes(8))).digest()[:IDENTIFIER_BYTES]
