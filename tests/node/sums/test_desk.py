"""The desk opens sums over what a source knows, and tells how each party stands."""

import pytest

from federation.sums import SPREAD_SECONDS, SumRefusedError
from node.desk.sums import SumService
from node.errors import PolicyError, RequestError
from node.sums.sources import Source
from tests.node.sums.conftest import LABELS, NAMES, PURPOSES, draft
from tocsin.desk.v1 import sum_service_pb2 as wire
from tocsin.v1 import vocabulary_pb2

OPERATION = vocabulary_pb2.PURPOSE_OPERATION
NAMED = dict(zip(LABELS, ("one", "two", "three", "four"), strict=True))


@pytest.fixture
def desks(network):
    for office in network.up:
        source = Source("NAMED", "what has names", PURPOSES, office.count, lambda _: NAMED)
        office.sums.sources.register(source)
    return {name: SumService(network[name].sums) for name in NAMES}


def asked(**fields):
    return wire.OpenSumRequest(**{"source": "NAMED", "purpose": OPERATION} | fields)


async def test_the_total_is_told_by_name(network, desks):
    sum_id = (await desks[NAMES[0]].OpenSum(asked(), None)).sum_id
    await network.settle()
    shown = await desks[NAMES[3]].GetSum(wire.GetSumRequest(sum_id=sum_id[:4]), None)

    assert [(one.name, one.units) for one in shown.entries] == [
        (name, 10) for name in NAMED.values()
    ]
    assert shown.checked
    assert shown.status.state == "DONE"
    assert {one.state for one in shown.status.contributors} == {"SUMMED"}
    assert all(one.checked and one.answered for one in shown.status.holders)
    assert (shown.status.opener, shown.status.source) == (NAMES[0], "NAMED")


async def test_who_is_left_out_is_told_with_the_reason(network, desks):
    network[NAMES[3]].vector = None
    sum_id = (await desks[NAMES[0]].OpenSum(asked(seconds=60), None)).sum_id
    await network.settle()
    request = wire.GetSumRequest(sum_id=sum_id)
    before = await desks[NAMES[3]].GetSum(request, None)
    network.time += 60 + SPREAD_SECONDS
    await network.settle()
    after = await desks[NAMES[0]].GetSum(request, None)

    reasons = {one.member: one.reason for one in before.status.contributors}
    assert before.status.state == "OPEN"
    assert reasons[NAMES[3]] == "SUM_NOTHING_TO_ADD"
    assert after.status.state == "DONE"
    states = {one.member: one.state for one in after.status.contributors}
    assert states == dict.fromkeys(NAMES[:3], "SUMMED") | {NAMES[3]: "SILENT"}


async def test_sums_are_listed_newest_first(network, desks):
    first = (await desks[NAMES[0]].OpenSum(asked(), None)).sum_id
    network.time += 1
    second = await network[NAMES[1]].sums.open(draft())
    await network.settle()
    for _ in range(2):
        listed = await desks[NAMES[2]].ListSums(wire.ListSumsRequest(), None)
        assert [one.sum_id for one in listed.sums] == [second, first]
        assert [one.state for one in listed.sums] == ["DONE", "DONE"]


async def test_the_sources_are_listed(desks):
    listed = await desks[NAMES[0]].ListSources(wire.ListSourcesRequest(), None)

    assert [(one.name, one.label_count) for one in listed.sources] == [("NAMED", 4), ("TEST", 0)]
    assert list(listed.sources[0].purposes) == [OPERATION]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"source": "ABSENT"}, "SUM_SOURCE_UNKNOWN"),
        ({"source": "TEST"}, "SUM_LABELS_UNKNOWN"),
        ({"purpose": 0}, "PURPOSE_MISSING"),
        ({"contributors": ["No Member"]}, "MEMBER_UNKNOWN"),
        ({"contributors": list(NAMES[:2])}, "SUM_DRAFT_INVALID"),
        ({"subject": b"short"}, "SUM_DRAFT_INVALID"),
        ({"echoes": 99}, "SUM_DRAFT_INVALID"),
    ],
)
async def test_a_wrong_request_is_refused(desks, fields, reason):
    with pytest.raises((RequestError, SumRefusedError)) as caught:
        await desks[NAMES[0]].OpenSum(asked(**fields), None)

    assert caught.value.reason == reason


async def test_a_query_partner_has_no_sums():
    with pytest.raises(PolicyError) as caught:
        await SumService(None).ListSums(wire.ListSumsRequest(), None)

    assert caught.value.reason == "ROLE_NOT_ALLOWED"


@pytest.mark.parametrize("sum_id", [b"", b"abc", bytes(17)])
async def test_an_id_of_another_length_is_refused(desks, sum_id):
    with pytest.raises(RequestError) as caught:
        await desks[NAMES[0]].GetSum(wire.GetSumRequest(sum_id=sum_id), None)

    assert caught.value.reason == "SUM_ID_INVALID"
