"""Carriers add inspections up as the month asks, among all of them, and for nobody else."""

from contextlib import closing

import pytest

from federation.figures import Period
from federation.iot import Sheet
from federation.iot_sheet import (
    LARGEST,
    OLDEST_MONTHS,
    month_of,
    month_start,
    month_subject,
    sheet_labels,
)
from federation.names import MemberId
from federation.vocabulary import Purpose
from node.desk.iot import IotService
from node.duties.inspection_table import InspectionTable
from node.duties.inspections import SOURCE
from node.duties.sheet_table import SheetTable
from node.errors import PolicyError, RequestError
from node.sums.opener import SumDraft
from tests.node.duties.counting_world import World
from tocsin.desk.v1 import iot_service_pb2 as wire

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
COORDINATOR, BANK = "coord", "bank-x"
OWN = {
    "carrier-a": Sheet(1_000, 12, 5, 2),
    "carrier-b": Sheet(400, 3, 1, 0),
    "carrier-c": Sheet(90, 0, 0, 1),
}
NOTHING = "SUM_NOTHING_TO_ADD"

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    names = (*CARRIERS, BANK, COORDINATOR)
    with closing(World(tmp_path_factory.mktemp("iot") / "f", names)) as found:
        yield found


@pytest.fixture(scope="module")
def month(world):
    this = month_of(world[COORDINATOR].sums.now())
    for name, sheet in OWN.items():
        world[name].inspections.table.put(this, sheet)
    return this


def asked(subject, contributors=CARRIERS):
    return SumDraft(
        source=SOURCE,
        labels=tuple(sheet_labels()),
        purpose=Purpose.OPERATION,
        contributors=tuple(MemberId(name) for name in contributors),
        subject=subject,
        seconds=60,
        largest=LARGEST,
    )


async def reason_of(awaitable):
    with pytest.raises((PolicyError, RequestError)) as caught:
        await awaitable
    return caught.value.reason


async def test_a_month_is_added_up_and_nobody_s_part_is_in_it(world, month):
    found = await world.while_talking(world[COORDINATOR].inspections.add_up(month))

    assert found.sheet == Sheet(1_490, 15, 6, 3)
    assert found.contributors == 3
    assert world[COORDINATOR].inspections.table.all() == []


async def test_a_bank_an_unknown_month_or_other_members_get_no_answer(world, month):
    other = [*CARRIERS[:2], BANK]
    drafts = (
        (BANK, asked(month_subject(month)), CARRIERS),
        (COORDINATOR, asked(month_subject(month + 1)), CARRIERS),
        (COORDINATOR, asked(bytes(range(32))), CARRIERS),
        (COORDINATOR, asked(month_subject(month - 1)), CARRIERS),  # nobody looked at cards then
        (COORDINATOR, asked(month_subject(month - 2), other), other),
    )
    for opener, draft, contributors in drafts:
        sum_id = await world[opener].sums.open(draft)

        assert await world.declined(sum_id) == dict.fromkeys(contributors, NOTHING)


async def test_who_may_not_ask_or_asks_for_no_month_is_refused(world, month):
    coordinator, bank = world[COORDINATOR].inspections, world[BANK].inspections

    assert await reason_of(bank.add_up(month)) == "ROLE_NOT_ALLOWED"
    assert await reason_of(coordinator.add_up(month + 1)) == "IOT_MONTH_INVALID"
    assert await reason_of(coordinator.add_up(month - OLDEST_MONTHS)) == "IOT_MONTH_INVALID"


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (5, 6, 0, 0), (5, 0, 6, 0), (5, 0, 0, 6)])
async def test_counts_that_are_none_are_refused_and_members_without_cards_too(world, counts):
    sheet = wire.InspectionSheet(**Sheet(*counts)._asdict())
    request = wire.KeepInspectionRequest(sheet=sheet)
    carrier, bank = (
        IotService(world[name].inspections, SheetTable(world[name].party.core.private))
        for name in ("carrier-a", BANK)
    )

    assert await reason_of(carrier.KeepInspection(request, None)) == "IOT_SHEET_INVALID"
    assert await reason_of(bank.KeepInspection(request, None)) == "ROLE_NOT_ALLOWED"


async def test_an_inspection_of_the_same_month_takes_the_place_of_the_one_before(world, month):
    counter = world["carrier-b"]
    desk = IotService(counter.inspections, SheetTable(counter.party.core.private))
    for abnormal in (1, 7):
        sheet = wire.InspectionSheet(checked=500, abnormal=abnormal)
        await desk.KeepInspection(wire.KeepInspectionRequest(sheet=sheet), None)
    figures = counter.sheets.own.of
    answer = await desk.ListInspections(wire.ListInspectionsRequest(), None)

    assert [one.sheet.abnormal for one in answer.inspections] == [7]
    assert figures(Period(month_start(month), month_start(month) + 86_400))["C-4"] == (7, 500)


def test_sheets_are_kept_by_month(private):
    table = InspectionTable(private)
    table.put(1, Sheet(9, 1, 0, 0))
    table.put(2, Sheet(8, 1, 0, 0))
    table.put(1, Sheet(7, 1, 0, 0))

    assert table.all() == [(2, Sheet(8, 1, 0, 0)), (1, Sheet(7, 1, 0, 0))]
    assert table.sheet(3) is None
