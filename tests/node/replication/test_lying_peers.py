"""A peer that lies changes nothing here, is named, and does not keep the truth away."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.statements import decode_statement
from node.replication.error import TransferError
from node.replication.transfer import RunCollector
from tests.node.replication import liar
from tests.node.replication.liar import Liar
from tests.node.replication.nodes import ALPHA, BETA, GAMMA, NOW, nominations, origin_of
from tocsin.v1 import log_service_pb2 as wire

LIES = [
    (liar.truncated, "RUN_INVALID"),
    (liar.reordered, "ROOT_MISMATCH"),
    (liar.edited, "ROOT_MISMATCH"),
    (liar.repeated, "RUN_INVALID"),
    (liar.hashed, "ROOT_MISMATCH"),
    (liar.unsigned, "CHECKPOINT_INVALID"),
    (liar.resigned(BETA), "CHECKPOINT_INVALID"),
    (liar.unclosed, "TRANSFER_CUT_SHORT"),
    (liar.closed_early, "TRANSFER_MALFORMED"),
    (liar.empty_parts, "TRANSFER_MALFORMED"),
    (liar.misplaced, "TRANSFER_MALFORMED"),
    (liar.endless, "TRANSFER_TOO_LARGE"),
    (liar.endless_hashes, "TRANSFER_TOO_LARGE"),
    (liar.silent, "TRANSFER_STALLED"),
]


@pytest.mark.parametrize(("twist", "reason"), LIES, ids=[reason for _, reason in LIES])
async def test_a_lie_is_refused_as_a_whole_and_the_truth_comes_from_another(
    federation, twist, reason
):
    alpha = await federation(ALPHA, serving=False)
    alpha.say(4)
    await alpha.serve(Liar(alpha.ledger, twist))
    gamma = await federation(GAMMA)

    done = await gamma.replication.synchronise()
    log = next(log for log in done.logs if log.origin == origin_of(ALPHA))

    assert (done.count, gamma.size(ALPHA)) == (0, 0)
    assert (log.reason, gamma.replication.board.state(ALPHA).reason) == (reason, reason)
    assert gamma.ledger.latest_checkpoint(origin_of(ALPHA)) is None
    assert not gamma.heard.tokens

    beta = await federation(BETA)
    copy(alpha, beta)
    await gamma.replication.gossip.exchange(BETA)
    await gamma.replication.synchronise()

    assert gamma.size(ALPHA) == 4
    assert not gamma.heard.forks


async def test_a_relay_that_edits_is_named_and_the_member_is_not(federation):
    alpha = await federation(ALPHA)
    alpha.say(3)
    beta = await federation(BETA, serving=False)
    copy(alpha, beta)
    await beta.serve(Liar(beta.ledger, liar.edited))
    await alpha.hang_up()
    gamma = await federation(GAMMA)
    gamma.replication.replicator.refresh()
    await gamma.replication.gossip.exchange(BETA)
    await gamma.replication.synchronise()

    assert gamma.size(ALPHA) == 0
    assert gamma.replication.board.state(BETA).reason == "ROOT_MISMATCH"
    assert not gamma.heard.refused
    assert not gamma.heard.forks


async def test_entries_that_are_no_statement_are_kept_and_their_member_is_named(federation):
    beta = await federation(BETA)
    bodies = [*nominations(2), b"no statement", b""]
    time = datetime.fromtimestamp(NOW, UTC)
    signed = liar.signed_over(bodies, ALPHA, origin_of(ALPHA), time)
    beta.ledger.ingest(origin_of(ALPHA), bodies, (), signed.note)
    gamma = await federation(GAMMA)
    gamma.replication.replicator.refresh()
    await gamma.replication.gossip.exchange(BETA)
    await gamma.replication.synchronise()

    assert gamma.size(ALPHA) == 4
    assert len(gamma.heard.tokens) == 2
    assert gamma.heard.refused == [(ALPHA, 2, "STATEMENT_INVALID")]
    assert gamma.heard.dated == [(ALPHA, decode_statement(bodies[0]).issued_time)]


async def test_an_old_checkpoint_shown_again_takes_nothing_back(federation):
    alpha = await federation(ALPHA, serving=False)
    alpha.say(2)
    old = alpha.ledger.latest_checkpoint(origin_of(ALPHA))
    alpha.say(2)

    async def replayed(run, request):
        yield liar.closing(old)

    gamma = await federation(GAMMA)
    copy(alpha, gamma)
    await alpha.serve(Liar(alpha.ledger, replayed))
    done = await gamma.replication.synchronise()

    assert (done.count, gamma.size(ALPHA)) == (0, 4)
    assert gamma.ledger.latest_checkpoint(origin_of(ALPHA)) != old


async def test_a_checkpoint_of_another_log_is_refused(federation):
    alpha = await federation(ALPHA, serving=False)
    beta = await federation(BETA)
    alpha.say(2, seed="same")
    beta.say(2, seed="same")
    other = beta.ledger.latest_checkpoint(origin_of(BETA))
    await alpha.serve(Liar(alpha.ledger, liar.of_another_log(other)))
    gamma = await federation(GAMMA)
    await gamma.replication.synchronise()

    assert (gamma.size(ALPHA), gamma.size(BETA)) == (0, 2)
    assert gamma.replication.board.state(ALPHA).reason == "CHECKPOINT_INVALID"


async def test_a_peer_that_sends_nothing_is_given_up_after_the_silence_allowed(federation):
    alpha = await federation(ALPHA, serving=False)
    alpha.say(1)
    await alpha.serve(Liar(alpha.ledger, liar.silent))
    gamma = await federation(GAMMA)
    begin = time.monotonic()
    await gamma.replication.synchronise()

    assert 0.9 < time.monotonic() - begin < 3
    assert not gamma.replication.board.state(ALPHA).reachable


async def test_a_peer_that_drips_is_given_up_at_the_deadline(federation):
    alpha = await federation(ALPHA, serving=False)
    alpha.say(100)
    await alpha.serve(Liar(alpha.ledger, liar.dripping))
    gamma = await federation(GAMMA)
    begin = time.monotonic()
    done = await gamma.replication.synchronise()

    assert time.monotonic() - begin < 7
    assert done.unreachable
    assert gamma.replication.board.state(ALPHA).reason == "PEER_DEADLINE_EXCEEDED"


async def test_a_peer_that_claims_what_it_has_not_is_believed_once(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    alpha.say(1)
    gamma = await federation(GAMMA)
    gamma.replication.replicator.refresh()
    await gamma.replication.synchronise()
    gamma.replication.replicator.hint(BETA, origin_of(ALPHA), 2**62)
    await gamma.replication.synchronise()
    follower = gamma.replication.replicator._followers[origin_of(ALPHA)]

    assert beta.calls["Read"]
    assert not follower.is_due(BETA)
    gamma.replication.replicator._wakes[origin_of(ALPHA)].clear()
    gamma.replication.replicator.hint(BETA, origin_of(ALPHA), 2**62)

    assert not gamma.replication.replicator._wakes[origin_of(ALPHA)].is_set()


def copy(source, target):
    """Bring the source's own log to the target without any network."""
    origin = origin_of(source.name)
    run = source.ledger.read(origin, 0)
    target.ledger.ingest(origin, run.bodies, run.compacted, run.checkpoint)


parts = st.builds(
    lambda bodies, places: wire.ReadResponse(
        entries=wire.EntryRun(bodies=bodies, compacted=places)
    ),
    st.lists(st.binary(max_size=4), max_size=4),
    st.lists(st.integers(0, 5), max_size=3),
) | st.builds(lambda note: wire.ReadResponse(checkpoint=note), st.binary(max_size=4))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(parts, max_size=5))
def test_a_stream_gives_a_run_or_the_one_error_whatever_its_parts(stream):
    run = collected(stream)
    if run is None:
        return

    assert stream[-1].checkpoint == run.checkpoint
    assert all(0 <= place < len(run.bodies) for place in run.compacted)
    assert len(run.bodies) == sum(len(part.entries.bodies) for part in stream)


def collected(stream):
    """Return the run, or None where the one documented error came."""
    collector = RunCollector()
    try:
        for part in stream:
            collector.add(part)
        return collector.finish()
    except TransferError:
        return None
