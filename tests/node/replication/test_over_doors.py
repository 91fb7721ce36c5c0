"""Replication through the real doors: certificates, roles, deadlines and revocation included."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from federation.names import MemberId, Origin
from federation.roles import Role
from node.peer_error import PeerRefusedError
from node.replication.log_client import LogClient
from tests.node.federation_fixture import (
    BANK,
    CARRIER,
    FEDERATION,
    PARTNER,
    calling,
)
from tests.node.replication.door_node import DoorNode, found_federation
from tests.node.replication.nodes import nominations

INTERNET = MemberId("net-p")
ROLES = {
    CARRIER: Role.CARRIER,
    BANK: Role.BANK,
    INTERNET: Role.INTERNET,
    PARTNER: Role.PARTNER,
}


@pytest.fixture(scope="module")
def founded():
    return found_federation(ROLES)


@pytest.fixture
async def nodes(founded, tmp_path) -> AsyncIterator[dict]:
    federation, keys = founded
    federation = replace(federation)
    made = {
        name: DoorNode(federation, keys, name, tmp_path / name)
        for name in (CARRIER, BANK, INTERNET)
    }
    for name, node in made.items():
        federation.at(name, await node.door.start("127.0.0.1:0"))
    for node in made.values():
        node.adopt(federation.charter)
    made["federation"] = federation
    yield made
    made.pop("federation")
    for node in made.values():
        await node.close()


async def test_what_one_says_all_hold_within_two_seconds(nodes, wait_for):
    carrier, bank, internet = nodes[CARRIER], nodes[BANK], nodes[INTERNET]
    for node in (carrier, bank, internet):
        node.replication.start()
    await wait_for(lambda: carrier.door.live.count(BANK) and carrier.door.live.count(INTERNET))
    carrier.ledger.append(nominations(10))
    seconds = await wait_for(lambda: bank.size(CARRIER) == internet.size(CARRIER) == 10)

    assert seconds < 2.0
    assert bank.ledger.views_digest() == carrier.ledger.views_digest()
    await wait_for(lambda: all(peer.reachable for peer in bank.replication.peers()))

    assert [peer.reason for peer in bank.replication.peers()] == ["", ""]


async def test_a_pass_without_news_is_one_message_each_way(nodes):
    carrier, bank = nodes[CARRIER], nodes[BANK]
    carrier.ledger.append(nominations(10))
    await bank.replication.synchronise()
    before = carrier.reads()
    begin = time.perf_counter()
    done = await bank.replication.synchronise()
    print(f"no-op pass over two peers: {1000 * (time.perf_counter() - begin):.1f} ms")

    assert done.count == 0
    assert carrier.reads() == (before[0] + 1, before[1] + 1)


async def test_a_query_partner_reads_no_log(nodes):
    async with calling(nodes["federation"], PARTNER) as peers:
        with pytest.raises(PeerRefusedError) as refused:
            await LogClient(peers).read(CARRIER, Origin(FEDERATION, CARRIER), 0)

    assert refused.value.reason == "ROLE_NOT_ALLOWED"


async def test_a_log_for_a_narrower_audience_looks_like_none(nodes):
    origin = Origin.parse(f"{FEDERATION}/{CARRIER}/inner")
    with pytest.raises(PeerRefusedError) as refused:
        await LogClient(nodes[BANK].peers).read(CARRIER, origin, 0)

    assert refused.value.reason == "ORIGIN_UNKNOWN"


async def test_a_position_beyond_the_log_is_refused(nodes):
    client = LogClient(nodes[BANK].peers)
    for start in (1, 2**63, 2**64 - 1):
        with pytest.raises(PeerRefusedError) as refused:
            await client.read(CARRIER, Origin(FEDERATION, CARRIER), start)

        assert refused.value.reason == "POSITION_INVALID"


async def test_a_revoked_member_hears_so_and_receives_no_more(nodes, wait_for):
    carrier, bank, federation = nodes[CARRIER], nodes[BANK], nodes["federation"]
    bank.replication.start()
    await wait_for(lambda: carrier.door.live.count(BANK))
    charter = federation.without(BANK)
    carrier.adopt(charter)
    carrier.ledger.append(nominations(1))
    await wait_for(lambda: bank.replication.board.state(CARRIER).reason == "MEMBER_REVOKED")
    await bank.replication.synchronise()

    assert bank.size(CARRIER) == 0
    assert carrier.door.live.count(BANK) == 0
    assert BANK not in {peer.member for peer in carrier.replication.peers()}


async def test_the_reason_why_a_peer_is_not_reached_is_shown(nodes):
    carrier, bank = nodes[CARRIER], nodes[BANK]
    await carrier.door.stop(0)
    done = await bank.replication.synchronise()

    assert done.unreachable == (CARRIER,)
    assert bank.replication.board.state(CARRIER).reason == "CONNECTION_REFUSED"
