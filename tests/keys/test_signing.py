"""Ed25519 with contexts, and the keys that must not count as keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import signing
from keys.errors import SignatureError
from keys.secret import Secret
from keys.signing import SigningKey, check_public_key, verify_raw, verify_signature

# RFC 8032 section 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
KEY = SigningKey.from_seed(Secret(SEED))

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def test_a_signature_without_context_is_that_of_rfc_8032():
    signature = KEY.sign_raw(b"\x72")
    verify_raw(PUBLIC, b"\x72", SIGNATURE)

    assert (KEY.public, signature) == (PUBLIC, SIGNATURE)


def test_a_context_is_a_prefix_that_ends_in_a_zero_byte():
    signature = KEY.sign("evaluation/v1", b"message")

    assert KEY._key.sign(b"tocsin/evaluation/v1\0message") == signature


@given(st.binary(max_size=200))
def test_what_is_signed_verifies(message):
    verify_signature(KEY.public, "test", message, KEY.sign("test", message))


def test_the_seed_rebuilds_the_key():
    key = SigningKey.generate()

    assert SigningKey.from_seed(key.seed()).public == key.public


@pytest.mark.parametrize(
    ("public", "context", "message", "flip"),
    [
        (KEY.public, "other", b"m", 0),
        (KEY.public, "test", b"n", 0),
        (SigningKey.generate().public, "test", b"m", 0),
        (KEY.public, "test", b"m", 1),
        (KEY.public[:-1], "test", b"m", 0),
    ],
    ids=["context", "message", "key", "signature", "key length"],
)
def test_anything_changed_is_one_and_the_same_error(public, context, message, flip):
    signature = bytearray(KEY.sign("test", b"m"))
    signature[7] ^= flip

    with pytest.raises(SignatureError) as caught:
        verify_signature(public, context, message, bytes(signature))
    assert caught.value.reason == "SIGNATURE_INVALID"


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_verification_is_total(public, signature):
    with pytest.raises(SignatureError):
        verify_signature(public, "test", b"m", signature)


@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_a_key_or_the_documented_error(public):
    with pytest.raises(SignatureError):
        verify_signature(public, "test", b"m", bytes(64))


@pytest.mark.parametrize("encoded", sorted(signing._SMALL_ORDER), ids=bytes.hex)
@pytest.mark.parametrize("sign_bit", [0, 0x80])
def test_a_point_of_small_order_is_no_key(encoded, sign_bit):
    public = encoded[:-1] + bytes([encoded[-1] | sign_bit])

    with pytest.raises(SignatureError):
        check_public_key(public)


def test_the_identity_as_a_key_would_sign_everything():
    """Says why the list exists: the library below accepts this signature for any message."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    identity = b"\x01" + bytes(31)
    forged = identity + bytes(32)
    Ed25519PublicKey.from_public_bytes(identity).verify(forged, b"anything")

    with pytest.raises(SignatureError):
        verify_raw(identity, b"anything", forged)


def test_the_list_of_small_orders_is_complete():
    """Every y whose point P has 8·P = identity, found from the curve equation alone."""
    # Twice a point of order 8 has y = 0, so x² = -y², and the curve gives d·y⁴ + 2·y² - 1 = 0.
    roots = {0, 1, P - 1}
    for sign in (1, -1):
        y = _root((-1 + sign * _root((1 + D) % P)) * pow(D, -1, P) % P)
        if y is not None:
            roots |= {y, P - y}
    canonical = {y.to_bytes(32, "little") for y in roots}
    again = {(P + y).to_bytes(32, "little") for y in (0, 1)}

    assert canonical | again == signing._SMALL_ORDER


def _root(square):
    candidate = pow(square, (P + 3) // 8, P)
    for factor in (1, pow(2, (P - 1) // 4, P)):
        if (candidate * factor) ** 2 % P == square % P:
            return candidate * factor % P
    return None


@pytest.mark.parametrize("context", ["", "Upper", "a\0b", "/first", "ü"])
def test_a_context_that_could_be_mistaken_is_refused(context):
    with pytest.raises(ValueError, match="context"):
        KEY.sign(context, b"m")


def test_nothing_signed_without_context_can_pass_for_something_with_one():
    with pytest.raises(ValueError, match="zero byte"):
        KEY.sign_raw(b"tocsin/test\0m")
    with pytest.raises(SignatureError):
        verify_raw(KEY.public, b"tocsin/test\0m", KEY.sign("test", b"m"))


def test_the_seed_is_not_shown():
    assert SEED.hex() not in repr(KEY)
    assert repr(KEY.seed()) == "<secret>"
