"""What models say about a subject is added up only for those who were counted, at least two."""

import pytest

from federation.indicators import Kind
from federation.statements import Nomination, decode_statement
from federation.sums import Phase
from federation.vocabulary import AlarmKind, FraudStage, FraudType, Purpose, SubjectRole
from node.training.fusion import LEVELS, SCORED, LateFusion
from tests.federation.said import opaque
from tests.node.sums.conftest import NAMES, draft

OPENER, SECOND, THIRD, FOURTH = NAMES
TOKEN = opaque("subject")
EPOCH = 1


class Levels:
    """The levels of one member's own subjects."""

    def __init__(self, level):
        self.level_of_all = level
        self.asked = 0

    def level(self, kind, value):
        assert (kind, value) == ("phone", "+99955000000")
        self.asked += 1
        return self.level_of_all


class Fusing:
    """Every member of a network, with what its model says."""

    def __init__(self, network, levels):
        self.network = network
        self.rows = {name: Levels(levels.get(name)) for name in NAMES}
        for name in NAMES:
            office = network[name]
            log, core = office.party.log, office.party.core
            rows, sums = self.rows[name], office.sums
            LateFusion(None, log.catalogue, core.private, rows, sums, lambda: 64)
            if name in levels:
                core.private.put_values([(TOKEN, Kind.PHONE.value, "+99955000000")], EPOCH)

    async def nominate(self, name=FOURTH):
        fraud, stage, role = FraudType.LOAN, FraudStage.UNSPECIFIED, SubjectRole.UNSPECIFIED
        body = Nomination(TOKEN, Kind.PHONE, EPOCH, fraud, stage, role, 80)
        speaker = self.network[name].party.log.speaker
        async with speaker.lock:
            await speaker.say([speaker.statement(body)])
        self.network.spread()

    async def sum(self, source, contributors=(), least=3, opener=OPENER):
        asked = draft(
            source=source,
            labels=(TOKEN,),
            purpose=Purpose.VERIFICATION,
            contributors=contributors,
            least=least,
            largest=2,
        )
        sum_id = await self.network[opener].sums.open(asked)
        await self.network.settle()
        return sum_id, await self.network.total(sum_id)

    async def declined(self, sum_id, name=SECOND):
        return self.network[name].sums.contributor.declined.get(sum_id)


@pytest.fixture
def fusing(network):
    return lambda **levels: Fusing(
        network, {NAMES[int(key[1])]: one for key, one in levels.items()}
    )


async def test_levels_of_two_are_added_up_among_four(fusing):
    found = fusing(_0=2, _2=-1)
    await found.nominate()
    _, counted = await found.sum(SCORED)
    _, levels = await found.sum(LEVELS, counted.contributors, least=4)

    assert (counted.units.tolist(), len(counted.contributors)) == ([2], 4)
    assert levels.units.tolist() == [1]
    assert set(levels.contributors) == set(NAMES)


async def test_the_level_of_one_alone_is_never_summed(fusing):
    found = fusing(_0=2)
    await found.nominate()
    _, counted = await found.sum(SCORED)
    sum_id, levels = await found.sum(LEVELS, counted.contributors, least=4)

    assert counted.units.tolist() == [1]
    assert levels is None
    assert await found.declined(sum_id, OPENER) == "SUM_NOTHING_TO_ADD"
    assert found.rows[OPENER].asked == 1  # for the first sum alone


async def test_nobody_answers_for_others_than_were_counted(fusing):
    found = fusing(_0=2, _2=-1)
    await found.nominate()
    early, none = await found.sum(LEVELS, least=4, contributors=NAMES)

    assert none is None
    assert await found.declined(early) == "SUM_NOTHING_TO_ADD"

    _, counted = await found.sum(SCORED, contributors=(OPENER, SECOND, THIRD))
    fewer, none = await found.sum(LEVELS, contributors=NAMES, least=4, opener=SECOND)

    assert counted.units.tolist() == [2]
    assert none is None
    assert await found.declined(fewer) == "SUM_NOTHING_TO_ADD"


async def test_a_sum_that_may_do_without_somebody_is_not_answered(fusing):
    """With one of the two who were counted missing, the total would be the other's level."""
    found = fusing(_0=2, _2=-1)
    await found.nominate()
    _, counted = await found.sum(SCORED)
    loose, none = await found.sum(LEVELS, counted.contributors, least=3)

    assert none is None
    assert await found.declined(loose) == "SUM_NOTHING_TO_ADD"


async def test_nobody_answers_about_a_subject_that_nobody_nominated(fusing):
    found = fusing(_0=2, _2=-1)
    sum_id, none = await found.sum(SCORED)
    found.network.time += 1_000
    await found.network.settle()
    phase, reason = await found.network.phase(sum_id)

    assert none is None
    assert await found.declined(sum_id) == "SUM_NOTHING_TO_ADD"
    assert (phase, reason) == (Phase.ABANDONED, "SUM_TOO_FEW")
    assert found.rows[OPENER].asked == 0


async def test_an_alarm_for_drift_names_plan_and_index_once_a_day(network):
    log = network[OPENER].party.log
    for _ in range(2):
        await log.alarms.model_drifted(network[OPENER].name, opaque("plan", 32), 0.4)
    (alarm,) = [decode_statement(row.body).body for row in log.catalogue.alarms(10)]

    assert alarm.alarm_kind is AlarmKind.MODEL_DRIFTED
    assert (alarm.observed, alarm.limit) == (400_000, 250_000)
    assert alarm.plan_digest == opaque("plan", 32)
