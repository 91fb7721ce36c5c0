"""Seal bytes so that only one member, or only those who hold an indicator, can open them.

To a member: HPKE base mode (RFC 9180) with the hybrid KEM ML-KEM-768 + X25519, HKDF-SHA256 and
AES-256-GCM, so that shares recorded today stay closed to a quantum computer of tomorrow. To an
indicator: AES-256-GCM-SIV under a key derived from its content key; deterministic, so that the
same statement written twice is the same bytes.

A sealed message starts with a version byte, and both forms bind the caller's context: what was
sealed in one place does not open in another. Every failure to open is one ``SealError``.
"""

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.errors import SealError
from keys.secret import Secret

SEED_BYTES = 32
MLKEM_PUBLIC_BYTES = 1184
X25519_PUBLIC_BYTES = 32
PUBLIC_KEY_BYTES = MLKEM_PUBLIC_BYTES + X25519_PUBLIC_BYTES
CONTENT_KEY_BYTES = 32

MEMBER_OVERHEAD_BYTES = 1 + 1088 + 32 + 16
"""By how much a message sealed to a member is longer: version, both KEM shares, tag."""

INDICATOR_OVERHEAD_BYTES = 1 + 16
"""By how much a message sealed to an indicator is longer: version, tag."""

_MEMBER_VERSION = b"\x01"
_INDICATOR_VERSION = b"\x01"
_MEMBER_LABEL = b"tocsin/seal/member\0"
_INDICATOR_LABEL = b"tocsin/seal/indicator\0"

_MLKEM_SEED_BYTES = 64
# Safe because the mode is misuse-resistant and the seal is meant to be deterministic: two messages
# with one key differ in plaintext or context, hence in their synthetic nonce.
_FIXED_NONCE = bytes(12)

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class SealingKey:
    """A member's key for what is sealed to it; its public half stands in the charter."""

    __slots__ = ("_key", "_seed", "public")

    public: bytes
    """1,216 bytes: ML-KEM-768 encapsulation key, X25519 public key."""

    def __init__(self, seed: Secret) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("a sealing key is made from 32 bytes")
        self._seed = seed
        lattice, curve = _expand(seed)
        self._key = hpke.MLKEM768X25519PrivateKey(lattice, curve)
        self.public = (
            lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        )

    def __repr__(self) -> str:
        return f"SealingKey(sha256={hashlib.sha256(self.public).hexdigest()[:16]})"

    @classmethod
    def generate(cls) -> "SealingKey":
        """Make a new random key."""
        return cls(Secret(os.urandom(SEED_BYTES)))

    @classmethod
    def from_secret(cls, seed: Secret) -> "SealingKey":
        """Rebuild the key from the 32 bytes that ``secret`` gave.

        Raises:
            ValueError: The seed is not 32 bytes long.
        """
        return cls(seed)

    def secret(self) -> Secret:
        """Give the 32 bytes from which the key can be rebuilt."""
        return Secret(self._seed.reveal())

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Open what ``seal_to_member`` sealed to this key for the same context.

        Raises:
            SealError: SEAL_INVALID; the same whatever was wrong.
        """
        if sealed[:1] != _MEMBER_VERSION:
            raise SealError
        try:
            return _SUITE.decrypt(sealed[1:], self._key, _member_information(context))
        except (InvalidTag, ValueError) as error:
            raise SealError from error


def seal_to_member(public: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Seal bytes to the holder of a sealing key; nobody can tell who sealed them.

    Args:
        public: ``SealingKey.public`` of the receiver, 1,216 bytes.
        plaintext: Any length; the sealed message is ``MEMBER_OVERHEAD_BYTES`` longer.
        context: What the message is for; the receiver has to give the same bytes.

    Raises:
        SealError: The public key is not valid.
    """
    key = _load_public(public)
    try:
        sealed = _SUITE.encrypt(plaintext, key, _member_information(context))
    except ValueError as error:
        raise SealError("the receiver's sealing key is not valid") from error
    return _MEMBER_VERSION + sealed


def check_sealing_key(public: bytes) -> None:
    """Refuse bytes to which nothing can be sealed, before they get into a charter.

    Raises:
        SealError: Wrong length, not canonical, or a point of small order.
    """
    seal_to_member(public, b"", b"")


def seal_to_indicator(content_key: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Seal bytes to whoever holds an indicator; same key, plaintext and context, same bytes.

    Args:
        content_key: The 32 secret bytes that came with the token.
        plaintext: Any length; the sealed message is ``INDICATOR_OVERHEAD_BYTES`` longer. That
            two messages are equal, and how long they are, is visible to everybody.
        context: What the message is for; the reader has to give the same bytes.

    Raises:
        ValueError: The content key is not 32 bytes long.
    """
    cipher = _indicator_cipher(content_key)
    return _INDICATOR_VERSION + cipher.encrypt(_FIXED_NONCE, plaintext, context)


def open_from_indicator(content_key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Open what ``seal_to_indicator`` sealed under the same content key and context.

    Raises:
        SealError: SEAL_INVALID; the same whatever was wrong.
        ValueError: The content key is not 32 bytes long.
    """
    cipher = _indicator_cipher(content_key)
    if sealed[:1] != _INDICATOR_VERSION:
        raise SealError
    try:
        return cipher.decrypt(_FIXED_NONCE, sealed[1:], context)
    except (InvalidTag, ValueError) as error:
        raise SealError from error


def _expand(seed: Secret) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    # Source: X-Wing (draft-connolly-cfrg-xwing-kem) section 5.2, expandDecapsulationKey.
    expanded = hashlib.shake_256(seed.reveal()).digest(_MLKEM_SEED_BYTES + X25519_PUBLIC_BYTES)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES]),
        X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:]),
    )


def _load_public(public: bytes) -> hpke.MLKEM768X25519PublicKey:
    if len(public) != PUBLIC_KEY_BYTES:
        raise SealError("the receiver's sealing key is not valid")
    try:
        return hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(public[MLKEM_PUBLIC_BYTES:]),
        )
    except ValueError as error:
        raise SealError("the receiver's sealing key is not valid") from error


def _member_information(context: bytes) -> bytes:
    return _MEMBER_LABEL + _MEMBER_VERSION + context


def _indicator_cipher(content_key: bytes) -> AESGCMSIV:
    if len(content_key) != CONTENT_KEY_BYTES:
        raise ValueError("a content key has 32 bytes")
    derivation = HKDF(hashes.SHA256(), 32, salt=None, info=_INDICATOR_LABEL + _INDICATOR_VERSION)
    return AESGCMSIV(derivation.derive(content_key))
