"""A regulator, members and a duty, for tests of responsibility."""

from __future__ import annotations

from federation.matters import MatterError, advance
from federation.matters.responsibility import item_digest
from federation.names import MemberId
from federation.roles import Role
from federation.statements import DutyAdoption, DutyAttestation, DutyWithdrawal
from tests.federation.said import DAY, NOW, duty, opaque, said

MINISTRY, BANK, CARRIER, NET = (MemberId(n) for n in ("ministry", "bank-a", "carrier-b", "net-c"))
ROLES = {
    MINISTRY: frozenset({Role.REGULATOR}),
    BANK: frozenset({Role.BANK}),
    CARRIER: frozenset({Role.CARRIER}),
    NET: frozenset({Role.INTERNET}),
}
ITEM = duty(period_seconds=30 * DAY, grace_seconds=DAY, first_due_time=NOW + 30 * DAY)
DUTY = opaque("the duty")
FIRST_DUE = ITEM.first_due_time


def adopt(name=DUTY, opener=MINISTRY, item=ITEM):
    return DutyAdoption(name, opener, item_digest(item))


def attest(period, name=DUTY, opener=MINISTRY):
    return DutyAttestation(name, opener, period, opaque(f"evidence {period}", 32))


def withdraw(name=DUTY, opener=MINISTRY):
    return DutyWithdrawal(name, opener)


def step(matter, member, body, at=NOW):
    own = DUTY if matter is None else opaque((body, at))
    return advance(matter, member, ROLES[member], said(body, id=own, issued_time=at))


def after(*story):
    """Return the matter after (member, body, time), which all must count."""
    matter = step(None, MINISTRY, ITEM)
    for member, body, at in story:
        matter = step(matter, member, body, at)
    return matter


def refusal(matter, member, body, at=NOW):
    try:
        step(matter, member, body, at)
    except MatterError as error:
        return error.reason
    return "ACCEPTED"


def moves(name):
    """Return what can be said about a duty."""
    return [
        adopt(name.id, name.opener),
        adopt(name.id, name.opener, duty()),
        *(attest(period, name.id, name.opener) for period in range(1, 5)),
        withdraw(name.id, name.opener),
    ]
