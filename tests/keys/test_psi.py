"""A match shows the firm its hits and the carrier their number, and refuses what is malformed."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.errors import GroupError, MatchError
from keys.group import ELEMENT_BYTES, GENERATOR, IDENTITY
from keys.psi import (
    LEAST_ELEMENTS,
    MOST_ELEMENTS,
    blind_values,
    check_elements,
    is_size,
    matching_places,
    new_key,
    padded_size,
    random_elements,
    reblind,
    shuffle,
    split_elements,
)

SESSION = bytes(range(16))


def padded(blinded):
    count = len(blinded) // ELEMENT_BYTES
    return blinded + random_elements(padded_size(count) - count)


def run(offered_values, own_values):
    """Return the firm's hits, by place, and the carrier's count."""
    carrier, firm = new_key(), new_key()
    offered = shuffle(padded(blind_values(carrier, SESSION, offered_values)))
    blinded = padded(blind_values(firm, SESSION, own_values))
    evaluated = reblind(carrier, check_elements(blinded, padded_size(len(own_values))))
    again = reblind(firm, check_elements(offered, padded_size(len(offered_values))))
    count = len(matching_places(shuffle(again), evaluated))
    return matching_places(evaluated, again), count


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 30), max_size=20), st.sets(st.integers(0, 30), max_size=20))
def test_the_hits_are_the_common_values_and_no_others(offered, own):
    own_list = [bytes([one]) for one in own]
    hits, count = run([bytes([one]) for one in offered], own_list)

    assert {own_list[place][0] for place in hits} == offered & own
    assert count == len(offered & own)


def test_the_values_of_two_sessions_or_keys_are_not_the_same():
    key = new_key()
    one = blind_values(key, SESSION, [b"a"])

    assert one == blind_values(key, SESSION, [b"a"])
    assert one != blind_values(key, bytes(16), [b"a"])
    assert one != blind_values(new_key(), SESSION, [b"a"])


def test_padding_is_the_next_power_of_two_and_stands_for_no_value():
    assert [padded_size(count) for count in (0, 1, 64, 65, 10_000)] == [64, 64, 64, 128, 16_384]
    assert len(set(split_elements(random_elements(100)))) == 100
    with pytest.raises(MatchError, match="at most"):
        padded_size(MOST_ELEMENTS + 1)


def test_shuffling_keeps_the_elements_and_not_their_order():
    elements = random_elements(64)
    mixed = shuffle(elements)

    assert sorted(split_elements(mixed)) == sorted(split_elements(elements))
    assert mixed != elements


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda found: found[:-ELEMENT_BYTES], "MATCH_SIZE_INVALID"),
        (lambda found: found[:-1], "MATCH_SIZE_INVALID"),
        (lambda found: found + random_elements(1), "MATCH_SIZE_INVALID"),
        (lambda found: found[ELEMENT_BYTES:] + found[-ELEMENT_BYTES:], "MATCH_ELEMENT_TWICE"),
    ],
)
def test_elements_that_are_not_as_announced_are_refused(change, reason):
    with pytest.raises(MatchError) as caught:
        check_elements(change(random_elements(LEAST_ELEMENTS)), LEAST_ELEMENTS)

    assert caught.value.reason == reason


@pytest.mark.parametrize("size", [0, 1, 63, 65, 100, 2 * MOST_ELEMENTS])
def test_only_powers_of_two_within_bounds_are_sizes(size):
    assert not is_size(size)
    with pytest.raises(MatchError):
        check_elements(bytes(ELEMENT_BYTES * size), size)


@pytest.mark.parametrize("element", [IDENTITY, b"\xff" * 32, bytes(31) + b"\x80"])
def test_what_is_no_element_is_never_blinded(element):
    with pytest.raises(GroupError):
        reblind(new_key(), GENERATOR + element)


def test_ten_thousand_against_ten_thousand_take_seconds():
    started = time.process_time()
    hits, count = run(
        [b"%d" % one for one in range(10_000)], [b"%d" % one for one in range(9_900, 19_900)]
    )

    assert count == len(hits) == 100
    # Two hashes and four multiplications each: 3.6 s on the machine that this was written on.
    assert time.process_time() - started < 60
