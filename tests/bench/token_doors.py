"""Measure tokens through the real doors: three holders and a client, loopback, mutual TLS.

Each holder is a process with a worker of its own; its quotas are durable, its answers signed.
"""

import asyncio
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from typing import Any, Final

from federation.indicators import Indicator, Kind, KindClass
from federation.key_set import KeySet
from federation.names import MemberId
from federation.roles import Role
from federation.vocabulary import Purpose
from keys.evaluation import CheckMode
from keys.secret import Secret
from keys.signing import verify_signature
from keys.threshold import PublicKey
from node.doors.outside import OutsideDoor
from node.metering import Metering
from node.peers import Peers
from node.remote import Remote
from node.store.private import PrivateStore
from node.telemetry import start_telemetry
from node.tokens.holder import EVALUATION_CONTEXT, Holder
from node.tokens.key_ring import HeldShares, KeyRing
from node.tokens.service import TokenService
from node.tokens.tokeniser import Holders, Tokeniser
from node.traffic import Traffic
from node.workers import Workers
from tests.bench.clock import ROUNDS
from tests.bench.processes import family_cpu
from tests.bench.result import Result
from tests.node.federation_fixture import FEDERATION, Federation
from tests.node.replication.door_node import found_federation
from tocsin.v1 import token_service_pb2_grpc as stubs

ITEMS: Final = 8_192
"""Values a round: four batches, so that client and holders work at once."""

PAD: Final = 64
MICRO: Final = 1e6
HOLDERS: Final = tuple(map(MemberId, ("carrier-a", "carrier-b", "bank-x")))
CLIENT: Final = MemberId("net-p")
ROLES: Final = {
    HOLDERS[0]: Role.CARRIER,
    HOLDERS[1]: Role.CARRIER,
    HOLDERS[2]: Role.BANK,
    CLIENT: Role.INTERNET,
}


def measure(public: PublicKey, shares: dict[int, Secret], scalar: float) -> Iterator[Result]:
    """Yield CPU per item of client and holder; ``scalar`` is V in microseconds."""
    federation, keys = found_federation(ROLES)
    for member in HOLDERS:
        federation.at(member, _free_port())
    key_set = KeySet(1, 1, 2, HOLDERS, dict.fromkeys(KindClass, public))
    with tempfile.TemporaryDirectory() as directory:
        started = [
            _start(federation, keys, key_set, shares[index], Path(directory), member)
            for index, member in enumerate(HOLDERS, start=1)
        ]
        processes = [process for process, _ in started]
        try:
            client, holder = asyncio.run(
                _ask(federation, keys, key_set, Path(directory), processes)
            )
        finally:
            for process, line in started:
                line.send(None)
                process.join()
    unit = "us CPU/item"
    yield Result("tokens: holder, mTLS", holder, unit, 1.25, scalar)
    yield Result("tokens: client sum, mTLS", client, unit, 3.9, scalar)


def _start(*part: Any) -> tuple[BaseProcess, Connection]:
    """Start a holder; return its process and the line on which it is told to end."""
    # Forked before anything of gRPC runs here; what the members share is simply there.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(*part, theirs))
    process.start()
    theirs.close()
    ours.recv()
    return process, ours


def _hold(
    federation: Federation,
    keys: dict[str, Any],
    key_set: KeySet,
    share: Secret,
    directory: Path,
    member: MemberId,
    line: Connection,
) -> None:
    start_telemetry(directory / f"{member}.log")

    async def live() -> None:
        ring, index = KeyRing(), HOLDERS.index(member) + 1
        ring.accept(key_set, HeldShares(index, dict.fromkeys(KindClass, share)))
        metering = Metering(
            lambda: federation.charter,
            PrivateStore(directory / f"{member}.db"),
            lambda _member, _kind_class: 0,
            federation.clock,
            _drop,
        )
        workers = await Workers(1).warm_up()
        holder = Holder(FEDERATION, keys[member], ring, workers, metering)
        service = TokenService(holder, list)
        door = OutsideDoor(
            federation.identity(member),
            [(stubs.add_TokenServiceServicer_to_server, service)],
            Traffic(),
        )
        await door.start(federation.charter.member(member).address)
        line.send(None)
        await asyncio.to_thread(line.recv)
        await door.stop(0)
        await asyncio.to_thread(workers.close)

    asyncio.run(live())


async def _drop(_excess: object) -> None:
    """Nobody is told."""


async def _ask(
    federation: Federation,
    keys: dict[str, Any],
    key_set: KeySet,
    directory: Path,
    holders: list[BaseProcess],
) -> tuple[float, float]:
    """Return the medians of the client's and of a holder's CPU per item."""
    start_telemetry(directory / "client.log")
    peers = Peers(federation.identity(CLIENT), Traffic())
    workers = await Workers(1).warm_up()
    remote, ring = Remote(CLIENT, peers, None), KeyRing()
    ring.accept(key_set)

    def verify(member: MemberId, message: bytes, signature: bytes) -> None:
        verify_signature(keys[member].public, EVALUATION_CONTEXT, message, signature)

    wired = Holders(remote.evaluate, remote.prove, verify, _drop)
    tokeniser = Tokeniser(FEDERATION, ring, workers, wired, CheckMode.SUM)
    client: list[float] = []
    holding: list[float] = []
    for number in range(ROUNDS + 1):
        values = [Indicator(Kind.PHONE, f"+86139{number}{item:07}") for item in range(ITEMS)]
        before = family_cpu(os.getpid()), _cpu(holders)
        await tokeniser.tokenise(values, Purpose.CHECK, PAD)
        client.append(family_cpu(os.getpid()) - before[0])
        holding.append((_cpu(holders) - before[1]) / key_set.threshold)
    await peers.close()
    await asyncio.to_thread(workers.close)
    per_item = MICRO / ITEMS
    return per_item * median(client[1:]), per_item * median(holding[1:])


def _cpu(holders: list[BaseProcess]) -> float:
    return sum(family_cpu(process.pid or 0) for process in holders)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
