"""What was planted for Night Harbour, its clock, and the order of its acts, without any node."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from federation.indicators import kind_by_name, parse_indicator
from node.demo.doors import Check
from node.demo.error import DemoError
from node.demo.night_harbour import screens
from node.demo.night_harbour.acts import ACTS, DOWN_FROM, DOWN_TO, END
from node.demo.night_harbour.cast import (
    CONTACTS,
    CUSTOMERS,
    DECOY_TOTAL,
    FARM_TOTAL,
    LOCAL_THRESHOLD,
    REGISTERED_HIGH_RISK,
    plant,
)
from node.demo.night_harbour.story_time import StoryTime
from node.demo.night_harbour.telling import SYNTHETIC, Played, Told

DAY = 86_400
NOON = 1_767_268_800 + 12 * 3_600  # a day of 2026, in UTC


@pytest.fixture
def hours(tmp_path: Path) -> StoryTime:
    return StoryTime(tmp_path / "clock", NOON)


def test_the_truth_is_the_same_in_every_run() -> None:
    assert plant() == plant()


def test_the_farm_is_below_everybody_s_threshold_and_above_that_of_all() -> None:
    truth = plant()
    counts = [len(numbers) for numbers in truth.farm_sims.values()]

    assert max(counts) < LOCAL_THRESHOLD <= sum(counts) == FARM_TOTAL == 34
    assert sum(map(len, truth.decoy_sims.values())) == DECOY_TOTAL == 19


def test_planted_numbers_are_of_their_carriers_and_of_one_thing_each() -> None:
    truth = plant()
    groups = [*truth.farm_sims.values(), *truth.decoy_sims.values(), truth.high_risk]
    numbers = [number for group in groups for number in group]
    numbers += [person.number for person in truth.named.values()]

    assert max(Counter(numbers).values()) == 1
    for member, sims in truth.farm_sims.items():
        assert set(sims) <= set(truth.customers(member))


def test_counts_are_those_of_the_domain_reference() -> None:
    truth = plant()

    assert len(set(truth.high_risk) & set(truth.registered)) == REGISTERED_HIGH_RISK == 37
    assert len(set(truth.contacts)) == CONTACTS
    assert truth.n1 in truth.contacts
    assert {member: len(truth.customers(member)) for member in CUSTOMERS} == dict(CUSTOMERS)


def test_nothing_in_the_story_can_be_somebody_s() -> None:
    for kind, value, _ in plant().raw():
        parse_indicator(kind_by_name(kind), value)
        if kind == "phone":
            assert value.startswith("+999")
        if kind == "domain":
            assert value.endswith(".example")


def test_hours_of_the_story_are_counted_from_its_first_day(hours: StoryTime) -> None:
    midnight = NOON - NOON % DAY

    assert hours.moment("T 10:02") == midnight + 14 * DAY + 10 * 3_600 + 2 * 60
    assert hours.moment("T-2d 22:10") == midnight + 12 * DAY + 22 * 3_600 + 10 * 60
    assert hours.moment("T+1d") == midnight + 15 * DAY + 9 * 3_600


@pytest.mark.parametrize("text", ["", "T+", "T-2d 22", "10:02", "T 10:02 UTC"])
def test_what_is_no_hour_is_refused(hours: StoryTime, text: str) -> None:
    with pytest.raises(DemoError):
        hours.moment(text)


def test_the_story_s_clock_never_goes_back(tmp_path: Path) -> None:
    import time

    hours = StoryTime(tmp_path / "clock", int(time.time()))
    hours.go_to("T 10:00")
    there = hours.now()
    hours.go_to("T-2d 22:10")

    assert there <= hours.now() < there + 60
    with pytest.raises(ValueError, match="forward"):
        hours.go_on(-1)


def test_every_act_has_its_place_and_its_name() -> None:
    numbers = [act.number for act in ACTS]
    names = [act.name for act in ACTS]

    assert numbers == sorted(numbers)
    assert set(numbers) == {*range(18), END}
    assert len(set(names)) == len(names)


def test_what_only_the_coordinator_can_open_is_named() -> None:
    waiting = {act.name for act in ACTS if act.needs_coordinator}

    assert waiting == {"act-10b", "act-11b"}
    assert all(DOWN_FROM <= act.number <= DOWN_TO for act in ACTS if act.name in waiting)


def test_every_screen_says_synthetic() -> None:
    act = ACTS[0]
    played = Played(act, "now", [Check("act-00-x", passed=True, detail="fine")])

    assert SYNTHETIC in next(iter(screens.opening()))
    assert SYNTHETIC in "\n".join(screens.begin_lines(act, "now"))
    assert SYNTHETIC in "\n".join(screens.final_lines(Told([played])))
    assert screens.document(Told([played]))["synthetic"] == SYNTHETIC


def test_a_failed_check_fails_the_story() -> None:
    played = Played(ACTS[0], "now", [Check("act-00-x", passed=False, detail="no")])
    told = Told([played])

    assert not told.passed
    assert "act-00-x" in "\n".join(screens.final_lines(told))
