"""Marks of numbers at real nodes: own counts, sums of today, and what reaches the least number."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from federation.indicators import Kind
from federation.marks import (
    DAY_SECONDS,
    ENTRIES,
    LEAST_REPORTERS,
    LEVELS,
    MEMBER_REPORTERS,
    SOURCE_NAME,
    subject_of,
    totals_of,
)
from federation.names import MemberId
from federation.statements import NumberMark
from federation.vocabulary import CorrectionReason, CountBand, MarkLabel, Purpose
from node.duties.mark_proof import MarkProof
from node.duties.own_marks import MarkSum, OwnMark, OwnMarks
from node.duties.pseudonyms import Pseudonyms
from node.errors import PolicyError
from node.store.private import PrivateStore
from node.sums.records import SumRecords
from node.sums.sources import Asked
from tests.federation.said import opaque, sum_open
from tests.node.federation_world import BANK, CARRIER, NET, raw, refusal
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import report_service_pb2 as wire
from tocsin.desk.v1 import report_service_pb2_grpc as stubs

session = pytest.mark.asyncio(loop_scope="session")

ADDED, UNCHANGED, REFUSED = (
    desk.ROW_OUTCOME_ADDED,
    desk.ROW_OUTCOME_UNCHANGED,
    desk.ROW_OUTCOME_REFUSED,
)
TIME = 60.0
NOW = 1_790_000_000
TOKEN = opaque("a number")
NOISE = 4  # customers that two members without any add to a total by their noise, at most
HARASSMENT, FRAUD = MarkLabel.HARASSMENT, MarkLabel.FRAUD


def reporters(total):
    return totals_of(total.units.tolist(), len(total.contributors))


def desk_of(member):
    return stubs.ReportServiceStub(member._channel)


async def mark(member, number, count, label=HARASSMENT, kind="phone"):
    rows = [
        wire.MarkRow(indicator=raw(kind, number), label=label, customer=f"line {place}")
        for place in range(count)
    ]
    request = wire.AddMarksRequest(rows=rows)
    return [one.outcome for one in (await desk_of(member).AddMarks(request, timeout=TIME)).results]


async def share(member, number):
    request = wire.ShareMarksRequest(value=raw("phone", number), seconds=60)
    return (await desk_of(member).ShareMarks(request, timeout=TIME)).sum_id


async def show(member, number):
    request = wire.ShowMarksRequest(value=raw("phone", number))
    return await desk_of(member).ShowMarks(request, timeout=TIME)


async def correct(member, number, reason=CorrectionReason.MISTAKEN):
    request = wire.CorrectMarksRequest(values=[raw("phone", number)], reason=reason)
    return (await desk_of(member).CorrectMarks(request, timeout=TIME)).results


async def until_shown(world, member, number):
    async def is_shown():
        return len((await show(world[member], number)).marks) > 0

    await world.until(is_shown)
    return (await show(world[member], number)).marks


@session
async def test_a_customer_marks_a_number_once_and_may_change_its_mind(world) -> None:
    bank, number = world[BANK], "+9990008001"

    assert await mark(bank, number, 3) == [ADDED] * 3
    assert await mark(bank, number, 2) == [UNCHANGED] * 2
    assert await mark(bank, number, 1, FRAUD) == [ADDED]

    own = (await show(bank, number)).own
    assert {one.label: one.count for one in own} == {FRAUD: 1, HARASSMENT: 2}
    assert (await show(world[NET], number)).own == []


@session
async def test_marks_reach_everybody_in_a_band_and_only_from_the_least_number_on(world) -> None:
    many, few = "+9990008002", "+9990008003"
    for member in (BANK, CARRIER, NET):
        await mark(world[member], many, 20)
    await mark(world[NET], few, 1)
    sums = [await share(world[NET], number) for number in (many, few)]
    (found,) = await until_shown(world, BANK, many)

    assert (found.label, found.reporters, found.member) == (HARASSMENT, CountBand.SOME, NET)
    assert found.freshness > 0.9

    marks = world[NET].node.parts.reporting.marks
    await world.until(lambda: not marks._own.open_sums())
    total = await world[NET].log.sums.wait(sums[1], TIME)

    assert max(reporters(total).values()) < LEAST_REPORTERS
    assert (await show(world[NET], few)).marks == []


@session
async def test_a_correction_starts_a_number_anew_for_own_customers_too(world) -> None:
    number = "+9990008004"
    for member in (BANK, CARRIER, NET):
        await mark(world[member], number, 12)
    await share(world[CARRIER], number)
    await until_shown(world, BANK, number)

    assert await refusal(correct(world[BANK], number)) == "ROLE_NOT_ALLOWED"
    assert [one.outcome for one in await correct(world[CARRIER], number)] == [ADDED]
    await world.settle()
    cleared = await show(world[BANK], number)

    assert (list(cleared.marks), list(cleared.own)) == ([], [])
    assert cleared.since_time.seconds


@session
async def test_a_mark_that_its_sum_does_not_show_is_not_believed(world) -> None:
    number, other = "+9990008007", "+9990008008"
    for member in (BANK, CARRIER, NET):
        await mark(world[member], number, 8)
    sum_id = await share(world[BANK], number)
    await until_shown(world, CARRIER, number)
    token, innocent = [await world[BANK].token("phone", each) for each in (number, other)]
    now, speaker = int(time.time()), world[BANK].log.speaker
    lies = [
        NumberMark(innocent, Kind.PHONE, 1, HARASSMENT, CountBand.SOME, sum_id, now),
        NumberMark(innocent, Kind.PHONE, 1, FRAUD, CountBand.MASS, opaque("no sum"), now),
        NumberMark(token, Kind.PHONE, 1, FRAUD, CountBand.SOME, sum_id, now),
        NumberMark(token, Kind.PHONE, 1, HARASSMENT, CountBand.MASS, sum_id, now),
        NumberMark(token, Kind.PHONE, 1, HARASSMENT, CountBand.SOME, sum_id, now + 86_400),
    ]
    async with speaker.lock:
        await speaker.say([speaker.statement(body, Purpose.VERIFICATION) for body in lies])
    await world.settle()
    copied = NumberMark(token, Kind.PHONE, 1, FRAUD, CountBand.SOME, sum_id, now)
    stranger = world[NET].log.speaker
    async with stranger.lock:
        await stranger.say([stranger.statement(copied, Purpose.VERIFICATION)])
    await world.settle()

    assert list((await show(world[CARRIER], other)).marks) == []
    (found,) = (await show(world[CARRIER], number)).marks
    assert (found.label, found.reporters, found.member) == (HARASSMENT, CountBand.SOME, BANK)


@session
async def test_what_is_no_number_or_has_no_customer_is_refused(world) -> None:
    rows = [
        wire.MarkRow(indicator=raw("iban", "DE44500105175407324931"), label=FRAUD, customer="a"),
        wire.MarkRow(indicator=raw("phone", "+9990008005"), label=FRAUD, customer=" "),
        wire.MarkRow(indicator=raw("phone", "+9990008005"), label=0, customer="a"),
    ]
    request = wire.AddMarksRequest(rows=rows)
    results = (await desk_of(world[BANK]).AddMarks(request, timeout=TIME)).results
    iban = wire.ShowMarksRequest(value=raw("iban", "DE44500105175407324931"))

    assert [one.error.reason for one in results] == [
        "KIND_NOT_MARKED",
        "CUSTOMER_INVALID",
        "ENUM_UNKNOWN",
    ]
    assert await refusal(desk_of(world[BANK]).ShowMarks(iban, timeout=TIME)) == "KIND_NOT_MARKED"
    assert await refusal(correct(world[CARRIER], "+9990008005", 0)) == "ENUM_UNKNOWN"


def asked(world, token, day, now, labels=tuple(ENTRIES), **bounds):
    subject = subject_of(token, day)
    sound = {"largest": 1, "one_hot": len(MarkLabel), "norm_blocks": (), "norm_bounds": ()}
    opening = sum_open(**{"label_count": len(labels)} | sound | bounds)
    return Asked(SOURCE_NAME, labels, subject, opening, MemberId(CARRIER), now)


@session
async def test_a_source_answers_for_today_and_repeats_its_own_noise(world) -> None:
    number, now = "+9990008006", int(time.time())
    await mark(world[BANK], number, 30)
    token = await world[BANK].token("phone", number)
    sources, today = world[BANK].log.sums.sources, now // DAY_SECONDS
    source = sources.find(SOURCE_NAME)
    first = source.count(asked(world, token, today, now))
    again = source.count(asked(world, token, today - 1, now))

    assert np.array_equal(first, again)
    assert first.reshape(len(MarkLabel), LEVELS).sum(axis=1).tolist() == [1] * len(MarkLabel)
    assert set(first.tolist()) == {0, 1}
    assert totals_of(first.tolist(), 1)[HARASSMENT] > 0
    assert source.count(asked(world, token, today - 2, now)) is None
    assert source.purposes == {Purpose.VERIFICATION}
    assert len(source.labels(b"")) == len(ENTRIES)


@session
async def test_a_sum_of_marks_with_another_bound_gets_no_answer(world) -> None:
    token = await world[BANK].token("phone", "+9990008009")
    now, source = int(time.time()), world[BANK].log.sums.sources.find(SOURCE_NAME)
    for wrong in (
        {"largest": 1_000_000},
        {"one_hot": 0},
        {"one_hot": 1},
        {"labels": tuple(ENTRIES)[::-1]},
    ):
        with pytest.raises(PolicyError) as caught:
            source.count(asked(world, token, now // DAY_SECONDS, now, **wrong))

        assert caught.value.reason == "BOUND_NOT_ALLOWED"


@session
async def test_one_members_customers_alone_never_brand_a_number(world) -> None:
    number = "+9990008010"
    await mark(world[CARRIER], number, 40)
    sum_id = await share(world[CARRIER], number)
    total = await world[CARRIER].log.sums.wait(sum_id, TIME)

    assert 0 < max(reporters(total).values()) <= MEMBER_REPORTERS + NOISE
    assert 2 * MEMBER_REPORTERS <= LEAST_REPORTERS


class WiderRecords(SumRecords):
    """The sums of a node, each as if it had been opened with a wider bound."""

    def head(self, sum_id):
        head = super().head(sum_id)
        opening = replace(head.sum.opening, largest=1_000_000)
        return replace(head, sum=replace(head.sum, opening=opening))


@session
async def test_a_mark_from_a_sum_with_a_wider_bound_is_not_believed(world) -> None:
    number = "+9990008011"
    for member in (BANK, CARRIER, NET):
        await mark(world[member], number, 12)
    await share(world[NET], number)
    await until_shown(world, NET, number)
    token = await world[NET].token("phone", number)
    reader = world[NET].node.parts.reporting.marks._reader
    (row,) = reader._catalogue.marks([token])[token].marks
    records = reader._proof._records
    wider = WiderRecords(records._catalogue, records._ledger, records.charter)

    assert reader._proof.holds(row)
    assert not MarkProof(wider, lambda: int(time.time())).holds(row)


def test_a_person_has_one_pseudonym_in_a_role_at_one_member(private, tmp_path):
    names, other = Pseudonyms(private), PrivateStore(tmp_path / "other.db")
    mine = names.of("reporter", "somebody")

    assert mine == Pseudonyms(private).of("reporter", " somebody ")
    assert len(mine) == 16
    assert mine != names.of("customer", "somebody")
    assert mine != Pseudonyms(other).of("reporter", "somebody")
    other.close()


def test_a_number_is_due_once_it_is_settled_and_not_twice_a_day(private):
    own = OwnMarks(private)
    own.add(OwnMark(TOKEN, opaque(f"customer {place}"), FRAUD, NOW) for place in range(3))
    hour, day = 3_600, 86_400

    def due(now, least=3):
        return own.due(least, now - hour, now - day)

    assert due(NOW + hour - 1) == []
    assert due(NOW + hour) == [TOKEN]
    assert due(NOW + hour, least=4) == []

    own.add_sum(MarkSum(opaque("sum"), TOKEN, NOW + hour))

    assert due(NOW + 2 * day) == []  # nobody marked it since

    own.add([OwnMark(TOKEN, opaque("another"), FRAUD, NOW + 2 * hour)])

    assert due(NOW + 3 * hour) == []
    assert due(NOW + 2 * day) == [TOKEN]
    assert own.open_sums() == [MarkSum(opaque("sum"), TOKEN, NOW + hour)]
    own.close_sum(opaque("sum"))
    assert own.open_sums() == []
    assert own.counts(TOKEN, 0) == {FRAUD: 4}
    assert own.counts(TOKEN, NOW) == {FRAUD: 1}
