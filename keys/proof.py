"""Prove that one scalar links many pairs of elements: batched DLEQ.

``bind=False`` is RFC 9497 section 2.2 byte for byte, for at most 64 items. Its weights bind
items one by one, so a prover who chooses a large batch freely can forge it with a generalised
birthday attack. ``bind=True`` puts a hash of the whole batch into the weights' seed; it is not
interoperable and holds for any size.
"""

import hashlib
import hmac
from typing import Final

from keys.batch import count_elements, multiply_all, sum_elements
from keys.errors import KeysError, ProofError
from keys.group import ELEMENT_BYTES, SCALAR_BYTES, add, multiply, multiply_base
from keys.oprf import Mode, Suite, expand_all, length_prefixed
from keys.scalar import (
    decode_scalar,
    encode_scalar,
    multiply_secret,
    random_secret,
    reduce_wide,
    subtract_secrets,
)
from keys.secret import Secret

# The birthday attack on unbound weights costs 2^36 at 256 items (CRYPTO.md section 5); at 64
# it is far above what a holder can do while a client waits.
UNBOUND_PROOF_ITEMS: Final = 64
BOUND_PROOF_ITEMS: Final = 2**16 - 1  # the item's index is two bytes

_SUITE: Final = Suite(Mode.VOPRF)


def prove(
    private: Secret,
    public: bytes,
    elements: bytes,
    evaluated: bytes,
    *,
    bind: bool = False,
    nonce: Secret | None = None,
) -> bytes:
    """Prove ``evaluated[i] = private * elements[i]`` for all i, and ``public = private * G``.

    Args:
        private: The scalar.
        public: Its element.
        elements: Packed elements.
        evaluated: Packed elements, as many.
        bind: Bind the whole batch into the weights.
        nonce: Only for published vectors; drawn otherwise, and never to be reused.

    Raises:
        ProofError: The batch is empty, uneven or too large for the variant.
        GroupError: An element is not valid.

    Source: RFC 9497 section 2.2.1.
    """
    weights = _weights(public, elements, evaluated, bind=bind)
    composite = sum_elements(multiply_all(weights, elements))
    image = multiply(private.borrow(), composite)
    fresh = nonce or random_secret()
    commitments = multiply_base(fresh.borrow()), multiply(fresh.borrow(), composite)
    challenge = _challenge(public, composite, image, *commitments)
    response = subtract_secrets(fresh, multiply_secret(challenge, private))
    return encode_scalar(challenge) + response.reveal()


def verify(
    public: bytes, elements: bytes, evaluated: bytes, proof: bytes, *, bind: bool = False
) -> None:
    """Verify a proof of ``prove`` with the same ``bind``.

    Raises:
        ProofError: The proof does not hold, whatever the reason; the cause is chained.

    Source: RFC 9497 section 2.2.2.
    """
    try:
        expected = _recomputed_challenge(public, elements, evaluated, proof, bind=bind)
    except KeysError as error:
        raise ProofError from error
    if not hmac.compare_digest(expected, proof[:SCALAR_BYTES]):
        raise ProofError


def _recomputed_challenge(
    public: bytes, elements: bytes, evaluated: bytes, proof: bytes, *, bind: bool
) -> bytes:
    challenge, response = proof[:SCALAR_BYTES], proof[SCALAR_BYTES:]
    decode_scalar(challenge)
    decode_scalar(response)
    weights = _weights(public, elements, evaluated, bind=bind)
    composite = sum_elements(multiply_all(weights, elements))
    image = sum_elements(multiply_all(weights, evaluated))
    first = add(multiply_base(response), multiply(challenge, public))
    second = add(multiply(response, composite), multiply(challenge, image))
    return encode_scalar(_challenge(public, composite, image, first, second))


def _weights(public: bytes, elements: bytes, evaluated: bytes, *, bind: bool) -> bytes:
    _require_batch(elements, evaluated, BOUND_PROOF_ITEMS if bind else UNBOUND_PROOF_ITEMS)
    prefix = length_prefixed(_seed(public, elements, evaluated, bind=bind))
    messages = []
    for index in range(len(elements) // ELEMENT_BYTES):
        span = slice(ELEMENT_BYTES * index, ELEMENT_BYTES * (index + 1))
        pair = b"\x00\x20" + elements[span] + b"\x00\x20" + evaluated[span]
        messages.append(prefix + index.to_bytes(2, "big") + pair + b"Composite")
    expanded = expand_all(messages, _SUITE.scalar_tag)
    return b"".join([encode_scalar(reduce_wide(wide)) for wide in expanded])


def _seed(public: bytes, elements: bytes, evaluated: bytes, *, bind: bool) -> bytes:
    if not bind:
        tag = b"Seed-" + _SUITE.context
        return hashlib.sha512(length_prefixed(public) + length_prefixed(tag)).digest()
    tag = b"BoundSeed-" + _SUITE.context
    batch = hashlib.sha512(elements + evaluated).digest()
    return hashlib.sha512(length_prefixed(public) + length_prefixed(tag) + batch).digest()


def _challenge(*elements: bytes) -> int:
    return _SUITE.hash_to_scalar(b"".join(map(length_prefixed, elements)) + b"Challenge")


def _require_batch(elements: bytes, evaluated: bytes, maximum: int) -> None:
    if len(elements) != len(evaluated):
        raise ProofError("the batches differ in length")
    if not 0 < count_elements(elements) <= maximum:
        raise ProofError(f"a proof of this kind covers 1 to {maximum} items")
