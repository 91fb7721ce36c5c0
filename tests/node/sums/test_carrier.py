"""A sum runs by itself through the logs, and survives whatever happens to its parties."""

from dataclasses import replace

import pytest

from federation.names import MemberId
from federation.statements import SumCheck, SumClose, SumOpen, SumPartial, SumShares
from federation.sums import (
    CLOSE_SECONDS,
    REPEAT_WINDOW_SECONDS,
    SPREAD_SECONDS,
    Exclusion,
    Phase,
    SumRefusedError,
    label_of,
)
from federation.vocabulary import Purpose
from node.errors import PolicyError, RequestError, UnavailableError
from node.store.error import StoreError
from node.sums.carrier import RETRY_SECONDS
from node.sums.opener import HOLDER_SECONDS
from tests.node.sums.conftest import LABELS, NAMES, draft
from tests.node.tokens.parties import KilledError

OPENER, SECOND, THIRD, FOURTH = NAMES
ALL = sum(range(1, len(NAMES) + 1))


def said_in(network, name, sum_id):
    return [row.body for row in network[OPENER].sums.records.rows(sum_id) if row.member == name]


async def test_a_sum_opens_to_the_total_of_all_and_everybody_reads_it(network):
    sum_id = await network[OPENER].sums.open(draft())
    await network.settle()

    for name in NAMES:
        total = await network.total(sum_id, name)
        assert total.units.tolist() == [ALL] * len(LABELS)
        assert set(total.contributors) == set(NAMES)
        assert total.is_checked
        assert total.liars == ()
    opening = network[OPENER].sums.records.head(sum_id).sum.opening
    assert set(opening.holders) == set(network[OPENER].party.core.now_charter().holders)


async def test_each_party_says_each_thing_once(network):
    sum_id = await network[OPENER].sums.open(draft())
    await network.settle()
    for one in network.up:
        one.restart()
    await network.settle()
    holders = network[OPENER].sums.records.head(sum_id).sum.opening.holders

    for name in NAMES:
        said = said_in(network, name, sum_id)
        assert len(said) == len(set(said))
        assert SumShares in said
        assert (SumPartial in said) == (name in holders)
    assert said_in(network, OPENER, sum_id).count(SumClose) == 1


async def test_a_silent_contributor_and_a_dead_holder_do_not_stop_a_sum(network):
    holders = network[OPENER].party.core.now_charter().holders
    assert len(holders) == 3
    dead = next(name for name in holders if name != OPENER)
    silent = next(name for name in NAMES if name not in (OPENER, dead))
    network[silent].vector = None
    least = 3
    sum_id = await network[OPENER].sums.open(draft(least=least))
    await network.settle()
    network.down.add(dead)  # after it has contributed, before it checks
    assert await network.phase(sum_id) == (Phase.OPEN, "")
    network.time += 60 + SPREAD_SECONDS
    await network.settle()
    assert await network.phase(sum_id) == (Phase.CHECKING, "")
    network.time += HOLDER_SECONDS
    await network.settle()

    total = await network.total(sum_id)
    assert set(total.contributors) == set(NAMES) - {silent}
    assert total.units[0] == ALL - (NAMES.index(silent) + 1)
    assert not total.is_checked
    assert network[silent].sums.contributor.declined[sum_id] == "SUM_NOTHING_TO_ADD"
    network.down.clear()
    await network.settle()
    assert (await network.total(sum_id)).is_checked


async def test_with_too_few_contributors_nothing_opens(network):
    for name in (THIRD, FOURTH):
        network[name].vector = None
    sum_id = await network[OPENER].sums.open(draft())
    await network.settle()
    network.time += 60 + SPREAD_SECONDS
    await network.settle()

    assert await network.phase(sum_id) == (Phase.ABANDONED, "SUM_TOO_FEW")
    assert all(SumCheck not in said_in(network, name, sum_id) for name in NAMES)
    with pytest.raises(UnavailableError) as caught:
        await network[OPENER].sums.wait(sum_id, 1)
    assert caught.value.reason == "SUM_TOO_FEW"


async def test_a_repeat_with_others_is_refused_by_the_opener_and_by_contributors(network):
    await network[OPENER].sums.open(draft())
    await network.settle()
    fewer = tuple(MemberId(name) for name in NAMES[:3])
    with pytest.raises(SumRefusedError) as caught:
        await network[OPENER].sums.open(draft(contributors=fewer))
    assert caught.value.reason == "SUM_REPEATED"

    network[OPENER].sums.opener._check_not_repeated = lambda *_: None  # an opener that cheats
    replay = await network[OPENER].sums.open(draft(contributors=fewer))
    await network.settle()
    assert network[SECOND].sums.contributor.declined[replay] == "SUM_REPEATED"
    assert SumShares not in said_in(network, SECOND, replay)


async def test_the_same_sum_can_be_repeated_and_another_one_after_the_window(network):
    await network[OPENER].sums.open(draft())
    await network.settle()
    again = await network[SECOND].sums.open(draft())
    await network.settle()
    assert (await network.total(again)).units[0] == ALL

    network.time += REPEAT_WINDOW_SECONDS + CLOSE_SECONDS
    fewer = tuple(MemberId(name) for name in NAMES[:3])
    later = await network[OPENER].sums.open(draft(contributors=fewer))
    await network.settle()
    assert (await network.total(later)).units[0] == 6


async def test_a_repeat_in_which_one_more_answers_is_not_closed(network):
    network[FOURTH].vector = None
    first = await network[OPENER].sums.open(draft())
    await network.settle()
    network.time += 60 + SPREAD_SECONDS
    await network.settle()
    assert set((await network.total(first)).contributors) == set(NAMES[:3])
    network[FOURTH].vector = [4, 4, 4, 4]
    second = await network[OPENER].sums.open(draft())
    await network.settle()

    assert await network.phase(second) == (Phase.CHECKING, "")
    assert network[OPENER].sums.opener.refused[second] == "SUM_REPEATED"
    assert SumClose not in said_in(network, OPENER, second)

    network[OPENER].sums.records.past_closes = lambda _now: []  # an opener that cheats
    network.time += 1
    await network[OPENER].sums.advance(second)
    await network.settle()
    assert SumClose in said_in(network, OPENER, second)
    assert await network.phase(second) == (Phase.CLOSED, "")
    for name in network[OPENER].party.core.now_charter().holders:
        assert network[name].sums.holder.refused[second] == "SUM_REPEATED"
        assert SumPartial not in said_in(network, name, second)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("victim", [OPENER, SECOND])
async def test_a_process_killed_at_any_statement_goes_on_where_it_was(network, victim, after):
    """The opener says open, shares, check, close, partial; a holder shares, check, partial."""
    survived = 0
    for number in (1, 2, 3, 4):
        sum_id = await network[OPENER].sums.open(draft())
        network[victim].party.kill_at(number, after=after)
        try:
            await network.settle()
        except KilledError:
            survived += 1
            network[victim].restart()
            network[victim].sums.holder._clock = network.now
        network[victim].restart()
        await network.settle()
        network.time += HOLDER_SECONDS
        await network.settle()

        assert (await network.total(sum_id)).units.tolist() == [ALL] * len(LABELS)
        said = said_in(network, victim, sum_id)
        assert len(said) == len(set(said))
    assert survived >= 2


async def test_shares_said_late_are_left_out_by_name(network):
    network[FOURTH].vector = None
    sum_id = await network[OPENER].sums.open(draft())
    await network.settle()
    network[FOURTH].vector = [4, 4, 4, 4]
    network[FOURTH].sums.contributor.declined.clear()
    office = network[FOURTH]
    shares = office.sums.contributor.contribute(office.sums.records.head(sum_id))
    network.time += 61
    await office.sums._say([shares], draft().purpose)
    await network.settle()
    network.time += SPREAD_SECONDS
    await network.settle()
    progress = await network[OPENER].sums.progress(sum_id)

    assert progress.findings[MemberId(FOURTH)].reason is Exclusion.SHARES_LATE
    assert progress.total.units[0] == ALL - 4


async def test_shares_of_another_length_are_left_out_by_name(network):
    lost = network[FOURTH]
    lost.vector = None
    sum_id = await network[OPENER].sums.open(draft())
    await network.settle()
    state = lost.sums.records.find(sum_id).state
    sealed = state.waiting_shares()[MemberId(SECOND)][1].sealed_shares
    short = tuple(each[:-8] for each in sealed)
    message = state.sum.shares_digest(lost.name, short)
    signature = lost.party.core.keys.signing.sign("sum-shares/v1", message)
    await lost.sums._say([SumShares(sum_id, short, signature)], draft().purpose)
    await network.settle()
    progress = await network[OPENER].sums.progress(sum_id)

    assert progress.findings[MemberId(FOURTH)].reason is Exclusion.SHARES_LENGTH
    assert progress.total.units[0] == ALL - 4


async def test_shares_copied_from_another_are_left_out_and_the_rest_is_added_up(network):
    forger = network[FOURTH]
    forger.vector = None
    sum_id = await network[OPENER].sums.open(draft())
    await network.settle()
    state = forger.sums.records.find(sum_id).state
    copied = state.waiting_shares()[MemberId(SECOND)][1]
    message = state.sum.shares_digest(forger.name, copied.sealed_shares)
    signature = forger.party.core.keys.signing.sign("sum-shares/v1", message)
    await forger.sums._say([replace(copied, signature=signature)], draft().purpose)
    await network.settle()
    progress = await network[OPENER].sums.progress(sum_id)

    found = progress.findings[MemberId(FOURTH)]
    assert found.reason is Exclusion.SHARE_INVALID
    assert set(found.refused_by) == set(state.sum.opening.holders)
    assert progress.total.units[0] == ALL - 4


async def test_an_opening_with_foreign_holders_gets_nothing(network):
    office = network[OPENER]
    opener = office.sums.opener
    original = opener._opening

    def cheat(*arguments):
        opening = original(*arguments)
        return replace(opening, holders=tuple(reversed(opening.holders)))

    opener._opening = cheat
    sum_id = await office.sums.open(draft())
    await network.settle()

    assert network[SECOND].sums.contributor.declined[sum_id] == "SUM_REFUSED"
    assert all(SumShares not in said_in(network, name, sum_id) for name in NAMES)


async def test_a_source_that_fails_costs_one_sum_and_a_wrong_purpose_is_refused(network):
    def fail(_asked):
        raise OSError("a file is gone")

    network[SECOND].count = fail
    network[SECOND].restart()
    first = await network[OPENER].sums.open(draft())
    await network.settle()
    assert network[SECOND].sums.contributor.declined[first] == "SUM_SOURCE_FAILED"

    labels = (label_of(b"another"),)
    second = await network[OPENER].sums.open(draft(purpose=Purpose.TRAINING, labels=labels))
    third = await network[OPENER].sums.open(draft(source="UNKNOWN", labels=labels))
    await network.settle()
    declined = network[THIRD].sums.contributor.declined
    assert declined[second] == "PURPOSE_NOT_ALLOWED"
    assert declined[third] == "SUM_SOURCE_UNKNOWN"


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"labels": LABELS * 2}, SumRefusedError, "SUM_REFUSED"),
        ({"labels": ()}, RequestError, "SUM_DRAFT_INVALID"),
        ({"labels": (b"13812345678\0\0\0\0\0",)}, RequestError, "SUM_DRAFT_INVALID"),
        ({"least": 2}, RequestError, "SUM_DRAFT_INVALID"),
        ({"least": 5}, RequestError, "SUM_DRAFT_INVALID"),
        ({"seconds": 0}, RequestError, "SUM_DRAFT_INVALID"),
        ({"largest": 2**59}, SumRefusedError, "VECTOR_OVERFLOW"),
        ({"source": "not a code"}, RequestError, "SUM_DRAFT_INVALID"),
    ],
)
async def test_a_draft_that_cannot_be_is_refused(network, change, error, reason):
    before = network[OPENER].said()
    with pytest.raises(error) as caught:
        await network[OPENER].sums.open(draft(**change))

    assert caught.value.reason == reason
    assert network[OPENER].said() == before


async def test_a_sum_too_long_for_statements_is_refused(network):
    labels = tuple(place.to_bytes(16, "big") for place in range(1 << 127, (1 << 127) + 50_000))
    with pytest.raises(RequestError) as caught:
        await network[OPENER].sums.open(draft(labels=labels))

    assert caught.value.reason == "SUM_TOO_LARGE"


async def test_ten_thousand_entries_travel_in_statements(network):
    labels = tuple(label_of(b"wide", place.to_bytes(4)) for place in range(10_000))
    for office in network.up:
        office.vector = [office.vector[0]] * len(labels)
    sum_id = await network[OPENER].sums.open(draft(labels=labels))
    await network.settle()

    assert set((await network.total(sum_id, FOURTH)).units.tolist()) == {ALL}


async def test_echoes_are_given_before_the_answer(network):
    sum_id = await network[OPENER].sums.open(draft(echoes=3))
    await network.settle(12)

    total = await network.total(sum_id)
    assert total.units[0] == ALL
    assert len(network[OPENER].sums.records.find(sum_id).state.echoes) == 3


async def test_a_step_that_failed_is_tried_again(network):
    sum_id = await network[OPENER].sums.open(draft())
    office, speaker = network[SECOND], network[SECOND].party.log.speaker
    say = speaker.say

    async def fail(_statements):
        raise StoreError("the disk is full", reason="STORE_FULL")

    speaker.say = fail
    await network.settle()
    assert said_in(network, SECOND, sum_id) == []
    speaker.say = say
    await network.settle()
    assert said_in(network, SECOND, sum_id) == []
    network.time += RETRY_SECONDS
    await network.settle()

    assert office.asked == 1
    assert (await network.total(sum_id)).units[0] == ALL


async def test_folding_the_logs_again_gives_the_same_sums(network):
    sum_id = await network[OPENER].sums.open(draft())
    await network.settle()
    rebuilt = network[SECOND].party.log.ledger.rebuild_views()

    assert rebuilt.before == rebuilt.after
    assert (await network.total(sum_id, SECOND)).units[0] == ALL


async def test_who_may_not_speak_opens_nothing(network):
    office = network[OPENER]
    office.party.log.speaker._roles = frozenset
    with pytest.raises(PolicyError) as caught:
        await office.sums.open(draft())

    assert caught.value.reason == "ROLE_NOT_ALLOWED"


async def test_an_id_is_found_by_its_beginning(network):
    sum_id = await network[OPENER].sums.open(draft())
    records = network[OPENER].sums.records

    assert records.complete_id(sum_id[:4]) == sum_id
    with pytest.raises(RequestError) as caught:
        records.complete_id(b"\1\2\3\4")
    assert caught.value.reason == "SUM_UNKNOWN"
    assert SumOpen in said_in(network, OPENER, sum_id)
