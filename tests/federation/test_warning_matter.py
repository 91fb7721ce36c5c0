"""The matter of a warning: sent by one carrier, escalated in silence, ended with a code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.matters import MatterError, State, advance, fold_matter
from federation.matters.warning import (
    LONGEST_SECONDS,
    OUTCOME_SECONDS,
    SEND_SECONDS,
    first_channel,
    next_channel,
)
from federation.names import MemberId
from federation.roles import Role
from federation.statements import StatementError, WarningStep
from federation.statements.shape import MAX_TIME
from federation.vocabulary import (
    AgeBand,
    Band,
    WarningAction,
    WarningChannel,
    WarningOutcome,
    WarningUrgency,
)
from tests.federation.said import DAY, NOW, opaque, said, warning

BANK, HOME, OTHER, NET, COORD = (
    MemberId(name) for name in ("bank-x", "carrier-c", "carrier-a", "net-p", "coord-c")
)
ROLES = {
    BANK: frozenset({Role.BANK}),
    HOME: frozenset({Role.CARRIER}),
    OTHER: frozenset({Role.CARRIER}),
    NET: frozenset({Role.INTERNET}),
    COORD: frozenset({Role.COORDINATOR}),
}
SMS, FLASH, VOICE, VISIT = (
    WarningChannel.SMS,
    WarningChannel.FLASH,
    WarningChannel.VOICE,
    WarningChannel.VISIT,
)
ID = opaque("warning")
LOST = WarningOutcome.LOST
SENT, ACK, ESCALATED, OUTCOME = WarningAction
MILD = {"risk": Band.HIGH, "age_band": AgeBand.GENERAL, "channels": (SMS, VOICE)}


def raised(at=NOW, **fields):
    return BANK, said(warning(**fields), id=ID, issued_time=at)


def step(member, action, at, channel=None, outcome=None, opener=BANK):
    body = WarningStep(ID, opener, action, channel, outcome)
    return member, said(body, id=opaque(f"{member}{action}{at}{channel}"), issued_time=at)


def after(*story):
    matter = None
    for member, statement in story:
        matter = advance(matter, member, ROLES[member], statement)
    return matter


def refusal(*story):
    *before, (member, statement) = story
    matter = after(*before)
    with pytest.raises(MatterError) as caught:
        advance(matter, member, ROLES[member], statement)
    return caught.value.reason


SAVED = (
    raised(),
    step(HOME, SENT, NOW + 30, FLASH),
    step(HOME, ACK, NOW + 90),
    step(HOME, OUTCOME, NOW + 900, outcome=WarningOutcome.DISSUADED),
)
SILENT = (*SAVED[:2], step(HOME, ESCALATED, NOW + 630, VOICE))


def test_a_warning_goes_from_raised_to_its_outcome():
    states = [after(*SAVED[:length]).state for length in range(1, 5)]

    assert states == [State.RAISED, State.SENT, State.ACKNOWLEDGED, State.OUTCOME_REPORTED]
    assert not after(*SAVED).turn.roles
    assert after(*SAVED).facts.best.carrier == HOME
    assert after(*SAVED).facts.outcome is WarningOutcome.DISSUADED
    assert after(*SAVED).subject == after(raised()).facts.warning.token


def test_each_step_has_its_deadline():
    dues = [after(*SAVED[:length]).due for length in range(1, 5)]

    assert dues == [
        NOW + SEND_SECONDS[WarningUrgency.IMMEDIATE],
        NOW + 30 + 600,
        NOW + 90 + OUTCOME_SECONDS,
        None,
    ]
    assert after(*SILENT).due == NOW + 630 + 600


def test_a_warning_without_a_term_ends_after_a_week():
    matter = after(raised())

    assert matter.state_at(NOW + LONGEST_SECONDS - 1) is State.RAISED
    assert matter.state_at(NOW + LONGEST_SECONDS) is State.EXPIRED
    assert not after(*SAVED).is_over_at(NOW + LONGEST_SECONDS - 1)
    assert after(*SAVED).is_over_at(NOW + LONGEST_SECONDS)
    assert after(*SAVED).state_at(NOW + LONGEST_SECONDS) is State.OUTCOME_REPORTED


def test_a_vulnerable_person_at_very_high_risk_gets_a_flash_message_and_then_a_call():
    task = warning(channels=(SMS, VISIT, VOICE, FLASH))
    silent = after(raised(channels=(SMS, VISIT, VOICE, FLASH)), SAVED[1])

    assert task.must_escalate
    assert first_channel(task) is FLASH
    assert next_channel(task, silent.facts.track(HOME)) is VOICE
    assert next_channel(task, silent.facts.track(OTHER)) is VOICE
    assert refusal(raised(), step(HOME, SENT, NOW + 1, VOICE)) == "FLASH_MISSING"
    assert after(*SILENT).state is State.ESCALATED
    assert next_channel(warning(), after(*SILENT).facts.track(HOME)) is None


@pytest.mark.parametrize(
    "fields", [{"risk": Band.HIGH}, {"age_band": AgeBand.GENERAL}, {"risk": Band.LOW}]
)
def test_others_get_the_first_wanted_channel(fields):
    task = warning(channels=(SMS, VOICE), **fields)

    assert not task.must_escalate
    assert first_channel(task) is SMS


@pytest.mark.parametrize("channels", [(), (FLASH,), (VOICE, SMS), (FLASH, FLASH, VOICE)])
def test_a_warning_without_the_channels_that_its_risk_demands_cannot_be_said(channels):
    with pytest.raises(StatementError) as caught:
        warning(channels=channels)

    assert caught.value.reason == "LIST_INVALID"


def test_silence_is_escalated_only_when_the_time_is_over():
    assert refusal(*SAVED[:2], step(HOME, ESCALATED, NOW + 629, VOICE)) == "ESCALATION_TOO_EARLY"
    assert refusal(*SAVED[:2], step(HOME, ESCALATED, NOW + 630, SMS)) == "CALL_MISSING"
    assert refusal(*SAVED[:3], step(HOME, ESCALATED, NOW + 700, VOICE)) == "ALREADY_ANSWERED"
    assert refusal(*SILENT, step(HOME, ESCALATED, NOW + 9_000, VOICE)) == "CALL_MISSING"


def test_nobody_is_given_up_without_a_call():
    gave_up = step(HOME, OUTCOME, NOW + 700, outcome=WarningOutcome.UNREACHED)

    assert refusal(*SAVED[:2], gave_up) == "ESCALATION_MISSING"
    assert after(*SILENT, gave_up).state is State.OUTCOME_REPORTED
    assert after(raised(**MILD), step(HOME, SENT, NOW + 1, SMS), gave_up).facts.outcome


def test_only_a_carrier_sends_and_each_speaks_for_itself_alone():
    lost = step(OTHER, OUTCOME, NOW + 40, outcome=WarningOutcome.LOST)

    assert refusal(raised(), step(NET, SENT, NOW + 1, FLASH)) == "ROLE_NOT_ALLOWED"
    assert refusal(*SAVED[:2], step(HOME, SENT, NOW + 40, FLASH)) == "ALREADY_SENT"
    assert refusal(*SAVED[:2], step(OTHER, ACK, NOW + 40)) == "NOT_SENT"
    assert refusal(*SAVED[:2], lost) == "NOT_SENT"
    assert refusal(*SAVED[:2], step(OTHER, ESCALATED, NOW + 640, VOICE)) == "NOT_SENT"
    assert refusal(*SAVED, step(HOME, OUTCOME, NOW + 950, outcome=WarningOutcome.LOST)) == (
        "ALREADY_ENDED"
    )
    assert refusal(*SAVED, step(HOME, ACK, NOW + 950)) == "ALREADY_ENDED"


CLAIM = (
    step(OTHER, SENT, NOW + 1, FLASH),
    step(OTHER, ACK, NOW + 2),
    step(OTHER, OUTCOME, NOW + 3, outcome=WarningOutcome.FALSE_ALARM),
)


@pytest.mark.parametrize("claimed", [1, 2, 3])
def test_a_rival_that_is_first_keeps_no_step_of_the_home_carrier_out(claimed):
    home = (*SILENT[1:], step(HOME, ACK, NOW + 700), step(HOME, OUTCOME, NOW + 900, outcome=LOST))
    matter = after(raised(), *CLAIM[:claimed], *home)

    assert matter.facts.track(HOME) == after(raised(), *home).facts.track(HOME)
    assert matter.facts.track(HOME).outcome is LOST
    assert matter.state is State.OUTCOME_REPORTED


def test_the_matter_follows_the_track_that_is_furthest_along():
    rival, sent = CLAIM[0], step(HOME, SENT, NOW + 30, FLASH)
    story = (raised(), rival, sent, step(HOME, ACK, NOW + 90))
    states = [after(*story[:length]).state for length in range(1, 5)]

    assert states == [State.RAISED, State.SENT, State.SENT, State.ACKNOWLEDGED]
    assert after(*story[:3]).facts.best.carrier == OTHER
    assert after(*story[:3]).due == NOW + 1 + 600
    assert after(*story).facts.best.carrier == HOME
    assert after(*story).due == NOW + 90 + OUTCOME_SECONDS
    assert after(*story, *CLAIM[1:2]).state is State.ACKNOWLEDGED


def test_a_warning_that_is_over_is_not_sent_any_more():
    late = step(HOME, SENT, NOW + LONGEST_SECONDS, FLASH)

    assert refusal(raised(), late) == "WARNING_EXPIRED"


def test_a_channel_that_nobody_wants_is_refused():
    assert refusal(raised(**MILD), step(HOME, SENT, NOW + 1, VISIT)) == "CHANNEL_NOT_WANTED"


def test_only_members_with_customers_and_the_police_raise_warnings():
    with pytest.raises(MatterError) as caught:
        advance(None, COORD, ROLES[COORD], raised()[1])

    assert caught.value.reason == "ROLE_NOT_ALLOWED"


_STEPS = st.builds(
    step,
    st.sampled_from([BANK, HOME, OTHER, NET]),
    st.just(SENT) | st.just(ESCALATED),
    st.integers(NOW, NOW + 2 * DAY),
    st.sampled_from(WarningChannel),
) | st.one_of(
    st.builds(
        step, st.sampled_from([BANK, HOME, OTHER]), st.just(ACK), st.integers(NOW, NOW + 2 * DAY)
    ),
    st.builds(
        step,
        st.sampled_from([BANK, HOME, OTHER, NET]),
        st.just(OUTCOME),
        st.integers(NOW, NOW + 2 * DAY),
        outcome=st.sampled_from(WarningOutcome),
    ),
)


PROGRESS = (State.RAISED, State.SENT, State.ESCALATED, State.ACKNOWLEDGED, State.OUTCOME_REPORTED)


def known(member, _time):
    return ROLES[member]


@given(st.lists(_STEPS, max_size=12), st.randoms())
def test_whatever_is_said_the_state_is_that_of_the_best_track_and_nobody_is_given_up_uncalled(
    steps, random
):
    story = [raised(), *sorted(steps, key=lambda one: one[1].issued_time)]
    folded = fold_matter(story, known, MAX_TIME)
    by_member = {name: [one for one in story if one[0] == name] for name in ROLES}
    names = list(by_member)
    random.shuffle(names)
    mixed = fold_matter([one for name in names for one in by_member[name]], known, MAX_TIME)
    matter, facts = folded.matter, folded.matter.facts
    tracks = facts.tracks.values()

    assert mixed.matter == matter
    assert facts.tracks.keys() <= {HOME, OTHER}
    assert all(track.channels[0] is FLASH for track in tracks)
    assert all(len(set(track.channels)) == len(track.channels) for track in tracks)
    assert all(
        track.outcome is not WarningOutcome.UNREACHED or len(track.sent) > 1 for track in tracks
    )
    if facts.conclusion is None:
        reached = [PROGRESS.index(track.state) for track in tracks]
        assert matter.state is PROGRESS[max(reached, default=0)]
        assert facts.best is None or facts.best.state is matter.state
    else:
        assert matter.state is State.OUTCOME_REPORTED
        assert facts.outcome is facts.conclusion


@given(st.lists(_STEPS, max_size=12))
def test_nothing_that_one_carrier_says_changes_the_track_of_another(steps):
    story = [raised(), *(one for one in steps if one[0] != BANK)]
    alone = fold_matter([one for one in story if one[0] != OTHER], known, MAX_TIME).matter.facts
    together = fold_matter(story, known, MAX_TIME).matter.facts

    assert together.track(HOME) == alone.track(HOME)


@given(st.lists(_STEPS, max_size=12))
def test_a_warning_has_at_most_one_track_of_each_carrier_and_one_message_a_channel(steps):
    folded = fold_matter([raised(), *steps], known, MAX_TIME)
    counted = len([one for one in folded.steps if one.error is None])

    assert counted <= 2 + 2 * (len(warning().channels) + 2)
