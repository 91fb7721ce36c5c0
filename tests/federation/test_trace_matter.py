"""A trace goes from holder to holder, each answering for its own hop, for the police alone."""

import pytest

from federation.matters import MatterError, State, advance
from federation.matters.trace import HOP_SECONDS, TRACE_SECONDS
from federation.names import MemberId
from federation.roles import Role
from federation.statements import StatementError, TraceHop
from federation.vocabulary import TraceAnswer
from tests.federation.said import NOW, opaque, said
from tests.federation.trace_world import OPENS, SEALED

POLICE, A, B, C = (MemberId(name) for name in ("police", "carrier-b", "net-c", "bank-a"))
ROLES = {
    POLICE: frozenset({Role.POLICE}),
    A: frozenset({Role.CARRIER}),
    B: frozenset({Role.INTERNET}),
    C: frozenset({Role.BANK}),
}
ID = opaque("the trace")
OPENED = said(OPENS[0], id=ID)


def hop(number, step, holder, at=1):
    sealed = SEALED if step is TraceAnswer.NEXT else b""
    body = TraceHop(ID, POLICE, step, number, holder, sealed)
    return said(body, id=opaque(f"{body!r}"), issued_time=NOW + at)


def walked(*words):
    matter = advance(None, POLICE, ROLES[POLICE], OPENED)
    for member, statement in words:
        matter = advance(matter, member, ROLES[member], statement)
    return matter


def refused(matter, member, statement):
    with pytest.raises(MatterError) as caught:
        advance(matter, member, ROLES[member], statement)
    return caught.value.reason


def test_each_holder_answers_and_names_the_next():
    first = (A, hop(1, TraceAnswer.NEXT, B))
    second = (B, hop(2, TraceAnswer.NEXT, C))
    last = (C, hop(3, TraceAnswer.END, C))

    assert walked().facts.holder == A
    assert walked(first).facts.holder == B
    assert walked(first).due == NOW + 1 + HOP_SECONDS
    assert walked(first, second, last).state is State.TRACED


def test_only_the_holder_of_the_hop_answers():
    matter = walked((A, hop(1, TraceAnswer.NEXT, B)))

    for member in (A, C):
        assert refused(matter, member, hop(2, TraceAnswer.NEXT, C)) == "NOT_A_PARTY"
    assert refused(matter, POLICE, hop(2, TraceAnswer.END, B)) == "ROLE_NOT_ALLOWED"
    assert refused(matter, B, hop(1, TraceAnswer.NEXT, C)) == "HOP_OUT_OF_ORDER"


@pytest.mark.parametrize("member", [A, B, C])
def test_only_the_police_open_one(member):
    assert refused(None, member, OPENED) == "ROLE_NOT_ALLOWED"


def test_a_trace_ends_by_itself():
    late = hop(1, TraceAnswer.NEXT, B, at=TRACE_SECONDS)

    assert refused(walked(), A, late) == "TRACE_EXPIRED"
    assert walked().state_at(NOW + TRACE_SECONDS) is State.EXPIRED


def test_what_comes_next_is_sealed_and_nothing_else_is():
    with pytest.raises(StatementError):
        TraceHop(ID, POLICE, TraceAnswer.NEXT, 1, B)
    with pytest.raises(StatementError):
        TraceHop(ID, POLICE, TraceAnswer.END, 1, B, SEALED)
