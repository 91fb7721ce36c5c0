"""A whole federation in this process: real nodes with both doors, keys and logs."""

from __future__ import annotations

import asyncio
import time

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from federation.indicators import parse_indicator
from federation.names import Origin
from federation.vocabulary import Band, FraudStage, FraudType, KeyAction, Purpose
from keys.keystore import Cost
from node.assembly import build_core
from node.config import load_config
from node.errors import NodeError
from node.member import MemberKeys
from node.passphrase import passphrase_from_file
from node.running.node import RunningNode
from node.sandbox.build import build_sandbox, member_home, passphrase_file
from node.workers import Workers
from tocsin.desk.v1 import desk_service_pb2 as wire
from tocsin.desk.v1 import desk_service_pb2_grpc as stubs
from tocsin.desk.v1 import operation_service_pb2_grpc as operation_stubs

CARRIER, BANK, NET, COORDINATOR, PARTNER = MEMBERS = (
    "carrier-a",
    "bank-x",
    "net-p",
    "coord-c",
    "partner-q",
)
CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
SECONDS = 60.0


def raw(kind: str, value: str, region: str = "") -> wire.RawIndicator:
    return wire.RawIndicator(kind=kind, value=value, region=region)


def row(kind: str, value: str, confidence: int = 90, **fields) -> wire.NominationRow:
    return wire.NominationRow(
        indicator=raw(kind, value),
        fraud_type=fields.pop("fraud_type", FraudType.INVESTMENT),
        stage=fields.pop("stage", FraudStage.UNSPECIFIED),
        confidence=confidence,
        **fields,
    )


class Member:
    """One running node, and its desk through the real socket."""

    def __init__(self, home, workers) -> None:
        keys = MemberKeys.open(home, passphrase_from_file(passphrase_file(home)))
        self.core = build_core(home, load_config(home.config), keys)
        self.core.workers.close()
        self.core.workers = workers
        self.node = RunningNode(self.core)
        self.home = home
        self._channel = grpc.aio.insecure_channel(f"unix:{home.socket}")
        self.desk = stubs.DeskServiceStub(self._channel)
        self.operation = operation_stubs.OperationServiceStub(self._channel)

    @property
    def log(self):
        return self.node.parts.log

    @property
    def size(self) -> int:
        return self.log.ledger.size(self.log.ledger.own)

    async def nominate(self, *rows, **fields):
        request = wire.NominateRequest(rows=rows, **fields)
        return (await self.desk.Nominate(request, timeout=SECONDS)).results

    async def check(self, *values, purpose=Purpose.CHECK):
        request = wire.CheckRequest(values=values, purpose=purpose)
        return (await self.desk.Check(request, timeout=SECONDS)).results

    async def band(self, kind: str, value: str) -> Band:
        (result,) = await self.check(raw(kind, value))
        return Band(result.band)

    async def token(self, kind: str, value: str) -> bytes:
        indicator = parse_indicator(kind, value)
        (made,) = await self.node.parts.tokeniser.tokenise([indicator], Purpose.CHECK, 8)
        return made.token

    async def close(self) -> None:
        await self._channel.close()
        await self.node.stop()


class World:
    """The members, by name; all see what one says within moments."""

    def __init__(self, directory) -> None:
        build_sandbox(directory, MEMBERS, cost=CHEAP)
        self.workers = _Shared(1)
        self.members = {
            name: Member(member_home(directory, name), self.workers) for name in MEMBERS
        }

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    async def start(self) -> None:
        for member in self.members.values():
            await member.node.serve()
            await member.node.lead()
        await self[CARRIER].log.ceremonies.open(KeyAction.GENERATE)
        await self.until(lambda: all(m.core.key_ring.current for m in self.members.values()))

    async def until(self, holds, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            assert time.monotonic() < end, "it did not come true"
            await asyncio.sleep(0.05)

    async def settle(self) -> None:
        """Wait until every log is everywhere."""
        speaking = [member for member in self.members.values() if member.log is not None]
        for said in speaking:
            origin = Origin.parse(str(said.log.ledger.own))
            for seen in speaking:
                await self.until(lambda o=origin, s=seen, n=said.size: s.log.ledger.size(o) >= n)

    async def close(self) -> None:
        for member in self.members.values():
            await member.close()
        self.workers.end()


class _Shared(Workers):
    """Workers that several nodes use; the first node that stops does not end them."""

    def close(self) -> None:
        """Wait for ``end``."""

    def end(self) -> None:
        super().close()


async def refusal(call) -> str:
    """Return the reason with which the inside door refuses a call."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        info = ErrorInfo()
        rpc_status.from_call(error).details[0].Unpack(info)
        return info.reason
    except NodeError as error:
        return error.reason
    raise AssertionError("nothing was refused")
