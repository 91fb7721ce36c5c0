"""A carrier's node answers about calls from what its network reported, and keeps little of it."""

import pytest

from federation.call_context import RECENT_SECONDS, SILENT_FEED_SECONDS
from federation.vocabulary import CallContext
from node.desk.intake import Intake, Refusal
from node.duties.call_table import STUCK_SECONDS, CallTable
from node.duties.calls import ANSWER_SECONDS, MAX_CALLS, Calls, FedCall
from node.errors import RequestError
from node.verdicts import Verdicts
from tests.federation.organisations import CARRIER
from tests.federation.said import nomination, opaque
from tests.node.matters.heard import ME as BANK
from tests.node.matters.heard import Node
from tocsin.desk.v1 import desk_service_pb2 as wire

PAYER, STRANGER, FRIEND = "+8613700000001", "+8613600000001", "+8613500000001"
TOKENS = {number: opaque(number) for number in (PAYER, STRANGER, FRIEND)}
EPOCH = 1
ACTIVE, RECENT = CallContext.ACTIVE_RISKY, CallContext.RECENT_RISKY
NONE, UNKNOWN = CallContext.NONE, CallContext.UNKNOWN


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path, own=CARRIER)
    node.table = CallTable(node.private)
    # The tokens are known, so that no key holder is asked: there is none here.
    node.table.keep_tokens(TOKENS, EPOCH, node.time)
    verdicts = Verdicts(node.catalogue, lambda: node.charter, node.clock)
    node.calls = Calls(
        node.table, Intake(None, "CN"), verdicts, lambda: 1, lambda: EPOCH, node.clock
    )
    yield node
    node.close()


def raw(number):
    return wire.RawIndicator(kind="phone", value=number)


def call(node, other=STRANGER, ago=900, ended_ago=None, *, new=True, who=PAYER):
    ended = 0 if ended_ago is None else node.time - ended_ago
    return FedCall(raw(who), raw(other), node.time - ago, ended, new)


async def test_without_a_feed_nothing_is_known_and_a_silent_one_is_none(node):
    assert await node.calls.context(TOKENS[PAYER]) is UNKNOWN

    await node.calls.feed([])

    assert await node.calls.context(TOKENS[PAYER]) is NONE

    node.time += SILENT_FEED_SECONDS + 1

    assert await node.calls.context(TOKENS[PAYER]) is UNKNOWN


async def test_a_long_call_with_a_stranger_is_active_and_then_recent_and_then_forgotten(node):
    assert await node.calls.feed([call(node)]) == [True]
    assert await node.calls.feed([call(node)]) == [False]
    assert await node.calls.context(TOKENS[PAYER]) is ACTIVE
    assert await node.calls.context(TOKENS[STRANGER]) is NONE

    assert await node.calls.feed([call(node, ended_ago=10)]) == [True]
    assert await node.calls.context(TOKENS[PAYER]) is RECENT

    node.time += RECENT_SECONDS
    await node.calls.feed([])

    assert await node.calls.context(TOKENS[PAYER]) is NONE
    assert node.table.calls(TOKENS[PAYER]) == []


async def test_a_late_report_of_the_beginning_does_not_reopen_a_call(node):
    await node.calls.feed([call(node, ended_ago=10)])

    assert await node.calls.feed([call(node)]) == [False]
    assert await node.calls.context(TOKENS[PAYER]) is RECENT


async def test_a_call_with_a_number_that_turns_out_risky_turns_risky(node):
    await node.calls.feed([call(node, FRIEND, ago=30, new=False)])

    assert await node.calls.context(TOKENS[PAYER]) is NONE

    node.hear(BANK, nomination(token=TOKENS[FRIEND], confidence=95))

    assert await node.calls.context(TOKENS[PAYER]) is ACTIVE


async def test_a_call_whose_end_the_network_lost_is_forgotten(node):
    await node.calls.feed([call(node)])
    node.time += STUCK_SECONDS
    await node.calls.feed([])

    assert await node.calls.context(TOKENS[PAYER]) is NONE


async def test_a_bad_call_is_refused_and_the_good_ones_are_taken(node):
    backwards = FedCall(raw(PAYER), raw(FRIEND), node.time, node.time - 1, False)
    results = await node.calls.feed([call(node, other="nonsense"), backwards, call(node)])

    assert isinstance(results[0], Refusal)
    assert results[1].reason == "TIME_INVALID"
    assert results[2] is True
    with pytest.raises(RequestError) as caught:
        await node.calls.feed([call(node)] * (MAX_CALLS + 1))
    assert caught.value.reason == "BATCH_TOO_LARGE"


async def test_an_answer_takes_as_long_about_a_stranger_as_about_a_customer(node):
    import asyncio

    await node.calls.feed([call(node)])
    clock = asyncio.get_running_loop().time
    for token in (TOKENS[PAYER], opaque("somebody else's customer")):
        began = clock()
        await node.calls.context(token)

        assert clock() - began >= ANSWER_SECONDS * 0.9


async def test_numbers_are_in_no_text_of_what_is_kept(node):
    fed = call(node)

    assert PAYER not in repr(fed)
    assert STRANGER not in repr(fed)
