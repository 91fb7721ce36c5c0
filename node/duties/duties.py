"""Say and show duties: what a regulator lists, what members adopt and attest, who is overdue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.charter import Charter
from federation.matters import AnyMatter, Kind, State, advance
from federation.matters.responsibility import ROLE_OF, DutyMatter, item_digest
from federation.names import FederationName, MemberId, Origin
from federation.statements import Body, DutyAdoption, DutyAttestation, DutyItem, DutyWithdrawal
from federation.vocabulary import Purpose
from node.errors import RequestError
from node.log.ledger import Ledger
from node.matters.book import MatterBook
from node.speaker import Speaker
from node.store.catalogue import Catalogue, MatterName

NOT_ADOPTED: Final = "NOT_ADOPTED"
ON_TIME: Final = "ON_TIME"
OVERDUE: Final = "OVERDUE"
RETIRED: Final = "RETIRED"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one member keeps one duty.

    Attributes:
        adopted: When it was adopted; None: not yet.
        period: To attest next; 0: none.
        due: By when, or by when it is to be adopted; None once the duty is retired.
    """

    member: MemberId
    state: str
    adopted: int | None
    period: int
    due: int | None
    attested: int


@dataclass(frozen=True, slots=True)
class Proved:
    """One entry of a log with the proof that it is there, and the signed checkpoint."""

    origin: Origin
    index: int
    body: bytes
    hashes: tuple[bytes, ...]
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class Logs:
    """What adoptions are proved from."""

    federation: FederationName
    ledger: Ledger
    catalogue: Catalogue


class Duties:
    """The duties of one federation, as one member sees and says them."""

    def __init__(
        self,
        me: MemberId,
        book: MatterBook,
        speaker: Speaker,
        logs: Logs,
        charter: Callable[[], Charter],
        clock: Callable[[], int],
    ) -> None:
        self.me = me
        self._book = book
        self._speaker = speaker
        self._logs = logs
        self._charter = charter
        self._clock = clock

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._clock()

    async def publish(self, item: DutyItem) -> bytes:
        """List a duty and return its id.

        Raises:
            MatterError: ROLE_NOT_ALLOWED or DUE_TIME_PAST.
        """
        return await self._say(None, item)

    async def adopt(self, prefix: bytes) -> bytes:
        """Adopt a duty; return the statement's id.

        Raises:
            RequestError: As ``MatterBook.find``.
            MatterError: The table does not allow it.
        """
        matter = await asyncio.to_thread(self._find, prefix)
        digest = item_digest(matter.facts.item)
        return await self._say(matter, DutyAdoption(matter.id, matter.opener, digest))

    async def attest(self, prefix: bytes, period: int, evidence: bytes) -> tuple[bytes, int]:
        """Attest a duty for a period, 0 for the next; return the statement's id and the period.

        Raises:
            RequestError: As ``MatterBook.find``.
            MatterError: The table does not allow it.
        """
        matter = await asyncio.to_thread(self._find, prefix)
        adopted = matter.facts.adopted.get(self.me)
        asked = period or (adopted.next if adopted else 1)
        body = DutyAttestation(matter.id, matter.opener, asked, evidence)
        return await self._say(matter, body), asked

    async def withdraw(self, prefix: bytes) -> None:
        """Take an own duty off the list.

        Raises:
            RequestError: As ``MatterBook.find``.
            MatterError: The table does not allow it.
        """
        matter = await asyncio.to_thread(self._find, prefix)
        await self._say(matter, DutyWithdrawal(matter.id, matter.opener))

    def all(self) -> list[DutyMatter]:
        """Return every duty, newest first; blocking."""
        return [one.matter for one in self._book.all(Kind.RESPONSIBILITY)]

    def standings(self, matter: DutyMatter, now: int) -> list[Standing]:
        """Return how each member of a duty's sectors keeps it, and whoever adopted it."""
        roles = {ROLE_OF[sector] for sector in matter.facts.item.sectors}
        concerned = {one.member for one in self._charter().active(now) if one.roles & roles}
        members = sorted(concerned | matter.facts.adopted.keys())
        return [_standing(matter, member, now) for member in members]

    def prove(self, prefix: bytes, member: MemberId) -> tuple[Proved, Proved]:
        """Prove a duty and a member's adoption of it; blocking.

        Raises:
            RequestError: As ``MatterBook.find``, or DUTY_NOT_ADOPTED.
        """
        matter = self._find(prefix)
        steps = [one for one in self._book.history(matter).steps if one.error is None]
        bodies = {one.member: one for one in steps if isinstance(one.statement.body, DutyAdoption)}
        adoption = bodies.get(member)
        if adoption is None:
            raise RequestError("the member has not adopted this duty", reason="DUTY_NOT_ADOPTED")
        item = self._prove(matter, matter.opener, steps[0].statement.id)
        return item, self._prove(matter, member, adoption.statement.id)

    def _prove(self, matter: AnyMatter, member: MemberId, statement_id: bytes) -> Proved:
        logs = self._logs
        name = MatterName(matter.kind, matter.id, matter.opener)
        index = logs.catalogue.matter_position(name, member, statement_id)
        origin = Origin(logs.federation, member)
        proof = logs.ledger.prove_inclusion(origin, index, logs.ledger.size(origin))
        body = logs.ledger.entry(origin, index) or b""
        return Proved(origin, index, body, proof.hashes, proof.checkpoint)

    def _find(self, prefix: bytes) -> DutyMatter:
        return self._book.find(prefix, Kind.RESPONSIBILITY).matter

    async def _say(self, matter: DutyMatter | None, body: Body) -> bytes:
        """Say something about a duty, after trying it on the table."""
        statement = self._speaker.statement(body, Purpose.OPERATION)
        advance(matter, self.me, self._book.roles(self.me, self._clock()), statement)
        async with self._speaker.lock:
            await self._speaker.say([statement])
        return statement.id


def _standing(matter: DutyMatter, member: MemberId, now: int) -> Standing:
    facts = matter.facts
    adopted = facts.adopted.get(member)
    time, count = (adopted.time, len(adopted.attested)) if adopted else (None, 0)
    if matter.state is State.RETIRED:
        return Standing(member, RETIRED, time, 0, None, count)
    if adopted is None:  # who has not adopted it when the first period is over has not kept it
        last = facts.item.first_due_time + facts.item.grace_seconds
        state = OVERDUE if last < now else NOT_ADOPTED
        return Standing(member, state, None, 0, facts.item.first_due_time, 0)
    state = OVERDUE if facts.red_from(member) < now else ON_TIME
    return Standing(member, state, time, adopted.next, facts.due(adopted.next), count)
