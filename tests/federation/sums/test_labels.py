"""Labels are opaque, and one source's are never taken for another's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import sums
from federation.statements import SumLabels
from federation.sums import SumFaultError, SumRefusedError
from tests.federation.said import SUM, opaque, sum_open

LABELS = tuple(sums.label_of(b"kind", bytes([place])) for place in range(3))


def body(labels=LABELS, source="KINDS", subject=b""):
    return SumLabels(SUM, source, b"".join(labels), subject)


def opening(labels=LABELS, source="KINDS", subject=b""):
    digest = sums.digest_named(source, subject, labels)
    return sum_open(labels_digest=digest, label_count=len(labels), norm_blocks=(), norm_bounds=())


@given(st.lists(st.binary(max_size=40), max_size=4), st.lists(st.binary(max_size=40), max_size=4))
def test_different_names_have_different_labels(first, second):
    assert (sums.label_of(*first) == sums.label_of(*second)) == (first == second)
    assert len(sums.label_of(*first)) == 16


def test_labels_are_split_as_they_were_packed():
    assert sums.split_labels(body()) == LABELS


@pytest.mark.parametrize("subject", [b"", opaque("plan", 32)])
def test_the_labels_of_an_opening_are_accepted(subject):
    sums.check_labels(opening(subject=subject), body(subject=subject))


@pytest.mark.parametrize(
    "wrong",
    [
        body(LABELS[::-1]),
        body(LABELS[:2]),
        body((*LABELS, sums.label_of(b"more"))),
        body((LABELS[0], LABELS[1], LABELS[1])),
        body(source="HITS"),
        body(subject=opaque("plan", 32)),
    ],
)
def test_other_labels_are_refused(wrong):
    with pytest.raises(SumFaultError) as caught:
        sums.check_labels(opening(), wrong)

    assert caught.value.reason == "LABELS_WRONG"


def test_a_label_twice_is_no_list_of_labels():
    with pytest.raises(SumRefusedError) as caught:
        sums.digest_named("KINDS", b"", (LABELS[0], LABELS[0]))

    assert caught.value.reason == "SUM_REFUSED"


def test_the_same_token_counted_otherwise_has_another_fingerprint():
    first = sums.fingerprint_named(body())
    overlapping = sums.fingerprint_named(body(LABELS[1:]))
    other = sums.fingerprint_named(body(source="HITS"))

    assert np.intersect1d(first, overlapping).size == 2
    assert np.intersect1d(first, other).size == 0


def test_labels_are_bound_to_their_sum_id_by_who_says_them_only():
    """The id inside is where they belong; the digest in the opening is what binds them."""
    sums.check_labels(opening(), replace(body(), sum_id=opaque("other")))
