"""Measure look-ups through the real outside door: mutual TLS on loopback.

The server is this process, its CPU time its own; the callers are a process of their own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

from federation.names import MemberId
from federation.roles import Role
from federation.vocabulary import Purpose
from node.assembly import meter_lookup
from node.doors.outside import OutsideDoor
from node.lookup.bucket import MAX_PREFIX_BITS
from node.lookup.service import LookupService
from node.metering import Metering
from node.peers import Peers
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.telemetry import start_telemetry
from node.traffic import Traffic
from node.verdicts import Verdicts
from tests.bench.held_tokens import HeldTokens, random_tokens
from tests.node.federation_fixture import Federation
from tests.node.replication.door_node import found_federation
from tocsin.v1 import lookup_service_pb2 as wire
from tocsin.v1 import lookup_service_pb2_grpc as stubs

BATCH: Final = 1_000
"""Tokens of a call."""

CALLS: Final = 200
"""Bulk calls of a figure, in all its rounds: within the day's quota of an ordinary member."""

IN_FLIGHT: Final = 4
"""Bulk calls at once."""

ROUNDS: Final = 5
"""Parts of the bulk calls, and times that all single calls are made; figures are medians."""

SINGLES: Final = 500
"""Calls with a single token, one after the other: five are above the p99."""

PREFIXES: Final = 64
"""Prefixes asked for, one a call."""

KNOWN_SHARE: Final = 10
CALL_SECONDS: Final = 60.0
MILLI: Final = 1_000

SERVER, CALLER, OTHER = MemberId("carrier-a"), MemberId("bank-x"), MemberId("net-p")
ROLES: Final = {SERVER: Role.CARRIER, CALLER: Role.BANK, OTHER: Role.INTERNET}


class Latency(NamedTuple):
    """Milliseconds of single calls."""

    middle: float
    late: float


class DoorFigures(NamedTuple):
    """What was measured at the door.

    Attributes:
        rates: Tokens a second of the server's CPU, by kind of batch.
        alone: Single calls while nothing else happens.
        beside: Single calls while another member asks in bulk.
        smallest: Bytes of a prefix's reply.
        largest: The same.
    """

    rates: dict[str, float]
    alone: Latency
    beside: Latency
    smallest: int
    largest: int


Measure = Callable[[HeldTokens, Verdicts, Catalogue, Path], DoorFigures]


@contextmanager
def measure_door() -> Iterator[Measure]:
    """Start the callers before this process is large; yields what measures."""
    federation, _ = found_federation(ROLES)
    # Forked before anything of gRPC runs here; what the members share is simply there.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_call, args=(federation, ours, theirs))
    process.start()
    theirs.close()
    try:
        yield lambda *part: asyncio.run(_serve(federation, ours, *part))
    finally:
        ours.close()
        process.join()


async def _serve(
    federation: Federation,
    line: Connection,
    tokens: HeldTokens,
    verdicts: Verdicts,
    catalogue: Catalogue,
    directory: Path,
) -> DoorFigures:
    start_telemetry(directory / "server.log")
    private = PrivateStore(directory / "private.db")
    metering = Metering(lambda: federation.charter, private, lambda *_: 0, federation.clock, _drop)
    service = LookupService(verdicts, catalogue, partial(meter_lookup, metering), lambda _: [])
    register = stubs.add_LookupServiceServicer_to_server
    door = OutsideDoor(federation.identity(SERVER), [(register, service)], Traffic())
    port = await door.start("127.0.0.1:0")

    async def ask(*question: Any) -> tuple[Any, float]:
        line.send(question)
        begin = time.process_time()
        answer = await asyncio.to_thread(line.recv)
        return answer, time.process_time() - begin

    try:
        return await _measure(ask, port, tokens)
    finally:
        await door.stop(0)
        private.close()


async def _measure(ask: Any, port: int, tokens: HeldTokens) -> DoorFigures:
    rates = {}
    mixed = _mixed(tokens)
    for kind, batches in (("1 in 10 known", mixed), ("all known", _known(tokens))):
        await ask("bulk", port, batches[:IN_FLIGHT])
        rounds = [batches[number::ROUNDS] for number in range(ROUNDS)]
        seconds = median([(await ask("bulk", port, each))[1] for each in rounds])
        rates[kind] = CALLS // ROUNDS * BATCH / seconds
    singles = tokens.sample(SINGLES // 2, 7) + random_tokens(SINGLES // 2, 7)
    alone = _middle([(await ask("single", port, singles, []))[0] for _ in range(ROUNDS)])
    beside = _middle([(await ask("single", port, singles, mixed))[0] for _ in range(ROUNDS)])
    sizes, _ = await ask("prefix", port)
    return DoorFigures(rates, alone, beside, min(sizes), max(sizes))


def _middle(rounds: Sequence[Latency]) -> Latency:
    return Latency(*map(median, zip(*rounds, strict=True)))


def _known(tokens: HeldTokens) -> list[list[bytes]]:
    return [tokens.sample(BATCH, number) for number in range(CALLS)]


def _mixed(tokens: HeldTokens) -> list[list[bytes]]:
    known = BATCH // KNOWN_SHARE
    return [
        tokens.sample(known, number) + random_tokens(BATCH - known, number)
        for number in range(CALLS)
    ]


async def _drop(_excess: object) -> None:
    """Nobody is told."""


def _call(federation: Federation, other_end: Connection, line: Connection) -> None:
    """Do as told until the line ends."""
    other_end.close()  # inherited: while it is open here, the line does not end

    async def live() -> None:
        jobs = {"bulk": _bulk, "single": _single, "prefix": _prefix}
        while True:
            try:
                job, port, *rest = await asyncio.to_thread(line.recv)
            except EOFError:
                return
            federation.at(SERVER, port)
            callers = [Peers(federation.identity(each), Traffic()) for each in (CALLER, OTHER)]
            line.send(await jobs[job](*callers, *rest))
            for each in callers:
                await each.close()

    asyncio.run(live())


async def _bulk(peers: Peers, _other: Peers, batches: Sequence[list[bytes]]) -> None:
    waiting = iter(batches)

    async def ask() -> None:
        for batch in waiting:
            found = await _look_up(peers, batch)
            if len(found.verdicts) != len(batch):
                raise RuntimeError("a batch was not answered")

    await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)))


async def _single(
    peers: Peers, other: Peers, tokens: Sequence[bytes], batches: Sequence[list[bytes]]
) -> Latency:
    """Return what single calls take while another member asks for batches over and over."""
    job = asyncio.create_task(_again(other, batches)) if batches else None
    taken = []
    for token in tokens:
        begin = time.perf_counter()
        await _look_up(peers, [token])
        taken.append(MILLI * (time.perf_counter() - begin))
    if job is not None:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
    return Latency(median(taken), quantiles(taken, n=100)[-1])


async def _again(peers: Peers, batches: Sequence[list[bytes]]) -> None:
    while True:
        for batch in batches:
            await _look_up(peers, batch)


async def _look_up(peers: Peers, tokens: Sequence[bytes]) -> wire.LookupResponse:
    request = wire.LookupRequest(tokens=tokens, purpose=Purpose.CHECK)
    return await peers.call(SERVER, _lookup, request, CALL_SECONDS)


def _lookup(channel: Any) -> Any:
    return stubs.LookupServiceStub(channel).Lookup


async def _prefix(peers: Peers, _other: Peers) -> list[int]:
    step = (1 << MAX_PREFIX_BITS) // PREFIXES
    sizes = []
    for number in range(PREFIXES):
        request = wire.LookupPrefixRequest(
            prefix_bits=MAX_PREFIX_BITS, prefixes=[number * step], purpose=Purpose.CHECK
        )
        response = await peers.call(
            SERVER, lambda channel: stubs.LookupServiceStub(channel).LookupPrefix, request, 60.0
        )
        sizes.append(response.ByteSize())
    return sizes
