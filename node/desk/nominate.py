"""Nominate: parse, guard, tokenise, seal, say. Durable when answered; repeats change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from federation.indicators import Indicator, Kind
from federation.statements import Nomination, Statement, StatementError, nomination_id
from federation.verdict import default_term_seconds
from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    Origin,
    Purpose,
    SubjectRole,
    TrafficLight,
)
from keys.sealing import seal_to_indicator
from node.desk.intake import APPEAL_CONTACT, APPEAL_CONTACT_SECONDS, Known, Refusal
from node.desk.own_claims import Held
from node.desk.voice import Voice
from tocsin.desk.v1 import desk_service_pb2 as wire

DETAILS_CONTEXT = b"nomination-details/v1"
MAX_DETAILS_BYTES = 16_384

WITHDRAWN = Refusal(
    "NOMINATION_WITHDRAWN", "a person took this model's nomination back: it is not said again"
)
PROTECTED = Refusal("PROTECTED_OBJECT", "this object is protected: it must not be acted on")


@dataclass(frozen=True, slots=True)
class _Manner:
    """How the rows of a call are said."""

    legal_basis: LegalBasis
    tlp: TrafficLight
    scored_by: ScoredBy | None


@dataclass(frozen=True, slots=True)
class _Claim:
    """A row as the statement that it asks for."""

    known: Known
    statement: Statement
    term_given: bool


class _RefusedError(Exception):
    """A row is not said."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.reason)
        self.why = why


@dataclass(frozen=True, slots=True)
class ScoredBy:
    """The model whose scores led to nominations.

    Attributes:
        digest: Of the model, 32 bytes.
        remember: Called before anything is said with place and token of each new nomination;
            blocking.
    """

    digest: bytes
    remember: Callable[[Sequence[tuple[int, bytes]]], None]


class Nominator:
    """Turns raw rows into nominations of one member."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    async def nominate(
        self,
        rows: Sequence[wire.NominationRow],
        legal_basis: LegalBasis,
        tlp: TrafficLight,
        scored_by: ScoredBy | None = None,
    ) -> list[wire.RowResult]:
        """Nominate rows; each gets its own result, in order.

        Args:
            rows: What to say.
            legal_basis: What it rests on.
            tlp: How far it may travel.
            scored_by: The model that led to it; None where a person or a rule did. What a model
                says stands beside a person's word and never in its place, and what a person took
                back of it is not said again.

        Raises:
            UnavailableError: No token can be made now; nothing was said.
            PolicyError: ROLE_NOT_ALLOWED, or the holders refuse; nothing was said.
        """
        self._voice.speaker.require_may_say(Nomination)
        indicators, refused = await self._voice.intake.parse(row.indicator for row in rows)
        guarded, contacts = await asyncio.to_thread(self._guard_locally, indicators)
        refused.update(dict.fromkeys(contacts, APPEAL_CONTACT))
        refused.update(dict.fromkeys(guarded, PROTECTED))
        open_rows = {place: one for place, one in indicators.items() if place not in refused}
        sealing = [place for place in open_rows if rows[place].details]
        known = await self._voice.intake.tokenise(
            open_rows, Purpose.NOMINATION, self._voice.pad(), sealing
        )
        async with self._voice.speaker.lock:
            return await self._say(rows, known, refused, _Manner(legal_basis, tlp, scored_by))

    def _guard_locally(self, indicators: Mapping[int, Indicator]) -> tuple[set[int], set[int]]:
        """Return the places of protected values, and of those given in an appeal."""
        values = {place: (one.kind.value, one.value) for place, one in indicators.items()}
        private, since = self._voice.stores.private, self._voice.clock() - APPEAL_CONTACT_SECONDS
        hits = private.protected_values(set(values.values()))
        contacts = private.appeal_contacts(values.values(), since)
        guarded = {place for place, value in values.items() if value in hits}
        return guarded, {place for place, value in values.items() if value in contacts}

    async def _say(
        self,
        rows: Sequence[wire.NominationRow],
        known: Sequence[Known],
        refused: dict[int, Refusal],
        manner: _Manner,
    ) -> list[wire.RowResult]:
        results = {place: _refused(why) for place, why in refused.items()}
        protected, held = await asyncio.to_thread(self._look_up, known)
        claims: dict[bytes, _Claim] = {}
        for one in known:
            try:
                claim = self._claim(rows[one.place], one, protected, manner)
            except _RefusedError as error:
                results[one.place] = _refused(error.why)
                continue
            # Of rows that claim the same, the last says how sure the member is.
            results[one.place] = _result(wire.ROW_OUTCOME_UNCHANGED, claim.statement.id)
            claims[claim.statement.id] = claim
        if manner.scored_by is not None:
            for claim in await asyncio.to_thread(self._withdrawn, claims):
                results[claim.known.place] = _refused(WITHDRAWN)
                del claims[claim.statement.id]
        fresh = await asyncio.to_thread(self._fresh, claims.values(), held)
        for claim in fresh:
            results[claim.known.place] = _result(wire.ROW_OUTCOME_ADDED, claim.statement.id)
        # First the values: whatever is in the log can be said again in a new key epoch.
        await asyncio.to_thread(self._remember, [claim.known for claim in fresh], manner)
        await self._voice.speaker.say([claim.statement for claim in fresh])
        return [results[place] for place in range(len(rows))]

    def _look_up(self, known: Sequence[Known]) -> tuple[set[bytes], Held]:
        tokens = [one.token for one in known]
        return self._voice.stores.verdicts.protected(tokens), self._voice.stores.claims.held(tokens)

    def _withdrawn(self, claims: Mapping[bytes, _Claim]) -> list[_Claim]:
        found = self._voice.stores.claims.withdrawn(list(claims))
        return [claims[statement] for statement in found]

    def _fresh(self, claims: Iterable[_Claim], held: Held) -> list[_Claim]:
        now, is_new = self._voice.clock(), self._voice.stores.claims.is_new
        return [
            claim
            for claim in claims
            if is_new(claim.statement, held, now, term_given=claim.term_given)
        ]

    def _claim(
        self,
        row: wire.NominationRow,
        one: Known,
        protected: set[bytes],
        manner: _Manner,
    ) -> _Claim:
        if one.token in protected:
            raise _RefusedError(PROTECTED)
        try:
            statement = self._statement(row, one, manner)
        except (StatementError, ValueError) as error:
            reason = getattr(error, "reason", "FIELD_INVALID")
            raise _RefusedError(
                Refusal(reason, "a field of the row is missing or out of range")
            ) from error
        return _Claim(one, statement, term_given=bool(row.expires_time.seconds))

    def _statement(self, row: wire.NominationRow, one: Known, manner: _Manner) -> Statement:
        nomination = Nomination(
            token=one.token,
            kind=one.indicator.kind,
            epoch=self._voice.epoch(),
            fraud_type=FraudType(row.fraud_type),
            stage=FraudStage(row.stage),
            subject_role=SubjectRole(row.subject_role),
            confidence=row.confidence,
            last_seen_time=row.last_seen_time.seconds or None,
            sealed_details=_seal(row.details, one),
            model_digest=manner.scored_by.digest if manner.scored_by else b"",
            origin=Origin(row.origin),
        )
        return self._voice.speaker.statement(
            nomination,
            Purpose.NOMINATION,
            statement_id=nomination_id(
                self._voice.member,
                one.token,
                kind=nomination.kind,
                epoch=nomination.epoch,
                fraud_type=nomination.fraud_type,
                stage=nomination.stage,
                subject_role=nomination.subject_role,
                model_digest=nomination.model_digest,
            ),
            legal_basis=manner.legal_basis,
            tlp=manner.tlp,
            expires_time=row.expires_time.seconds or self._default_expiry(one.indicator.kind),
        )

    def _default_expiry(self, kind: Kind) -> int:
        return self._voice.clock() + default_term_seconds(kind)

    def _remember(self, known: Sequence[Known], manner: _Manner) -> None:
        """Keep own raw values: a new key epoch is made from them. They never leave the node."""
        if manner.scored_by is not None:
            manner.scored_by.remember([(one.place, one.token) for one in known])
        self._voice.stores.private.put_values(
            [(one.token, one.indicator.kind.value, one.indicator.value) for one in known],
            self._voice.epoch(),
        )


def _seal(details: str, one: Known) -> bytes:
    if not details or one.content_key is None:
        return b""
    plain = details.encode()
    if len(plain) > MAX_DETAILS_BYTES:
        raise ValueError("details too long")
    return seal_to_indicator(one.content_key, plain, DETAILS_CONTEXT)


def _refused(why: Refusal) -> wire.RowResult:
    return wire.RowResult(outcome=wire.ROW_OUTCOME_REFUSED, error=why.wire())


def _result(outcome: wire.RowOutcome.ValueType, statement_id: bytes) -> wire.RowResult:
    return wire.RowResult(outcome=outcome, statement_id=statement_id)
