"""Run the oblivious function of RFC 9497, suite ristretto255-SHA512, modes OPRF and VOPRF.

The functions are the RFC's, over packed batches. POPRF is not here: its inverse of a sum does
not share linearly, so holders could not evaluate it together.
"""

import enum
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from keys.batch import Packed, count_elements, hash_all, multiply_all
from keys.errors import GroupError, RequestError
from keys.group import ELEMENT_BYTES, SCALAR_BYTES, multiply_base
from keys.scalar import (
    decode_scalar,
    encode_scalar,
    invert_all,
    random_scalars,
    reduce_wide,
)
from keys.secret import Secret

SUITE_IDENTIFIER: Final = "ristretto255-SHA512"
OUTPUT_BYTES: Final = 64
MAXIMUM_INPUT_BYTES: Final = 2**16 - 1  # the length prefix is two bytes, RFC 9497 section 1.2
_DERIVE_ATTEMPTS: Final = 256  # the counter is one byte, RFC 9497 section 3.2.1

# The padding block that opens every expansion, hashed once (RFC 9380 section 5.3.1).
_ZERO_BLOCK: Final = hashlib.sha512(bytes(128))


class Mode(enum.IntEnum):
    """Number the modes as RFC 9497 section 3.1 does."""

    OPRF = 0
    VOPRF = 1


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Hold a private scalar and its public element."""

    private: Secret
    public: bytes


@dataclass(frozen=True, slots=True)
class Blinding:
    """Hold what ``Suite.blind`` returns: the blinds to keep, the elements to send."""

    blinds: Secret = field(repr=False)
    elements: bytes


class Suite:
    """Bind the RFC's functions to one mode's context string."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.context = b"OPRFV1-" + bytes([mode]) + b"-" + SUITE_IDENTIFIER.encode()
        self.group_tag = b"HashToGroup-" + self.context
        self.scalar_tag = b"HashToScalar-" + self.context

    def hash_to_group(self, inputs: Sequence[bytes]) -> bytes:
        """Hash every input to an element, packed.

        Raises:
            GroupError: An input hashes to the identity.
        """
        return hash_all(b"".join(expand_all(inputs, self.group_tag)))

    def hash_to_scalar(self, message: bytes, tag: bytes | None = None) -> int:
        """Hash a message to a scalar under ``tag``, by default the suite's own."""
        return reduce_wide(expand_all([message], tag or self.scalar_tag)[0])

    def derive_key_pair(self, seed: bytes, information: bytes) -> KeyPair:
        """Derive a key pair from a 32-byte seed.

        Raises:
            GroupError: The seed is not 32 bytes, or no counter gives a key.

        Source: RFC 9497 section 3.2.1.
        """
        if len(seed) != SCALAR_BYTES:
            raise GroupError("a seed is 32 bytes")
        derivation = seed + length_prefixed(information)
        for counter in range(_DERIVE_ATTEMPTS):
            message = derivation + bytes([counter])
            if scalar := self.hash_to_scalar(message, b"DeriveKeyPair" + self.context):
                encoded = encode_scalar(scalar)
                return KeyPair(Secret(encoded), multiply_base(encoded))
        raise GroupError("no key can be derived from this seed")

    def blind(self, inputs: Sequence[bytes], blinds: Secret | None = None) -> Blinding:
        """Blind every input; draws the blinds unless given (32 packed bytes each)."""
        chosen = blinds if blinds is not None else random_blinds(len(inputs))
        return Blinding(chosen, multiply_all(chosen.borrow(), self.hash_to_group(inputs)))

    def evaluate(self, private: Secret, elements: Packed) -> bytes:
        """Multiply every blinded element by the private scalar."""
        return multiply_all(private.borrow(), elements)

    def unblind(self, blinds: Secret, evaluated: Packed) -> bytes:
        """Divide every evaluated element by its blind."""
        if len(blinds) != len(evaluated):
            raise GroupError("one blind for each element")
        return multiply_all(invert_packed(blinds), evaluated)

    def finalize(self, inputs: Sequence[bytes], elements: bytes) -> list[bytes]:
        """Hash inputs and unblinded elements to outputs of 64 bytes.

        Source: RFC 9497 section 3.3.1.
        """
        if count_elements(elements) != len(inputs):
            raise GroupError("one element for each input")
        digest = hashlib.sha512
        return [
            digest(
                length_prefixed(value)
                + b"\x00\x20"
                + elements[ELEMENT_BYTES * index : ELEMENT_BYTES * (index + 1)]
                + b"Finalize"
            ).digest()
            for index, value in enumerate(inputs)
        ]


def random_blinds(count: int) -> Secret:
    """Draw packed blinds, 32 bytes each."""
    return Secret(b"".join(map(encode_scalar, random_scalars(count))))


def invert_packed(blinds: Secret) -> bytes:
    """Invert packed blinds.

    Raises:
        GroupError: A blind is zero or not canonical.
    """
    packed = blinds.reveal()
    count_elements(packed)
    values = [
        decode_scalar(packed[start : start + SCALAR_BYTES])
        for start in range(0, len(packed), SCALAR_BYTES)
    ]
    return b"".join(map(encode_scalar, invert_all(values)))


def length_prefixed(value: bytes) -> bytes:
    """Prefix a value with its length in two bytes.

    Raises:
        RequestError: The value is longer than the prefix can say.
    """
    if len(value) > MAXIMUM_INPUT_BYTES:
        raise RequestError("an input is at most 65535 bytes")
    return len(value).to_bytes(2, "big") + value


def expand_all(messages: Sequence[bytes], tag: bytes) -> list[bytes]:
    """Expand each message to 64 uniform bytes with SHA-512; ``tag`` is at most 255 bytes.

    Source: RFC 9380 section 5.3.1 (expand_message_xmd), one output block.
    """
    suffix = tag + bytes([len(tag)])
    first_tail, second_tail = b"\x00\x40\x00" + suffix, b"\x01" + suffix
    start, digest = _ZERO_BLOCK.copy, hashlib.sha512
    expanded: list[bytes] = []
    for message in messages:
        state = start()
        state.update(message + first_tail)
        expanded.append(digest(state.digest() + second_tail).digest())
    return expanded
