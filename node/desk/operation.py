"""Serve the operator over the inside door: status, logs, keys, charter, quotas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import Error as JsonError
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError

from federation.indicators import KindClass
from federation.names import MemberId, NameFormatError, Origin
from federation.statements import QuotaGrant
from federation.vocabulary import KeyAction, Purpose
from node.charter_book import CharterBook
from node.desk.watch import page_size
from node.errors import PolicyError, RequestError
from node.log.error import DamageError
from node.log.ledger import Ledger
from node.speaker import Speaker
from node.status import StatusReporter
from node.tokens.ceremonies import Ceremonies
from tocsin.desk.v1 import operation_service_pb2 as wire
from tocsin.desk.v1 import operation_service_pb2_grpc as stubs
from tocsin.v1 import statement_pb2

MAX_STATEMENTS = 1_000
DEFAULT_STATEMENTS = 50


@dataclass(frozen=True, slots=True)
class LogParts:
    """What only a node with a log has; query partners have none of it."""

    own: Origin
    ledger: Ledger
    speaker: Speaker
    ceremonies: Ceremonies
    synchronise: Callable[[], Awaitable[tuple[int, list[str]]]]


class OperationService(stubs.OperationServiceServicer):
    """What the operator may ask."""

    def __init__(
        self, status: StatusReporter, charter: CharterBook, parts: LogParts | None
    ) -> None:
        self._status = status
        self._charter = charter
        self._maybe_parts = parts

    @property
    def _parts(self) -> LogParts:
        if self._maybe_parts is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_parts

    async def GetStatus(  # noqa: N802  # the contract's name
        self, request: wire.GetStatusRequest, context: Any
    ) -> wire.GetStatusResponse:
        """Tell how the node is."""
        return await self._status.report(request.as_of_time.seconds or None)

    async def VerifyLog(  # noqa: N802  # the contract's name
        self, request: wire.VerifyLogRequest, context: Any
    ) -> AsyncIterator[wire.VerifyLogResponse]:
        """Recompute logs from disk, telling how far it is."""
        ledger = self._parts.ledger
        origins = (
            [_origin(request.origin)] if request.origin else await asyncio.to_thread(ledger.origins)
        )
        queue: asyncio.Queue[wire.VerifyLogResponse | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(response: wire.VerifyLogResponse | None) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, response)

        # One look at the store belongs to one thread, so the whole check runs in one.
        work = asyncio.create_task(asyncio.to_thread(_verify_all, ledger, origins, tell))
        while (response := await queue.get()) is not None:
            yield response
        await work

    async def ListStatements(  # noqa: N802  # the contract's name
        self, request: wire.ListStatementsRequest, context: Any
    ) -> wire.ListStatementsResponse:
        """List statements, newest first."""
        origin = _origin(request.origin) if request.origin else self._parts.own
        size = min(page_size(request.page_size or DEFAULT_STATEMENTS), MAX_STATEMENTS)
        return await asyncio.to_thread(self._list, origin, size, request.page_token)

    def _list(self, origin: Origin, size: int, page_token: str) -> wire.ListStatementsResponse:
        size_now = self._parts.ledger.size(origin)
        end = min(_position(page_token), size_now) if page_token else size_now
        start = max(0, end - size)
        bodies = [(at, self._parts.ledger.entry(origin, at)) for at in range(start, end)]
        return wire.ListStatementsResponse(
            statements=[
                wire.StatementEntry(index=at, json=_json(body)) for at, body in reversed(bodies)
            ],
            next_page_token=str(start) if start else "",
        )

    async def ProveStatement(  # noqa: N802  # the contract's name
        self, request: wire.ProveStatementRequest, context: Any
    ) -> wire.ProveStatementResponse:
        """Prove that a statement is in a log."""
        origin = _origin(request.origin) if request.origin else self._parts.own
        return await asyncio.to_thread(self._prove, origin, request.index)

    def _prove(self, origin: Origin, index: int) -> wire.ProveStatementResponse:
        ledger = self._parts.ledger
        size = ledger.size(origin)
        if index >= size:
            raise RequestError(f"the log has {size} entries", reason="POSITION_INVALID")
        proof = ledger.prove_inclusion(origin, index, size)
        return wire.ProveStatementResponse(
            body=ledger.entry(origin, index) or b"",
            hashes=proof.hashes,
            checkpoint=proof.checkpoint,
        )

    async def RebuildViews(  # noqa: N802  # the contract's name
        self, request: wire.RebuildViewsRequest, context: Any
    ) -> wire.RebuildViewsResponse:
        """Fold every view again."""
        rebuilt = await asyncio.to_thread(self._parts.ledger.rebuild_views)
        self._status.count_again()
        return wire.RebuildViewsResponse(
            digest_before=rebuilt.before,
            digest_after=rebuilt.after,
            statement_count=rebuilt.count,
        )

    async def StartCeremony(  # noqa: N802  # the contract's name
        self, request: wire.StartCeremonyRequest, context: Any
    ) -> wire.StartCeremonyResponse:
        """Open a key ceremony with the holders that the charter names."""
        try:
            action = KeyAction(request.action)
        except ValueError as error:
            raise RequestError("the action is missing", reason="ENUM_UNKNOWN") from error
        return wire.StartCeremonyResponse(ceremony_id=await self._parts.ceremonies.open(action))

    async def ListKeys(self, request: wire.ListKeysRequest, context: Any) -> wire.ListKeysResponse:  # noqa: N802  # the contract's name
        """Tell keys and ceremonies, newest first."""
        return wire.ListKeysResponse(
            ceremonies=await asyncio.to_thread(self._parts.ceremonies.describe)
        )

    async def AdoptCharter(  # noqa: N802  # the contract's name
        self, request: wire.AdoptCharterRequest, context: Any
    ) -> wire.AdoptCharterResponse:
        """Follow a newer charter."""
        return wire.AdoptCharterResponse(version=self._charter.adopt(request.charter).version)

    async def GrantQuota(  # noqa: N802  # the contract's name
        self, request: wire.GrantQuotaRequest, context: Any
    ) -> wire.GrantQuotaResponse:
        """Say that a member may have more evaluated, once."""
        charter, own = self._charter.charter, self._parts.own.member
        member = charter.member(_member_id(request.member)).member
        if own not in charter.holders:
            raise PolicyError(
                "a grant counts only from a key holder",
                reason="NOT_A_HOLDER",
                hint=f"key holders: {', '.join(charter.holders)}",
            )
        try:
            grant = QuotaGrant(
                grant_id=request.grant_id,
                member=member,
                kind_class=KindClass(request.kind_class),
                amount=request.amount,
            )
        except ValueError as error:
            raise RequestError("the kind class is missing", reason="ENUM_UNKNOWN") from error
        statement = self._parts.speaker.statement(grant, Purpose.OPERATION)
        async with self._parts.speaker.lock:
            await self._parts.speaker.say([statement])
        return wire.GrantQuotaResponse(statement_id=statement.id)

    async def Synchronise(  # noqa: N802  # the contract's name
        self, request: wire.SynchroniseRequest, context: Any
    ) -> wire.SynchroniseResponse:
        """Fetch what peers have now."""
        received, unreachable = await self._parts.synchronise()
        return wire.SynchroniseResponse(received_count=received, unreachable=unreachable)

    async def CompactLog(  # noqa: N802  # the contract's name
        self, request: wire.CompactLogRequest, context: Any
    ) -> wire.CompactLogResponse:
        """Drop the bodies of statements that expired long ago."""
        if not request.expired_before_time.seconds:
            raise RequestError("say before which time", reason="TIME_MISSING")
        count = await asyncio.to_thread(
            self._parts.ledger.compact, request.expired_before_time.seconds
        )
        self._status.count_again()
        return wire.CompactLogResponse(compacted_count=count)


def _origin(text: str) -> Origin:
    try:
        return Origin.parse(text)
    except NameFormatError as error:
        raise RequestError("an origin is federation/member/audience") from error


def _member_id(text: str) -> MemberId:
    try:
        return MemberId(text)
    except NameFormatError as error:
        raise RequestError("a member id is malformed") from error


def _position(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise RequestError("the page token is not ours", reason="PAGE_TOKEN_INVALID")
    return int(text)


def _json(body: bytes | None) -> str:
    if body is None:
        return '{"compacted": true}'
    try:
        statement = statement_pb2.Statement.FromString(body)
        return MessageToJson(statement, preserving_proto_field_name=True, indent=None)
    except (DecodeError, JsonError, ValueError):
        return '{"invalid": true}'  # a peer's entry that is no statement stays in its log


def _verify_all(
    ledger: Ledger,
    origins: Sequence[Origin],
    tell: Callable[[wire.VerifyLogResponse | None], None],
) -> None:
    try:
        for origin in origins:
            tell(_verify_one(ledger, origin, tell))
    finally:
        tell(None)


def _verify_one(
    ledger: Ledger, origin: Origin, tell: Callable[[wire.VerifyLogResponse | None], None]
) -> wire.VerifyLogResponse:
    total = ledger.size(origin)
    checked = 0
    try:
        for step in ledger.verify(origin):
            checked = step.checked
            tell(wire.VerifyLogResponse(origin=str(origin), checked=checked, total=step.size))
    except DamageError as damage:
        result = wire.VerifyLogResponse(
            origin=str(origin),
            checked=checked,
            total=total,
            done=True,
            reason=f"{damage.reason}: {damage.part}",
        )
        result.bad_index = damage.first
        return result
    return wire.VerifyLogResponse(
        origin=str(origin), checked=checked, total=total, done=True, sound=True
    )
