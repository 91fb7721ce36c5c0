"""Citizens' reports at the desk of a real node: what is joined, sealed, guarded and kept."""

from __future__ import annotations

import pytest

from federation.matters import State
from federation.reporting import MOST_CONFIDENCE
from federation.statements import Nomination, Report
from federation.statements.codec import decode_statement
from federation.vocabulary import (
    CountBand,
    FraudType,
    ProtectionGround,
    Purpose,
    ReportAction,
    ReportChannel,
    ReportReason,
)
from node.desk.intake import MAX_ROWS
from node.duties.report_intake import MAX_TEXT_BYTES
from tests.node.federation_world import BANK, CARRIER, COORDINATOR, NET, raw, refusal
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import report_service_pb2 as wire
from tocsin.desk.v1 import report_service_pb2_grpc as stubs

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDED, UNCHANGED, REFUSED = (
    desk.ROW_OUTCOME_ADDED,
    desk.ROW_OUTCOME_UNCHANGED,
    desk.ROW_OUTCOME_REFUSED,
)
TIME = 60.0


def told(kind, value, reporter, **fields):
    defaults = {"fraud_type": FraudType.LOAN, "channel": ReportChannel.WEB}
    return wire.ReportRow(indicator=raw(kind, value), reporter=reporter, **(defaults | fields))


def desk_of(member):
    return stubs.ReportServiceStub(member._channel)


async def submit(member, *rows):
    request = wire.SubmitReportsRequest(rows=rows)
    return (await desk_of(member).SubmitReports(request, timeout=TIME)).results


async def get(member, report, value=None):
    request = wire.GetReportRequest(matter_id=report, value=value)
    return await desk_of(member).GetReport(request, timeout=TIME)


async def step(member, report, action, reason=ReportReason.UNSPECIFIED, basis=b""):
    request = wire.StepReportRequest(matter_id=report, step=action, reason=reason, basis_id=basis)
    return await desk_of(member).StepReport(request, timeout=TIME)


def bodies(member, start):
    ledger = member.log.ledger
    entries = [ledger.entry(ledger.own, place) for place in range(start, member.size)]
    return [decode_statement(entry).body for entry in entries]


async def test_reports_of_one_value_are_one_matter_one_nomination_and_a_band(world) -> None:
    bank, start = world[BANK], world[BANK].size
    first, second = await submit(
        bank, told("phone", "+9990007001", "one"), told("phone", "+999 000-7001", "two")
    )
    (again,) = await submit(bank, told("phone", "+9990007001", " one "))
    said = bodies(bank, start)

    assert [first.outcome, second.outcome, again.outcome] == [ADDED, ADDED, UNCHANGED]
    assert first.statement_id == second.statement_id == again.statement_id
    assert [type(body) for body in said] == [Report, Nomination]
    assert said[0].reporters is CountBand.FEW
    assert said[0].actors == (CARRIER,)
    assert 1 <= said[1].confidence <= MOST_CONFIDENCE

    rows = [told("phone", "+9990007001", f"more {number}") for number in range(10)]
    await submit(bank, *rows)
    found = await get(bank, first.statement_id)

    assert found.reporters == 12
    assert found.status.reporters == CountBand.SOME
    assert found.confidence == MOST_CONFIDENCE
    assert sorted(found.contacts)[-2:] == ["one", "two"]


async def test_bad_rows_are_refused_with_their_reason(world) -> None:
    results = await submit(
        world[BANK],
        told("phone", "+9990007002", "somebody"),
        told("phone", "not a number", "somebody"),
        told("phone", "+9990007003", "  "),
        told("phone", "+9990007003", "x" * 300),
        told("phone", "+9990007003", "somebody", fraud_type=77),
        told("phone", "+9990007003", "somebody", channel=0),
        told("phone", "+9990007003", "somebody", text="x" * (MAX_TEXT_BYTES + 1)),
        told("phone", "+9990007003", "somebody", actor="nobody-here"),
        told("phone", "+9990007003", "somebody", actor=COORDINATOR),
    )

    assert [one.outcome for one in results] == [ADDED] + [REFUSED] * 8
    assert [one.error.reason for one in results[2:]] == [
        "REPORTER_INVALID",
        "REPORTER_INVALID",
        "ENUM_UNKNOWN",
        "ENUM_UNKNOWN",
        "TEXT_TOO_LONG",
        "ACTOR_UNKNOWN",
        "ACTOR_UNKNOWN",
    ]
    many = [told("phone", "+9990007003", str(number)) for number in range(MAX_ROWS + 1)]
    assert await refusal(submit(world[BANK], *many)) == "BATCH_TOO_LARGE"


async def test_what_is_told_opens_for_who_can_act_or_holds_the_value(world) -> None:
    (single,) = await submit(world[NET], told("iban", "DE44500105175407324931", "a", text="alone"))
    ip = told("ip", "203.0.113.71", "b", text="several can act")
    (several,) = await submit(world[BANK], ip)
    await world.settle()
    value = raw("ip", "203.0.113.71")

    assert (await get(world[BANK], single.statement_id)).text == "alone"
    assert (await get(world[CARRIER], single.statement_id)).text == ""
    assert (await get(world[NET], several.statement_id)).text == ""
    assert (await get(world[NET], several.statement_id, value)).text == "several can act"
    other = raw("ip", "203.0.113.72")
    assert await refusal(get(world[NET], several.statement_id, other)) == "VALUE_DIFFERS"


async def test_a_protected_object_is_reported_on_and_never_nominated(world) -> None:
    values, ground = [raw("phone", "+9990007096")], ProtectionGround.HOTLINE
    request = desk.ProtectRequest(values=values, ground=ground)
    await world[COORDINATOR].desk.Protect(request, timeout=TIME)
    await world.settle()
    start = world[BANK].size
    (result,) = await submit(world[BANK], told("phone", "+9990007096", "caller"))

    assert result.outcome == ADDED
    assert [type(body) for body in bodies(world[BANK], start)] == [Report]
    assert (await get(world[BANK], result.statement_id)).confidence == 0


async def test_a_coordinator_takes_reports_in_and_nominates_nothing(world) -> None:
    start = world[COORDINATOR].size
    (result,) = await submit(world[COORDINATOR], told("phone", "+9990007004", "letter 12"))

    assert result.outcome == ADDED
    assert [type(body) for body in bodies(world[COORDINATOR], start)] == [Report]


async def test_an_ended_report_ends_its_nomination_without_a_mark_on_the_member(world) -> None:
    bank = world[BANK]
    before = bank.log.verdicts.standing().reliability[BANK]
    rows = [told("phone", "+9990007005", f"false {number}") for number in range(3)]
    report = (await submit(bank, *rows))[0].statement_id
    withdrawn = await step(bank, report, ReportAction.WITHDRAW, ReportReason.MASS_REPORTING)
    again = (await submit(bank, *rows))[0]

    assert withdrawn.status.state == State.REJECTED
    assert bank.log.verdicts.standing().reliability[BANK] == before
    assert again.outcome == ADDED
    assert again.statement_id != report
    found = await get(bank, again.statement_id)
    assert found.reporters == 3
    # 1 - (1 - 0.2 * 0.4) ** 3: after one false report each they are believed less.
    assert found.confidence == MOST_CONFIDENCE
    assert (await get(bank, report)).confidence == 0
    reporters = await desk_of(bank).ListReporters(wire.ListReportersRequest(), timeout=TIME)
    worst = reporters.reporters[0]
    assert (worst.upheld, worst.unfounded) == (0, 1)
    assert worst.reliability == pytest.approx(0.2)


async def test_reports_of_a_number_with_a_new_owner_begin_anew(world) -> None:
    number = "+9990007009"
    (before,) = await submit(world[BANK], told("phone", number, "about the old owner"))
    request = desk.ReassignRequest(values=[raw("phone", number)])
    await world[CARRIER].desk.Reassign(request, timeout=TIME)
    await world.settle()
    (after,) = await submit(world[BANK], told("phone", number, "about the new owner"))

    assert after.statement_id != before.statement_id
    assert (await get(world[BANK], after.statement_id)).reporters == 1
    (verdict,) = world[BANK].log.verdicts.judge([await world[BANK].token("phone", number)]).values()
    assert sorted(term.excluded for term in verdict.terms)[0] == ""


async def test_reports_filed_before_a_crash_are_said_when_the_next_comes(world) -> None:
    bank = world[BANK]
    intake = bank.node.parts.reporting.reports.intake
    row = told("phone", "+9990007006", "before the crash")
    indicators, _refused = await intake._voice.intake.parse([row.indicator])
    known = await intake._voice.intake.tokenise(indicators, Purpose.VERIFICATION, 8)
    intake._file([row], known)  # and nothing is said
    start = bank.size
    (result,) = await submit(bank, told("phone", "+9990007006", "after it"))
    found = await get(bank, result.statement_id)

    assert [type(body) for body in bodies(bank, start)] == [Report, Nomination]
    assert found.reporters == 2
    assert sorted(found.contacts) == ["after it", "before the crash"]


async def test_steps_that_the_request_or_the_table_forbids_say_nothing(world) -> None:
    bank, carrier = world[BANK], world[CARRIER]
    (result,) = await submit(bank, told("phone", "+9990007007", "somebody"))
    await world.settle()
    report, sizes = result.statement_id, (bank.size, carrier.size)

    assert await refusal(step(bank, report, ReportAction.CLOSE)) == "TRANSITION_NOT_ALLOWED"
    assert await refusal(step(bank, report, ReportAction.ACCEPT)) == "NOT_A_PARTY"
    assert await refusal(step(carrier, report, ReportAction.REJECT)) == "REASON_INVALID"
    assert await refusal(step(carrier, report, 77)) == "ENUM_UNKNOWN"
    assert await refusal(step(carrier, b"no", ReportAction.ACCEPT)) == "MATTER_ID_INVALID"
    assert await refusal(step(carrier, b"none" * 4, ReportAction.ACCEPT)) == "MATTER_UNKNOWN"
    assert (bank.size, carrier.size) == sizes


async def test_no_reporter_stands_in_any_log_or_in_another_members_files(world) -> None:
    name = b"Frau Nachtigall"
    await submit(world[BANK], told("phone", "+9990007008", name.decode(), text="she told"))
    await world.settle()
    holding = [
        (member, path.name)
        for member in (BANK, CARRIER, NET, COORDINATOR)
        for path in world[member].home.data.rglob("*")
        if path.is_file() and name in path.read_bytes()
    ]

    assert {member for member, _path in holding} == {BANK}
    assert all(path.startswith("private.db") for _member, path in holding)
