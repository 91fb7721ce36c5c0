"""Sealing to a member and to an indicator."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import SealError
from keys.sealing import (
    INDICATOR_OVERHEAD_BYTES,
    MEMBER_OVERHEAD_BYTES,
    PUBLIC_KEY_BYTES,
    SealingKey,
    check_sealing_key,
    open_from_indicator,
    seal_to_indicator,
    seal_to_member,
)
from keys.secret import Secret

SEED = bytes(range(32))
KEY = SealingKey.from_secret(Secret(SEED))
CONTENT_KEY = bytes(range(100, 132))


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_a_member_opens_what_was_sealed_to_it(plaintext, context):
    sealed = seal_to_member(KEY.public, plaintext, context)

    assert plaintext == KEY.open(sealed, context)
    assert len(plaintext) + MEMBER_OVERHEAD_BYTES == len(sealed)


def test_sealing_to_a_member_is_never_the_same_twice():
    first, second = (seal_to_member(KEY.public, b"m", b"c") for _ in range(2))

    assert first != second


def test_a_key_comes_back_from_its_secret():
    key = SealingKey.generate()
    sealed = seal_to_member(key.public, b"m", b"c")

    assert SealingKey.from_secret(key.secret()).open(sealed, b"c") == b"m"
    assert len(key.public) == PUBLIC_KEY_BYTES


def test_another_implementation_of_rfc_9180_opens_it():
    """The key schedule and the X-Wing combiner, written again from the documents."""
    context = b"deal/7"
    sealed = seal_to_member(KEY.public, b"a share", context)

    assert _open_by_hand(sealed, b"tocsin/seal/member\0\x01" + context) == b"a share"


def _open_by_hand(sealed, information):
    enc, ciphertext = sealed[1:1121], sealed[1121:]
    expanded = hashlib.shake_256(SEED).digest(96)
    curve = X25519PrivateKey.from_private_bytes(expanded[64:])
    lattice_secret = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).decapsulate(enc[:1088])
    curve_secret = curve.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
    shared = hashlib.sha3_256(
        lattice_secret
        + curve_secret
        + enc[1088:]
        + curve.public_key().public_bytes_raw()
        + rb"\.//^"
        + b"\\"
    ).digest()
    suite = b"HPKE" + (0x647A).to_bytes(2, "big") + b"\x00\x01\x00\x02"

    def extract(salt, label, value):
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + value, "sha256")

    def expand(key, label, value, length):
        text = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + value
        return hmac.digest(key, text + b"\x01", "sha256")[:length]

    schedule = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", information)
    secret = extract(shared, b"secret", b"")
    key = expand(secret, b"key", schedule, 32)
    return AESGCM(key).decrypt(expand(secret, b"base_nonce", schedule, 12), ciphertext, b"")


def _member_damages():
    sealed = seal_to_member(KEY.public, b"message", b"context")
    for index in (0, 1, 500, 1100, 1125, len(sealed) - 1):
        yield sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
    yield from (b"", sealed[:1], sealed[:-1], sealed + b"\0", sealed[:40])


@pytest.mark.parametrize(
    "sealed", list(_member_damages()), ids=lambda sealed: f"{len(sealed)} bytes"
)
def test_a_damaged_message_to_a_member_does_not_open(sealed):
    with pytest.raises(SealError) as caught:
        KEY.open(sealed, b"context")
    assert (caught.value.reason, str(caught.value)) == ("SEAL_INVALID", SealError.public)


def test_another_context_or_another_member_does_not_open_it():
    sealed = seal_to_member(KEY.public, b"message", b"context")

    with pytest.raises(SealError):
        KEY.open(sealed, b"contexT")
    with pytest.raises(SealError):
        SealingKey.generate().open(sealed, b"context")


@given(st.binary(max_size=1300))
def test_opening_is_total_for_a_member(data):
    with pytest.raises(SealError):
        KEY.open(data, b"")
    with pytest.raises(SealError):
        KEY.open(b"\x01" + data, b"")


@pytest.mark.parametrize(
    "public",
    [b"", bytes(32), b"\xff" * PUBLIC_KEY_BYTES, KEY.public[:-32] + bytes(32), KEY.public + b"\0"],
    ids=["empty", "short", "not canonical", "curve point of small order", "long"],
)
def test_a_public_key_that_cannot_be_sealed_to_is_refused(public):
    with pytest.raises(SealError):
        check_sealing_key(public)


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_who_holds_the_content_key_opens_and_the_seal_is_deterministic(plaintext, context):
    sealed = seal_to_indicator(CONTENT_KEY, plaintext, context)

    assert plaintext == open_from_indicator(CONTENT_KEY, sealed, context)
    assert sealed == seal_to_indicator(CONTENT_KEY, plaintext, context)
    assert len(plaintext) + INDICATOR_OVERHEAD_BYTES == len(sealed)


def test_every_bit_of_a_seal_to_an_indicator_counts():
    sealed = seal_to_indicator(CONTENT_KEY, b"details", b"context")

    for bit in range(8 * len(sealed)):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealError):
            open_from_indicator(CONTENT_KEY, bytes(damaged), b"context")


def test_another_content_key_or_context_does_not_open_it():
    sealed = seal_to_indicator(CONTENT_KEY, b"details", b"context")

    with pytest.raises(SealError):
        open_from_indicator(bytes(32), sealed, b"context")
    with pytest.raises(SealError):
        open_from_indicator(CONTENT_KEY, sealed, b"")


@given(st.binary(max_size=100))
def test_opening_is_total_for_an_indicator(data):
    with pytest.raises(SealError):
        open_from_indicator(CONTENT_KEY, data, b"")
    with pytest.raises(SealError):
        open_from_indicator(CONTENT_KEY, b"\x01" + data, b"")


def test_the_seal_to_an_indicator_stays_what_it_was():
    """A change of these bytes makes everything that was published unreadable."""
    sealed = seal_to_indicator(CONTENT_KEY, b"details", b"context")

    assert sealed.hex() == "01fee802706044aacfcfff988ad5c902f16581d3e91343b4"


def test_the_secret_is_not_shown():
    assert SEED.hex() not in repr(KEY)
    assert repr(KEY.secret()) == "<secret>"
