"""A match shows the firm its hits and the carrier their number, and refuses what is malformed."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.digest_set import DIGEST_BYTES, DigestShape, decode_digests
from keys.errors import GroupError, MatchError
from keys.group import ELEMENT_BYTES
from keys.ladder import PRIME
from keys.psi import (
    LEAST_ELEMENTS,
    MOST_ELEMENTS,
    MOST_OFFERED,
    SIZES,
    arrange_digests,
    blind_values,
    check_elements,
    evaluate,
    is_size,
    matching_places,
    mix,
    new_key,
    offer_values,
    padded_size,
    random_elements,
    split,
    unblind,
)
from keys.scalar import invert_secret
from keys.secret import Secret

SESSION = bytes(range(16))


def padded(blinded):
    count = len(blinded) // ELEMENT_BYTES
    return blinded + random_elements(padded_size(count) - count)


def run(offered_values, own_values):
    """Return the firm's hits, by place, and how many bytes went between the sides."""
    carrier, firm = new_key(), new_key()
    size, filled = padded_size(len(own_values)), padded_size(len(offered_values), MOST_OFFERED)
    shape = DigestShape(filled, size)
    coded = arrange_digests(offer_values(carrier, SESSION, offered_values), shape)
    offered = decode_digests(coded, shape)
    blinded, order = mix(padded(blind_values(firm, SESSION, own_values)))
    evaluated = check_elements(evaluate(carrier, check_elements(blinded, size)), size)
    own = unblind(firm, SESSION, evaluated)
    hits = sorted(order[at] for at in matching_places(own, offered, shape))
    return hits, len(coded) + len(blinded) + len(evaluated)


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 30), max_size=20), st.sets(st.integers(0, 30), max_size=20))
def test_the_hits_are_the_common_values_and_no_others(offered, own):
    own_list = [bytes([one]) for one in own]
    hits, _ = run([bytes([one]) for one in offered], own_list)

    assert {own_list[place][0] for place in hits} == offered & own
    assert len(hits) == len(offered & own)


def test_the_values_of_two_sessions_or_keys_are_not_the_same():
    key = new_key()
    one = blind_values(key, SESSION, [b"a"])

    assert one == blind_values(key, SESSION, [b"a"])
    assert one != blind_values(key, bytes(16), [b"a"])
    assert one != blind_values(new_key(), SESSION, [b"a"])


def test_padding_fills_up_to_one_of_few_sizes_and_stands_for_no_value():
    counts = (0, 1, 64, 65, 97, 8_193, 10_000, MOST_ELEMENTS)

    assert [padded_size(count) for count in counts] == [
        *(64, 64, 64, 96, 128),
        *(8_704, 10_240, 65_536),
    ]
    assert SIZES[:5] == (64, 96, 128, 192, 256)
    assert SIZES[-1] == MOST_OFFERED
    assert list(SIZES) == sorted(set(SIZES))
    assert len(set(split(random_elements(100), ELEMENT_BYTES))) == 100
    for count in (-1, MOST_ELEMENTS + 1):
        with pytest.raises(MatchError, match="at most"):
            padded_size(count)
    assert padded_size(1_000_000, MOST_OFFERED) == 1_015_808


def test_mixing_keeps_the_elements_and_not_their_order():
    elements = random_elements(64)
    mixed, order = mix(elements)
    parts = split(elements, ELEMENT_BYTES)

    assert mixed != elements
    assert split(mixed, ELEMENT_BYTES) == [parts[place] for place in order]
    assert sorted(order) == list(range(64))


def test_what_is_compared_is_short_and_of_its_session_and_key_alone():
    key = new_key()
    digest = offer_values(key, SESSION, [b"a"])

    assert len(digest) == DIGEST_BYTES
    assert digest == offer_values(key, SESSION, [b"a"])
    assert digest != offer_values(key, bytes(16), [b"a"])
    assert digest != offer_values(new_key(), SESSION, [b"a"])


def test_padding_is_among_the_digests_and_leaves_those_of_values_as_they_are():
    shape = DigestShape(64, 64)
    hashes = offer_values(new_key(), SESSION, [b"%d" % one for one in range(50)])
    arranged = decode_digests(arrange_digests(hashes, shape), shape)

    assert matching_places(hashes, arranged, shape) == list(range(50))
    assert len(arranged.rests) == 64
    assert decode_digests(arrange_digests(hashes + hashes[:16], shape), shape) is not None


def test_the_key_that_is_taken_away_is_the_own_one_alone():
    carrier, firm = new_key(), new_key()
    twice = evaluate(carrier, blind_values(firm, SESSION, [b"a"]))

    assert unblind(firm, SESSION, twice) == offer_values(carrier, SESSION, [b"a"])
    assert unblind(new_key(), SESSION, twice) != offer_values(carrier, SESSION, [b"a"])


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


@pytest.mark.parametrize("size", [0, 1, 63, 65, 100, 69_632])
def test_only_few_numbers_within_bounds_are_sizes(size):
    assert not is_size(size)
    with pytest.raises(MatchError):
        check_elements(bytes(ELEMENT_BYTES * size), size)


@pytest.mark.parametrize(
    "element", [number.to_bytes(32, "little") for number in (0, 1, PRIME - 1, PRIME, 2**256 - 1)]
)
def test_what_is_no_element_is_never_blinded(element):
    with pytest.raises(GroupError):
        evaluate(new_key(), random_elements(1) + element)
    with pytest.raises(GroupError):
        unblind(new_key(), SESSION, random_elements(1) + element)


def test_one_answer_for_two_values_is_refused():
    shape = DigestShape(64, 64)
    offered = decode_digests(arrange_digests(b"", shape), shape)
    own = unblind(new_key(), SESSION, random_elements(2))

    assert matching_places(own, offered, shape) == []
    with pytest.raises(MatchError) as caught:
        matching_places(own + own[:DIGEST_BYTES], offered, shape)

    assert caught.value.reason == "MATCH_ELEMENT_TWICE"


def test_ten_thousand_against_ten_thousand_take_seconds_and_a_megabyte():
    started = time.process_time()
    hits, sent = run(
        [b"%d" % one for one in range(10_000)], [b"%d" % one for one in range(9_900, 19_900)]
    )

    assert hits == list(range(100))
    # openmined-psi sends 756,000 bytes for as many.
    assert sent == 10_240 * 221 // 32 + 10_240 * (32 + 32) < 730_000
    # Two hashes and four multiplications each: 3.6 s on the machine that this was written on.
    assert time.process_time() - started < 60


def test_a_key_that_is_taken_away_twice_is_back_and_zero_cannot_be():
    key = new_key()

    assert invert_secret(invert_secret(key)) == key
    with pytest.raises(GroupError):
        invert_secret(Secret(bytes(32)))
