"""Nodes for tests of replication: real ledgers and gRPC servers, joined over loopback."""

import os
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from federation.charter import verify_charter
from federation.indicators import Kind
from federation.names import MemberId, Origin
from federation.statements import Nomination, Statement
from federation.statements.codec import encode_statement
from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    PermissibleAction,
    Purpose,
    SubjectRole,
    TrafficLight,
)
from node.doors.caller import Caller, caller
from node.doors.catalog import refusal_for
from node.doors.policy import DoorPolicy, client_options, server_options
from node.errors import NodeError, PeerError, UnavailableError
from node.log.ledger import Ledger
from node.replication.follower import Listeners
from node.replication.log_client import CallLimits
from node.replication.replication import Hooks, Replication, Timing
from node.replication.roster import Roster
from node.store.sqlite import SqliteStore
from tests.federation.organisations import (
    BANK,
    CARRIER,
    COORDINATOR,
    FEDERATION,
    INTERNET,
    START,
    found,
)
from tocsin.v1 import log_service_pb2_grpc, member_service_pb2, member_service_pb2_grpc

NOW = START + 1_000
ORGANISATIONS = {each.name: each for each in (CARRIER, BANK, INTERNET, COORDINATOR)}
CHARTER = found(*ORGANISATIONS.values())
ALPHA, BETA, GAMMA = CARRIER.name, BANK.name, INTERNET.name
_CALLER = "test-caller"


def origin_of(name):
    return Origin(FEDERATION, MemberId(name))


def nominations(count, seed=0):
    """Return encoded nominations, all different, the same for the same seed."""
    return [_nomination(sha256(f"{seed}/{number}".encode()).digest()) for number in range(count)]


def _nomination(digest):
    body = Nomination(
        token=digest[:16],
        kind=next(iter(Kind)),
        epoch=1,
        fraud_type=FraudType(1),
        stage=FraudStage(1),
        subject_role=SubjectRole(1),
        confidence=80,
    )
    return encode_statement(
        Statement(
            id=digest[16:],
            issued_time=NOW,
            purpose=Purpose.NOMINATION,
            legal_basis=LegalBasis.CHARTER,
            tlp=TrafficLight.AMBER_STRICT,
            pap=PermissibleAction.GREEN,
            body=body,
        )
    )


class HeaderDoor(grpc.aio.ServerInterceptor):
    """Believes the caller's header: these tests are not about certificates."""

    def __init__(self, calls):
        self._calls = calls

    async def intercept_service(self, continuation, handler_call_details):
        handler = await continuation(handler_call_details)
        self._calls[handler_call_details.method.rsplit("/", 1)[1]] += 1
        name = MemberId(dict(handler_call_details.invocation_metadata)[_CALLER])
        who = Caller(name, ORGANISATIONS[name].member.roles, "")

        async def answer_once(request, context):
            caller.set(who)
            try:
                return await handler.unary_unary(request, context)
            except NodeError as error:
                await _refuse(context, error)

        async def answer_many(request, context):
            caller.set(who)
            try:
                async for message in handler.unary_stream(request, context):
                    yield message
            except NodeError as error:
                await _refuse(context, error)

        make = grpc.unary_unary_rpc_method_handler, answer_once
        if handler.response_streaming:
            make = grpc.unary_stream_rpc_method_handler, answer_many
        return make[0](make[1], handler.request_deserializer, handler.response_serializer)


async def _refuse(context, error):
    status = refusal_for(error, "").status()
    await context.abort_with_status(rpc_status.to_status(status))


class LoopbackLinks:
    """Channels without TLS; an address that is taken away makes the peer unreachable."""

    def __init__(self, me, addresses):
        self._me = me
        self._addresses = addresses
        self._channels = {}

    def channel(self, member):
        address = self._addresses.get((self._me, member)) or self._addresses.get(member)
        if address not in self._channels:
            self._channels[address] = grpc.aio.insecure_channel(
                address or "127.0.0.1:1",
                options=[*client_options(), ("grpc.max_reconnect_backoff_ms", 200)],
                interceptors=[],
            )
        return _Named(self._channels[address], self._me)

    async def explain(self, member, error):
        status = rpc_status.from_call(error)
        if status is None:
            return UnavailableError("no answer", reason=f"PEER_{error.code().name}")
        info = ErrorInfo()
        status.details[0].Unpack(info)
        return PeerError(status.message, reason=info.reason, member=member)

    async def close(self):
        for channel in self._channels.values():
            await channel.close()


class _Named:
    """A channel that tells who calls."""

    def __init__(self, channel, me):
        self._channel = channel
        self._metadata = ((_CALLER, me),)

    def __getattr__(self, kind):
        make = getattr(self._channel, kind)

        def named(*arguments, **options):
            method = make(*arguments, **options)
            return lambda request, timeout=None: method(
                request, timeout=timeout, metadata=self._metadata
            )

        return named


class Members(member_service_pb2_grpc.MemberServiceServicer):
    """MemberService as a node answers it."""

    def __init__(self, node):
        self._node = node

    async def GetNode(self, request, context):  # noqa: N802
        answer = member_service_pb2.GetNodeResponse(
            member=self._node.name, charter_version=self._node.charter.version
        )
        answer.now_time.seconds = self._node.clock()
        return answer

    async def GetCharter(self, request, context):  # noqa: N802
        return member_service_pb2.GetCharterResponse(charter=self._node.charter_note)


@dataclass
class Heard:
    """What a node's listeners were told."""

    tokens: set[bytes] = field(default_factory=set)
    refused: list[tuple[str, int, str]] = field(default_factory=list)
    said: list[tuple[str, frozenset[type]]] = field(default_factory=list)
    dated: list[tuple[str, int]] = field(default_factory=list)
    forks: list[object] = field(default_factory=list)

    async def on_new_tokens(self, tokens):
        self.tokens |= tokens

    async def on_refused(self, member, count, reason):
        self.refused.append((member, count, reason))

    async def on_said(self, member, said):
        self.said.append((member, said))

    async def on_dated(self, member, latest):
        self.dated.append((member, latest))

    async def on_fork(self, evidence):
        self.forks.append(evidence)

    def listeners(self):
        return Listeners(self.on_new_tokens, self.on_refused, self.on_said, self.on_dated)


class Node:
    """One member's node: a store on disk, a server on loopback, and replication."""

    def __init__(self, name, path, addresses, *, charter=CHARTER, **timing):
        self.name, self.addresses = name, addresses
        self.charter, self.charter_note = charter, b""
        self.now = NOW
        self.calls, self.heard = Counter(), Heard()
        self.store = SqliteStore(path)
        key = ORGANISATIONS[name].signing_key
        publics = {each: one.member.signing_key for each, one in ORGANISATIONS.items()}
        self.ledger = Ledger(
            self.store, FEDERATION, name, key, publics.__getitem__, lambda: self.now
        )
        self.links = LoopbackLinks(name, addresses)
        slow = {"poll_seconds": 60, "gossip_seconds": 60, "charter_seconds": 60}
        quick = {"limits": CallLimits(read=5, silence=1, call=5)}
        self.replication = Replication(
            Roster(name, lambda: self.charter, self.clock),
            self.ledger,
            self.links,
            Hooks(
                self.heard.listeners(),
                self.heard.on_fork,
                self.adopt,
            ),
            Timing(**{**slow, **quick, **timing}),
        )
        self.server = None

    def clock(self):
        return self.now

    def adopt(self, note):
        """Follow a newer charter, as the node's charter book does."""
        self.charter = verify_charter(note, self.charter)
        self.charter_note = note
        self.replication.refresh()

    async def serve(self, service=None):
        """Start the server; ``service`` answers in place of the node's own LogService."""
        self.server = grpc.aio.server(
            interceptors=[HeaderDoor(self.calls)], options=server_options(DoorPolicy())
        )
        log_service_pb2_grpc.add_LogServiceServicer_to_server(
            service or self.replication.service, self.server
        )
        member_service_pb2_grpc.add_MemberServiceServicer_to_server(Members(self), self.server)
        port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        self.addresses[self.name] = f"127.0.0.1:{port}"
        return self

    async def hang_up(self):
        """Stop the server, as a crash does."""
        if self.server is not None:
            await self.server.stop(None)
            self.server = None
        self.addresses.pop(self.name, None)

    async def close(self):
        await self.replication.close()
        await self.links.close()
        await self.hang_up()
        self.store.close()

    def say(self, count, seed=None):
        """Append new nominations as one batch."""
        seed = os.urandom(8).hex() if seed is None else seed
        return self.ledger.append(nominations(count, seed))

    def size(self, name):
        return self.ledger.size(origin_of(name))
