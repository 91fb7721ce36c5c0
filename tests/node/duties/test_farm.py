"""Carriers answer sums over their suspect SIMs only as the detection asks, whoever asks."""

import asyncio
from contextlib import closing

import pytest

from federation.farm import (
    LARGEST_PART,
    MAX_SIMS,
    ROOT,
    WINDOW_SECONDS,
    Slot,
    part_labels,
    prefix_of,
    root_labels,
    split,
    split_subject,
    window_subject,
)
from federation.matters import Kind
from federation.names import MemberId
from federation.statements import FarmAlert
from federation.vocabulary import Purpose
from node.assembly import build_tokeniser
from node.duties.case_side import build_case_side
from node.duties.farm import PARTS, SLOTS, alert_id
from node.duties.farm_clues import FarmClues
from node.duties.farm_table import FarmTable, SuspectSim
from node.errors import PolicyError, RequestError
from node.sums.opener import SumDraft
from tests.federation.said import opaque
from tests.node.duties.counting_world import EPOCH, World
from tests.node.tokens.parties import KilledError

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
COORDINATOR, BANK = "coord", "bank-x"
FARM, HOTEL = opaque("farm"), opaque("hotel")
SEEN = {"carrier-a": (14, 8), "carrier-b": (11, 7), "carrier-c": (9, 4)}

NOTHING = "SUM_NOTHING_TO_ADD"

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    names = (*CARRIERS, BANK, COORDINATOR)
    with closing(World(tmp_path_factory.mktemp("farm") / "f", names)) as found:
        yield found


@pytest.fixture(scope="module")
def window(world):
    now = world[COORDINATOR].sums.now()
    hour = now - now % WINDOW_SECONDS - WINDOW_SECONDS
    for name, counts in SEEN.items():
        for token, count in zip((FARM, HOTEL), counts, strict=True):
            sims = [SuspectSim(token, hour, "bucket", f"{name} {place}") for place in range(count)]
            world[name].farms.table.add(sims, EPOCH)
    return hour


def asked(source, subject, labels, contributors=CARRIERS):
    return SumDraft(
        source=source,
        labels=labels,
        purpose=Purpose.VERIFICATION,
        contributors=tuple(MemberId(name) for name in contributors),
        subject=subject,
        seconds=60,
        largest=MAX_SIMS if source == SLOTS else LARGEST_PART,
    )


def open_clues(counter):
    """Let clues follow the sites that a member tells, as on a node that runs."""
    core, log = counter.party.core, counter.party.log
    case = build_case_side(core, log, build_tokeniser(core, log))
    counter.follow = FarmClues(core.me, case.clues, log.matters).open


def end_after_alert(party):
    """Let a node end as soon as an alert stands in its log."""
    say = party.log.speaker.say

    async def say_and_end(statements):
        await say(statements)
        if any(isinstance(one.body, FarmAlert) for one in statements):
            raise KilledError

    party.log.speaker.say = say_and_end


def clues_about(party):
    """Return the tokens of a member's own clues with what they refer to."""
    found = [one.matter for one in party.log.matters.all(Kind.CLUE)]
    return [
        (one.facts.clue.subjects[0].token, one.facts.clue.references)
        for one in found
        if one.opener == party.core.me
    ]


async def open_counted(world, window, opener=COORDINATOR):
    draft = asked(SLOTS, window_subject(window), root_labels())
    sum_id = await world[opener].sums.open(draft)
    await world.settle()
    return sum_id


async def test_an_hour_is_told_once_by_whoever_looks(world, window):
    found = await world.while_talking(world[COORDINATOR].farms.detect(window))
    await world.settle()
    again = await world.while_talking(world["carrier-b"].farms.detect(window))

    assert [(site.token, site.total) for site in found.sites] == [(FARM, 34)]
    assert (found.said, found.contributors, found.unresolved) == (1, 3, 0)
    assert (again.sites, again.said) == (found.sites, 0)
    ((told, sims),) = world["carrier-a"].farms.sites()
    assert (told.token, told.window, told.total, told.member) == (FARM, window, 34, COORDINATOR)
    assert told.statement == alert_id(FARM, window)
    assert len(sims) == 14
    assert world[COORDINATOR].told == [(FARM, alert_id(FARM, window))]
    assert world["carrier-b"].told == []


async def test_a_node_that_ends_between_an_alert_and_its_clue_opens_it_later_and_once(
    world, window
):
    hour = window - 3 * WINDOW_SECONDS
    for name, (count, _) in SEEN.items():
        sims = [SuspectSim(HOTEL, hour, "bucket", f"{name} {place}") for place in range(count)]
        world[name].farms.table.add(sims, EPOCH)
    open_clues(world["carrier-c"])
    end_after_alert(world["carrier-c"].party)
    with pytest.raises(KilledError):
        await world.while_talking(world["carrier-c"].farms.detect(hour))
    await world.settle()
    world.restart("carrier-c")
    carrier = world["carrier-c"]
    (alert,) = [told for told, _ in carrier.farms.sites() if told.window == hour]

    assert (alert.token, alert.member, alert.epoch) == (HOTEL, "carrier-c", EPOCH)
    assert clues_about(carrier.party) == []

    for _ in range(2):
        open_clues(carrier)  # each is a start of the node
        await asyncio.gather(carrier.farms.tell_again(), carrier.farms.tell_again())

    assert clues_about(carrier.party) == [(HOTEL, alert.statement)]
    await world[COORDINATOR].farms.tell_again()
    assert (HOTEL, alert.statement) not in world[COORDINATOR].told  # whoever told it opens it


async def test_slots_below_the_threshold_are_never_split(world, window):
    parent = await open_counted(world, window)
    hotel = Slot(12, prefix_of(HOTEL, 12))
    both = sorted([hotel, Slot(12, prefix_of(FARM, 12))])
    for slots in ([hotel], both, [ROOT[0]]):
        labels = part_labels(split(slots))
        draft = asked(PARTS, split_subject(parent), labels)
        sum_id = await world[COORDINATOR].sums.open(draft)

        assert await world.declined(sum_id) == dict.fromkeys(CARRIERS, NOTHING)


async def test_slots_of_an_unknown_sum_or_hour_get_no_answer(world, window):
    farm = part_labels(split([Slot(12, prefix_of(FARM, 12))]))
    drafts = (
        asked(PARTS, split_subject(bytes(range(16))), farm),
        asked(SLOTS, window_subject(window + 1), root_labels()),
    )
    for draft in drafts:
        sum_id = await world[COORDINATOR].sums.open(draft)

        assert await world.declined(sum_id) == dict.fromkeys(CARRIERS, NOTHING)


async def test_a_bank_gets_no_answer_and_cannot_detect(world, window):
    hour = window - WINDOW_SECONDS
    draft = asked(SLOTS, window_subject(hour), root_labels())
    sum_id = await world[BANK].sums.open(draft)

    assert await world.declined(sum_id) == dict.fromkeys(CARRIERS, NOTHING)
    with pytest.raises(PolicyError) as caught:
        await world[BANK].farms.detect(window)
    assert caught.value.reason == "ROLE_NOT_ALLOWED"


async def test_a_sum_among_others_than_all_carriers_gets_no_answer(world, window):
    hour = window - 2 * WINDOW_SECONDS
    draft = asked(SLOTS, window_subject(hour), root_labels(), ("carrier-a", "carrier-b", BANK))
    sum_id = await world[COORDINATOR].sums.open(draft)

    assert await world.declined(sum_id) == dict.fromkeys(("carrier-a", "carrier-b", BANK), NOTHING)


@pytest.mark.parametrize("offset", [1, WINDOW_SECONDS * 24 * 40, -WINDOW_SECONDS * 48])
async def test_only_whole_hours_of_the_last_month_are_looked_at(world, window, offset):
    with pytest.raises(RequestError) as caught:
        await world[COORDINATOR].farms.detect(window - offset)

    assert caught.value.reason == "FARM_WINDOW_INVALID"


def test_a_number_counts_once_at_a_site_and_old_hours_are_forgotten(private):
    table = FarmTable(private)
    sims = [SuspectSim(FARM, 3_600, "bucket", "one"), SuspectSim(FARM, 7_200, "bucket", "one")]

    assert table.add([*sims, sims[0]], EPOCH) == [True, True, False]
    assert table.counts(3_600, EPOCH) == {FARM: 1}
    assert table.counts(3_600, EPOCH + 1) == {}
    assert table.forget(7_200) == 1
    assert table.sims(FARM, 3_600) == []
    assert "one" not in repr(sims[0])
