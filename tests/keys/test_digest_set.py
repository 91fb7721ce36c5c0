"""A set of digests has one coding of one length, and no bytes are anything else."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.digest_set import (
    DIGEST_BYTES,
    DISTINCT_BITS,
    Digests,
    DigestShape,
    common_places,
    cut_digests,
    decode_digests,
    encode_digests,
    sort_digests,
)
from keys.errors import MatchError
from keys.psi import MOST_ELEMENTS, MOST_OFFERED, SIZES

LITTLE = DigestShape(64, 64)


def digests(count, shape, seed=1):
    """Return so many digests of random hashes, ascending."""
    found = cut_digests(np.random.default_rng(seed).bytes(DIGEST_BYTES * count), shape)
    return sort_digests(found)


def same(one, other):
    return np.array_equal(one.buckets, other.buckets) and np.array_equal(one.rests, other.rests)


CODED = encode_digests(digests(64, LITTLE), LITTLE)


@pytest.mark.parametrize("offered", [64, 96, 10_240, 69_632, 131_072])
@pytest.mark.parametrize("asked", [64, 96, 10_240, MOST_ELEMENTS])
def test_a_coding_is_as_long_as_the_sizes_say_and_gives_the_set_back(offered, asked):
    shape = DigestShape(offered, asked)
    first, second = (digests(offered, shape, seed) for seed in (1, 2))
    coded = encode_digests(first, shape)

    assert len(coded) == len(encode_digests(second, shape)) == shape.length
    assert same(decode_digests(coded, shape), first)


def test_every_shape_keeps_values_apart_in_all_but_one_of_two_to_the_forty_matches():
    for offered in SIZES:
        for asked in (size for size in SIZES if size <= MOST_ELEMENTS):
            shape = DigestShape(offered, asked)

            assert shape.buckets << shape.rest_bits == offered * asked << DISTINCT_BITS
            assert shape.rest_bits <= 56
            assert shape.length * 8 <= offered * (math.log2(asked) + DISTINCT_BITS + 2.001) + 8


def test_a_million_digests_for_ten_thousand_asked_take_seven_megabytes():
    assert DigestShape(1_015_808, 10_240).length == 7_015_424
    assert DigestShape(MOST_OFFERED, MOST_ELEMENTS).length < 8 * MOST_OFFERED


def test_buckets_and_rests_reach_their_bounds_and_no_further():
    least = cut_digests(bytes(DIGEST_BYTES), LITTLE)
    most = cut_digests(b"\xff" * DIGEST_BYTES, LITTLE)

    assert (least.buckets.tolist(), least.rests.tolist()) == ([0], [0])
    assert (most.buckets.tolist(), most.rests.tolist()) == ([63], [2**46 - 1])


def test_digests_lie_even_over_buckets():
    shape = DigestShape(96, 96)
    counts = np.bincount(digests(200_000, shape).buckets.astype(np.int64))

    assert len(counts) == shape.buckets == 144
    assert np.abs(counts - 200_000 / 144).max() < 6 * math.sqrt(200_000 / 144)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2 * LITTLE.length))
def test_any_bytes_are_refused_with_one_error_or_are_the_coding_of_what_they_give(coded):
    read_or_refuse(coded)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 8 * LITTLE.length - 1), min_size=1, max_size=3, unique=True))
def test_a_coding_with_flipped_bits_is_refused_or_that_of_another_set(flipped):
    changed = bytearray(CODED)
    for bit in flipped:
        changed[bit // 8] ^= 128 >> bit % 8

    found = read_or_refuse(bytes(changed))
    assert found is None or not same(found, decode_digests(CODED, LITTLE))


def read_or_refuse(coded):
    try:
        found = decode_digests(coded, LITTLE)
    except MatchError:
        return None
    assert encode_digests(found, LITTLE) == coded
    return found


def coded_as(buckets, rests):
    """Code what is not sorted, or not each once."""
    words = [np.array(column, dtype=np.uint64) for column in (buckets, rests)]
    return encode_digests(Digests(*words), LITTLE)


@pytest.mark.parametrize(
    ("coded", "reason"),
    [
        (b"", "MATCH_SIZE_INVALID"),
        (CODED[:-1], "MATCH_SIZE_INVALID"),
        (CODED + b"\0", "MATCH_SIZE_INVALID"),
        (bytes(LITTLE.length), "MATCH_SIZE_INVALID"),
        (b"\xff" * LITTLE.length, "MATCH_SIZE_INVALID"),
        (CODED[: LITTLE.rest_bytes] + b"\xff" * 7 + bytes(8) + b"\xff", "MATCH_SIZE_INVALID"),
        (coded_as([0] * 64, [5] * 64), "MATCH_ELEMENT_TWICE"),
        (coded_as([0] * 64, range(64, 0, -1)), "MATCH_ELEMENT_TWICE"),
    ],
)
def test_digests_that_are_not_as_announced_are_refused(coded, reason):
    with pytest.raises(MatchError) as caught:
        decode_digests(coded, LITTLE)

    assert caught.value.reason == reason


def test_only_digests_with_bucket_and_rest_alike_are_common():
    def columns(*pairs):
        return Digests(*(np.array(one, dtype=np.uint64) for one in zip(*pairs, strict=True)))

    offered = columns((0, 7), (1, 9), (2, 7), (3, 5))
    own = columns((3, 5), (1, 7), (2, 7), (2, 9), (0, 7))

    assert common_places(own, offered) == [0, 2, 4]


def test_all_digests_in_one_bucket_are_a_set_too_and_read_as_fast():
    shape = DigestShape(MOST_OFFERED, 64)
    own = Digests(np.zeros(64, np.uint64), np.arange(64, dtype=np.uint64))
    crowded = Digests(
        np.zeros(MOST_OFFERED, np.uint64), np.arange(MOST_OFFERED, dtype=np.uint64) + np.uint64(32)
    )
    found = decode_digests(encode_digests(crowded, shape), shape)

    assert common_places(own, found) == list(range(32, 64))
