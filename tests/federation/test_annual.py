"""A report of a year is the logs' alone: the same bytes from the same logs, every number traced."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.annual import HEADS, AnnualError, Format, Question, write_report
from federation.annual.document import MAX_SHOWN_LINKS
from federation.annual.reading import REMOVABLE
from federation.names import MemberId
from federation.statements import (
    Alarm,
    Appeal,
    Retraction,
    VerificationTally,
    decode_statement,
)
from federation.statements.alarm import DATED_AHEAD
from federation.vocabulary import (
    AlarmKind,
    AppealGround,
    AppealResult,
    NoticeAction,
    RetractionReason,
)
from tests.federation import disposition_world as orders
from tests.federation import duty_world, notice_world
from tests.federation.annual_world import BANK, COORD, END, START, YEAR, Logs
from tests.federation.matter_examples import EXAMPLES, MEMBERS, Name
from tests.federation.organisations import FEDERATION
from tests.federation.said import DAY, TOKEN, nomination, opaque, verification_open
from tests.federation.said import EXAMPLES as BODIES

MINISTRY, CARRIER, NET = (MemberId(name) for name in ("ministry", "carrier-b", "net-c"))
SPEAKERS = sorted(name for name, roles in MEMBERS.items() if roles)
HOUR = 3_600


def opened_by(name):
    """Return what a matter's own opener and others can say in it."""
    return [body for examples in EXAMPLES.values() for body in examples.moves(name)]


@st.composite
def logs(draw):
    """Draw logs over the turn of two years: matters, evidence, anything by anybody."""
    found, time, names = Logs({}), START - 40 * DAY, []
    openings = [body for examples in EXAMPLES.values() for body in examples.opens]
    for _ in range(draw(st.integers(1, 40))):
        time += draw(st.sampled_from([0, 60, DAY, 20 * DAY]))
        member = draw(st.sampled_from(SPEAKERS))
        pools = [BODIES, openings] + [opened_by(name) for name in names[-3:]]
        body = draw(st.sampled_from(draw(st.sampled_from(pools))))
        own = found.say(member, body, time)
        names += [Name(own, member)] if body in openings else []
    return found


@settings(max_examples=30, deadline=None)
@given(logs(), st.data())
def test_the_same_logs_give_the_same_bytes_in_any_order_and_at_any_later_time(drawn, data):
    member = data.draw(st.sampled_from(sorted(drawn.bodies)), "member")
    at = data.draw(st.integers(START, END - 1), "at")
    asked = {"member": member, "at": at}
    before = [drawn.written(form, **asked) for form in Format]
    later = drawn.copy()
    for name in list(later.bodies):
        later.say(name, BODIES[4], at + 1)  # a retraction: it stays in every log
        later.say(name, BODIES[1], START + 1)  # what is written afterwards with an earlier time
    order = data.draw(st.permutations(sorted(later.bodies)), "order")

    assert [later.written(form, order=order, **asked) for form in Format] == before


@settings(max_examples=30, deadline=None)
@given(logs(), st.data())
def test_what_retention_removed_from_others_changes_nothing(drawn, data):
    member = data.draw(st.sampled_from(sorted(drawn.bodies)), "member")
    before = drawn.written(member=member)
    for name, bodies in drawn.bodies.items():
        for index, body in enumerate(bodies):
            if name != member and isinstance(decode_statement(body).body, REMOVABLE):
                bodies[index] = None if data.draw(st.booleans()) else body

    assert drawn.written(member=member) == before


@settings(max_examples=30, deadline=None)
@given(logs(), st.sampled_from(SPEAKERS))
def test_every_number_is_that_of_the_statements_it_is_counted_from(drawn, member):
    document = json.loads(drawn.written(member=member))
    bodies = [drawn.bodies[log["origin"].split("/")[1]] for log in document["logs"]]
    for item in (item for head in document["heads"] for item in head["items"]):
        links = item["statements"]
        ids = [decode_statement(bodies[one["log"]][one["index"]]).id.hex() for one in links]

        assert item["count"] == len(links)
        assert sum(item["parts"].values()) in (0, len(links))
        assert ids == [one["id"] for one in links]

    codes = {item.code for head in HEADS for item in head.items}

    assert drawn.report(member=member).links.keys() <= codes


def test_orders_appeals_and_wrong_measures_are_counted():
    order = orders.ordered(
        members=(BANK,), term_end_time=START + 90 * DAY, measure=orders.Measure.F_LIMIT
    )
    by = {"name": opaque("an order"), "opener": COORD}
    told = Logs.of(
        (COORD, order, START + HOUR, by["name"]),
        (BANK, orders.receipt(orders.EXECUTED, **by), START + 2 * HOUR),
        (BANK, orders.receipt(orders.NOTIFIED, **by), START + 3 * HOUR),
        (BANK, Appeal(by["name"], COORD, AppealGround.NEW_OWNER), START + 4 * HOUR),
        (BANK, orders.decided(AppealResult.LIFTED, **by), START + 2 * DAY),
        (BANK, orders.receipt(orders.RESTORED, **by), START + 2 * DAY + 60),
        (BANK, orders.receipt(orders.RESTORED, **by), START + 2 * DAY + 120),
    )

    assert told.counts() == {
        "ORDERS_EXECUTED": ["F_LIMIT"],
        "PERSONS_NOTIFIED": 1,
        "MEASURES_TAKEN_BACK": ["LIFTED_APPEAL"],
        "MEASURES_WRONG": ["LIFTED_APPEAL"],
        "APPEALS_TAKEN_IN": ["NEW_OWNER"],
        "APPEALS_DECIDED": ["LIFTED"],
        "APPEALS_DECIDED_LATE": ["LIFTED"],
        "STATEMENTS_REFUSED": ["NOT_EXECUTED"],
    }
    assert told.counts(member=COORD) == {"ORDERS_GIVEN": ["F_LIMIT"]}

    # A day after the year began the appeal was not decided, and nobody had been wrong.
    assert set(told.counts(at=START + DAY)) == {
        "ORDERS_EXECUTED",
        "PERSONS_NOTIFIED",
        "APPEALS_TAKEN_IN",
    }


def test_duties_are_kept_late_or_not_at_all():
    item = duty_world.duty(
        period_seconds=30 * DAY, grace_seconds=DAY, first_due_time=START + 30 * DAY
    )
    name, other = opaque("kept"), opaque("neglected")
    by = {"name": name, "opener": MINISTRY}
    told = Logs.of(
        (MINISTRY, item, START, name),
        (MINISTRY, item, START, other),
        (BANK, duty_world.adopt(item=item, **by), START + DAY),
        (BANK, duty_world.attest(1, **by), START + 29 * DAY),
        (BANK, duty_world.attest(2, **by), START + 70 * DAY),
    )
    code = item.code

    assert told.counts(at=START + 80 * DAY) == {
        "DUTIES_ADOPTED": [code],
        "DUTIES_ATTESTED": [code],
        "DUTIES_ATTESTED_LATE": [code],
        "DUTIES_NOT_ADOPTED": [code],
    }
    assert told.counts(at=START + 92 * DAY)["STEPS_OVERDUE"] == ["responsibility"]
    assert "DUTIES_NOT_ADOPTED" not in told.counts(at=START + 31 * DAY)
    assert "DUTIES_NOT_ADOPTED" not in told.counts(member=COORD)


def test_notices_are_counted_at_whom_they_are_about():
    notice = notice_world.NOTICE
    notice = type(notice)(BANK, notice.code, notice.finding_digest, START + 30 * DAY)
    name = Name(opaque("notice"), MINISTRY)
    told = Logs.of(
        (MINISTRY, notice, START, name.id),
        (BANK, notice_world.step(name, NoticeAction.REPLIED), START + DAY),
        (BANK, notice_world.step(name, NoticeAction.RECTIFIED), START + 2 * DAY),
        (MINISTRY, notice_world.step(name, NoticeAction.CLOSED), START + 3 * DAY),
    )

    assert told.counts() == {
        "NOTICES_RECEIVED": [notice.code],
        "NOTICES_ANSWERED": ["RECTIFIED", "REPLIED"],
        "NOTICES_ENDED": ["CLOSED"],
    }
    assert told.counts(at=START + 2 * DAY)["NOTICES_OPEN"] == [notice.code]
    assert told.counts(member=MINISTRY) == {}


def test_a_nomination_counts_once_and_is_confirmed_by_a_round():
    opening = verification_open(due_time=START + DAY, members=(BANK, CARRIER, NET))
    name = opaque("round")
    tally = VerificationTally(name, COORD, 3, 0, 0, 0)
    told = Logs.of(
        (BANK, nomination(), START + 60, opaque("claim")),
        (BANK, nomination(), START + 120, opaque("claim")),
        (BANK, nomination(token=opaque("another")), START + 180),
        (COORD, opening, START + HOUR, name),
        (BANK, tally, START + 2 * DAY),
        (CARRIER, tally, START + 2 * DAY),
        (NET, tally, START + 2 * DAY),
        (BANK, Retraction(opaque("claim"), TOKEN, RetractionReason.OVER), START + 3 * DAY),
    )
    kind = nomination().kind.name

    assert told.counts() == {
        "NOMINATIONS": [kind, kind],
        "NOMINATIONS_CONFIRMED": [kind],
        "VERIFICATIONS_READ": 1,
        "RETRACTIONS": ["OVER"],
    }


def test_alarms_are_counted_at_who_raised_and_at_whom_they_name():
    alarm = Alarm(AlarmKind.STATEMENT_REFUSED, BANK, reason="ROLE_NOT_ALLOWED")
    told = Logs.of((CARRIER, alarm, START + 60), (CARRIER, alarm, START - 60))

    assert told.counts() == {"ALARMS_ABOUT": ["STATEMENT_REFUSED"]}
    assert told.counts(member=CARRIER) == {"ALARMS_RAISED": ["STATEMENT_REFUSED"]}


def cut_story(ahead=300 * DAY):
    """Return logs in which a bank cuts its own, and what a carrier saw of it."""
    seen = START + 10 * DAY
    alarm = Alarm(AlarmKind.STATEMENT_REFUSED, BANK, observed=ahead, limit=300, reason=DATED_AHEAD)
    return Logs.of(
        (BANK, BODIES[4], START + 60),
        (BANK, BODIES[4], END + 5 * DAY),
        (BANK, BODIES[4], START + 20 * DAY),
        (CARRIER, alarm, seen),
        (CARRIER, BODIES[4], END + 60),
    )


def test_a_log_that_others_saw_dated_ahead_is_named_with_where_it_is_cut():
    told = cut_story(ahead=END + 5 * DAY - START - 10 * DAY)
    document = json.loads(told.written())
    (cut,) = document["cut_logs"]
    (alarm,) = cut["alarms"]

    assert (cut["origin"], cut["index"]) == (f"{FEDERATION}/bank-a/all", 1)
    assert (cut["counted_until"], cut["dated"]) == ("2027-01-01T00:01:00Z", "2028-01-06T00:00:00Z")
    assert document["logs"][alarm["log"]]["origin"].endswith("/carrier-b/all")
    assert told.counts() == {"RETRACTIONS": ["MISTAKEN"], "ALARMS_ABOUT": ["STATEMENT_REFUSED"]}

    for form in (Format.MARKDOWN, Format.HTML):
        page = told.written(form).decode()

        assert "Logs cut before their time" in page
        assert "2028-01-06T00:00:00Z" in page
        assert page.count("carrier-b") >= 2


def test_a_log_that_ends_with_the_year_or_without_an_alarm_is_not_called_cut():
    told = cut_story(ahead=20 * DAY)

    assert json.loads(told.written())["cut_logs"] == []
    assert "cut before" not in told.written(Format.MARKDOWN).decode()

    del told.bodies[CARRIER]

    assert told.report().cuts == ()


def test_no_member_names_its_own_log_as_cut_nor_one_that_is_open():
    told = cut_story(ahead=END)
    told.bodies[BANK], told.bodies["carrier-b"] = told.bodies["carrier-b"], told.bodies[BANK]

    assert told.report().cuts == ()

    still_open = cut_story(ahead=END)
    del still_open.bodies[BANK][1]

    assert still_open.report().cuts == ()


@pytest.mark.parametrize(
    ("gone", "is_needed"), [(0, False), (1, True), (2, True), (3, True), (4, False)]
)
def test_what_the_member_said_that_year_must_be_here(gone, is_needed):
    told = Logs.of(
        (BANK, nomination(), START - 2 * DAY),
        (BANK, nomination(), START - DAY),  # the last one of the year before
        (BANK, nomination(), START + DAY),
        (BANK, nomination(), END),  # the first one of the year after
        (BANK, nomination(), END + DAY),
        (BANK, BODIES[4], END + DAY),
    )
    before = told.counts()
    told.bodies[BANK][gone] = None
    if not is_needed:
        assert told.counts() == before
        return
    with pytest.raises(AnnualError) as caught:
        told.report()

    assert caught.value.reason == "ANNUAL_ENTRY_REMOVED"


def test_a_year_that_has_not_begun_and_a_stranger_are_refused():
    with pytest.raises(AnnualError, match="after the year's beginning"):
        Question(BANK, YEAR, START - 1)
    with pytest.raises(AnnualError) as caught:
        Logs.of((BANK, nomination(), START)).report(member="nobody")

    assert caught.value.reason == "ANNUAL_MEMBER_UNKNOWN"


def test_pages_for_people_show_the_first_statements_and_a_digest_of_all():
    story = [
        (BANK, nomination(token=opaque(number)), START + number)
        for number in range(MAX_SHOWN_LINKS + 5)
    ]
    report = Logs.of(*story).report()
    pages = {form: write_report(report, form).decode() for form in Format}

    assert "| NOMINATIONS |" in pages[Format.MARKDOWN]
    assert f'<a href="#NOMINATIONS">{MAX_SHOWN_LINKS + 5}</a>' in pages[Format.HTML]
    for form in (Format.MARKDOWN, Format.HTML):
        assert "and 5 more, all of them in the report as JSON" in pages[form]
        assert "网络与信息安全保障制度和措施执行情况" in pages[form]
        assert pages[form].count("/bank-a/all ") == MAX_SHOWN_LINKS + (form is Format.MARKDOWN)

    assert len(json.loads(pages[Format.JSON])["heads"]) == len(HEADS) == 6
