"""Publish case briefs without anybody in them, and read those of others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.briefs import BriefError, BriefText, check_texts, open_texts, seal_key, seal_texts
from federation.charter import Charter
from federation.names import MemberId
from federation.roles import SPEAKING
from federation.statements import (
    CaseBrief,
    ClueSubject,
    Statement,
    StatementError,
    decode_statement,
)
from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    LureClass,
    Purpose,
    SupplyRole,
    TrafficLight,
)
from keys.sealing import CONTENT_KEY_BYTES, SealingKey
from node.desk.voice import Voice
from node.errors import RequestError
from tocsin.desk.v1 import desk_service_pb2

MAX_BRIEFS: Final = 200
"""Briefs in one answer: more than a person reads."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person wants to publish; ``readers`` empty: every member with a log."""

    fraud_type: FraudType
    stages: tuple[FraudStage, ...]
    lures: tuple[LureClass, ...]
    supply_roles: tuple[SupplyRole, ...]
    values: Sequence[desk_service_pb2.RawIndicator]
    texts: tuple[BriefText, ...]
    tlp: TrafficLight
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadBrief:
    """A brief as this member may read it; ``withheld`` says why there are no words."""

    member: MemberId
    statement: Statement
    body: CaseBrief
    texts: tuple[BriefText, ...]
    withheld: str


class Briefs:
    """The briefs of one node."""

    def __init__(self, voice: Voice, charter: Callable[[], Charter], sealing: SealingKey) -> None:
        """Prepare.

        Args:
            voice: What the member speaks with.
            charter: The one in force.
            sealing: The member's key, for briefs that are sealed to it.
        """
        self._voice = voice
        self._charter = charter
        self._sealing = sealing
        self._me = MemberId(voice.member)

    async def publish(self, draft: Draft) -> bytes:
        """Publish a brief and return its statement's id.

        Raises:
            BriefError: BRIEF_NOT_CLEAN names rules and places; nothing was said.
            RequestError: READERS_MISSING, READER_UNKNOWN, or a value is malformed.
        """
        self._voice.speaker.require_may_say(CaseBrief)
        check_texts(draft.texts)
        readers = self._readers(draft)
        taken = await self._voice.intake.take(draft.values, Purpose.VERIFICATION, self._voice.pad())
        for why in taken.refused.values():
            raise RequestError(why.message, reason=why.reason)
        subjects = tuple(
            {
                one.token: ClueSubject(one.token, one.indicator.kind, self._voice.epoch())
                for one in taken.known
            }.values()
        )
        key = os.urandom(CONTENT_KEY_BYTES)
        sealed = await asyncio.to_thread(
            seal_key, key, self._charter().federation, self._me, readers
        )
        try:
            body = CaseBrief(
                draft.fraud_type,
                draft.stages,
                draft.lures,
                draft.supply_roles,
                subjects,
                tuple(readers),
                sealed,
                seal_texts(draft.texts, key),
            )
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        statement = self._voice.speaker.statement(
            body, Purpose.VERIFICATION, legal_basis=LegalBasis.ATNFL_32, tlp=draft.tlp
        )
        async with self._voice.speaker.lock:
            await self._voice.speaker.say([statement])
        return statement.id

    def all(self) -> list[ReadBrief]:
        """Return the briefs of all members, newest first; blocking."""
        charter, found = self._charter(), []
        for row in self._voice.stores.catalogue.briefs(MAX_BRIEFS):
            statement = decode_statement(row.body)
            body = statement.body
            known = charter.find(MemberId(row.member))
            if known is None or not isinstance(body, CaseBrief) or not known.roles & SPEAKING:
                continue
            if not known.is_revoked(statement.issued_time):
                found.append(self._read(known.member, statement, body))
        return found

    def _read(self, member: MemberId, statement: Statement, body: CaseBrief) -> ReadBrief:
        try:
            federation = self._charter().federation
            texts = open_texts(body, federation, member, self._me, self._sealing)
        except BriefError as error:
            return ReadBrief(member, statement, body, (), error.reason)
        return ReadBrief(member, statement, body, texts, "")

    def _readers(self, draft: Draft) -> dict[MemberId, bytes]:
        """Return who may read by the brief's traffic light; the speaker always may.

        Raises:
            RequestError: READERS_MISSING where RED names nobody, READER_UNKNOWN.
        """
        able = {
            one.member: one.sealing_key
            for one in self._charter().active(self._voice.clock())
            if one.roles & SPEAKING
        }
        if not draft.readers:
            if draft.tlp is TrafficLight.RED:
                raise RequestError(
                    "TLP:RED is for the readers that are named", reason="READERS_MISSING"
                )
            return able
        if not able.keys() >= set(draft.readers):
            raise RequestError("a reader is no member with a log", reason="READER_UNKNOWN")
        named = {self._me, *(MemberId(name) for name in draft.readers)}
        return {member: key for member, key in able.items() if member in named}
