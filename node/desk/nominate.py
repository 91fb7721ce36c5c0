"""Nominate: parse, guard, tokenise, seal, say. Durable when answered; repeats change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from federation.indicators import Kind
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
from node.desk.intake import Intake, Known, Refusal
from node.speaker import Speaker
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.verdicts import Verdicts
from tocsin.desk.v1 import desk_service_pb2 as wire

DETAILS_CONTEXT = b"nomination-details/v1"
MAX_DETAILS_BYTES = 16_384

PROTECTED = Refusal("PROTECTED_OBJECT", "this object is protected: it must not be acted on")


@dataclass(frozen=True, slots=True)
class Stores:
    """What a nomination reads and writes beside the log."""

    catalogue: Catalogue
    private: PrivateStore
    verdicts: Verdicts


class Nominator:
    """Turns raw rows into nominations of one member."""

    def __init__(
        self,
        member: str,
        intake: Intake,
        speaker: Speaker,
        stores: Stores,
        pad: Callable[[], int],
        epoch: Callable[[], int],
        clock: Callable[[], int],
    ) -> None:
        self._member = member
        self._intake = intake
        self._speaker = speaker
        self._stores = stores
        self._pad = pad
        self._epoch = epoch
        self._clock = clock

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
        self._speaker.require_may_say(Nomination)
        indicators, refused = await self._intake.parse(row.indicator for row in rows)
        guarded = await asyncio.to_thread(self._guard_locally, indicators)
        refused.update(dict.fromkeys(guarded, PROTECTED))
        open_rows = {place: one for place, one in indicators.items() if place not in refused}
        sealing = [place for place in open_rows if rows[place].details]
        known = await self._intake.tokenise(open_rows, Purpose.NOMINATION, self._pad(), sealing)
        async with self._speaker.lock:
            return await self._say(rows, known, refused, legal_basis, tlp)

    def _guard_locally(self, indicators: Mapping[int, object]) -> set[int]:
        values = {place: (one.kind.value, one.value) for place, one in indicators.items()}  # type: ignore[attr-defined]  # Indicators
        hits = self._stores.private.protected_values(set(values.values()))
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
        said: dict[bytes, tuple[Known, Statement]] = {}
        for one in known:
            results[one.place] = self._decide(
                rows[one.place], one, protected, held, said, legal_basis, tlp
            )
        # First the values: whatever is in the log can be said again in a new key epoch.
        await asyncio.to_thread(self._remember, [one for one, _ in said.values()])
        await self._speaker.say([statement for _, statement in said.values()])
        return [results[place] for place in range(len(rows))]

    def _look_up(self, known: Sequence[Known]) -> tuple[set[bytes], dict[bytes, tuple[int, int]]]:
        """Return the protected tokens, and own nominations by id: confidence and expiry."""
        tokens = [one.token for one in known]
        protected = self._stores.verdicts.protected(tokens)
        return protected, self._stores.catalogue.nominations(self._member, tokens)

    def _decide(
        self,
        row: wire.NominationRow,
        one: Known,
        protected: set[bytes],
        held: Mapping[bytes, tuple[int, int]],
        said: dict[bytes, tuple[Known, Statement]],
        legal_basis: LegalBasis,
        tlp: TrafficLight,
    ) -> wire.RowResult:
        if one.token in protected:
            return _refused(PROTECTED)
        try:
            statement = self._statement(row, one, legal_basis, tlp)
        except (StatementError, ValueError) as error:
            reason = getattr(error, "reason", "FIELD_INVALID")
            return _refused(Refusal(reason, "a field of the row is missing or out of range"))
        confidence, expires = held.get(statement.id, (0, 0))
        current = expires == 0 or expires > self._clock()
        if statement.id in said or (confidence == row.confidence and current):
            return _result(wire.ROW_OUTCOME_UNCHANGED, statement.id)
        said[statement.id] = (one, statement)
        return _result(wire.ROW_OUTCOME_ADDED, statement.id)

    def _statement(
        self, row: wire.NominationRow, one: Known, legal_basis: LegalBasis, tlp: TrafficLight
    ) -> Statement:
        nomination = Nomination(
            token=one.token,
            kind=one.indicator.kind,
            epoch=self._epoch(),
            fraud_type=FraudType(row.fraud_type),
            stage=FraudStage(row.stage),
            subject_role=SubjectRole(row.subject_role),
            confidence=row.confidence,
            last_seen_time=row.last_seen_time.seconds or None,
            sealed_details=_seal(row.details, one),
        )
        return self._speaker.statement(
            nomination,
            Purpose.NOMINATION,
            statement_id=nomination_id(
                self._member,
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
        return self._clock() + default_term_seconds(kind)

    def _remember(self, known: Sequence[Known]) -> None:
        """Keep own raw values: a new key epoch is made from them. They never leave the node."""
        self._stores.private.put_values(
            [(one.token, one.indicator.kind.value, one.indicator.value) for one in known],
            self._epoch(),
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
