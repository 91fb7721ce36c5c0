r"""Ed25519 signatures, each bound to the context it was made for.

What is signed is ``b"tocsin/" + context + b"\0" + message``: a signature made for one context is
worth nothing in another, and since a signed note holds no zero byte, none is worth anything there.
"""

import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from keys.errors import SignatureError
from keys.secret import Secret

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
SEED_BYTES = 32

_PREFIX = b"tocsin/"
_CONTEXT = re.compile(r"[a-z0-9][a-z0-9/._-]*")

# The y coordinates, without the sign bit, of the eight points of small order, and those of 0 and 1
# again in their non-canonical form. Under such a "key" anybody can sign anything, and OpenSSL
# accepts it, so blame that rests on a signature would not be transferable.
_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


class SigningKey:
    """A member's Ed25519 key; its public half stands in the charter."""

    __slots__ = ("_key", "public")

    public: bytes
    """32 bytes."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"

    @classmethod
    def generate(cls) -> "SigningKey":
        """Make a new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: Secret) -> "SigningKey":
        """Rebuild the key from its 32-byte seed.

        Raises:
            ValueError: The seed is not 32 bytes long.
        """
        return cls(Ed25519PrivateKey.from_private_bytes(seed.reveal()))

    def seed(self) -> Secret:
        """Give the 32 bytes from which the key can be rebuilt."""
        return Secret(self._key.private_bytes_raw())

    def sign(self, context: str, message: bytes) -> bytes:
        """Sign a message for one purpose.

        Args:
            context: What the signature is for, such as ``"evaluation/v1"``; a constant of the code.
            message: The bytes that are signed, of any length.

        Returns:
            64 bytes.

        Raises:
            ValueError: The context has a character other than lower-case letters, digits, /._-.
        """
        return self._key.sign(_bind(context, message))

    def sign_raw(self, message: bytes) -> bytes:
        """Sign a message without a context, for formats that allow none (signed notes).

        Raises:
            ValueError: The message holds a zero byte, so it could pass for one with a context.
        """
        if b"\0" in message:
            raise ValueError("a message signed without a context must not hold a zero byte")
        return self._key.sign(message)


def verify_signature(public: bytes, context: str, message: bytes, signature: bytes) -> None:
    """Check a signature made by ``SigningKey.sign`` for the same context.

    Raises:
        SignatureError: SIGNATURE_INVALID; the same whatever was wrong.

    Source: RFC 8032 section 5.1.7.
    """
    _verify(public, _bind(context, message), signature)


def verify_raw(public: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature made by ``SigningKey.sign_raw``.

    Raises:
        SignatureError: SIGNATURE_INVALID; the same whatever was wrong.
    """
    if b"\0" in message:
        raise SignatureError("the signature does not verify")
    _verify(public, message, signature)


def check_public_key(public: bytes) -> None:
    """Refuse bytes that are no usable public key, before they get into a charter.

    Raises:
        SignatureError: SIGNATURE_INVALID; the length is wrong or the point has small order.
    """
    _load(public)


def _bind(context: str, message: bytes) -> bytes:
    if _CONTEXT.fullmatch(context) is None:
        raise ValueError("a context is lower-case letters, digits and /._-")
    return _PREFIX + context.encode() + b"\0" + message


def _load(public: bytes) -> Ed25519PublicKey:
    if len(public) != PUBLIC_KEY_BYTES or _without_sign(public) in _SMALL_ORDER:
        raise SignatureError("the public key is not one that can sign")
    return Ed25519PublicKey.from_public_bytes(public)


def _without_sign(public: bytes) -> bytes:
    return public[:-1] + bytes([public[-1] & 0x7F])


def _verify(public: bytes, message: bytes, signature: bytes) -> None:
    key = _load(public)
    try:
        key.verify(signature, message)
    except InvalidSignature as error:
        raise SignatureError("the signature does not verify") from error
