"""Verification rounds among members on disk: who answers what, who lies, what never opens."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from federation.indicators import Kind as IndicatorKind
from federation.matters import Kind, MatterError, State
from federation.names import MemberId
from federation.statements import (
    Nomination,
    Opinion,
    ProtectedObject,
    Retraction,
    Sighting,
    VerificationOpen,
    VerificationTally,
)
from federation.statements.codec import decode_statement
from federation.sums import SPREAD_SECONDS
from federation.vocabulary import (
    FraudStage,
    FraudType,
    OpinionBasis,
    OpinionValue,
    ProtectionGround,
    Purpose,
    RetractionReason,
    SightingKind,
    SubjectRole,
    VerificationAnswer,
    VerificationDecision,
)
from node.duties import verification
from node.duties.own_answer import OwnWords, answer_from
from node.duties.verification import (
    BY_HAND,
    SOURCE,
    OwnData,
    Verifications,
    Voices,
    is_asked,
)
from node.errors import PolicyError
from node.sums.carrier import Sums
from node.sums.memory import SumMemory
from node.sums.opener import SumDraft
from node.sums.records import SumRecords
from node.sums.sources import Source
from tests.federation.said import opaque
from tests.node.tokens.parties import make_parties

NAMES = ("carrier-a", "bank-x", "net-p", "carrier-b")
PHONE = IndicatorKind.PHONE
START = 1_800_000_000
SOURCE_ELSE = "ELSE"
SUSPECT, BENIGN = VerificationAnswer.HIT_SUSPECT, VerificationAnswer.HIT_BENIGN
NO_RECORD, DECLINE = VerificationAnswer.NO_RECORD, VerificationAnswer.DECLINE

_numbers = itertools.count()


class Office:
    """One member's part in rounds."""

    def __init__(self, party, clock):
        log, core = party.log, party.core
        # The party's own speaker and book, on the test's time.
        log.speaker._clock = log.matters._clock = clock
        records = SumRecords(log.catalogue, log.ledger, core.now_charter)
        self.party, self.log = party, log
        self.sums = Sums(core.keys, records, log.speaker, SumMemory(core.private), clock)
        self.own = OwnData(log.catalogue, core.private, "automatic")
        self.clock = clock
        self.build()
        self.sums.sources.register(self.duty.source())

    def build(self):
        voices = Voices(self.log.speaker, self.sums, self.log.alarms)
        self.duty = Verifications(self.party.name, self.log.matters, self.own, voices, self.clock)

    def answers_by_hand(self):
        object.__setattr__(self.own, "policy", BY_HAND)

    async def say(self, body):
        statement = self.log.speaker.statement(body)
        await self.log.speaker.say([statement])
        return statement.id

    async def nominate(self, token):
        stage, role = FraudStage.UNSPECIFIED, SubjectRole.UNSPECIFIED
        return await self.say(Nomination(token, PHONE, 1, FraudType.LOAN, stage, role, 80))

    def matter(self, booked):
        found = self.log.matters.get(Kind.VERIFICATION, booked.matter.id, booked.matter.opener)
        return found.matter

    def said(self):
        return self.log.ledger.size(self.log.ledger.own)


class Network:
    """All members; who is down neither speaks nor is read."""

    def __init__(self, parties):
        self.time, self.down = START, set()
        self.offices = {str(one.name): Office(one, self.now) for one in parties}

    def now(self):
        return self.time

    def __getitem__(self, name):
        return self.offices[name]

    @property
    def up(self):
        return [one for name, one in self.offices.items() if name not in self.down]

    def spread(self):
        for reader in self.up:
            for other in self.up:
                if reader is not other:
                    reader.party.read_from(other.party)

    async def settle(self):
        for _ in range(12):
            before = [one.said() for one in self.up]
            self.spread()
            for one in self.up:
                await one.sums.advance_if_due()
                self.spread()
                await one.duty.advance()
            self.spread()
            if [one.said() for one in self.up] == before:
                return
        raise AssertionError("the members go on talking")

    def states(self, booked):
        return {one.matter(booked).state for one in self.up}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    parties = make_parties(tmp_path_factory.mktemp("rounds"), NAMES)
    found = Network(parties)
    yield found
    for one in found.offices.values():
        one.party.close()


@pytest.fixture(autouse=True)
def everybody_is_up(network):
    network.down.clear()
    for one in network.offices.values():
        object.__setattr__(one.own, "policy", "automatic")


def fresh_token():
    return opaque(f"verified {next(_numbers)}")


async def ask(network, token, opener="carrier-a", quorum=3):
    network.spread()
    return await network[opener].duty.open(token, PHONE, 1, quorum, 60)


async def test_three_that_nominated_it_confirm_it_in_one_round(network):
    token = fresh_token()
    for name in NAMES[:3]:
        await network[name].nominate(token)
    booked = await ask(network, token)
    await network.settle()

    assert network.states(booked) == {State.CONFIRMED}
    assert network["net-p"].matter(booked).facts.tally == (3, 0, 1, 0)

    judged = [one.log.verdicts.judge([token])[token] for one in network.up]

    assert len({one.band for one in judged}) == 1
    assert {one.log.catalogue.root(network.time) for one in network.up}.__len__() == 1


async def test_how_nominations_ended_teaches_how_reliable_members_are(network):
    def reliability(name):
        return network[name].log.verdicts.standing().reliability

    before, token = reliability("net-p"), fresh_token()
    for name in NAMES[:3]:
        await network[name].nominate(token)
    await ask(network, token)
    await network.settle()
    upheld = reliability("net-p")

    assert all(upheld[name] > before[name] for name in NAMES[:3])
    assert upheld["carrier-b"] == before["carrier-b"]

    token = fresh_token()
    await network["carrier-b"].nominate(token)
    for name in NAMES[:3]:
        await network[name].duty.answer(token, BENIGN)
    await ask(network, token, "bank-x")
    await network.settle()

    assert reliability("net-p")["carrier-b"] < before["carrier-b"]
    assert reliability("net-p") == reliability("carrier-b")


async def test_an_answer_by_hand_is_waited_for_and_goes_before_the_data(network):
    token = fresh_token()
    for name in NAMES:
        await network[name].nominate(token)
    network["bank-x"].answers_by_hand()
    booked = await ask(network, token)
    network.time += 2
    await network.settle()

    assert network.states(booked) == {State.VERIFYING}
    assert network["bank-x"].duty.own_answer(token) is None

    network.time += 2
    asked = await network["bank-x"].duty.answer(token, BENIGN)
    await network.settle()

    assert [one.matter.id for one in asked] == [booked.matter.id]
    assert network.states(booked) == {State.CONFLICT}
    assert network["net-p"].matter(booked).facts.tally == (3, 1, 0, 0)

    office = network["carrier-a"]
    with pytest.raises(MatterError) as caught:
        await office.duty.examine(office.matter(booked), VerificationDecision.REFUTE)

    assert caught.value.reason == "BENIGN_TOO_FEW"

    decided = await office.duty.examine(office.matter(booked), VerificationDecision.CONFIRM)

    assert decided.matter.state is State.CONFIRMED


async def test_a_false_tally_is_named_and_decides_nothing(network):
    token = fresh_token()
    for name in NAMES[:3]:
        await network[name].nominate(token)
    booked = await ask(network, token)
    network.spread()
    liar, opener = network["carrier-b"], MemberId("carrier-a")
    await liar.say(VerificationTally(booked.matter.id, opener, 0, 4, 0, 0))
    await network.settle()

    assert network.states(booked) == {State.CONFIRMED}

    alarms = [row.body for row in network["bank-x"].log.catalogue.alarms(50)]

    assert any(b"TALLY_DIFFERS" in one and b"carrier-b" in one for one in alarms)


async def test_who_asks_fewer_than_half_of_those_who_could_know_is_named_by_everybody_else(
    network, monkeypatch
):
    def named(office):
        alarms = [decode_statement(row.body).body for row in office.log.catalogue.alarms(100)]
        found = [one for one in alarms if one.reason == "ASKED_FEW"]
        return [(one.member, one.observed, one.limit, one.matter_id) for one in found]

    half = tuple(map(MemberId, (*NAMES, "bank-v", "bank-w", "net-v", "net-w")))
    monkeypatch.setattr(verification, "default_contributors", lambda _charter, _now: half)
    await ask(network, fresh_token())
    await network.settle()

    assert not any(named(one) for one in network.up)

    more = (*half, MemberId("bank-u"))
    monkeypatch.setattr(verification, "default_contributors", lambda _charter, _now: more)
    booked = await ask(network, fresh_token())
    await network.settle()
    few = ("carrier-a", 4, 5, booked.matter.id)

    assert named(network["net-p"]).count(few) == 3  # each of the others, and not the opener
    assert network.states(booked) == {State.INSUFFICIENT}


async def test_a_member_that_withholds_its_answer_is_left_out(network):
    token = fresh_token()
    for name in NAMES[:3]:
        await network[name].nominate(token)
    network["carrier-b"].answers_by_hand()
    booked = await ask(network, token)
    network.time += 2
    await network.settle()

    assert network.states(booked) == {State.VERIFYING}

    network.time += 60 + SPREAD_SECONDS
    await network.settle()

    assert network.states(booked) == {State.CONFIRMED}
    assert network["net-p"].matter(booked).facts.tally == (3, 0, 0, 0)


async def test_fewer_than_three_answers_never_open_and_say_why(network):
    token = fresh_token()
    await network["carrier-a"].nominate(token)
    for name in NAMES[2:]:
        network[name].answers_by_hand()
    booked = await ask(network, token)
    network.time += 70 + SPREAD_SECONDS
    await network.settle()
    progress = await network["bank-x"].duty.progress(network["bank-x"].matter(booked))

    assert network.states(booked) == {State.VERIFYING}
    assert progress is not None
    assert progress.reason == "SUM_TOO_FEW"
    assert progress.total is None

    network.time += 2 * 86_400

    assert network["net-p"].matter(booked).state_at(network.time) is State.EXPIRED


@pytest.mark.parametrize("vector", [(1, 1, 0, 0), (0, 0, 0, 0), (0, -1, 0, 0)])
async def test_who_votes_twice_or_not_at_all_is_named_and_left_out(network, monkeypatch, vector):
    token = fresh_token()
    for name in NAMES[:3]:
        await network[name].nominate(token)
    cheat = network["carrier-b"].sums.sources
    source = replace(cheat.find(SOURCE), count=lambda _asked: np.array(vector))
    monkeypatch.setitem(cheat._sources, SOURCE, source)
    # Its changed node shares what an honest one refuses to.
    monkeypatch.setattr("federation.sums.contribution.require_one_hot", lambda *_: None)
    booked = await ask(network, token)
    await network.settle()
    progress = await network["bank-x"].duty.progress(network["bank-x"].matter(booked))

    assert network["bank-x"].matter(booked).facts.tally == (3, 0, 0, 0)
    assert network.states(booked) == {State.CONFIRMED}
    assert progress.findings[MemberId("carrier-b")].reason == "NOT_ONE_HOT"

    alarms = [row.body for row in network["bank-x"].log.catalogue.alarms(50)]

    assert any(b"NOT_ONE_HOT" in one and b"carrier-b" in one for one in alarms)


async def test_a_charter_whose_holders_cannot_check_answers_has_no_rounds(network, monkeypatch):
    office = network["carrier-a"]
    charter = office.sums.records.charter()
    fewer = replace(charter, holders=charter.holders[:2])
    monkeypatch.setattr(office.sums.records, "_charter", lambda: fewer)
    before = office.said()
    with pytest.raises(PolicyError) as caught:
        await office.duty.open(fresh_token(), PHONE, 1, 3, 60)

    assert caught.value.reason == "SUM_UNPROVEN"
    assert office.said() == before


async def test_another_who_announces_a_rounds_sum_as_its_own_does_not_stop_it(network):
    token = fresh_token()
    for name in NAMES[:3]:
        await network[name].nominate(token)
    booked = await ask(network, token)
    opening = booked.matter.facts.opening
    network.spread()
    network.time += 1  # the newest round is looked at first
    await network["net-p"].say(opening)
    await network.settle()

    assert network.states(booked) == {State.CONFIRMED}


async def test_no_other_source_opens_lengths(network, monkeypatch):
    """One block for each entry would show the size of each, of every member."""
    for office in network.offices.values():
        count = lambda asked: np.ones(len(asked.labels), dtype=np.int64)  # noqa: E731
        source = Source(SOURCE_ELSE, "one each", frozenset({Purpose.OPERATION}), count)
        monkeypatch.setitem(office.sums.sources._sources, SOURCE_ELSE, source)
    opener = network["net-p"].sums
    labels = tuple(opaque(f"lengths {place}") for place in range(3))
    draft = SumDraft(SOURCE_ELSE, labels, Purpose.OPERATION, seconds=60, largest=1)
    opening = opener.opener._opening
    blocks = {"norm_blocks": (1, 1, 1), "norm_bounds": (1, 1, 1)}
    monkeypatch.setattr(
        opener.opener, "_opening", lambda *asked: replace(opening(*asked), **blocks)
    )
    sum_id = await opener.open(draft)
    await network.settle()

    for name in NAMES:
        assert network[name].sums.contributor.declined[sum_id] == "NORMS_NOT_ALLOWED"


async def finish_another_sum(network, labels):
    """Have every member add up something else, and return its opening."""
    token = network["carrier-a"].sums
    draft = SumDraft(SOURCE_ELSE, labels, Purpose.OPERATION, seconds=60, largest=1)
    sum_id = await token.open(draft)
    await network.settle()
    return network["bank-x"].sums.records.head(sum_id).sum.opening


@pytest.mark.parametrize("entries", [3, 4, 5])
async def test_another_finished_sum_is_not_taken_for_the_rounds(network, monkeypatch, entries):
    labels = tuple(opaque(f"other {next(_numbers)}") for _ in range(entries))
    for office in network.offices.values():
        count = lambda asked: np.eye(1, len(asked.labels), dtype=np.int64)[0]  # noqa: E731
        source = Source(SOURCE_ELSE, "one each", frozenset({Purpose.OPERATION}), count)
        monkeypatch.setitem(office.sums.sources._sources, SOURCE_ELSE, source)
    other = await finish_another_sum(network, labels)
    progress = await network["bank-x"].sums.progress(other.sum_id)

    assert progress.total is not None

    members, due = other.contributors, other.deadline_time
    body = VerificationOpen(fresh_token(), PHONE, 1, other.sum_id, members, 3, due)
    matter_id = await network["carrier-a"].say(body)
    await network.settle()
    found = network["bank-x"].log.matters.get(Kind.VERIFICATION, matter_id, MemberId("carrier-a"))

    assert found.matter.state is State.VERIFYING
    assert not found.matter.facts.tallies


@pytest.mark.parametrize(
    "change",
    [
        {"largest": 1_000},
        {"one_hot": 0},
        {"one_hot": 0, "norm_blocks": (4,), "norm_bounds": (1,)},
        {"labels_digest": opaque("others", 32)},
        {"scale": 10},
    ],
)
async def test_a_sum_that_lets_somebody_vote_twice_is_not_the_rounds(network, change):
    booked = await ask(network, fresh_token())
    await network.settle()
    records = network["carrier-a"].sums.records
    opening = records.head(booked.matter.facts.opening.sum_id).sum.opening

    assert is_asked(booked.matter, opening)
    assert not is_asked(booked.matter, replace(opening, **change))


async def test_nobody_is_named_where_a_node_cannot_read_the_sum_itself(network):
    members, due = tuple(MemberId(one) for one in sorted(NAMES)), network.time + 60
    body = VerificationOpen(fresh_token(), PHONE, 1, opaque("no such sum"), members, 3, due)
    matter_id, opener = await network["carrier-a"].say(body), MemberId("carrier-a")
    network.spread()
    before = len(network["bank-x"].log.catalogue.alarms(500))
    await network["net-p"].say(VerificationTally(matter_id, opener, 3, 0, 1, 0))
    for name in ("carrier-a", "carrier-b", "bank-x"):
        await network[name].say(VerificationTally(matter_id, opener, 0, 3, 1, 0))
    await network.settle()
    found = network["bank-x"].log.matters.get(Kind.VERIFICATION, matter_id, opener)

    assert found.matter.state is State.REFUTED
    assert len(network["bank-x"].log.catalogue.alarms(500)) == before


async def test_an_own_round_under_way_is_not_opened_again(network):
    token = fresh_token()
    first = await ask(network, token)
    again = await ask(network, token)

    assert again.matter.id == first.matter.id
    await network.settle()


async def test_what_the_table_refuses_is_refused_before_it_is_said(network):
    booked = await ask(network, fresh_token())
    await network.settle()
    office = network["carrier-a"]
    before = office.said()

    with pytest.raises(MatterError) as caught:
        await office.duty.examine(office.matter(booked), VerificationDecision.CONFIRM)

    assert caught.value.reason == "TRANSITION_NOT_ALLOWED"
    assert office.said() == before


async def test_own_words_answer_and_the_last_one_counts(network):
    office, token = network["net-p"], fresh_token()

    assert office.duty.own_answer(token) is NO_RECORD

    said = await office.nominate(token)

    assert office.duty.own_answer(token) is SUSPECT

    network.time += 1
    await office.say(Retraction(said, token, RetractionReason.MISTAKEN))

    assert office.duty.own_answer(token) is BENIGN

    network.time += 1
    await office.say(Sighting(token, PHONE, 1, SightingKind.SEEN, 1, network.time))

    assert office.duty.own_answer(token) is SUSPECT

    value, basis = OpinionValue.DISAGREE, OpinionBasis.KNOWN_BENIGN
    network.time += 1
    await office.say(Opinion(token, PHONE, 1, value, basis, 90))

    assert office.duty.own_answer(token) is BENIGN

    await office.duty.answer(token, DECLINE)

    assert office.duty.own_answer(token) is DECLINE


async def test_others_words_are_no_own_record(network):
    token = fresh_token()
    await network["carrier-a"].nominate(token)
    await network["bank-x"].say(ProtectedObject(token, PHONE, 1, ProtectionGround.DAILY_LIFE))
    network.spread()

    assert network["net-p"].duty.own_answer(token) is NO_RECORD
    assert network["bank-x"].duty.own_answer(token) is BENIGN


def test_what_has_expired_or_says_nothing_is_no_record():
    def own(detail, expires=0):
        body = 18  # an opinion's number in ``Statement``
        return (b"", "net-p", b"", 1, body, 80, detail, 0, 0, 0, 1, START, START, expires, 1, 0)

    neutral, agrees = int(OpinionValue.NEUTRAL), int(OpinionValue.AGREE)

    assert answer_from(OwnWords(evidence=[own(neutral)]), START) is NO_RECORD
    assert answer_from(OwnWords(evidence=[own(agrees)]), START) is SUSPECT
    assert answer_from(OwnWords(evidence=[own(agrees, START)]), START) is NO_RECORD
    assert answer_from(OwnWords(evidence=[own(agrees)], is_protected=True), START) is BENIGN
