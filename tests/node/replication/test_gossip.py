"""A member that tells two stories is caught by its peers, with proof; an honest one never is."""

from datetime import UTC, datetime, timedelta

import pytest

from federation.fork import verify_fork_evidence
from node.errors import PeerError
from node.log.error import LogError
from tests.node.replication import liar
from tests.node.replication.nodes import (
    ALPHA,
    BETA,
    GAMMA,
    NOW,
    ORGANISATIONS,
    nominations,
    origin_of,
)

FORKER = origin_of(ALPHA)
COMMON = nominations(4, "common")
STORIES = [
    pytest.param(nominations(2, "one"), nominations(2, "two"), id="equal sizes"),
    pytest.param([], nominations(3, "two"), id="one is cut: no fork"),
    pytest.param(nominations(1, "one"), nominations(5, "two"), id="sizes 5 and 9"),
    pytest.param(nominations(4, "one"), nominations(7, "two"), id="sizes 8 and 11"),
    pytest.param(nominations(9, "one"), nominations(2, "two"), id="sizes 13 and 6"),
]


def tell(node, bodies):
    """Bring a story of the forker to a node, as the forker itself would."""
    signed = liar.signed_over(bodies, ALPHA, FORKER, datetime.fromtimestamp(NOW, UTC))
    node.ledger.ingest(FORKER, bodies, (), signed.note)
    return signed.note


@pytest.mark.parametrize(("one", "two"), STORIES)
async def test_two_peers_that_were_told_two_stories_prove_it(federation, wait_for, one, two):
    beta, gamma = (
        await federation(BETA, gossip_seconds=0.1),
        await federation(GAMMA, gossip_seconds=0.1),
    )
    notes = {tell(beta, [*COMMON, *one]), tell(gamma, [*COMMON, *two])}
    beta.replication.start()
    gamma.replication.start()
    if not one:
        await wait_for(lambda: beta.size(ALPHA) == gamma.size(ALPHA))

        assert not beta.heard.forks
        assert not gamma.heard.forks
        return
    await wait_for(lambda: beta.heard.forks and gamma.heard.forks)
    for node in (beta, gamma):
        (evidence,) = node.heard.forks
        verify_fork_evidence(evidence, ORGANISATIONS[ALPHA].member.signing_key)

        assert {evidence.first, evidence.second} == notes
        assert list(node.ledger.stopped()) == [FORKER]


async def test_a_forked_log_is_replicated_no_further_and_told_of_once(federation, wait_for):
    beta, gamma = (
        await federation(BETA, gossip_seconds=0.05),
        await federation(GAMMA, gossip_seconds=0.05),
    )
    tell(beta, [*COMMON, *nominations(1, "one")])
    tell(gamma, [*COMMON, *nominations(1, "two")])
    beta.replication.start()
    await wait_for(lambda: beta.heard.forks and gamma.heard.forks)
    alpha = await federation(ALPHA, serving=False)
    alpha.ledger.append([*COMMON, *nominations(1, "one")])
    alpha.say(1)
    await alpha.serve()
    rounds = gamma.calls["Gossip"]
    await wait_for(lambda: gamma.calls["Gossip"] > rounds + 3)
    done = await beta.replication.synchronise()
    log = next(log for log in done.logs if log.origin == FORKER)

    assert (log.reason, beta.size(ALPHA), alpha.calls["Read"]) == ("ORIGIN_STOPPED", 5, 0)
    assert (len(beta.heard.forks), len(gamma.heard.forks)) == (1, 1)
    with pytest.raises(LogError, match="forked"):
        beta.ledger.ingest(FORKER, [], (), alpha.ledger.latest_checkpoint(FORKER))


async def test_a_third_node_that_holds_nothing_of_a_fork_learns_of_it_from_both(federation):
    beta, gamma = await federation(BETA), await federation(GAMMA)
    tell(beta, [*COMMON, *nominations(1, "one")])
    tell(gamma, [*COMMON, *nominations(3, "two")])
    coordinator = await federation("coord")
    coordinator.replication.replicator.refresh()
    await coordinator.replication.gossip.exchange(BETA)
    await coordinator.replication.synchronise()
    await coordinator.replication.gossip.exchange(GAMMA)
    await coordinator.replication.synchronise()

    assert len(coordinator.heard.forks) == 1


async def test_honest_growth_raises_no_suspicion(federation, wait_for):
    nodes = [await federation(name, gossip_seconds=0.05) for name in (ALPHA, BETA, GAMMA)]
    for node in nodes:
        node.replication.start()
    for _ in range(10):
        for node in nodes:
            node.say(2)
        rounds = nodes[0].calls["Gossip"]
        await wait_for(lambda rounds=rounds: nodes[0].calls["Gossip"] > rounds)
    await wait_for(lambda: len({node.ledger.views_digest() for node in nodes}) == 1)

    assert [node.heard.forks for node in nodes] == [[], [], []]
    assert [state.reason for state in nodes[0].replication.peers()].count("") >= 2


async def test_a_checkpoint_from_the_future_is_refused(federation):
    gamma = await federation(GAMMA)
    early = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=301)
    signed = liar.signed_over(COMMON, ALPHA, FORKER, early)
    gamma.replication.replicator.refresh()
    await gamma.replication.examiner.receive(BETA, [signed.note])

    assert gamma.replication.board.state(BETA).reason == "CHECKPOINT_FROM_FUTURE"
    assert gamma.replication.replicator.progress()[1].claimed == 0
    gamma.now += 1
    await gamma.replication.examiner.receive(BETA, [signed.note])

    assert gamma.replication.board.state(BETA).reason == ""
    assert {log.claimed for log in gamma.replication.replicator.progress()} == {0, 4}


async def test_a_checkpoint_that_its_member_did_not_sign_is_refused(federation):
    gamma = await federation(GAMMA)
    time = datetime.fromtimestamp(NOW, UTC)
    forged = liar.signed_over(COMMON, ALPHA, FORKER, time).note[:-6] + b"AAAA=\n"
    gamma.replication.replicator.refresh()
    await gamma.replication.examiner.receive(BETA, [forged, b"", b"no note", b"\xff" * 100])

    assert gamma.replication.board.state(BETA).reason == "CHECKPOINT_INVALID"
    assert {log.claimed for log in gamma.replication.replicator.progress()} == {0}


async def test_logs_of_members_that_no_charter_names_are_passed_over(federation):
    gamma = await federation(GAMMA)
    stranger = origin_of("stranger")
    time = datetime.fromtimestamp(NOW, UTC)
    note = liar.signed_over(COMMON, ALPHA, stranger, time).note
    await gamma.replication.examiner.receive(BETA, [note])

    assert not await gamma.replication.examiner.examine(BETA, note)
    assert gamma.ledger.size(stranger) == 0


async def test_a_peer_without_proof_convicts_nobody(federation):
    beta = await federation(BETA, serving=False)
    gamma = await federation(GAMMA)
    tell(gamma, COMMON)
    other = tell(beta, nominations(9, "other"))
    await beta.serve(liar.Liar(beta.ledger, liar.truncated))

    assert not await gamma.replication.examiner.examine(BETA, other)
    assert not gamma.heard.forks


async def test_gossip_of_more_than_a_thousand_checkpoints_is_refused(federation):
    beta, gamma = await federation(BETA), await federation(GAMMA)
    beta.ledger.checkpoints = lambda: [b"x"] * 1_001
    client = gamma.replication.gossip._client

    assert len(await client.gossip(BETA, [])) == 1_000
    with pytest.raises(PeerError) as refused:
        await client.gossip(BETA, [b"x"] * 1_001)

    assert refused.value.reason == "CHECKPOINT_INVALID"


async def test_a_fork_that_could_not_be_told_is_told_when_it_shows_again(federation):
    gamma = await federation(GAMMA)
    tell(gamma, [*COMMON, *nominations(1, "one")])
    time = datetime.fromtimestamp(NOW, UTC)
    other = liar.signed_over([*COMMON, *nominations(1, "two")], ALPHA, FORKER, time).note
    told, gamma.heard.forks = gamma.heard.forks, None
    with pytest.raises(AttributeError):
        await gamma.replication.examiner.receive(BETA, [other])
    gamma.heard.forks = told

    assert FORKER in gamma.ledger.stopped()
    for _ in range(2):
        await gamma.replication.examiner.receive(BETA, [other])

    assert len(told) == 1
