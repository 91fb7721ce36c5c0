"""A node answers citizens in one size, once a day about one identity, and keeps no identity."""

import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest

from federation.matters import Kind, MatterError, State
from federation.matters.one_id import ANSWER_SECONDS, REPEAT_SECONDS
from federation.matters.one_id_dispute import ACCEPT_SECONDS
from federation.one_id import (
    CitizenKeys,
    ConsentForm,
    Disputed,
    SignedDispute,
    UnreadableError,
    Wish,
    answer_context,
    dispute_context,
    feedback_context,
    open_answer,
    open_feedback,
    seal,
)
from federation.statements import Alarm, OneIdAnswer, OneIdDecision, OneIdDispute, OneIdRequest
from federation.statements.codec import decode_statement
from federation.statements.one_id import SEALED_BYTES
from federation.vocabulary import AccountKind, AlarmKind, OneIdMove, OneIdReason
from keys.secret import Secret
from node.desk.intake import Intake
from node.duties.holdings import Holding, Holdings
from node.duties.one_id import Desk, OneIds
from node.duties.one_id_disputes import Disputes
from node.errors import PolicyError, RequestError
from node.matters import one_id_days
from tests.federation.organisations import BANK, CARRIER, FEDERATION, INTERNET
from tests.federation.said import TOKEN, opaque
from tests.node.matters.heard import Node
from tocsin.desk.v1 import desk_service_pb2

KEY = opaque("content key", 32)
ID, SECOND = opaque("request"), opaque("second")
A, X, P = CARRIER.name, BANK.name, INTERNET.name
SIM, ACCOUNT = AccountKind.SIM, AccountKind.BANK_ACCOUNT
CITIZEN = CitizenKeys(Secret(opaque("citizen", 32)))
CARD = desk_service_pb2.RawIndicator(kind="resident_id", value="990101199003074016")


class Tokens:
    """Gives the one token of these tests, as the key holders do."""

    async def tokenise(self, indicators, _purpose, _pad):
        self.asked = indicators
        return [type("Key", (), {"token": TOKEN, "content_key": KEY})() for _ in indicators]


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path, own=CARRIER)
    node.holdings = Holdings(node.private)
    desk = Desk(
        Intake(Tokens(), persons=True), lambda: node.charter, lambda: 1, lambda: 1, node.clock
    )
    node.one_ids = OneIds(node.me, node.book, node.holdings, node.speaker, desk)
    node.disputes = Disputes(
        node.me,
        node.book,
        node.holdings,
        node.speaker,
        lambda: node.charter,
        CARRIER.sealing_key,
        node.clock,
    )
    yield node
    node.close()


def form(node, opener=X, members=(A, X), token=TOKEN, **fields):
    defaults = {
        "opener": opener,
        "token": token,
        "epoch": 1,
        "wanted": (SIM, ACCOUNT),
        "members": members,
        "receiving_key": CITIZEN.receiving_key,
        "consent_key": CITIZEN.consent_key,
        "proof_digest": opaque("proof", 32),
        "consent_time": node.time,
    }
    found = ConsentForm(**defaults | fields)
    return replace(found, knowledge_proof=found.prove(KEY))


def ask(node, opener=X, name=ID, **fields):
    found = form(node, opener, **fields)
    node.hear(opener, found.signed(CITIZEN.sign_consent(found)), ids=(name,))


def matter(node, opener=X, name=ID):
    return node.book.get(Kind.ONE_ID, name, opener).matter


def sealed_by(node, member, opener=X, name=ID):
    steps = node.book.history(matter(node, opener, name)).steps
    (found,) = (
        step.statement.body.sealed_answer
        for step in steps
        if step.member == member and isinstance(step.statement.body, OneIdAnswer)
    )
    return found


def answer(node, opener=X, name=ID):
    sealed = sealed_by(node, A, opener, name)

    assert len(sealed) == SEALED_BYTES

    return open_answer(CITIZEN.receiving, sealed, answer_context(FEDERATION, A, opener, name))


def own(node):
    entries = (
        node.ledger.entry(node.ledger.own, place)
        for place in range(node.ledger.size(node.ledger.own))
    )
    return [decode_statement(one).body for one in entries]


def hold(node, *accounts):
    rows = [Holding(TOKEN, kind, reference) for kind, reference in accounts]
    node.holdings.add(rows, {TOKEN: KEY})


async def test_a_member_answers_with_its_counts_to_the_citizen_alone(node):
    hold(node, (SIM, "line-1"), (SIM, "line-2"), (AccountKind.INTERNET_ACCOUNT, "mail"))
    ask(node)
    await node.one_ids.advance()
    found = answer(node)

    assert found.counts == {SIM: 2, ACCOUNT: 0}
    assert [one.kind for one in found.accounts] == [SIM, SIM]
    context = answer_context(FEDERATION, A, X, ID)
    sealed = sealed_by(node, A)
    for key in (CARRIER.sealing_key, BANK.sealing_key):
        with pytest.raises(UnreadableError):
            open_answer(key, sealed, context)


async def test_who_has_nothing_answers_alike(node):
    ask(node)
    await node.one_ids.advance()

    assert answer(node).counts == {SIM: 0, ACCOUNT: 0}
    assert answer(node).accounts == ()


async def test_a_desk_that_copied_a_token_gets_the_answer_of_who_has_nothing(node):
    hold(node, (SIM, "line-1"))
    copied = replace(form(node), knowledge_proof=form(node, opener=P).knowledge_proof)
    node.hear(X, copied.signed(CITIZEN.sign_consent(copied)), ids=(ID,))
    await node.one_ids.advance()

    assert not node.one_ids.is_proven(matter(node))
    assert answer(node).counts == {SIM: 0, ACCOUNT: 0}
    assert answer(node).accounts == ()


async def test_a_request_is_answered_once(node):
    ask(node)
    for _ in range(3):
        await node.one_ids.advance()

    assert [type(one) for one in own(node)] == [OneIdAnswer]


async def test_who_is_not_asked_does_not_answer(node):
    ask(node, members=(X, P))
    await node.one_ids.advance()

    assert own(node) == []


async def test_what_the_citizen_did_not_sign_is_not_answered(node):
    honest = form(node)
    other = form(node, token=opaque("another"))
    node.hear(X, other.signed(CITIZEN.sign_consent(honest)), ids=(ID,))
    await node.one_ids.advance()

    assert node.book.all(Kind.ONE_ID) == []
    assert own(node) == []


async def test_a_second_request_of_a_desk_in_24_hours_is_answered_by_nobody_and_nobody_is_late(
    node,
):
    ask(node)
    node.time += 1
    ask(node, name=SECOND)
    await node.one_ids.advance()

    assert matter(node).facts.answers.keys() == {A}
    assert matter(node, X, SECOND).facts.answers == {}

    node.time += ANSWER_SECONDS + 10
    await node.oversight.look()

    assert [(one.member, one.matter_id) for one in node.raised()] == [(X, ID)]


async def test_what_a_desk_asks_beyond_its_day_is_answered_by_nobody_and_nobody_is_late(
    node, monkeypatch
):
    monkeypatch.setattr(one_id_days, "REQUESTS_A_DAY", 3)
    names = [opaque(("request", number)) for number in range(5)]
    for number, name in enumerate(names):
        ask(node, name=name, token=opaque(("token", number)))
    ask(node, opener=P, name=SECOND)
    await node.one_ids.advance()

    assert [len(matter(node, X, name).facts.answers) for name in names] == [1, 1, 1, 0, 0]
    assert matter(node, P, SECOND).facts.answers.keys() == {A}
    with pytest.raises(PolicyError) as caught:
        one_id_days.require_standing(node.book, matter(node, X, names[3]))
    assert caught.value.reason == "DESK_DAY_FULL"

    last = matter(node, X, names[-1]).opened
    node.time = last + REPEAT_SECONDS
    late = opaque("after a day")
    ask(node, name=late, token=opaque("token of the next day"))
    await node.one_ids.advance()

    assert len(matter(node, X, late).facts.answers) == 1

    node.time += ANSWER_SECONDS + 10
    await node.oversight.look()

    assert {one.matter_id for one in node.raised()} == {*names[:3], late}


async def test_an_honest_desk_refuses_one_too_many_and_takes_the_next_day_again(node, monkeypatch):
    monkeypatch.setattr(one_id_days, "REQUESTS_A_DAY", 1)
    keys = (CITIZEN.receiving_key, CITIZEN.consent_key, opaque("proof", 32))
    ask(node, opener=A, token=opaque("another citizen"))
    with pytest.raises(PolicyError) as caught:
        await node.one_ids.prepare(CARD, (), *keys)

    assert caught.value.reason == "DESK_DAY_FULL"

    node.time += REPEAT_SECONDS

    assert (await node.one_ids.prepare(CARD, (), *keys)).opener == A


async def test_an_earlier_request_that_arrives_late_is_answered_a_day_after_the_other(node):
    start = node.time
    node.time += 3_600
    ask(node)
    await node.one_ids.advance()
    first = node.time
    node.time = start
    ask(node, name=SECOND)  # said an hour before the other, read after it
    node.time = first + 1
    await node.one_ids.advance()

    assert matter(node, X, SECOND).facts.answers == {}

    node.time = first + REPEAT_SECONDS
    await node.one_ids.advance()

    assert matter(node, X, SECOND).facts.answers.keys() == {A}


async def test_a_rival_that_copies_a_token_keeps_neither_answers_nor_other_desks_back(node):
    hold(node, (SIM, "line-1"))
    copied = replace(form(node, opener=P), knowledge_proof=form(node).knowledge_proof)
    node.hear(P, copied.signed(CITIZEN.sign_consent(copied)), ids=(SECOND,))
    await node.one_ids.advance()
    node.time += 60
    keys = (CITIZEN.receiving_key, CITIZEN.consent_key, opaque("proof", 32))
    await node.one_ids.prepare(CARD, (), *keys)
    ask(node)
    await node.one_ids.advance()

    assert answer(node, P, SECOND).counts[SIM] == 0
    assert answer(node).counts[SIM] == 1
    with pytest.raises(PolicyError) as caught:
        await node.one_ids.prepare(CARD, (), *keys)
    assert caught.value.reason == "ASKED_WITHIN_DAY"


async def test_the_next_day_is_answered_again(node):
    ask(node)
    await node.one_ids.advance()
    node.time += REPEAT_SECONDS
    ask(node, opener=P, name=SECOND)
    await node.one_ids.advance()

    assert answer(node, P, SECOND).counts == {SIM: 0, ACCOUNT: 0}


async def test_a_desk_makes_a_form_and_opens_what_was_signed(node):
    keys = (CITIZEN.receiving_key, CITIZEN.consent_key)
    proof = opaque("proof", 32)
    made = await node.one_ids.prepare(CARD, (), *keys, proof)
    opened = await node.one_ids.open(made, CITIZEN.sign_consent(made))

    assert made.members == (X, A, P)
    assert opened.state is State.OPEN
    assert isinstance(own(node)[0], OneIdRequest)
    with pytest.raises(PolicyError) as caught:
        await node.one_ids.prepare(CARD, (), *keys, proof)
    assert caught.value.reason == "ASKED_WITHIN_DAY"
    with pytest.raises(PolicyError) as caught:
        await node.one_ids.open(made, CITIZEN.sign_consent(made))
    assert caught.value.reason == "ASKED_WITHIN_DAY"

    node.time += REPEAT_SECONDS
    again = await node.one_ids.prepare(CARD, (SIM,), *keys, proof)

    assert again.members == (A,)
    with pytest.raises(MatterError) as refused:
        await node.one_ids.open(again, CITIZEN.sign_consent(made))
    assert refused.value.reason == "CONSENT_INVALID"


async def test_a_desk_takes_no_other_kind_no_other_keys_and_no_other_desks_form(node):
    keys = (CITIZEN.receiving_key, CITIZEN.consent_key)
    phone = desk_service_pb2.RawIndicator(kind="phone", value="+9990000001")
    for value, pair, reason in (
        (phone, keys, "KIND_NOT_ALLOWED"),
        (CARD, (keys[0], bytes(32)), "KEY_INVALID"),
        (CARD, (bytes(1_216), keys[1]), "KEY_INVALID"),
    ):
        with pytest.raises(RequestError) as caught:
            await node.one_ids.prepare(value, (), *pair, opaque("proof", 32))
        assert caught.value.reason == reason
    other = form(node, opener=X)
    with pytest.raises(RequestError) as caught:
        await node.one_ids.open(other, CITIZEN.sign_consent(other))
    assert caught.value.reason == "CONSENT_ELSEWHERE"


async def test_no_other_desk_takes_an_identity(node):
    taken = await Intake(Tokens()).take([CARD], 1, 1)

    assert taken.known == ()
    assert taken.refused[0].reason == "KIND_NOT_ALLOWED"


def test_holdings_are_added_once_counted_and_removed(node):
    rows = [Holding(TOKEN, SIM, "line-1"), Holding(TOKEN, ACCOUNT, "4711")]

    assert node.holdings.add(rows, {TOKEN: KEY}) == [True, True]
    assert node.holdings.add(rows[:1], {TOKEN: KEY}) == [False]
    assert node.holdings.counts() == {SIM: 1, ACCOUNT: 1}
    assert node.holdings.remove(rows[:1]) == [True]
    assert node.holdings.of(TOKEN) == rows[1:]
    assert node.holdings.content_key(TOKEN) == KEY
    node.holdings.remove(rows[1:])
    assert node.holdings.content_key(TOKEN) is None


def letter(wanted, keys=CITIZEN, holder=A):
    signed = SignedDispute(wanted, keys.sign_dispute(FEDERATION, holder, wanted))
    return seal(CARRIER.sealing_key.public, signed, dispute_context(FEDERATION, holder))


async def disputed(node, keys=CITIZEN, **changes):
    """Let a citizen dispute both lines of an answer at another member's desk."""
    hold(node, (SIM, "line-1"), (SIM, "line-2"))
    ask(node)
    await node.one_ids.advance()
    references = tuple(one.reference for one in answer(node).accounts)
    fields: Mapping[str, object] = {
        "request_id": ID,
        "opener": X,
        "wish": Wish.CLOSE,
        "references": references,
        "text": "I have no lines there",
    }
    wanted = Disputed(**fields | changes)
    (dispute_id,) = node.hear(X, OneIdDispute(A, letter(wanted, keys)))
    (view,) = node.disputes.all(own_only=True, with_closed=False)

    assert view.matter.id == dispute_id

    return view


async def test_a_dispute_reaches_the_holder_with_accounts_and_due_time(node):
    view = await disputed(node)

    assert [one.account for one in view.accounts] == ["line-1", "line-2"]
    assert view.signed.wanted.text == "I have no lines there"
    assert view.unknown == 0
    assert view.matter.due == view.matter.opened + ACCEPT_SECONDS


async def test_a_dispute_ends_with_a_word_that_the_citizen_alone_reads(node):
    view = await disputed(node)
    none = OneIdReason.UNSPECIFIED
    await node.disputes.decide(view.matter.id, OneIdMove.ACCEPTED, none, "")
    with pytest.raises(RequestError) as caught:
        await node.disputes.decide(view.matter.id, OneIdMove.CLOSED, none, "")
    assert caught.value.reason == "FEEDBACK_MISSING"
    closed = await node.disputes.decide(view.matter.id, OneIdMove.CLOSED, none, "closed today")
    context = feedback_context(FEDERATION, A, X, view.matter.id)
    told = open_feedback(CITIZEN.receiving, closed.matter.facts.feedback, context)

    assert closed.matter.state is State.CLOSED
    assert told.text == "closed today"
    assert node.disputes.all(own_only=True, with_closed=False) == []


async def test_what_opens_and_reads_a_dispute_stays_off_the_event_loop(node):
    view = await disputed(node)
    threads = []
    read = node.holdings.of
    node.holdings.of = lambda token: threads.append(threading.get_ident()) or read(token)
    await node.disputes.decide(view.matter.id, OneIdMove.ACCEPTED, OneIdReason.UNSPECIFIED, "")

    assert threads
    assert threading.get_ident() not in threads


async def test_who_signed_it_is_not_turned_away_as_nobody(node):
    view = await disputed(node)
    reason = OneIdReason.NOT_AUTHENTIC
    with pytest.raises(RequestError) as caught:
        await node.disputes.decide(view.matter.id, OneIdMove.REJECTED, reason, "go away")

    assert caught.value.reason == "REASON_UNFIT"


@pytest.mark.parametrize("case", ["forged", "other request", "unreadable"])
async def test_what_no_citizen_signed_shows_nothing_and_can_only_be_rejected_so(node, case):
    mallory = CitizenKeys(Secret(opaque("mallory", 32)))
    if case == "forged":
        view = await disputed(node, mallory)
    elif case == "other request":
        view = await disputed(node, request_id=SECOND)
    else:
        node.hear(X, OneIdDispute(A, opaque("noise", SEALED_BYTES)))
        (view,) = node.disputes.all(own_only=True, with_closed=False)

    assert view.accounts == ()
    assert view.request is None
    with pytest.raises(PolicyError):
        await node.disputes.decide(view.matter.id, OneIdMove.ACCEPTED, OneIdReason.UNSPECIFIED, "")
    rejected = await node.disputes.decide(
        view.matter.id, OneIdMove.REJECTED, OneIdReason.NOT_AUTHENTIC, ""
    )

    assert rejected.matter.state is State.REJECTED
    assert isinstance(own(node)[-1], OneIdDecision)


async def test_references_of_another_request_lead_nowhere(node):
    view = await disputed(node, references=(opaque("elsewhere"),))

    assert (view.accounts, view.unknown) == ((), 1)


async def test_a_desk_hands_on_what_it_cannot_read(node):
    wanted = Disputed(ID, X, Wish.EXPLAIN, (opaque("one"),), "what is this account?")
    view = await node.disputes.hand_on(P, letter(wanted, holder=P))

    assert view.signed is None
    assert view.matter.facts.dispute.holder == P
    with pytest.raises(PolicyError) as caught:
        await node.disputes.hand_on("coord", letter(wanted))
    assert caught.value.reason == "HOLDER_UNKNOWN"
    with pytest.raises(RequestError):
        await node.disputes.hand_on(P, b"short")
    with pytest.raises((MatterError, PolicyError)):
        await node.disputes.decide(view.matter.id, OneIdMove.ACCEPTED, OneIdReason.UNSPECIFIED, "")


async def test_a_holder_that_is_late_is_named_by_the_desk(node):
    wanted = Disputed(ID, X, Wish.EXPLAIN, (opaque("one"),), "what is this account?")
    await node.disputes.hand_on(P, letter(wanted, holder=P))
    node.time += ACCEPT_SECONDS + 1
    await node.oversight.look()
    (alarm,) = (one for one in node.raised() if isinstance(one, Alarm))

    assert (alarm.alarm_kind, alarm.member) == (AlarmKind.MATTER_OVERDUE, P)
