"""Serve warnings over the inside door: raise them, and at a carrier send them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import Kind
from federation.matters import Kind as MatterKind
from federation.matters.warning import Track, WarningMatter
from federation.statements import StatementError, WarningTask
from federation.vocabulary import (
    AgeBand,
    Band,
    FraudStage,
    FraudType,
    Purpose,
    WarningChannel,
    WarningOutcome,
    WarningUrgency,
)
from federation.warning_text import TextParameters
from node.desk.intake import Intake, Known
from node.desk.watch import MAX_REFERENCE_CHARACTERS
from node.duties.warning_table import Guardian, Message
from node.duties.warnings import Warnings, seal_parameters
from node.errors import PolicyError, RequestError
from node.speaker import STATEMENT_ID_BYTES
from tocsin.desk.v1 import desk_service_pb2 as desk_wire
from tocsin.desk.v1 import warn_service_pb2 as wire
from tocsin.desk.v1 import warn_service_pb2_grpc as stubs

MAX_WARNINGS: Final = 1_000
"""Warnings in one answer: more than a person reads."""
ACKNOWLEDGE_SECONDS: Final = 600
"""Seconds until a silent person is called: within them a message is read or is not."""
LONGEST_CONSENT_SECONDS: Final = 2 * 366 * 86_400
"""Seconds: a consent is asked for again after two years."""

E = TypeVar("E", bound=IntEnum)


def demanded_channels(risk: Band, age_band: AgeBand) -> tuple[WarningChannel, ...]:
    """Return the channels of a warning for which nobody named any (DOMAIN R35)."""
    if risk is Band.VERY_HIGH and age_band is AgeBand.VULNERABLE:
        return (WarningChannel.FLASH, WarningChannel.VOICE)
    if risk >= Band.HIGH:
        return (WarningChannel.SMS, WarningChannel.VOICE)
    return (WarningChannel.SMS,)


@dataclass(frozen=True, slots=True)
class WarnParts:
    """What the service works with: warnings, and what makes tokens of telephone numbers."""

    warnings: Warnings
    intake: Intake
    pad: Callable[[], int]
    epoch: Callable[[], int]


class WarnService(stubs.WarnServiceServicer):
    """What the member's own people and its gateway may do about warnings."""

    def __init__(self, parts: WarnParts | None) -> None:
        self._maybe_parts = parts

    @property
    def _parts(self) -> WarnParts:
        if self._maybe_parts is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_parts

    @property
    def _warnings(self) -> Warnings:
        return self._parts.warnings

    async def RaiseWarning(  # noqa: N802  # the contract's name
        self, request: wire.RaiseWarningRequest, context: Any
    ) -> wire.RaiseWarningResponse:
        """Raise a warning about the owner of a telephone number."""
        warnings = self._warnings
        warnings.require_may_raise()
        parameters = TextParameters(request.impersonated.strip(), request.pretext.strip())
        warning_id = secrets.token_bytes(STATEMENT_ID_BYTES)
        known = await self._take(request.value)
        assert known.content_key is not None  # noqa: S101  # it was asked for
        sealed = seal_parameters(known.content_key, parameters, warnings.me, warning_id)
        task = _task(request, known.token, self._parts.epoch(), sealed)
        said, raised = await warnings.raise_warning(warnings.draft(task, warning_id))
        return wire.RaiseWarningResponse(warning_id=said, raised=raised)

    async def ListWarnings(  # noqa: N802  # the contract's name
        self, request: wire.ListWarningsRequest, context: Any
    ) -> wire.ListWarningsResponse:
        """List what this member raised, sent or has to send."""
        warnings = self._warnings
        found = await asyncio.to_thread(warnings.own, open_only=request.open_only)
        now = warnings.now()
        return wire.ListWarningsResponse(
            warnings=[_status(one, now) for one in found[:MAX_WARNINGS]]
        )

    async def ListOutbox(  # noqa: N802  # the contract's name
        self, request: wire.ListOutboxRequest, context: Any
    ) -> wire.ListOutboxResponse:
        """List what the gateway has to send."""
        warnings = self._require_carrier()
        await warnings.advance()
        found = await asyncio.to_thread(warnings.table.messages)
        return wire.ListOutboxResponse(messages=[_message(one) for one in found if not one.sent])

    async def ReportSent(  # noqa: N802  # the contract's name
        self, request: wire.ReportSentRequest, context: Any
    ) -> wire.ReportSentResponse:
        """Note that the gateway sent a message."""
        noted = await self._require_carrier().report_sent(request.message_id)
        return wire.ReportSentResponse(noted=noted)

    async def ReportAcknowledged(  # noqa: N802  # the contract's name
        self, request: wire.ReportAcknowledgedRequest, context: Any
    ) -> wire.ReportAcknowledgedResponse:
        """Say that a person answered."""
        await self._warnings.acknowledge(await self._find(request.warning_id))
        return wire.ReportAcknowledgedResponse()

    async def ReportOutcome(  # noqa: N802  # the contract's name
        self, request: wire.ReportOutcomeRequest, context: Any
    ) -> wire.ReportOutcomeResponse:
        """Say how a warning ended."""
        outcome = _word(WarningOutcome, request.outcome, "outcome")
        await self._warnings.conclude(await self._find(request.warning_id), outcome)
        return wire.ReportOutcomeResponse()

    async def AddGuardian(  # noqa: N802  # the contract's name
        self, request: wire.AddGuardianRequest, context: Any
    ) -> wire.AddGuardianResponse:
        """Keep a guardian with the customer's consent."""
        warnings = self._require_carrier()
        asked, now = request.guardian, warnings.now()
        since, until = asked.consent_time.seconds or now, asked.until_time.seconds
        if not 0 < len(asked.reference) <= MAX_REFERENCE_CHARACTERS:
            raise RequestError(
                "a reference of 1 to 256 characters is needed", reason="REFERENCE_INVALID"
            )
        if not since < until <= since + LONGEST_CONSENT_SECONDS:
            raise RequestError(
                "a consent has an end, after at most two years", reason="CONSENT_INVALID"
            )
        parsed, refused = await self._parts.intake.parse([asked.contact])
        if 0 in refused:
            raise RequestError(refused[0].message, reason=refused[0].reason)
        if parsed[0].kind is not Kind.PHONE:
            raise RequestError("a guardian has a telephone number", reason="WARNING_NOT_PHONE")
        guardian = Guardian(asked.reference, parsed[0].value, since, until)
        await asyncio.to_thread(warnings.table.add_guardian, guardian)
        return wire.AddGuardianResponse()

    async def ListGuardians(  # noqa: N802  # the contract's name
        self, request: wire.ListGuardiansRequest, context: Any
    ) -> wire.ListGuardiansResponse:
        """List the guardians."""
        found = await asyncio.to_thread(self._require_carrier().table.guardians)
        return wire.ListGuardiansResponse(guardians=[_guardian(one) for one in found])

    async def RemoveGuardian(  # noqa: N802  # the contract's name
        self, request: wire.RemoveGuardianRequest, context: Any
    ) -> wire.RemoveGuardianResponse:
        """Forget the guardians of a customer."""
        table = self._require_carrier().table
        removed = await asyncio.to_thread(table.remove_guardians, request.reference)
        return wire.RemoveGuardianResponse(removed=removed)

    def _require_carrier(self) -> Warnings:
        warnings = self._warnings
        if not warnings.is_carrier:
            raise PolicyError("only a carrier sends warnings", reason="ROLE_NOT_ALLOWED")
        return warnings

    async def _take(self, value: desk_wire.RawIndicator) -> Known:
        indicators, refused = await self._parts.intake.parse([value])
        if 0 in refused:
            raise RequestError(refused[0].message, reason=refused[0].reason)
        if indicators[0].kind is not Kind.PHONE:
            raise RequestError(
                "a warning is about the owner of a telephone number", reason="WARNING_NOT_PHONE"
            )
        (known,) = await self._parts.intake.tokenise(
            indicators, Purpose.WARNING, self._parts.pad(), (0,)
        )
        return known

    async def _find(self, prefix: bytes) -> WarningMatter:
        booked = await asyncio.to_thread(self._warnings.book.find, prefix, MatterKind.WARNING)
        return booked.matter


def _task(
    request: wire.RaiseWarningRequest, token: bytes, epoch: int, sealed: bytes
) -> WarningTask:
    risk, age_band = _word(Band, request.risk, "risk"), _word(AgeBand, request.age_band, "age band")
    channels = tuple(_word(WarningChannel, one, "channel") for one in request.channels)
    try:
        return WarningTask(
            token=token,
            kind=Kind.PHONE,
            epoch=epoch,
            risk=risk,
            age_band=age_band,
            channels=channels or demanded_channels(risk, age_band),
            urgency=_word(WarningUrgency, request.urgency, "urgency"),
            fraud_type=_word(FraudType, request.fraud_type, "fraud type"),
            stage=_word(FraudStage, request.stage, "stage"),
            acknowledge_seconds=request.acknowledge_seconds or ACKNOWLEDGE_SECONDS,
            sealed_parameters=sealed,
        )
    except StatementError as error:
        raise RequestError(str(error), reason=error.reason) from error


def _word(enumeration: type[E], number: int, field: str) -> E:
    try:
        return enumeration(number)
    except ValueError as error:
        raise RequestError(f"the {field} is missing or unknown", reason="ENUM_UNKNOWN") from error


def _status(matter: WarningMatter, now: int) -> wire.WarningStatus:
    facts = matter.facts
    best = facts.best
    return wire.WarningStatus(
        warning_id=matter.id,
        opener=matter.opener,
        carrier="" if best is None else best.carrier,
        state=matter.state_at(now).value,
        risk=facts.warning.risk.value,  # type: ignore[arg-type]  # equal numbers, tested
        age_band=facts.warning.age_band.value,  # type: ignore[arg-type]  # equal numbers, tested
        fraud_type=facts.warning.fraud_type.value,  # type: ignore[arg-type]  # equal numbers, tested
        sent=[] if best is None else [one.value for one in best.channels],  # type: ignore[misc]  # equal numbers, tested
        outcome=facts.outcome.value if facts.outcome else 0,  # type: ignore[arg-type]  # equal numbers, tested
        opened_time=Timestamp(seconds=matter.opened),
        due_time=None if matter.due is None else Timestamp(seconds=matter.due),
        tracks=[_track(one) for _carrier, one in sorted(facts.tracks.items())],
    )


def _track(track: Track) -> wire.WarningTrack:
    return wire.WarningTrack(
        carrier=track.carrier,
        state=track.state.value,
        sent=[one.value for one in track.channels],  # type: ignore[misc]  # equal numbers, tested
        outcome=track.outcome.value if track.outcome else 0,  # type: ignore[arg-type]  # equal numbers, tested
    )


def _message(message: Message) -> wire.OutboxMessage:
    return wire.OutboxMessage(
        message_id=message.id,
        warning_id=message.matter,
        opener=message.opener,
        recipient=message.recipient,
        address=message.address,
        channel=message.channel.value,  # type: ignore[arg-type]  # equal numbers, tested
        text_zh=message.texts["zh"],
        text_en=message.texts["en"],
        made_time=Timestamp(seconds=message.made),
    )


def _guardian(guardian: Guardian) -> wire.Guardian:
    return wire.Guardian(
        reference=guardian.reference,
        contact=desk_wire.RawIndicator(kind="phone", value=guardian.contact),
        consent_time=Timestamp(seconds=guardian.consent_time),
        until_time=Timestamp(seconds=guardian.until_time),
    )
