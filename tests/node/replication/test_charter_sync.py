"""A newer charter spreads from peer to peer, a false one does not, and a wrong clock is shown."""

from federation.charter import add_member, change_member, revoke_member, verify_charter
from federation.roles import Role
from node.replication.board import PeerBoard
from node.replication.charter_sync import CharterSync
from node.replication.member_client import MemberClient
from node.replication.roster import Roster
from tests.federation.organisations import organisation, sign_by
from tests.node.replication.nodes import (
    ALPHA,
    BETA,
    CHARTER,
    GAMMA,
    NOW,
    ORGANISATIONS,
    LoopbackLinks,
)

EVERYONE = tuple(ORGANISATIONS.values())
NEWCOMER = organisation("carrier-new", Role.CARRIER)


def show(node, charter, *signers):
    """Let a node serve a charter, signed by these."""
    node.charter, node.charter_note = charter, sign_by(charter, *signers)


async def test_a_newer_charter_is_adopted_and_its_new_member_followed(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    show(alpha, add_member(CHARTER, NEWCOMER.member, time=NOW), *EVERYONE, NEWCOMER)
    await beta.replication.charter_sync.ask(ALPHA)

    assert beta.charter == alpha.charter
    assert NEWCOMER.name in {state.member for state in beta.replication.peers()}
    assert beta.replication.board.state(ALPHA).reason == ""


async def test_a_revocation_reaches_a_running_node_by_itself(federation, wait_for):
    alpha = await federation(ALPHA)
    beta = await federation(BETA, charter_seconds=0.05)
    beta.replication.start()
    await wait_for(lambda: alpha.calls["GetNode"] > 1)
    gone = revoke_member(CHARTER, GAMMA, time=NOW, holders=(ALPHA, BETA), threshold=2)
    show(alpha, gone, *EVERYONE[:2], EVERYONE[3])
    await wait_for(lambda: beta.charter.version == 2)

    assert GAMMA not in {state.member for state in beta.replication.peers()}


async def test_who_keeps_no_log_follows_a_newer_charter_by_itself(federation, wait_for):
    alpha = await federation(ALPHA)
    followed, links = [CHARTER], LoopbackLinks(GAMMA, alpha.addresses)
    partner = CharterSync(
        Roster(GAMMA, lambda: followed[-1], alpha.clock),
        MemberClient(links),
        PeerBoard(alpha.clock),
        lambda note: followed.append(verify_charter(note, followed[-1])),
        seconds=0.05,
    )
    partner.start()
    await wait_for(lambda: alpha.calls["GetNode"] > 1)
    show(alpha, add_member(CHARTER, NEWCOMER.member, time=NOW), *EVERYONE, NEWCOMER)
    await wait_for(lambda: followed[-1] == alpha.charter)
    await partner.close()
    await links.close()

    assert [one.version for one in followed] == [1, 2]


async def test_a_charter_without_its_signatures_is_refused_and_named(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    show(alpha, add_member(CHARTER, NEWCOMER.member, time=NOW), EVERYONE[0], NEWCOMER)
    await beta.replication.charter_sync.ask(ALPHA)

    assert beta.charter == CHARTER
    assert beta.replication.board.state(ALPHA).reason == "CHARTER_COORDINATOR_MISSING"


async def test_a_charter_two_versions_ahead_waits_for_the_one_between(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    second = add_member(CHARTER, NEWCOMER.member, time=NOW)
    show(alpha, change_member(second, NEWCOMER.member, time=NOW), *EVERYONE, NEWCOMER)
    await beta.replication.charter_sync.ask(ALPHA)

    assert beta.replication.board.state(ALPHA).reason == "CHARTER_VERSION_SKIPPED"
    gamma = await federation(GAMMA)
    show(gamma, second, *EVERYONE, NEWCOMER)
    await beta.replication.charter_sync.ask(GAMMA)
    await beta.replication.charter_sync.ask(ALPHA)

    assert beta.charter.version == 3
    assert beta.replication.board.state(ALPHA).reason == ""


async def test_a_clock_more_than_five_minutes_off_is_shown_until_it_is_right(federation):
    alpha, beta = await federation(ALPHA), await federation(BETA)
    seen = []
    for offset in (300, 301, -301, 0):
        alpha.now = NOW + offset
        await beta.replication.charter_sync.ask(ALPHA)
        state = beta.replication.board.state(ALPHA)
        seen.append((state.reachable, state.clock_offset, state.reason))

    assert seen == [
        (True, 300, ""),
        (True, 301, "CLOCK_SKEW"),
        (True, -301, "CLOCK_SKEW"),
        (True, 0, ""),
    ]
