"""Duties at the desk of one node: the table decides, the clock says who is overdue."""

from __future__ import annotations

import pytest

from federation.errors import FederationError
from federation.statements import DutyAdoption
from federation.vocabulary import DutyEvidence, Sector
from node.desk.duty import DutyService
from node.duties.duties import Duties, Logs
from node.errors import NodeError, PolicyError
from tests.federation.duty_world import adopt, attest, withdraw
from tests.federation.organisations import BANK, COORDINATOR, FEDERATION
from tests.federation.said import DAY, NOW, duty, opaque
from tests.node.matters.heard import COORD, ME, OTHER, THIRD, Node
from tocsin.desk.v1 import duty_service_pb2 as wire

ITEM = duty(period_seconds=30 * DAY, first_due_time=NOW + 30 * DAY)
DUTY, EVIDENCE = opaque("duty"), opaque("evidence", 32)
LAST = ITEM.first_due_time + ITEM.grace_seconds


class Desk:
    """The duties of one member's node, with a clock that the test sets."""

    def __init__(self, directory, own):
        self.node = node = Node(directory, own)
        logs = Logs(FEDERATION, node.ledger, node.catalogue)
        self.duties = Duties(
            node.me, node.book, node.speaker, logs, lambda: node.charter, node.clock
        )
        self.service = DutyService(self.duties)

    async def states(self, **fields):
        answer = await self.service.ListDuties(wire.ListDutiesRequest(**fields), None)
        return [{one.member: one.state for one in each.members} for each in answer.duties]


@pytest.fixture
def bank(tmp_path):
    made = Desk(tmp_path / "bank", BANK)
    made.node.hear(COORD, ITEM, ids=[DUTY])
    yield made
    made.node.close()


@pytest.fixture
def regulator(tmp_path):
    made = Desk(tmp_path / "regulator", COORDINATOR)
    yield made
    made.node.close()


async def refusal(call):
    try:
        await call
    except (FederationError, NodeError) as error:
        return error.reason
    return "ACCEPTED"


def published(**fields):
    defaults = {
        "code": "REAL_NAME_CHECK",
        "sectors": [Sector.BANK.value],
        "evidence": DutyEvidence.AUDIT.value,
        "period_seconds": 30 * DAY,
        "grace_seconds": DAY,
    }
    return wire.PublishDutyRequest(**defaults | fields)


async def test_everyone_of_the_sectors_is_shown_and_turns_overdue_by_the_clock(bank):
    assert await bank.states() == [{ME: "NOT_ADOPTED", OTHER: "NOT_ADOPTED"}]

    await bank.service.AdoptDuty(wire.AdoptDutyRequest(matter_id=DUTY[:4]), None)
    bank.node.hear(OTHER, adopt(DUTY, COORD, ITEM))
    request = wire.AttestDutyRequest(matter_id=DUTY, evidence_digest=EVIDENCE)
    attested = await bank.service.AttestDuty(request, None)

    assert attested.period == 1
    assert await bank.states() == [{ME: "ON_TIME", OTHER: "ON_TIME"}]

    bank.node.time = LAST

    assert await bank.states() == [{ME: "ON_TIME", OTHER: "ON_TIME"}]

    bank.node.time = LAST + 1

    assert await bank.states() == [{ME: "ON_TIME", OTHER: "OVERDUE"}]
    assert await bank.states(own=True) == [{ME: "ON_TIME"}]

    bank.node.hear(OTHER, attest(1, DUTY, COORD))

    assert await bank.states() == [{ME: "ON_TIME", OTHER: "ON_TIME"}]

    bank.node.hear(COORD, withdraw(DUTY, COORD))

    assert await bank.states() == [{ME: "RETIRED", OTHER: "RETIRED"}]


async def test_a_regulator_publishes_with_a_first_due_time_a_period_ahead(regulator):
    answer = await regulator.service.PublishDuty(published(), None)
    (found,) = (await regulator.service.ListDuties(wire.ListDutiesRequest(), None)).duties

    assert found.matter_id == answer.matter_id
    assert found.first_due_time.seconds == regulator.node.time + 30 * DAY
    assert [one.member for one in found.members] == [ME]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"code": "no code"}, "REASON_INVALID"),
        ({"sectors": []}, "LIST_INVALID"),
        ({"sectors": [9]}, "ENUM_UNKNOWN"),
        ({"evidence": 0}, "ENUM_UNKNOWN"),
        ({"period_seconds": 0}, "COUNT_INVALID"),
    ],
)
async def test_a_malformed_duty_is_refused_by_name(regulator, fields, reason):
    assert await refusal(regulator.service.PublishDuty(published(**fields), None)) == reason


async def test_what_the_table_refuses_is_not_said(bank):
    size = bank.node.ledger.size(bank.node.ledger.own)
    attestation = wire.AttestDutyRequest(matter_id=DUTY, evidence_digest=EVIDENCE)

    assert await refusal(bank.service.PublishDuty(published(), None)) == "ROLE_NOT_ALLOWED"
    assert await refusal(bank.service.AttestDuty(attestation, None)) == "TRANSITION_NOT_ALLOWED"
    assert (
        await refusal(bank.service.WithdrawDuty(wire.WithdrawDutyRequest(matter_id=DUTY), None))
        == "ROLE_NOT_ALLOWED"
    )
    assert bank.node.ledger.size(bank.node.ledger.own) == size

    await bank.service.AdoptDuty(wire.AdoptDutyRequest(matter_id=DUTY), None)
    again = bank.service.AdoptDuty(wire.AdoptDutyRequest(matter_id=DUTY), None)

    assert await refusal(again) == "DUTY_ADOPTED"

    attestation.evidence_digest = b"short"

    assert await refusal(bank.service.AttestDuty(attestation, None)) == "LENGTH_INVALID"

    attestation.evidence_digest, attestation.period = EVIDENCE, 2

    assert await refusal(bank.service.AttestDuty(attestation, None)) == "PERIOD_OUT_OF_ORDER"


async def test_who_has_not_adopted_a_duty_can_prove_nothing(bank):
    request = wire.ProveAdoptionRequest(matter_id=DUTY, member=THIRD)

    assert await refusal(bank.service.ProveAdoption(request, None)) == "DUTY_NOT_ADOPTED"


async def test_an_adoption_stands_in_the_log_with_the_items_digest(bank):
    await bank.service.AdoptDuty(wire.AdoptDutyRequest(matter_id=DUTY), None)
    (matter,) = bank.duties.all()
    steps = bank.node.book.history(matter).steps

    assert [type(one.statement.body) for one in steps][1:] == [DutyAdoption]
    assert set(matter.facts.adopted) == {ME}


async def test_a_partner_without_a_log_has_no_duties():
    with pytest.raises(PolicyError):
        await DutyService(None).ListDuties(wire.ListDutiesRequest(), None)
