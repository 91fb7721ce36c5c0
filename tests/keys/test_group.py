"""The group layer: published vectors, refused encodings, one item and many."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.batch import (
    add_all,
    hash_all,
    multiply_all,
    multiply_base_all,
    refuse_identity,
    subtract_all,
    sum_elements,
)
from keys.errors import GroupError, LibraryError, RequestError
from keys.group import (
    GENERATOR,
    IDENTITY,
    ORDER,
    add,
    hash_to_group,
    is_valid,
    multiply,
    multiply_base,
    subtract,
)
from keys.library import describe_library, library, set_library_path
from keys.scalar import (
    add_secrets,
    decode_scalar,
    encode_scalar,
    evaluate_polynomial,
    invert_all,
    lagrange,
    multiply_secret,
    random_scalar,
    random_scalars,
    random_secret,
    subtract_secrets,
)
from keys.secret import Secret

# RFC 9496 appendix A.1: the first multiples of the generator.
MULTIPLES = [
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
    "da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57",
    "e882b131016b52c1d3337080187cf768423efccbb517bb495ab812c4160ff44e",
]
# RFC 9496 appendix A.2: not canonical, negative, not a square, negative product, y = 0.
BAD_ENCODINGS = [
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_multiples_of_the_generator_agree_with_rfc_9496() -> None:
    scalars = [encode_scalar(number) for number in range(1, 6)]
    expected = [bytes.fromhex(text) for text in MULTIPLES]

    assert expected[0] == GENERATOR
    assert [multiply_base(scalar) for scalar in scalars] == expected
    assert [multiply(scalar, GENERATOR) for scalar in scalars] == expected
    assert multiply_base_all(b"".join(scalars)) == b"".join(expected)
    assert multiply_all(b"".join(scalars), GENERATOR * 5) == b"".join(expected)
    assert sum_elements(GENERATOR * 5) == expected[4]


@pytest.mark.parametrize("encoding", [*BAD_ENCODINGS, "00" * 32, "", "00" * 31, "00" * 33])
def test_bad_encodings_and_the_identity_are_no_valid_elements(encoding: str) -> None:
    element = bytes.fromhex(encoding)

    assert not is_valid(element)
    with pytest.raises(GroupError):
        multiply(encode_scalar(2), element)


@pytest.mark.parametrize("encoding", BAD_ENCODINGS)
def test_bad_encodings_are_refused_by_every_batch_operation_with_their_index(encoding: str) -> None:
    batch = GENERATOR * 2 + bytes.fromhex(encoding)
    operations = [
        lambda: multiply_all(encode_scalar(3), batch),
        lambda: add_all(batch, GENERATOR * 3),
        lambda: subtract_all(GENERATOR * 3, batch),
        lambda: sum_elements(batch),
    ]

    for operation in operations:
        with pytest.raises(GroupError) as caught:
            operation()
        assert caught.value.indexes == (2,)


def test_zero_scalars_are_refused() -> None:
    for call in (multiply_base, multiply_base_all):
        with pytest.raises(GroupError):
            call(bytes(32))
    with pytest.raises(GroupError) as caught:
        multiply_all(encode_scalar(1) + bytes(32), GENERATOR * 2)
    assert caught.value.indexes == (1,)


def test_addition_undoes_subtraction_and_knows_the_identity() -> None:
    other = hash_to_group(b"\x07" * 64)

    assert subtract(add(GENERATOR, other), other) == GENERATOR
    assert subtract(other, other) == IDENTITY
    assert add(other, IDENTITY) == other
    assert subtract_all(add_all(GENERATOR, other), other) == GENERATOR
    assert sum_elements(b"") == IDENTITY


def test_the_identity_is_found_only_where_an_element_is_it() -> None:
    straddling = b"\x01" * 16 + bytes(32) + b"\x01" * 16
    refuse_identity(straddling)

    with pytest.raises(GroupError) as caught:
        refuse_identity(straddling + bytes(32) + GENERATOR)
    assert caught.value.indexes == (2,)


def test_lengths_that_do_not_match_are_refused() -> None:
    calls = [
        lambda: hash_to_group(bytes(63)),
        lambda: hash_all(bytes(65)),
        lambda: multiply_all(bytes(64), GENERATOR * 3),
        lambda: multiply_all(encode_scalar(1), GENERATOR + b"x"),
        lambda: add_all(GENERATOR, GENERATOR * 2),
        lambda: add(GENERATOR, b""),
        lambda: multiply_base(bytes(31)),
        lambda: sum_elements(bytes(31)),
    ]

    for call in calls:
        with pytest.raises(GroupError):
            call()


@given(st.binary(max_size=40))
def test_scalar_decoding_is_total(data: bytes) -> None:
    try:
        value = decode_scalar(data)
    except GroupError:
        assert len(data) != 32 or int.from_bytes(data, "little") >= ORDER
    else:
        assert encode_scalar(value) == data


@given(st.binary(max_size=100))
def test_element_decoding_is_total(data: bytes) -> None:
    if is_valid(data):
        assert multiply(encode_scalar(1), data) == data
    else:
        with pytest.raises(GroupError):
            multiply(encode_scalar(1), data)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_batch_operations_are_total(left: bytes, right: bytes) -> None:
    for operation in (add_all, subtract_all, multiply_all):
        with suppress(GroupError):
            assert len(operation(left, right)) == len(right)


def test_scalars_of_and_beyond_the_order_are_not_canonical() -> None:
    assert decode_scalar(encode_scalar(ORDER - 1)) == ORDER - 1
    assert encode_scalar(ORDER + 5) == encode_scalar(5)
    with pytest.raises(GroupError):
        decode_scalar(ORDER.to_bytes(32, "little"))


@given(st.lists(st.integers(1, ORDER - 1), max_size=20))
def test_batch_inverses_multiply_to_one(values: list[int]) -> None:
    inverses = invert_all(values)

    assert [a * b % ORDER for a, b in zip(values, inverses, strict=True)] == [1] * len(values)


def test_zero_has_no_inverse() -> None:
    with pytest.raises(GroupError):
        invert_all([3, ORDER, 5])


@given(st.lists(st.integers(0, ORDER - 1), min_size=1, max_size=5), st.integers(1, 255))
def test_secret_polynomials_agree_with_integer_arithmetic(values: list[int], at: int) -> None:
    coefficients = [Secret(encode_scalar(value)) for value in values]
    expected = sum(value * at**power for power, value in enumerate(values))

    assert evaluate_polynomial(coefficients, at) == Secret(encode_scalar(expected))


@given(st.integers(0, ORDER - 1), st.integers(0, ORDER - 1))
def test_secret_arithmetic_agrees_with_integers(left: int, right: int) -> None:
    one, two = Secret(encode_scalar(left)), Secret(encode_scalar(right))

    assert add_secrets(one, two) == Secret(encode_scalar(left + right))
    assert subtract_secrets(one, two) == Secret(encode_scalar(left - right))
    assert multiply_secret(left, two) == Secret(encode_scalar(left * right))


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), b"\xff" * 32])
def test_secrets_that_are_no_scalars_are_refused(value: bytes) -> None:
    with pytest.raises(GroupError):
        add_secrets(Secret(value), random_secret())


@given(st.lists(st.integers(1, 255), min_size=1, max_size=6, unique=True))
def test_lagrange_coefficients_interpolate_at_zero(indexes: list[int]) -> None:
    values = random_scalars(len(indexes))
    points = {x: sum(c * x**k for k, c in enumerate(values)) for x in indexes}

    assert sum(lagrange(x, indexes) * y for x, y in points.items()) % ORDER == values[0]


@pytest.mark.parametrize(("index", "indexes"), [(1, [2]), (0, [0, 1]), (1, [1, 1]), (1, [])])
def test_senseless_lagrange_sets_are_refused(index: int, indexes: list[int]) -> None:
    with pytest.raises(RequestError):
        lagrange(index, indexes)


def test_random_scalars_differ_and_are_never_zero() -> None:
    drawn = random_scalars(100)

    assert len(set(drawn)) == 100
    assert all(0 < value < ORDER for value in [*drawn, random_scalar()])
    assert random_secret() != random_secret()


def test_the_loaded_library_says_its_version_and_place() -> None:
    assert describe_library().startswith("libsodium 1.")


@pytest.mark.parametrize("path", ["/nonexistent/libsodium.so", "libc.so.6", __file__])
def test_an_operators_path_without_libsodium_is_an_error_with_a_hint(path: str) -> None:
    set_library_path(path)
    try:
        with pytest.raises(LibraryError) as caught:
            library()
    finally:
        set_library_path(None)

    assert caught.value.reason == "LIBSODIUM_MISSING"
    assert caught.value.hint is not None
    assert "libsodium" in caught.value.hint


def test_an_operators_path_is_used_alone() -> None:
    path = library().path
    set_library_path(path)
    try:
        assert library().path == path
    finally:
        set_library_path(None)
