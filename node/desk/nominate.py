"""Nominate: parse, guard, tokenise, seal, say. Durable when answered; repeats change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from federation.indicators import Indicator, Kind
from federation.statements import Nomination, Statement, StatementError, nomination_id
from federation.verdict import default_term_seconds
from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    Purpose,
    SubjectRole,
    TrafficLight,
)
from keys.sealing import seal_to_indicator
from node.desk.intake import Known, Refusal
from node.desk.own_claims import Held
from node.desk.voice import Voice
from tocsin.desk.v1 import desk_service_pb2 as wire

DETAILS_CONTEXT = b"nomination-details/v1"
MAX_DETAILS_BYTES = 16_384

PROTECTED = Refusal("PROTECTED_OBJECT", "this object is protected: it must not be acted on")


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


class Nominator:
    """Turns raw rows into nominations of one member."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    async def nominate(
        self,
        rows: Sequence[wire.NominationRow],
        legal_basis: LegalBasis,
        tlp: TrafficLight,
    ) -> list[wire.RowResult]:
        """Nominate rows; each gets its own result, in order.

        Raises:
            UnavailableError: No token can be made now; nothing was said.
            PolicyError: ROLE_NOT_ALLOWED, or the holders refuse; nothing was said.
        """
        self._voice.speaker.require_may_say(Nomination)
        indicators, refused = await self._voice.intake.parse(row.indicator for row in rows)
        guarded = await asyncio.to_thread(self._guard_locally, indicators)
        refused.update(dict.fromkeys(guarded, PROTECTED))
        open_rows = {place: one for place, one in indicators.items() if place not in refused}
        sealing = [place for place in open_rows if rows[place].details]
        known = await self._voice.intake.tokenise(
            open_rows, Purpose.NOMINATION, self._voice.pad(), sealing
        )
        async with self._voice.speaker.lock:
            return await self._say(rows, known, refused, legal_basis, tlp)

    def _guard_locally(self, indicators: Mapping[int, Indicator]) -> set[int]:
        values = {place: (one.kind.value, one.value) for place, one in indicators.items()}
        hits = self._voice.stores.private.protected_values(set(values.values()))
        return {place for place, value in values.items() if value in hits}

    async def _say(
        self,
        rows: Sequence[wire.NominationRow],
        known: Sequence[Known],
        refused: dict[int, Refusal],
        legal_basis: LegalBasis,
        tlp: TrafficLight,
    ) -> list[wire.RowResult]:
        results = {place: _refused(why) for place, why in refused.items()}
        protected, held = await asyncio.to_thread(self._look_up, known)
        claims: dict[bytes, _Claim] = {}
        for one in known:
            try:
                claim = self._claim(rows[one.place], one, protected, legal_basis, tlp)
            except _RefusedError as error:
                results[one.place] = _refused(error.why)
                continue
            # Of rows that claim the same, the last says how sure the member is.
            results[one.place] = _result(wire.ROW_OUTCOME_UNCHANGED, claim.statement.id)
            claims[claim.statement.id] = claim
        fresh = await asyncio.to_thread(self._fresh, claims.values(), held)
        for claim in fresh:
            results[claim.known.place] = _result(wire.ROW_OUTCOME_ADDED, claim.statement.id)
        # First the values: whatever is in the log can be said again in a new key epoch.
        await asyncio.to_thread(self._remember, [claim.known for claim in fresh])
        await self._voice.speaker.say([claim.statement for claim in fresh])
        return [results[place] for place in range(len(rows))]

    def _look_up(self, known: Sequence[Known]) -> tuple[set[bytes], Held]:
        tokens = [one.token for one in known]
        return self._voice.stores.verdicts.protected(tokens), self._voice.stores.claims.held(tokens)

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
        legal_basis: LegalBasis,
        tlp: TrafficLight,
    ) -> _Claim:
        if one.token in protected:
            raise _RefusedError(PROTECTED)
        try:
            statement = self._statement(row, one, legal_basis, tlp)
        except (StatementError, ValueError) as error:
            reason = getattr(error, "reason", "FIELD_INVALID")
            raise _RefusedError(
                Refusal(reason, "a field of the row is missing or out of range")
            ) from error
        return _Claim(one, statement, term_given=bool(row.expires_time.seconds))

    def _statement(
        self, row: wire.NominationRow, one: Known, legal_basis: LegalBasis, tlp: TrafficLight
    ) -> Statement:
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
            ),
            legal_basis=legal_basis,
            tlp=tlp,
            expires_time=row.expires_time.seconds or self._default_expiry(one.indicator.kind),
        )

    def _default_expiry(self, kind: Kind) -> int:
        return self._voice.clock() + default_term_seconds(kind)

    def _remember(self, known: Sequence[Known]) -> None:
        """Keep own raw values: a new key epoch is made from them. They never leave the node."""
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
