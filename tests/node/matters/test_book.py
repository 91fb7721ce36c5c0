"""The book folds what changed, keeps the queue in order, and finds matters by filters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.matters import Kind, State, handle_of
from federation.statements import TrainingApproval, TrainingStage, VerificationTally
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.views import fold
from federation.vocabulary import ModelStage, TrainingDecision
from node.errors import RequestError
from node.matters.book import MatterBook, Wanted
from tests.federation.said import DAY, NOW, opaque, plan, said, verification_open
from tests.node.matters.heard import COORD, ME, OTHER, THIRD, Node

FIRST = plan(rounds=1)
LATER = replace(FIRST, expiry_time=FIRST.expiry_time + DAY)
SOONER = replace(FIRST, expiry_time=FIRST.expiry_time - DAY)


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path)
    yield made
    made.close()


def approve(body, member=COORD):
    return TrainingApproval(body.digest(), member, TrainingDecision.APPROVE, row_cap=1_000)


def ids(found):
    return [one.matter.id for one in found]


def queue(node, now=NOW, limit=None, **wanted):
    return ids(node.book.queue(Wanted(**wanted), now, limit))


def test_what_is_due_first_comes_first_and_what_is_over_last(node):
    node.hear(COORD, FIRST, LATER, SOONER)

    assert queue(node) == [SOONER.digest(), FIRST.digest(), LATER.digest()]
    assert queue(node, limit=1) == [SOONER.digest()]

    node.hear(COORD, TrainingStage(SOONER.digest(), ModelStage.REJECTED))

    assert queue(node) == [FIRST.digest(), LATER.digest(), SOONER.digest()]
    assert queue(node, over=False) == [FIRST.digest(), LATER.digest()]
    assert queue(node, over=True) == [SOONER.digest()]
    assert ids(node.book.all()) == [SOONER.digest(), LATER.digest(), FIRST.digest()]


def test_matters_are_found_by_what_they_are_about_and_counted_by_who_opened_them_when(node):
    rounds = [verification_open(token=opaque(place % 2)) for place in range(3)]
    names = [opaque(("round", place)) for place in range(3)]
    node.hear(ME, *rounds, ids=names)
    node.hear(COORD, FIRST)
    first = node.book.get(Kind.VERIFICATION, names[0], ME).matter.opened

    def about(token):
        return sorted(ids(node.book.about(Kind.VERIFICATION, token)))

    assert about(opaque(0)) == sorted([names[0], names[2]])
    assert about(opaque(1)) == [names[1]]
    assert about(opaque(2)) == []
    assert node.book.about(Kind.REPORT, opaque(0)) == []

    def opened(after, until, member=ME):
        return node.book.opened_within(Kind.VERIFICATION, member, first + after, first + until)

    assert [opened(-1, 0), opened(0, 1), opened(0, 2), opened(-1, 9)] == [1, 1, 2, 3]
    assert opened(-9, 9, COORD) == 0

    node.hear(COORD, VerificationTally(names[0], ME, 3, 0, 0, 0))
    node.charter = replace(node.charter, version=2, previous=b"\0" * 32)

    assert [len(about(opaque(0))), opened(-1, 9)] == [2, 3]


def test_matters_are_found_by_kind_state_overdue_and_turn(node):
    node.hear(COORD, FIRST, LATER)
    for member in (ME, OTHER, THIRD):
        node.hear(member, approve(FIRST))

    assert queue(node, state=State.APPROVED) == [FIRST.digest()]
    assert queue(node, kind=Kind.WARNING) == []
    assert queue(node, FIRST.expiry_time, overdue=True) == []
    assert queue(node, FIRST.expiry_time + 1, overdue=True) == [FIRST.digest()]
    assert queue(node, FIRST.expiry_time + 1, overdue=False) == [LATER.digest()]
    assert queue(node, turn=COORD, state=State.PROPOSED) == [LATER.digest()]
    assert queue(node, turn=ME) == [FIRST.digest(), LATER.digest()]


def test_a_matter_is_named_by_the_beginning_of_its_id(node):
    node.hear(COORD, FIRST)
    node.hear(OTHER, LATER)

    assert node.book.find(FIRST.digest()[:4]).matter.opener == COORD
    for prefix, reason in ((b"\0\0\0\0", "MATTER_UNKNOWN"), (b"\0", "MATTER_ID_INVALID")):
        with pytest.raises(RequestError) as caught:
            node.book.find(prefix)

        assert caught.value.reason == reason

    node.hear(OTHER, FIRST)
    with pytest.raises(RequestError) as caught:
        node.book.find(FIRST.digest())

    digits = FIRST.digest().hex()

    assert caught.value.reason == "MATTER_AMBIGUOUS"
    assert caught.value.hint == f"write {OTHER}/{digits} or {COORD}/{digits}"
    assert node.book.get(Kind.TRAINING_PLAN, FIRST.digest(), OTHER).matter.opener == OTHER
    assert node.book.get(Kind.TRAINING_PLAN, FIRST.digest(), THIRD) is None


def test_the_handle_names_a_matter_whoever_opens_one_with_its_id(node):
    node.hear(COORD, FIRST)
    node.hear(OTHER, FIRST)
    for opener in (COORD, OTHER):
        handle = handle_of(opener, FIRST.digest())

        assert node.book.find(handle).matter.opener == opener
        assert node.book.find(handle[:8], Kind.TRAINING_PLAN).matter.opener == opener


def test_nobody_takes_a_handle_by_choosing_it_as_an_id(node):
    node.hear(COORD, FIRST)
    handle = handle_of(COORD, FIRST.digest())
    node.hear(OTHER, verification_open(due_time=NOW + DAY), ids=[handle])

    assert node.book.get(Kind.VERIFICATION, handle, OTHER) is not None
    assert node.book.find(handle).matter.id == FIRST.digest()

    with pytest.raises(RequestError) as caught:
        node.book.find(handle[:8])

    assert caught.value.reason == "MATTER_AMBIGUOUS"


def test_the_version_changes_exactly_when_something_was_said(node):
    node.hear(COORD, FIRST)
    before = node.book.version()
    node.book.all()

    assert node.book.version() == before

    node.hear(OTHER, approve(FIRST))

    assert node.book.version() != before
    assert node.book.all()[0].statements == 2


def test_what_is_dated_ahead_is_folded_in_once_its_time_has_come(node):
    node.time += DAY
    node.hear(COORD, FIRST)
    node.time -= DAY
    before = node.book.version()

    assert queue(node) == []

    node.hear(OTHER, approve(FIRST))
    node.time += DAY - MAX_SKEW_SECONDS - 2

    assert queue(node) == []

    quiet = node.book.version()
    node.time += 1

    assert node.book.version() != quiet
    woken = node.book.version()
    assert [one.statements for one in node.book.all()] == [2]
    assert node.book.version() == woken != before


def test_views_made_anew_give_the_same_book(node):
    node.hear(COORD, FIRST)
    assert queue(node) == [FIRST.digest()]

    node.ledger.rebuild_views()

    assert queue(node) == []  # nothing of it stands in a log here


def test_the_history_has_what_was_refused_with_the_rules_name(node):
    node.hear(COORD, FIRST)
    node.hear(OTHER, approve(FIRST))
    node.hear(COORD, TrainingStage(FIRST.digest(), ModelStage.REJECTED))
    node.hear(THIRD, approve(FIRST))
    booked = node.book.find(FIRST.digest())
    steps = node.book.history(booked.matter).steps

    assert booked.matter.state is State.REJECTED
    assert [(one.member, one.state.value) for one in steps] == [
        (COORD, "PROPOSED"),
        (OTHER, "PROPOSED"),
        (COORD, "REJECTED"),
        (THIRD, "REJECTED"),
    ]
    assert steps[-1].error is not None
    assert steps[-1].error.reason == "TRANSITION_NOT_ALLOWED"
    assert [one.member for one in booked.refused] == [THIRD]


def test_a_matter_that_cannot_be_folded_leaves_the_others_as_they_are(node):
    node.hear(COORD, FIRST, SOONER)
    assert queue(node) == [SOONER.digest(), FIRST.digest()]

    approval = said(approve(SOONER), id=opaque("broken"), issued_time=NOW)
    with node.store.write() as writer:
        writer.apply(fold(OTHER, 0, b"no statement", approval))
    node.hear(COORD, LATER)

    assert queue(node) == [SOONER.digest(), FIRST.digest(), LATER.digest()]

    anew = MatterBook(node.catalogue, lambda: node.charter, node.clock)

    assert ids(anew.queue(Wanted(), NOW)) == [FIRST.digest(), LATER.digest()]


def test_a_store_tells_followers_of_the_matters_that_changed(node):
    seen = []
    node.catalogue.follow_matters(seen.append)
    node.hear(COORD, FIRST)

    assert [{name.id for name in names} for names in seen] == [{FIRST.digest()}]

    node.ledger.rebuild_views()

    assert seen[-1] is None

    with pytest.raises(ZeroDivisionError):
        _clear_in_vain(node.store)

    assert len(seen) == 2


def _clear_in_vain(store):
    with store.write() as writer:
        writer.clear_views()
        raise ZeroDivisionError
