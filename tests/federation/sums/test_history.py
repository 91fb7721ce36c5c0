"""Sums that together would show one member's vector are refused."""

from dataclasses import replace

import numpy as np
import pytest

from federation import sums
from federation.sums import PastSum, SumRefusedError, check_repeat, fingerprint_labels
from federation.sums.history import REPEAT_WINDOW_SECONDS
from tests.federation.sums.sum_world import HOLDERS, MEMBERS, NOW, OPENER, World, vectors

OLD = PastSum(b"old", b"labels", frozenset(MEMBERS[:4]), NOW)
LATER = replace(OLD, sum_id=b"new", time=NOW + 100)


def is_refused(new, past=OLD):
    try:
        check_repeat(new, [past])
    except SumRefusedError as error:
        return error.reason == "SUM_REPEATED"
    return False


def test_the_same_labels_with_another_contributor_set_are_refused():
    assert is_refused(replace(LATER, contributors=frozenset(MEMBERS[:3])))
    assert is_refused(replace(LATER, contributors=frozenset(MEMBERS[:5])))


def test_the_same_labels_with_the_same_contributors_are_no_new_knowledge():
    assert not is_refused(LATER)


def test_other_labels_are_another_matter():
    assert not is_refused(replace(LATER, labels_digest=b"others", contributors=frozenset()))


def test_after_the_window_the_labels_are_free():
    other = replace(LATER, contributors=frozenset(MEMBERS[:3]))

    assert is_refused(replace(other, time=NOW + REPEAT_WINDOW_SECONDS - 1))
    assert not is_refused(replace(other, time=NOW + REPEAT_WINDOW_SECONDS))


def test_the_sum_itself_is_not_its_own_past():
    assert not is_refused(replace(OLD, contributors=frozenset()))


def test_a_label_more_or_less_does_not_make_labels_new():
    some, more = fingerprint_labels([b"a", b"b"]), fingerprint_labels([b"c", b"b", b"d"])
    old = replace(OLD, fingerprints=some)
    new = replace(LATER, labels_digest=b"more", fingerprints=more)

    assert is_refused(new, old)
    assert not is_refused(replace(new, fingerprints=fingerprint_labels([b"c", b"d"])), old)


def test_fingerprints_are_in_order_and_tell_labels_apart():
    prints = fingerprint_labels([str(place).encode() for place in range(1000)])

    assert prints.size == 1000
    assert (np.diff(prints.astype(object)) > 0).all()


def test_a_contributor_refuses_the_second_of_two_sums_that_differ_by_one_member():
    first, second = World(), World(contributors=5)
    past = [sums.remember_contribution(first.sum, NOW)]
    first.shares(MEMBERS[0], [1, 2, 3, 4], past)
    with pytest.raises(SumRefusedError) as caught:
        second.shares(MEMBERS[0], [1, 2, 3, 4], past)

    assert caught.value.reason == "SUM_REPEATED"


def test_a_holder_refuses_a_close_that_differs_from_an_earlier_sum_by_a_drop_out():
    first, second = World(), World(deadline_time=NOW + 60)
    first.run_to_close(vectors())
    second.run_to_close(dict(list(vectors().items())[:3]))
    past = [sums.remember_close(first.sum, first.state.closes[0], NOW)]
    first.partial(HOLDERS[0], past=past)
    with pytest.raises(SumRefusedError) as caught:
        second.partial(HOLDERS[0], past=past)

    assert caught.value.reason == "SUM_REPEATED"
    assert second.sum.opener == OPENER
