"""What a coordinator lets through a tunnel, and how it tells the SuperLink whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from federation.names import MemberId
from node.errors import PolicyError, UnavailableError
from node.training.frames import receive_frame
from node.training.hub import Hub, Link
from node.training.superlink_server import FLEET_SOCKET
from node.training.tunnel import Entries, too_few
from tocsin.v1 import training_service_pb2 as wire

CARRIER = MemberId("carrier-a")
BANK = MemberId("bank-x")
PLAN = bytes(32)


async def saying(*chunks: bytes) -> AsyncIterator[wire.TunnelRequest]:
    for chunk in chunks:
        yield wire.TunnelRequest(chunk=chunk)


async def answer(hub: Hub, link: Link, refusal: str = "") -> bytes:
    """Answer the next question to a member as its node would; give the certificate it was sent."""
    asked = (await link.next()).supernode
    if refusal:
        part = wire.Refusal(plan_digest=PLAN, exchange_id=asked.exchange_id, reason=refusal)
        hub.receive(link, wire.AttachRequest(refusal=part))
    else:
        reply = wire.RoundReply(plan_digest=PLAN, exchange_id=asked.exchange_id, pieces=1)
        hub.receive(link, wire.AttachRequest(reply=reply))
    return asked.certificate


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub()
    yield found
    found.close()


async def entered(hub: Hub, directory: Path) -> tuple[Entries, Link]:
    link, entries = hub.attach(CARRIER), Entries(hub, PLAN, directory)
    members, certificate = await asyncio.gather(
        entries.enter([CARRIER], b"certificate"), answer(hub, link)
    )

    assert members == [CARRIER]
    assert certificate == b"certificate"

    return entries, link


async def test_bytes_are_carried_and_labelled_with_the_member_of_the_certificate(
    hub: Hub, tmp_path: Path
) -> None:
    entries, _ = await entered(hub, tmp_path)
    labels = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        labels.append(await receive_frame(reader))
        writer.write((await reader.read()).upper())
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / FLEET_SOCKET):
        carried = [part async for part in entries.carry(CARRIER, saying(b"ab", b"c"), b"key")]

    assert b"".join(carried) == b"ABC"
    assert labels == [({"member": "carrier-a"}, b"key")]


async def test_who_was_not_asked_or_refused_reaches_nothing(hub: Hub, tmp_path: Path) -> None:
    entries, _ = await entered(hub, tmp_path)
    bank = hub.attach(BANK)
    with pytest.raises(PolicyError) as stranger:
        await anext(entries.carry(BANK, saying(), b"key"))
    members, _ = await asyncio.gather(
        entries.enter([BANK, CARRIER], b""), answer(hub, bank, "ENGINE_NOT_ALLOWED")
    )
    with pytest.raises(PolicyError):
        await anext(entries.carry(BANK, saying(), b"key"))

    assert stranger.value.reason == "PLAN_NOT_APPROVED"
    assert members == [CARRIER]
    assert entries.refusals == {BANK: "ENGINE_NOT_ALLOWED"}
    assert too_few(entries.refusals).reason == "ENGINE_NOT_ALLOWED"


async def test_a_member_is_lost_with_its_stream_and_asked_again_on_the_next(
    hub: Hub, tmp_path: Path
) -> None:
    entries, link = await entered(hub, tmp_path)

    assert entries.losses({CARRIER}) == {}
    assert entries.losses(set()) == {"carrier-a": "PLAN_NOT_APPROVED"}

    hub.detach(link)

    assert entries.losses({CARRIER}) == {"carrier-a": "CONNECTION_LOST"}

    again = hub.attach(CARRIER)
    await asyncio.gather(entries.enter([CARRIER], b""), answer(hub, again))

    assert entries.losses({CARRIER}) == {}


async def test_a_superlink_that_is_not_there_can_be_tried_again(hub: Hub, tmp_path: Path) -> None:
    entries, _ = await entered(hub, tmp_path)

    with pytest.raises(UnavailableError):
        await anext(entries.carry(CARRIER, saying(), b"key"))
