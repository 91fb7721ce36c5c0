"""Measures at the desk of real nodes: what is refused, acted on, proposed, lifted and kept."""

from __future__ import annotations

import grpc
import pytest

from federation.indicators import Kind
from federation.statements import DispositionOrder, Nomination, Opinion
from federation.statements.codec import decode_statement
from federation.vocabulary import (
    AppealGround,
    AppealResult,
    Authority,
    Band,
    DispositionBasis,
    DispositionOutcome,
    DispositionReason,
    DocumentsNeeded,
    Exemption,
    Measure,
    NoticeDuty,
    OrderDecision,
    Origin,
    ProtectionGround,
    ReceiptStep,
    Remedy,
    ReverifyResult,
    SubjectRole,
)
from tests.node.federation_world import (
    BANK,
    CARRIER,
    COORDINATOR,
    NET,
    PARTNER,
    raw,
    refusal,
    row,
)
from tocsin.desk.v1 import appeal_service_pb2 as appeals
from tocsin.desk.v1 import appeal_service_pb2_grpc as appeal_stubs
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import disposition_service_pb2 as wire
from tocsin.desk.v1 import disposition_service_pb2_grpc as stubs

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIME = 60.0
DAY = 86_400
CLUE = bytes(range(200, 216))
EXECUTED, NOT_MINE, EXEMPT, NOTIFIED, RESTORED = ReceiptStep


def asked(kind, value, measure, **fields):
    defaults = {
        "subject": raw(kind, value),
        "measure": measure,
        "subject_role": SubjectRole.OFFENDER_RESOURCE,
        "reason": DispositionReason.SIM_FARM,
        "remedy": Remedy.APPEAL,
        "documents": DocumentsNeeded.PROOF_OF_IDENTITY,
        "basis": DispositionBasis.CHARTER,
        "term_seconds": DAY,
    }
    return wire.OrderDispositionRequest(**defaults | fields)


class Desk:
    """The services of measures and appeals at one member."""

    def __init__(self, member) -> None:
        self.dispositions = stubs.DispositionServiceStub(member._channel)
        self.appeals = appeal_stubs.AppealServiceStub(member._channel)

    async def order(self, kind, value, measure, **fields):
        request = asked(kind, value, measure, **fields)
        return (await self.dispositions.OrderDisposition(request, timeout=TIME)).status

    async def show(self, matter_id):
        request = wire.ListDispositionsRequest(matter_id=matter_id)
        (found,) = (await self.dispositions.ListDispositions(request, timeout=TIME)).orders
        return found

    async def about(self, kind, value):
        request = wire.ListDispositionsRequest(subject=raw(kind, value))
        return (await self.dispositions.ListDispositions(request, timeout=TIME)).orders

    async def answer(self, matter_id, step, exemption=0):
        request = wire.AnswerDispositionRequest(matter_id=matter_id, step=step, exemption=exemption)
        return (await self.dispositions.AnswerDisposition(request, timeout=TIME)).status

    async def decide(self, matter_id, decision):
        request = wire.DecideDispositionRequest(matter_id=matter_id, decision=decision)
        return (await self.dispositions.DecideDisposition(request, timeout=TIME)).status

    async def reverify(self, matter_id, result):
        request = wire.ReverifyDispositionRequest(matter_id=matter_id, result=result)
        return (await self.dispositions.ReverifyDisposition(request, timeout=TIME)).status

    async def appeal(self, **fields):
        request = appeals.FileAppealRequest(ground=AppealGround.NEW_OWNER, **fields)
        return (await self.appeals.FileAppeal(request, timeout=TIME)).orders

    async def decide_appeal(self, matter_id, decision):
        request = appeals.DecideAppealRequest(matter_id=matter_id, decision=decision)
        return (await self.appeals.DecideAppeal(request, timeout=TIME)).order


async def watch(member, kind, value):
    rows = [desk.WatchRow(indicator=raw(kind, value), reference="line-1")]
    return (await member.desk.AddWatch(desk.AddWatchRequest(rows=rows), timeout=TIME)).results


async def protect(member, kind, value, ground, *, local=False):
    request = desk.ProtectRequest(values=[raw(kind, value)], ground=ground, local_only=local)
    await member.desk.Protect(request, timeout=TIME)


@pytest.mark.parametrize(
    ("member", "expected", "fields"),
    [
        (COORDINATOR, "POLICE_ONLY", {"measure": Measure.T_SHUTDOWN}),
        (COORDINATOR, "POLICE_ONLY", {"secret": True}),
        (COORDINATOR, "SPOOFED_NUMBER", {"subject_role": SubjectRole.SPOOFED}),
        (COORDINATOR, "SUBJECT_NOT_RESTRICTED", {"subject_role": SubjectRole.VICTIM}),
        (COORDINATOR, "MEASURE_UNFIT", {"measure": Measure.N_BLOCK}),
        (COORDINATOR, "MEASURE_NOT_ITS_OWN", {"members": [BANK]}),
        (COORDINATOR, "MEASURE_NOT_ITS_OWN", {"measure": Measure.R_LIFT}),
        (COORDINATOR, "TERM_INVALID", {"term_seconds": 400 * DAY}),
        (COORDINATOR, "TERM_INVALID", {"term_seconds": 0}),
        (COORDINATOR, "ENUM_UNKNOWN", {"remedy": 0}),
        (COORDINATOR, "ENUM_UNKNOWN", {"reason": 0}),
        (COORDINATOR, "ENUM_UNKNOWN", {"documents": 0}),
        (COORDINATOR, "DECISION_INVALID", {"basis": DispositionBasis.CLUE}),
        (
            COORDINATOR,
            "BASIS_NOT_CONFIRMED",
            {"basis": DispositionBasis.VERIFICATION, "basis_id": CLUE},
        ),
        (PARTNER, "ROLE_NOT_ALLOWED", {}),
    ],
)
async def test_an_order_that_may_not_be_is_refused_by_its_rule_and_not_said(
    world, member, expected, fields
) -> None:
    log = world[member].log
    size = world[member].size if log is not None else 0
    given = {"measure": Measure.T_LIMIT} | fields
    call = Desk(world[member]).order("phone", "+9998800001", given.pop("measure"), **given)

    assert await refusal(call) == expected
    assert log is None or world[member].size == size


async def test_people_act_through_the_queue_once_and_tell(world) -> None:
    carrier, coordinator = Desk(world[CARRIER]), Desk(world[COORDINATOR])
    await watch(world[CARRIER], "phone", "+9998800002")
    given = await coordinator.order("phone", "+9998800002", Measure.T_LIMIT)
    await world.settle()
    waiting = await carrier.show(given.matter_id)

    assert [part.member for part in given.parts] == [CARRIER]
    assert waiting.owed == "EXECUTE"
    assert list(waiting.references) == ["line-1"]
    assert (await carrier.answer(given.matter_id, EXECUTED)).owed == "NOTIFY"
    assert await refusal(carrier.answer(given.matter_id, EXECUTED)) == "ALREADY_EXECUTED"
    assert (await carrier.answer(given.matter_id, NOTIFIED)).state == "NOTIFIED"
    assert await refusal(coordinator.answer(given.matter_id, EXECUTED)) == "ROLE_NOT_ALLOWED"


async def test_a_new_owner_of_a_number_is_free_of_the_last_ones_measures(world) -> None:
    carrier, coordinator = Desk(world[CARRIER]), Desk(world[COORDINATOR])
    await watch(world[CARRIER], "phone", "+9998800032")
    given = await coordinator.order("phone", "+9998800032", Measure.T_LIMIT)
    await world.settle()
    await carrier.answer(given.matter_id, EXECUTED)
    values = [raw("phone", "+9998800032")]
    await world[CARRIER].desk.Reassign(desk.ReassignRequest(values=values), timeout=TIME)
    await world.settle()
    shown = await coordinator.show(given.matter_id)

    assert (shown.state, shown.in_force) == ("LIFTED", False)
    assert shown.lift == DispositionOutcome.LIFTED_REASSIGNED
    assert shown.lifted_by == CARRIER
    assert (await carrier.show(given.matter_id)).owed == "RESTORE"

    restored = await carrier.answer(given.matter_id, RESTORED)

    assert restored.parts[0].outcome == DispositionOutcome.LIFTED_REASSIGNED
    assert restored.owed == ""


async def test_what_is_not_its_own_a_member_says_so_by_itself(world) -> None:
    coordinator = Desk(world[COORDINATOR])
    await world[CARRIER].nominate(row("phone", "+9998800003"))
    given = await coordinator.order("phone", "+9998800003", Measure.T_LIMIT)

    async def answered():
        return (await coordinator.show(given.matter_id)).parts[0].step == NOT_MINE

    await world.until(answered)  # knowing a number is not serving it


async def test_protected_and_shared_objects_are_refused_with_a_precondition(world) -> None:
    coordinator = Desk(world[COORDINATOR])
    await protect(world[COORDINATOR], "phone", "+9998800004", ProtectionGround.HOTLINE)
    shared = ProtectionGround.SHARED_INFRASTRUCTURE
    await protect(world[COORDINATOR], "ip", "198.51.100.44", shared)
    hotline = coordinator.order("phone", "+9998800004", Measure.T_SUSPEND)
    network = coordinator.order("ip", "198.51.100.44", Measure.N_BLOCK)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hotline

    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert await refusal(network) == "SHARED_INFRASTRUCTURE"


async def order_around_the_desk(world, kind, value, measure, member):
    """Say an order that the desk of who orders would refuse, and return its id."""
    coordinator = world[COORDINATOR]
    dispositions = coordinator.node.parts.disposition._parts.dispositions
    order = DispositionOrder(
        token=await coordinator.token(kind, value),
        kind=Kind[kind.upper()],
        epoch=coordinator.core.epoch(),
        subject_role=SubjectRole.OFFENDER_RESOURCE,
        measure=measure,
        reason=DispositionReason.IMPERSONATION,
        remedy=Remedy.APPEAL,
        documents=DocumentsNeeded.NONE,
        authority=Authority.FEDERATION,
        basis=DispositionBasis.CHARTER,
        members=(member,),
        term_end_time=dispositions.now() + DAY,
        notice_duty=NoticeDuty.IN_TIME,
        notice_seconds=DAY,
    )
    return (await dispositions.say(None, order)).id


async def refused_by(world, matter_id, exemption):
    """Wait until the member that is to act refuses."""

    async def refused():
        (part,) = (await Desk(world[COORDINATOR]).show(matter_id)).parts
        return part.exemption == exemption

    await world.until(refused)


async def test_a_node_refuses_an_order_in_a_log_about_what_is_protected(world) -> None:
    """The desk of who orders is gone around; the node that is to act refuses all the same."""
    value = "198.51.100.45"
    await watch(world[NET], "ip", value)
    await protect(world[COORDINATOR], "ip", value, ProtectionGround.SHARED_INFRASTRUCTURE)
    said = await order_around_the_desk(world, "ip", value, Measure.N_BLOCK, NET)
    await refused_by(world, said, Exemption.SHARED_INFRASTRUCTURE)

    assert await refusal(Desk(world[NET]).answer(said, EXECUTED)) == "SHARED_INFRASTRUCTURE"


async def test_a_number_that_others_show_falsely_is_never_blocked_and_its_route_is(world) -> None:
    coordinator, value, route = Desk(world[COORDINATOR]), "+9998800041", "carrier-a:route-7"
    from_abroad = {"origin": Origin.OVERSEAS}
    await watch(world[CARRIER], "phone", value)
    await world[CARRIER].nominate(
        row("phone", value, subject_role=SubjectRole.SPOOFED, **from_abroad),
        row("leased_line", route, subject_role=SubjectRole.OFFENDER_RESOURCE, **from_abroad),
    )
    await world.settle()
    blocked = coordinator.order("phone", value, Measure.T_BLOCK_CALL)
    traced = await coordinator.order("phone", value, Measure.T_TRACE)
    closed = await coordinator.order("leased_line", route, Measure.T_BLOCK_CALL)

    assert await refusal(blocked) == "SPOOFED_NUMBER"
    assert traced.state == closed.state == "AUTHORISED"

    for name in (NET, PARTNER):
        number, line = await world[name].check(raw("phone", value), raw("leased_line", route))

        assert (Band(number.band), list(number.display_codes)) == (Band.NONE, ["OVERSEAS"])
        assert Band(line.band) >= Band.MEDIUM
        assert "OVERSEAS" in line.display_codes

    said = await order_around_the_desk(world, "phone", value, Measure.T_BLOCK_CALL, CARRIER)
    await refused_by(world, said, Exemption.SPOOFED_NUMBER)

    assert await refusal(Desk(world[CARRIER]).answer(said, EXECUTED)) == "SPOOFED_NUMBER"


async def test_a_member_orders_itself_and_others_only_when_it_is_authorised(world) -> None:
    net, carrier, coordinator = (Desk(world[name]) for name in (NET, CARRIER, COORDINATOR))
    value = "+9998800006"
    await watch(world[CARRIER], "phone", value)
    own = await net.order("phone", value, Measure.I_LIMIT, members=[NET])
    proposed = await net.order("phone", value, Measure.T_LIMIT)
    await world.settle()

    assert own.state == "AUTHORISED"
    assert proposed.state == "PROPOSED"
    assert (await coordinator.show(proposed.matter_id)).owed == "AUTHORISE"
    assert await refusal(carrier.answer(proposed.matter_id, EXECUTED)) == "TRANSITION_NOT_ALLOWED"

    decided = await coordinator.decide(proposed.matter_id, OrderDecision.AUTHORISE)
    await world.settle()

    assert decided.state == "AUTHORISED"
    assert (await carrier.answer(proposed.matter_id, EXECUTED)).state == "EXECUTED"


async def test_a_passed_verification_lifts_all_and_its_basis_orders_nothing_more(world) -> None:
    carrier, net, coordinator = (Desk(world[name]) for name in (CARRIER, NET, COORDINATOR))
    value, basis = "+9998800007", {"basis": DispositionBasis.CLUE, "basis_id": CLUE}
    for name in (CARRIER, NET):
        await watch(world[name], "phone", value)
    check = await coordinator.order("phone", value, Measure.T_REVERIFY, **basis)
    limit = await coordinator.order("phone", value, Measure.I_LIMIT, **basis)
    await world.settle()
    await carrier.answer(check.matter_id, EXECUTED)
    await net.answer(limit.matter_id, EXECUTED)
    await world.settle()
    await carrier.reverify(check.matter_id, ReverifyResult.PASS)
    await world.settle()
    freed = await net.show(limit.matter_id)

    assert freed.state == "LIFTED"
    assert not freed.in_force
    assert freed.owed == "RESTORE"
    assert freed.lift == DispositionOutcome.PASS
    assert freed.lifting_matter_id == check.matter_id
    again = coordinator.order("phone", value, Measure.I_SUSPEND, **basis)
    assert await refusal(again) == "BASIS_LIFTED"

    restored = await net.answer(limit.matter_id, RESTORED)

    assert restored.parts[0].outcome == DispositionOutcome.PASS
    assert restored.owed == ""


async def test_a_term_ends_by_itself_and_leaves_the_member_to_restore(world) -> None:
    net, value = Desk(world[NET]), "+9998800008"
    await watch(world[NET], "phone", value)
    given = await net.order("phone", value, Measure.I_LIMIT, members=[NET], term_seconds=3)
    await net.answer(given.matter_id, EXECUTED)

    async def over():
        return (await net.show(given.matter_id)).state == "EXPIRED"

    await world.until(over)

    assert (await net.show(given.matter_id)).owed == "RESTORE"

    restored = await net.answer(given.matter_id, RESTORED)

    assert restored.parts[0].outcome == DispositionOutcome.LIFTED_TERM
    assert restored.state == "EXPIRED"


async def test_a_lifted_appeal_clears_the_subject_and_keeps_the_contact_here(world) -> None:
    net, bank, value, spouse = Desk(world[NET]), world[BANK], "+9998800009", "+9998800010"
    await watch(world[NET], "phone", value)
    await world[NET].nominate(row("phone", value))
    given = await net.order("phone", value, Measure.I_LIMIT, members=[NET])
    await net.answer(given.matter_id, EXECUTED)
    start = world[NET].size
    (appealed,) = await net.appeal(subject=raw("phone", value), contact=raw("phone", spouse))
    lifted = await net.decide_appeal(given.matter_id, AppealResult.LIFTED)
    await world.settle()
    log = world[NET].log.ledger
    said = [
        decode_statement(log.entry(log.own, place)).body for place in range(start, world[NET].size)
    ]

    assert appealed.state == "APPEALED"
    assert lifted.state == "LIFTED"
    assert any(isinstance(body, Opinion) for body in said)
    assert await bank.band("phone", value) is Band.NONE
    assert not [one for one in await Desk(bank).about("phone", value) if one.in_force]

    (nominated,) = await world[NET].nominate(row("phone", spouse))
    (watched,) = await watch(world[NET], "phone", spouse)

    assert nominated.error.reason == watched.error.reason == "APPEAL_CONTACT"
    assert await bank.band("phone", spouse) is Band.NONE
    assert not any(isinstance(body, Nomination) for body in said)

    listed = {
        name: await Desk(world[name]).appeals.ListAppeals(
            appeals.ListAppealsRequest(), timeout=TIME
        )
        for name in (NET, BANK)
    }
    own = given.matter_id
    contacts = {
        name: {one.contact.value for one in answer.appeals if one.order.matter_id == own}
        for name, answer in listed.items()
    }

    assert contacts == {NET: {spouse}, BANK: {""}}


async def test_an_appeal_that_waits_is_not_said_twice_and_its_contact_may_change(world) -> None:
    net, value = Desk(world[NET]), "+9998800013"
    await watch(world[NET], "phone", value)
    given = await net.order("phone", value, Measure.I_LIMIT, members=[NET])
    await net.answer(given.matter_id, EXECUTED)
    size = world[NET].size
    for contact in ("+9998800014", "+9998800015"):
        (filed,) = await net.appeal(subject=raw("phone", value), contact=raw("phone", contact))

        assert filed.state == "APPEALED"
        assert world[NET].size == size + 1

    listed = await net.appeals.ListAppeals(appeals.ListAppealsRequest(), timeout=TIME)
    (own,) = [one for one in listed.appeals if one.order.matter_id == given.matter_id]

    assert own.contact.value == "+9998800015"
    assert [one.member for one in own.intakes] == [NET]

    await net.decide_appeal(given.matter_id, AppealResult.UPHELD)
    await net.appeal(subject=raw("phone", value))

    assert world[NET].size == size + 3


async def test_nothing_to_appeal_against_is_said_so(world) -> None:
    call = Desk(world[BANK]).appeal(subject=raw("phone", "+9998800011"))

    assert await refusal(call) == "NO_RESTRICTION"
    assert await refusal(Desk(world[PARTNER]).appeal(subject=raw("phone", "+9998800011"))) == (
        "ROLE_NOT_ALLOWED"
    )
