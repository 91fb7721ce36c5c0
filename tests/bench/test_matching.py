"""The bench of private matching counts what goes between the sides, and finds what is common."""

from tests.bench.psi import our_bytes, ours, values


def test_bytes_are_those_of_the_padded_sets():
    # Of 10,240 asked: 53 bits of a rest and 2 1/4 of a row.
    assert our_bytes(10_000, 10_000) == 10_240 * 221 // 32 + 10_240 * 2 * 32
    assert our_bytes(1_000_000, 10_000) == 1_015_808 * 221 // 32 + 10_240 * 2 * 32


def test_both_sides_have_in_common_what_overlaps():
    passes, common = ours(values(0, 100), values(90, 50))

    assert common == 10
    assert len(passes) == 4
