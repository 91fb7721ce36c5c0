"""Coordinates are those of hashed points, multiply as points do, and end in the prime subgroup."""

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.batch import hash_all, multiply_all
from keys.errors import GroupError
from keys.group import ELEMENT_BYTES, ORDER, UNIFORM_BYTES
from keys.ladder import PRIME, hash_to_coordinates, multiply_coordinates
from keys.psi import random_elements, split
from keys.scalar import encode_scalar, invert_secret, random_scalar, random_secret
from keys.secret import Secret

ONE = Secret(encode_scalar(1))
# RFC 7748 section 4.1.
BASE = (9).to_bytes(32, "little")

# Coordinates of small order, RFC 7748 section 7 and Bernstein's list; -1, 0, 1 and two of order 8.
EIGHTH = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
SMALL_ORDER = (0, 1, PRIME - 1, *EIGHTH)


def packed(*numbers):
    return b"".join(number.to_bytes(ELEMENT_BYTES, "little") for number in numbers)


def ladder(scalar, coordinate):
    """Return ``(x, z)`` of a multiple, by RFC 7748's formulae in plain integers, unclamped."""
    x_2, z_2, x_3, z_3 = 1, 0, coordinate, 1
    for bit in bin(scalar)[2:]:
        if bit == "1":
            x_2, z_2, x_3, z_3 = x_3, z_3, x_2, z_2
        a, b, c, d = x_2 + z_2, x_2 - z_2, x_3 + z_3, x_3 - z_3
        x_3, z_3 = (d * a + c * b) ** 2 % PRIME, coordinate * (d * a - c * b) ** 2 % PRIME
        e = (a * a - b * b) % PRIME
        x_2, z_2 = a * a * b * b % PRIME, e * (a * a + 121_665 * e) % PRIME
        if bit == "1":
            x_2, z_2, x_3, z_3 = x_3, z_3, x_2, z_2
    return x_2, z_2


def times(scalar, coordinate):
    x, z = ladder(scalar, coordinate)
    return x * pow(z, -1, PRIME) % PRIME


def number(element):
    return int.from_bytes(element, "little")


def is_on_the_curve(u):
    return pow(u**3 + 486_662 * u**2 + u, (PRIME - 1) // 2, PRIME) == 1


def hashed(count=8):
    return hash_to_coordinates(secrets.token_bytes(UNIFORM_BYTES * count))


def test_hashes_are_points_of_the_curve_and_never_of_its_twist():
    assert all(is_on_the_curve(number(one)) for one in split(hashed(50), ELEMENT_BYTES))


def test_a_coordinate_is_that_of_the_element_whose_multiples_it_follows():
    uniform, key, more = secrets.token_bytes(UNIFORM_BYTES), random_secret(), random_scalar()
    element = multiply_all(encode_scalar(more), hash_all(uniform))
    (root,) = (number(one) for one in split(element, ELEMENT_BYTES))
    same = packed(pow(root * root, -1, PRIME))
    product = encode_scalar(number(key.borrow()) * more)

    assert multiply_coordinates(key, same) == multiply_coordinates(
        Secret(product), hash_to_coordinates(uniform)
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(2**128, ORDER - 2**128))
def test_a_multiple_is_that_of_plain_integers_whatever_the_scalar(scalar):
    (start,) = (number(one) for one in split(multiply_coordinates(ONE, hashed(1)), ELEMENT_BYTES))
    found = multiply_coordinates(Secret(encode_scalar(scalar)), packed(start))

    assert number(found) == times(scalar, start)


@pytest.mark.parametrize("scalar", [1, 7, ORDER - 1, ORDER - 7])
def test_scalars_at_the_ends_are_taken_and_others_are_refused(scalar):
    (start,) = (number(one) for one in split(multiply_coordinates(ONE, hashed(1)), ELEMENT_BYTES))
    found = multiply_coordinates(Secret(encode_scalar(scalar)), packed(start))

    assert number(found) == times(scalar, start)
    for refused in (0, 8, ORDER - 8):  # a key is among such in one of 2^127 draws
        with pytest.raises(GroupError):
            multiply_coordinates(Secret(encode_scalar(refused)), packed(start))


def test_keys_commute_and_their_inverses_take_them_away():
    one, other, points = random_secret(), random_secret(), hashed()
    both = multiply_coordinates(other, multiply_coordinates(one, points))

    assert both == multiply_coordinates(one, multiply_coordinates(other, points))
    assert multiply_coordinates(invert_secret(one), both) == multiply_coordinates(other, points)


def test_a_thousand_keys_are_taken_away_again_each():
    points, others = hashed(1), multiply_coordinates(ONE, hashed(1))
    plain = multiply_coordinates(ONE, points)
    for key in (random_secret() for _ in range(1_000)):
        back = invert_secret(key)

        assert multiply_coordinates(back, multiply_coordinates(key, points)) == plain
        assert multiply_coordinates(key, multiply_coordinates(back, others)) == others


def test_what_is_multiplied_and_padding_are_of_prime_order_and_cannot_be_told_apart():
    for element in split(random_elements(4) + multiply_coordinates(ONE, hashed(4)), ELEMENT_BYTES):
        assert ladder(ORDER, number(element))[1] == 0
        assert is_on_the_curve(number(element))
    assert any(ladder(ORDER, number(one))[1] for one in split(hashed(40), ELEMENT_BYTES))


def test_points_that_differ_by_one_of_small_order_have_one_multiple():
    point = number(hashed(1))
    # Adding the point of order two, (0, 0), turns u into 1 / u.
    shifted = packed(pow(point, -1, PRIME))
    key = random_secret()

    assert multiply_coordinates(key, shifted) == multiply_coordinates(key, packed(point))


@pytest.mark.parametrize("bad", [*SMALL_ORDER, PRIME, PRIME + 9, 2**255 + 9, 2**256 - 1])
def test_what_is_not_canonical_or_of_small_order_is_refused_by_its_place(bad):
    with pytest.raises(GroupError) as caught:
        multiply_coordinates(random_secret(), BASE + packed(bad) + BASE)

    assert list(caught.value.indexes) == [1]


def test_the_last_canonical_coordinates_are_accepted():
    assert len(multiply_coordinates(random_secret(), packed(PRIME - 2, 2, 2**255 - 21))) == 96
    assert multiply_coordinates(random_secret(), b"") == b""
    assert hash_to_coordinates(b"") == b""


@pytest.mark.parametrize("length", [1, 31, 33])
def test_coordinates_are_thirty_two_bytes_each(length):
    with pytest.raises(GroupError):
        multiply_coordinates(random_secret(), bytes(length))
