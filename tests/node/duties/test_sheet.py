"""Members add up only those figures of a sheet that enough of them have, whoever asks."""

from contextlib import closing

import pytest

from federation.figures import Period
from federation.names import MemberId
from federation.sheet import (
    INDICATOR,
    LARGEST,
    count_labels,
    duration_figure,
    figure_labels,
    period_subject,
    shared_subject,
)
from federation.vocabulary import Purpose
from node.duties.sheet import COUNTS, FIGURES, SECONDS_A_DAY, check_period
from node.duties.sheet_table import SheetTable
from node.errors import RequestError
from node.sums.opener import SumDraft
from tests.node.duties.counting_world import World

NAMES = ("carrier-a", "bank-x", "net-p", "carrier-b")
OPENER = "bank-x"
FIGURES_OF = {
    "carrier-a": {"E-1": (1, 10), "C-1": (5, 1_000)},
    "bank-x": {"E-1": (0, 20), "B-1": (9, 900)},
    "net-p": {"E-1": (2, 30)},
    "carrier-b": {"C-1": (6, 2_000)},
}
NOW = 1_790_000_000

NOTHING = "SUM_NOTHING_TO_ADD"

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with closing(World(tmp_path_factory.mktemp("sheet") / "f", NAMES)) as found:
        yield found


@pytest.fixture(scope="module")
def period(world):
    today = world[OPENER].sums.now() // SECONDS_A_DAY * SECONDS_A_DAY
    for name, figures in FIGURES_OF.items():
        rows = [(code, today - 60, figure) for code, figure in figures.items()]
        world[name].sheets.own.table.put(rows)
    return Period(today - 7 * SECONDS_A_DAY, today)


def asked(source, subject, labels, contributors=()):
    return SumDraft(
        source=source,
        labels=labels,
        purpose=Purpose.OPERATION,
        contributors=tuple(MemberId(name) for name in contributors),
        subject=subject,
        seconds=60,
        least=len(contributors) or 3,
        largest=1 if source == COUNTS else LARGEST,
    )


async def test_a_sheet_tells_what_three_members_have(world, period):
    found = await world.while_talking(world[OPENER].sheets.make(period))

    assert found.figures == {"E-1": (3, 60)}
    assert (found.counts["E-1"], found.counts["C-1"], found.counts["B-1"]) == (3, 2, 1)
    assert found.contributors == 4
    assert found.figure_sum


async def test_figures_of_too_few_get_no_answer(world, period):
    subject = period_subject(period.start, period.end)
    counted = await world[OPENER].sums.open(asked(COUNTS, subject, count_labels()))
    await world.settle()
    for codes in (["C-1"], ["E-1", "C-1"], ["B-1"]):
        labels = figure_labels([INDICATOR[code] for code in codes])
        draft = asked(FIGURES, shared_subject(counted), labels, NAMES)
        sum_id = await world[OPENER].sums.open(draft)

        assert await world.declined(sum_id) == dict.fromkeys(NAMES, NOTHING)


async def test_figures_are_asked_of_exactly_those_who_were_counted(world, period):
    day = Period(period.start, period.end - SECONDS_A_DAY)
    subject = period_subject(day.start, day.end)
    some = await world[OPENER].sums.open(asked(COUNTS, subject, count_labels(), NAMES[:3]))

    assert await world.declined(some) == dict.fromkeys(NAMES[:3], NOTHING)

    unknown = asked(FIGURES, shared_subject(bytes(range(16))), figure_labels([INDICATOR["E-1"]]))
    sum_id = await world[OPENER].sums.open(unknown)

    assert await world.declined(sum_id) == dict.fromkeys(NAMES, NOTHING)


@pytest.mark.parametrize(
    ("first", "last"), [(0.5, 1), (-1, -1), (-400, 0), (0, 3), (-2_000, -1_990)]
)
def test_a_sheet_is_about_whole_days_of_the_past(first, last):
    today = NOW // SECONDS_A_DAY * SECONDS_A_DAY
    period = Period(int(today + first * SECONDS_A_DAY), today + last * SECONDS_A_DAY)

    with pytest.raises(RequestError) as caught:
        check_period(period, NOW)
    assert caught.value.reason == "SHEET_PERIOD_INVALID"


def test_figures_of_a_day_replace_those_fed_before_and_days_add_up(private):
    table = SheetTable(private)
    lengths = duration_figure([60, 7_200])

    assert table.put([("E-1", NOW, (1, 2)), ("E-2", NOW, lengths)]) == [True, True]
    assert table.put([("E-1", NOW, (1, 2)), ("E-1", NOW + 1, (3, 4))]) == [False, True]
    assert table.put([("E-1", NOW, (2, 2))]) == [True]
    assert table.figures(Period(NOW, NOW + 2)) == {"E-1": (5, 6), "E-2": lengths}
    assert table.figures(Period(NOW + 1, NOW + 2)) == {"E-1": (3, 4)}
