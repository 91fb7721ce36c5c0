"""Sites over the threshold are found from totals alone, whatever the carriers' parts were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.farm import (
    LARGEST_PART,
    MAX_SIMS,
    MAX_STEPS,
    ROOT,
    STEP_BITS,
    THRESHOLD,
    Site,
    Slot,
    part_labels,
    part_vector,
    prefix_of,
    reached,
    read_parts,
    root_labels,
    root_vector,
    split,
    split_subject,
    window_subject,
)
from tests.federation.said import opaque

FARM, HOTEL = opaque("farm"), opaque("hotel")


def found(carriers):
    """Return what the sums of some carriers come to, step by step, as an opener sees them."""
    totals = sum(root_vector(counts) for counts in carriers)
    slots, sites = reached(ROOT, totals), []
    for _ in range(MAX_STEPS):
        if not slots:
            break
        children = split(slots)
        more, slots = read_parts(children, sum(part_vector(one, children) for one in carriers))
        sites += more
    return sites


def test_thirty_four_at_one_site_are_found_and_nineteen_are_not():
    carriers = [{FARM: 14, HOTEL: 8}, {FARM: 11, HOTEL: 7}, {FARM: 9, HOTEL: 4}]

    assert found(carriers) == [Site(FARM, 34)]


@pytest.mark.parametrize("total", [THRESHOLD - 1, THRESHOLD])
def test_the_threshold_itself_is_enough(total):
    carriers = [{FARM: total - 2}, {FARM: 1}, {FARM: 1}]

    assert found(carriers) == ([Site(FARM, total)] if total >= THRESHOLD else [])


def near(token, same_bits, seed):
    """Return another token with the same first bits."""
    free = 128 - same_bits
    low = int.from_bytes(opaque(seed)) & ((1 << free) - 1)
    return (prefix_of(token, same_bits) << free | low).to_bytes(16)


@pytest.mark.parametrize("same_bits", [12, 18, 24, 30])
def test_two_sites_in_one_slot_are_told_apart_by_splitting_again(same_bits):
    twin = near(FARM, same_bits, "twin")
    carriers = [{FARM: 14, twin: 30}, {FARM: 11, twin: 1}, {FARM: 9}]

    assert sorted(found(carriers), key=lambda one: one.total) == [Site(twin, 31), Site(FARM, 34)]


def test_small_sites_that_fill_a_slot_together_are_no_site():
    carriers = [{near(FARM, 12, f"small {place}"): 3 for place in range(20)}, {}, {}]

    assert found(carriers) == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.binary(min_size=16, max_size=16), st.integers(1, 40), max_size=12),
        min_size=3,
        max_size=5,
    )
)
def test_the_sites_found_are_those_whose_counts_reach_the_threshold(carriers):
    totals = {}
    for counts in carriers:
        for token, count in counts.items():
            totals[token] = totals.get(token, 0) + count
    # The chance that two of these few share 36 bits is below 10**-8, unless the search makes it.
    if len({prefix_of(token, 36) for token in totals}) < len(totals):
        return

    expected = {token: total for token, total in totals.items() if total >= THRESHOLD}

    assert {site.token: site.total for site in found(carriers)} == expected


def test_what_one_carrier_claims_stays_within_the_largest_entry():
    counts = {bytes([255]) * 16: 10 * MAX_SIMS}

    assert root_vector(counts).max() == MAX_SIMS
    assert part_vector(counts, split([Slot(12, 4095)])).max() <= LARGEST_PART


def test_labels_and_subjects_name_one_thing_each():
    children = split([ROOT[5], ROOT[7]])
    labels = [*root_labels(), *part_labels(children)]

    assert len(children) == 2 << STEP_BITS
    assert len(set(labels)) == len(labels)
    assert len({window_subject(0), window_subject(3_600), split_subject(bytes(16))}) == 3


def test_of_too_many_slots_the_fullest_are_split():
    totals = np.full(len(ROOT), THRESHOLD, np.int64)
    totals[4_000] = 500

    assert Slot(12, 4_000) in reached(ROOT, totals)
    assert len(reached(ROOT, totals)) == 32
