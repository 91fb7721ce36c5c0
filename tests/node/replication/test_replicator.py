"""Logs reach every node: at once, after a cut, by a detour, after a restart, and all of them."""

import time

import pytest

from federation.charter import revoke_member
from node.replication.log_client import CallLimits
from node.store.error import StoreError
from tests.node.replication.nodes import ALPHA, BETA, GAMMA, NOW, nominations, origin_of


async def test_a_node_that_starts_with_nothing_reads_everything(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    for batch in range(5):
        alpha.say(batch + 1)

    done = await beta.replication.synchronise()

    assert done.count == 15
    assert beta.ledger.read(origin_of(ALPHA), 0) == alpha.ledger.read(origin_of(ALPHA), 0)
    assert len(beta.heard.tokens) == 15


async def test_a_pass_without_news_is_one_round_trip(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(3)
    await beta.replication.synchronise()
    alpha.calls.clear()

    done = await beta.replication.synchronise()

    assert done.count == 0
    assert alpha.calls == {"Read": 1}


async def test_what_a_member_says_is_at_its_peers_within_two_seconds(federation, wait_for):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    beta.replication.start()
    await wait_for(lambda: alpha.calls["Watch"])
    for size in range(1, 6):
        alpha.say(1)
        seconds = await wait_for(lambda size=size: beta.size(ALPHA) == size)

        assert seconds < 2.0


async def test_a_node_is_not_asked_again_while_nothing_happens(federation, wait_for):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(1)
    beta.replication.start()
    await wait_for(lambda: beta.size(ALPHA) == 1)
    reads = alpha.calls["Read"]
    alpha.say(1)
    await wait_for(lambda: beta.size(ALPHA) == 2)

    assert alpha.calls["Read"] - reads <= 2


async def test_replication_goes_on_where_a_cut_link_ended_it(federation, wait_for):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(2)
    beta.replication.start()
    await wait_for(lambda: beta.size(ALPHA) == 2)
    await alpha.hang_up()
    await wait_for(lambda: not beta.replication.board.state(ALPHA).reachable)
    alpha.say(3)

    assert beta.replication.board.state(ALPHA).reason == "PEER_UNAVAILABLE"
    await alpha.serve()
    await wait_for(lambda: beta.size(ALPHA) == 5)
    await wait_for(lambda: beta.replication.board.state(ALPHA).reachable)

    assert beta.replication.board.state(ALPHA).reason == ""


async def test_polling_brings_what_no_hint_announced(federation, wait_for):
    alpha = await federation(ALPHA)
    beta = await federation(BETA, poll_seconds=0.2)
    beta.replication.start()
    await wait_for(lambda: alpha.calls["Watch"])
    alpha.replication.service._growth._feeds.clear()
    alpha.say(1)

    await wait_for(lambda: beta.size(ALPHA) == 1)


async def test_the_log_of_a_member_that_is_down_comes_from_a_peer_that_has_it(federation, wait_for):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(4)
    await beta.replication.synchronise()
    await alpha.hang_up()
    gamma = await federation(GAMMA)
    gamma.replication.start()

    await wait_for(lambda: gamma.size(ALPHA) == 4)
    assert gamma.ledger.views_digest() == beta.ledger.views_digest()


async def test_gossip_alone_tells_who_has_more_of_a_log(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(4)
    await beta.replication.synchronise()
    await alpha.hang_up()
    gamma = await federation(GAMMA)
    gamma.replication.replicator.refresh()
    await gamma.replication.gossip.exchange(BETA)
    done = await gamma.replication.synchronise()

    assert done.count == 4
    assert ALPHA in done.unreachable


async def test_a_member_that_lost_the_end_of_its_log_reads_it_back(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(4, seed="kept")
    await beta.replication.synchronise()
    await alpha.close()
    restored = await federation(ALPHA, path="empty.db")
    restored.replication.replicator.refresh()
    await restored.replication.gossip.exchange(BETA)
    await restored.replication.synchronise()

    assert restored.size(ALPHA) == 4
    assert restored.say(1).first == 4


async def test_a_restarted_node_goes_on_from_the_size_on_disk(federation):
    alpha = await federation(ALPHA)
    beta = await federation(BETA, path="beta.db")
    alpha.say(3)
    await beta.replication.synchronise()
    await beta.close()
    alpha.say(2)
    again = await federation(BETA, path="beta.db")
    starts = []
    read = alpha.ledger.read
    alpha.ledger.read = lambda origin, start, *rest: (
        starts.append(start) or read(origin, start, *rest)
    )
    done = await again.replication.synchronise()

    assert done.count == 2
    assert starts == [3, 5]


async def test_removed_entries_are_replicated_as_their_leaf_hashes(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(5)
    with alpha.store.write() as writer:
        writer.drop_bodies(writer.log(str(origin_of(ALPHA))).number, [1, 4])
    await beta.replication.synchronise()
    run = beta.ledger.read(origin_of(ALPHA), 0)

    assert run.compacted == (1, 4)
    assert len(beta.heard.tokens) == 3


async def test_a_member_that_joins_is_followed_and_one_that_leaves_is_not(federation, wait_for):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(1)
    everyone = beta.charter
    beta.charter = revoke_member(everyone, ALPHA, time=NOW, holders=(BETA, GAMMA), threshold=2)
    beta.replication.start()

    assert ALPHA not in {state.member for state in beta.replication.peers()}
    beta.charter = everyone
    beta.replication.refresh()
    await wait_for(lambda: beta.size(ALPHA) == 1)
    beta.charter = revoke_member(everyone, ALPHA, time=NOW, holders=(BETA, GAMMA), threshold=2)
    beta.replication.refresh()
    alpha.say(1)
    done = await beta.replication.synchronise()

    assert done.count == 0


@pytest.mark.timeout(60)
async def test_twenty_thousand_nominations_are_replicated_and_verified(federation, record_property):
    patient = CallLimits(read=60, silence=30, call=30)  # the machine may be busy with other tests
    alpha, beta = await federation(ALPHA), await federation(BETA, limits=patient)
    for batch in range(20):
        alpha.ledger.append(nominations(1_000, batch))
    begin = time.perf_counter()
    done = await beta.replication.synchronise()
    seconds = time.perf_counter() - begin
    record_property("statements_per_second", round(20_000 / seconds))
    print(f"{20_000 / seconds:.0f} statements/s, {seconds:.2f} s")

    assert done.count == 20_000
    assert beta.ledger.views_digest() == alpha.ledger.views_digest()


async def test_a_full_disk_blames_no_peer_and_replication_goes_on_afterwards(
    federation, wait_for, monkeypatch
):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(2)
    ingest = beta.ledger.ingest

    def fail(*_arguments):
        raise StoreError("no space", reason="STORE_FULL")

    monkeypatch.setattr(beta.ledger, "ingest", fail)
    beta.replication.start()
    follower = beta.replication.replicator._followers[origin_of(ALPHA)]
    await wait_for(lambda: follower.reason == "STORE_FULL")

    assert beta.replication.board.state(ALPHA).reason == ""
    monkeypatch.setattr(beta.ledger, "ingest", ingest)
    await wait_for(lambda: beta.size(ALPHA) == 2)
    await wait_for(lambda: follower.reason == "")


async def test_a_listener_that_fails_does_not_hold_up_replication(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(2)
    beta.heard.tokens = None  # the listener's own fault
    done = await beta.replication.synchronise()

    assert done.count == beta.size(ALPHA) == 2
