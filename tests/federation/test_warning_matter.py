"""The matter of a warning: sent by one carrier, escalated in silence, ended with a code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.matters import PROCEDURES, Kind, MatterError, State, advance, fold_matter
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
    assert after(*SAVED).is_over
    assert after(*SAVED).facts.carrier == HOME
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
    assert after(*SAVED).state_at(NOW + LONGEST_SECONDS) is State.OUTCOME_REPORTED


def test_a_vulnerable_person_at_very_high_risk_gets_a_flash_message_and_then_a_call():
    task = warning(channels=(SMS, VISIT, VOICE, FLASH))
    silent = after(raised(channels=(SMS, VISIT, VOICE, FLASH)), SAVED[1])

    assert task.must_escalate
    assert first_channel(task) is FLASH
    assert next_channel(silent.facts) is VOICE
    assert refusal(raised(), step(HOME, SENT, NOW + 1, VOICE)) == "FLASH_MISSING"
    assert after(*SILENT).state is State.ESCALATED
    assert next_channel(after(*SILENT).facts) is None


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
    assert refusal(*SAVED[:3], step(HOME, ESCALATED, NOW + 700, VOICE)) == "TRANSITION_NOT_ALLOWED"
    assert refusal(*SILENT, step(HOME, ESCALATED, NOW + 9_000, VOICE)) == "CALL_MISSING"


def test_nobody_is_given_up_without_a_call():
    gave_up = step(HOME, OUTCOME, NOW + 700, outcome=WarningOutcome.UNREACHED)

    assert refusal(*SAVED[:2], gave_up) == "ESCALATION_MISSING"
    assert after(*SILENT, gave_up).state is State.OUTCOME_REPORTED
    assert after(raised(**MILD), step(HOME, SENT, NOW + 1, SMS), gave_up).is_over


def test_only_a_carrier_sends_and_the_first_one_leads():
    assert refusal(raised(), step(NET, SENT, NOW + 1, FLASH)) == "ROLE_NOT_ALLOWED"
    assert refusal(*SAVED[:2], step(OTHER, SENT, NOW + 40, FLASH)) == "TRANSITION_NOT_ALLOWED"
    assert refusal(*SAVED[:2], step(OTHER, ACK, NOW + 40)) == "OTHER_CARRIER"
    late = step(OTHER, OUTCOME, NOW + 40, outcome=WarningOutcome.LOST)
    assert refusal(*SAVED[:2], late) == "NOT_CONCERNED"
    assert refusal(*SILENT[:2], step(OTHER, ESCALATED, NOW + 640, VOICE)) == "OTHER_CARRIER"


def test_who_raised_a_warning_can_end_it():
    lost = step(BANK, OUTCOME, NOW + 60, outcome=WarningOutcome.LOST)

    assert after(raised(), lost).facts.outcome is WarningOutcome.LOST
    assert after(*SAVED[:2], lost).is_over
    foreign = step(NET, OUTCOME, NOW + 60, outcome=WarningOutcome.LOST)
    assert refusal(raised(), foreign) == "NOT_CONCERNED"
    assert refusal(*SAVED, lost) == "TRANSITION_NOT_ALLOWED"


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


@given(st.lists(_STEPS, max_size=8), st.randoms())
def test_whatever_is_said_one_carrier_leads_and_nobody_is_given_up_uncalled(steps, random):
    story = [raised(), *sorted(steps, key=lambda one: one[1].issued_time)]
    folded = fold_matter(story, lambda member, _time: ROLES[member])
    by_member = {name: [one for one in story if one[0] == name] for name in ROLES}
    names = list(by_member)
    random.shuffle(names)
    mixed = fold_matter(
        [one for name in names for one in by_member[name]], lambda member, _time: ROLES[member]
    )
    facts = folded.matter.facts

    assert mixed.matter == folded.matter
    assert folded.matter.state in {row.next for row in PROCEDURES[Kind.WARNING].table}
    assert (facts.carrier is None) == (not facts.sent)
    assert facts.carrier in {None, HOME, OTHER}
    assert [channel for channel, _time in facts.sent[:1]] in ([], [FLASH])
    assert facts.outcome is not WarningOutcome.UNREACHED or len(facts.sent) != 1
