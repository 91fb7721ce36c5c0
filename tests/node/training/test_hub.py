"""Members attached over real doors: who may answer what, and what ends an exchange."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path

import grpc.aio
import pytest

from federation.roles import Role
from node.training.bundle import Bundles
from node.training.file_server import FileServer
from node.training.hub import ExchangeError, Hub
from node.training.pieces import PIECE_BYTES
from node.training.runner import Runs
from node.training.training_service import TrainingService
from tests.node.federation_fixture import (
    BANK,
    CARRIER,
    PARTNER,
    calling,
    make_federation,
    running_node,
)
from tests.node.training.test_decisions import Node
from tocsin.v1 import training_service_pb2 as wire
from tocsin.v1 import training_service_pb2_grpc as stubs

PLAN = bytes(range(32))
SECONDS = 10.0


def no_sums():
    raise AssertionError("nobody runs a plan here")


@contextlib.asynccontextmanager
async def coordinator():
    federation = make_federation(
        {CARRIER: Role.CARRIER, BANK: Role.BANK, PARTNER: Role.COORDINATOR}
    )
    hub = Hub()
    with tempfile.TemporaryDirectory() as directory:
        node, bundles = Node(Path(directory)), Bundles(Path(directory))
        files = FileServer(PARTNER, node.consents.matters, bundles)
        runs = Runs(node.consents, hub, Path(directory), bundles, no_sums)
        service = TrainingService(hub, files, runs)
        services = [(stubs.add_TrainingServiceServicer_to_server, service)]
        async with running_node(federation, PARTNER, services):
            yield hub, federation
            hub.close()
        node.close()


@contextlib.asynccontextmanager
async def attached(federation, hub, member):
    async with calling(federation, member) as peers:
        call = stubs.TrainingServiceStub(peers.channel(PARTNER)).Attach()
        await call.write(wire.AttachRequest(hello=wire.Hello(software_version="1")))
        await hub.wait_for([member], 1, SECONDS)
        try:
            yield call
        finally:
            call.cancel()


def ask(hub, member, payload=b"question", seconds=SECONDS):
    return asyncio.create_task(hub.exchange(member, PLAN, 1, payload, seconds))


def reply(message, parameters, **changes):
    fields = {"plan_digest": PLAN, "exchange_id": message.exchange_id, "pieces": 1}
    part = wire.RoundReply(**(fields | changes), parameters=parameters)
    return wire.AttachRequest(reply=part)


async def reason_of(asking):
    with pytest.raises(ExchangeError) as caught:
        await asking
    return caught.value.reason


async def test_a_member_answers_what_it_was_asked_also_in_pieces():
    async with coordinator() as (hub, federation), attached(federation, hub, BANK) as call:
        long = bytes(PIECE_BYTES + 5)
        asking = ask(hub, BANK, long)
        pieces = [(await call.read()).message for _ in range(2)]
        await call.write(reply(pieces[0], b"an", pieces=2))
        await call.write(reply(pieces[0], b"swer", pieces=2, piece=1))

        assert b"".join(one.parameters for one in pieces) == long
        assert [(one.piece, one.pieces, one.round) for one in pieces] == [(0, 2, 1), (1, 2, 1)]
        assert await asking == b"answer"


async def test_a_reply_to_another_member_s_exchange_is_dropped():
    async with (
        coordinator() as (hub, federation),
        attached(federation, hub, BANK) as bank,
        attached(federation, hub, CARRIER) as carrier,
    ):
        asking = ask(hub, BANK)
        message = (await bank.read()).message
        await carrier.write(reply(message, b"forged"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asking), 0.5)
        await bank.write(reply(message, b"genuine"))

        assert await asking == b"genuine"


async def test_a_refusal_a_deadline_and_a_lost_connection_are_told_apart():
    async with coordinator() as (hub, federation), attached(federation, hub, BANK) as call:
        asking = ask(hub, BANK)
        message = (await call.read()).message
        refusal = wire.Refusal(exchange_id=message.exchange_id, reason="PLAN_NOT_APPROVED")
        await call.write(wire.AttachRequest(refusal=refusal))

        assert await reason_of(asking) == "PLAN_NOT_APPROVED"
        assert await reason_of(ask(hub, BANK, seconds=0.2)) == "DEADLINE_PASSED"

        asking, started = ask(hub, BANK), time.monotonic()
        await call.read()
        call.cancel()

        assert await reason_of(asking) == "CONNECTION_LOST"
        assert time.monotonic() - started < 2.0
        assert await reason_of(ask(hub, BANK)) == "CONNECTION_LOST"
        assert hub.members() == frozenset()


async def test_a_reply_out_of_order_or_for_another_plan_ends_the_stream():
    async with coordinator() as (hub, federation):
        for change in ({"piece": 1, "pieces": 2}, {"plan_digest": bytes(32)}, {"pieces": 9999}):
            async with attached(federation, hub, BANK) as call:
                asking = ask(hub, BANK)
                message = (await call.read()).message
                await call.write(reply(message, b"answer", **change))

                assert await reason_of(asking) == "CONNECTION_LOST"


async def test_a_member_that_attaches_again_replaces_its_older_stream():
    async with coordinator() as (hub, federation), attached(federation, hub, BANK):
        asking = ask(hub, BANK)
        await asyncio.sleep(0.1)
        async with calling(federation, BANK) as peers:
            again = stubs.TrainingServiceStub(peers.channel(PARTNER)).Attach()
            await again.write(wire.AttachRequest(hello=wire.Hello(software_version="2")))

            assert await reason_of(asking) == "CONNECTION_LOST"

            asking = ask(hub, BANK)
            await again.write(reply((await again.read()).message, b"from the new one"))

            assert await asking == b"from the new one"


async def test_a_node_that_stops_ends_its_streams_and_takes_no_new_one():
    async with coordinator() as (hub, federation), attached(federation, hub, BANK) as call:
        hub.say_goodbye([BANK, CARRIER], PLAN, "RUN_ENDED")

        assert (await call.read()).goodbye.reason == "RUN_ENDED"

        hub.close()

        assert await call.read() is grpc.aio.EOF

        async with calling(federation, CARRIER) as peers:
            again = stubs.TrainingServiceStub(peers.channel(PARTNER)).Attach()
            await again.write(wire.AttachRequest(hello=wire.Hello(software_version="1")))
            with pytest.raises(grpc.aio.AioRpcError):
                await again.read()

        assert hub.members() == frozenset()


async def test_who_says_no_hello_is_not_attached():
    async with coordinator() as (hub, federation), calling(federation, BANK) as peers:
        call = stubs.TrainingServiceStub(peers.channel(PARTNER)).Attach()
        await call.write(wire.AttachRequest(refusal=wire.Refusal(reason="NO")))
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()

        assert hub.members() == frozenset()
