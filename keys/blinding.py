"""Blind a batch as a client, and turn the holders' answers into tokens once they are checked.

The three checks, for blinds r, hashes H, blinded elements C = rH, answers D and N = D/r:

SUM     M = q·ΣH goes out with the batch; accept iff ΣN = ΣZ/q. Inputs must be distinct.
STRICT  weights w are drawn after the answers, M = Σw·C; accept iff Σw·D = ΣZ.
RFC     each holder proves its own batch (RFC 9497; bound above 64 items).

Z are the holders' answers to M, each with a proof. No token leaves before its check holds.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

from keys.batch import add_all, multiply_all, refuse_identity, sum_elements
from keys.derivation import TokenKey, split_output
from keys.errors import CheckError, GroupError, ProofError, RequestError
from keys.evaluation import (
    MAXIMUM_BATCH_ITEMS,
    CheckMode,
    PartialEvaluation,
    verify_check_element,
    verify_elements,
)
from keys.group import ELEMENT_BYTES, SCALAR_BYTES, multiply
from keys.oprf import Mode, Suite, invert_packed, random_blinds
from keys.secret import Secret
from keys.threshold import PublicKey

MINIMUM_BATCH_ITEMS: Final = 64  # smaller batches are padded: a count is the only thing seen
DECOY_BYTES: Final = 32  # random part of a decoy's input: nobody can hit it
WEIGHT_BYTES: Final = 16  # STRICT errs with probability 2^-128

_DECOY_PREFIX: Final = b"TOCSIN-DECOY"  # differs from "TOCSIN1", so never a token's input
_SUITE: Final = Suite(Mode.VOPRF)

Partials = Mapping[int, PartialEvaluation]


@dataclass(frozen=True, slots=True)
class BlindedBatch:
    """Hold a client's side of one batch; ``blinded`` and ``check_point`` go to the holders.

    Attributes:
        mode: How the holders will be checked.
        inputs: The token inputs, raw identifiers among them: never sent, logged or shown.
        blinds: One scalar for each blinded element, packed.
        blinded: Packed elements; decoys follow the inputs.
        check_point: In SUM mode the check point, else empty.
        check_blind: In SUM mode the scalar q, else empty.
    """

    mode: CheckMode
    inputs: tuple[bytes, ...] = field(repr=False)
    blinds: Secret = field(repr=False)
    blinded: bytes = field(repr=False)
    check_point: bytes
    check_blind: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class StrictChallenge:
    """Hold a STRICT challenge, drawn after the answers; only ``check_point`` is sent.

    Attributes:
        check_point: The weighted sum of the blinded elements.
        expected: The weighted sum of the combined answers.
        combined: The combined answers, frozen when the weights were drawn.
        batch_digest: SHA-256 of the blinded elements, so that batches cannot be mixed up.
    """

    check_point: bytes
    expected: bytes = field(repr=False)
    combined: bytes = field(repr=False)
    batch_digest: bytes = field(repr=False)


def blind_batch(
    inputs: Sequence[bytes], mode: CheckMode, pad_to: int = MINIMUM_BATCH_ITEMS
) -> BlindedBatch:
    """Blind inputs, padded with decoys to at least ``pad_to`` elements.

    Raises:
        RequestError: No input, too many, or one twice (the SUM check needs distinct inputs).
    """
    if not 1 <= max(len(inputs), pad_to) <= MAXIMUM_BATCH_ITEMS or not inputs:
        raise RequestError(f"a batch holds 1 to {MAXIMUM_BATCH_ITEMS} items")
    if len(set(inputs)) != len(inputs):
        raise RequestError("the inputs of a batch are distinct")
    hashes = _SUITE.hash_to_group([*inputs, *_decoys(pad_to - len(inputs))])
    blinds = random_blinds(len(hashes) // ELEMENT_BYTES)
    blinded = multiply_all(blinds.borrow(), hashes)
    check_point, check_blind = b"", Secret(b"")
    if mode is CheckMode.SUM:
        check_blind = random_blinds(1)
        check_point = multiply(check_blind.borrow(), sum_elements(hashes))
    return BlindedBatch(mode, tuple(inputs), blinds, blinded, check_point, check_blind)


def strict_challenge(
    batch: BlindedBatch, public: PublicKey, subset: Sequence[int], partials: Partials
) -> StrictChallenge:
    """Draw weights over the answers of a STRICT batch.

    Raises:
        CheckError: An answer is missing or not a batch of elements.
        RequestError: The batch is of another mode, or the holder set does not fit the key.
    """
    _require_mode(batch, CheckMode.STRICT)
    combined = _combine(batch, public, subset, partials)
    weights = _random_weights(len(combined) // ELEMENT_BYTES)
    return StrictChallenge(
        check_point=sum_elements(multiply_all(weights, batch.blinded)),
        expected=sum_elements(multiply_all(weights, combined)),
        combined=combined,
        batch_digest=hashlib.sha256(batch.blinded).digest(),
    )


def finish_batch(
    batch: BlindedBatch, public: PublicKey, subset: Sequence[int], partials: Partials
) -> list[TokenKey]:
    """Check the answers to a SUM or RFC batch and return its tokens, in the inputs' order.

    Args:
        batch: From ``blind_batch``.
        public: The key's public side in the share epoch that the holders used.
        subset: The holders asked, ascending, exactly the threshold.
        partials: Each one's answer, by index.

    Raises:
        CheckError: The answers are wrong; no token is returned.
        RequestError: The batch is STRICT, or the holder set does not fit the key.
    """
    _require_mode(batch, CheckMode.SUM, CheckMode.RFC)
    combined = _combine(batch, public, subset, partials)
    if batch.mode is CheckMode.RFC:
        _verify_each(
            partials, lambda i: verify_elements(public, i, subset, batch.blinded, partials[i])
        )
        return _tokens(batch, _divide(combined, batch.blinds))
    _verify_check_elements(public, subset, batch.check_point, partials)
    elements = _divide(combined, batch.blinds)
    answered = sum_elements(b"".join(partials[index].check_element for index in subset))
    _require_equal(_divide(answered, batch.check_blind), elements)
    return _tokens(batch, elements)


def finish_strict(
    batch: BlindedBatch,
    public: PublicKey,
    subset: Sequence[int],
    challenge: StrictChallenge,
    answers: Partials,
) -> list[TokenKey]:
    """Check the answers to a STRICT challenge and return the batch's tokens, in order.

    Raises:
        CheckError: The answers are wrong; no token is returned.
        RequestError: Batch, challenge and holder set do not belong together.
    """
    _require_mode(batch, CheckMode.STRICT)
    if challenge.batch_digest != hashlib.sha256(batch.blinded).digest():
        raise RequestError("the challenge belongs to another batch")
    _require_answers(public, subset, answers)
    _verify_check_elements(public, subset, challenge.check_point, answers)
    answered = b"".join(answers[index].check_element for index in subset)
    _require_equal(challenge.expected, answered)
    return _tokens(batch, _divide(challenge.combined, batch.blinds))


def _decoys(count: int) -> list[bytes]:
    return [_DECOY_PREFIX + secrets.token_bytes(DECOY_BYTES) for _ in range(count)]


def _random_weights(count: int) -> bytes:
    high = bytes(SCALAR_BYTES - WEIGHT_BYTES)
    return b"".join([secrets.token_bytes(WEIGHT_BYTES) + high for _ in range(count)])


def _require_mode(batch: BlindedBatch, *modes: CheckMode) -> None:
    if batch.mode not in modes:
        raise RequestError(f"a {batch.mode.name} batch is finished another way")


def _require_answers(public: PublicKey, subset: Sequence[int], partials: Partials) -> None:
    public.check_subset(subset)
    if set(partials) != set(subset):
        raise CheckError("an answer from each holder asked, and from no other")


def _combine(
    batch: BlindedBatch, public: PublicKey, subset: Sequence[int], partials: Partials
) -> bytes:
    _require_answers(public, subset, partials)
    rows = {index: partials[index].elements for index in subset}
    short = [index for index, row in rows.items() if len(row) != len(batch.blinded)]
    if short:
        raise CheckError("an answer is not of the batch's size", suspects=short)
    try:
        for row in rows.values():
            refuse_identity(row)
        # Adding to the identity makes sure that a single row is decoded too.
        first = [] if len(rows) > 1 else [bytes(len(batch.blinded))]
        combined = reduce(add_all, [*first, *rows.values()])
        refuse_identity(combined)
    except GroupError as error:
        suspects = [index for index, row in rows.items() if not _all_decode(row)]
        raise CheckError("an answer holds invalid elements", suspects=suspects) from error
    return combined


def _all_decode(row: bytes) -> bool:
    try:
        refuse_identity(row)
        sum_elements(row)
    except GroupError:
        return False
    return True


def _divide(elements: bytes, blinds: Secret) -> bytes:
    try:
        return multiply_all(invert_packed(blinds), elements)
    except GroupError as error:
        raise CheckError("the answers combine to invalid elements") from error


def _verify_check_elements(
    public: PublicKey, subset: Sequence[int], check_point: bytes, partials: Partials
) -> None:
    _verify_each(
        partials, lambda i: verify_check_element(public, i, subset, check_point, partials[i])
    )


def _verify_each(partials: Partials, verify_one: Callable[[int], None]) -> None:
    suspects = []
    for index in sorted(partials):
        try:
            verify_one(index)
        except ProofError:
            suspects.append(index)
    if suspects:
        raise CheckError("a holder's proof does not hold", suspects=suspects)


def _require_equal(left: bytes, right: bytes) -> None:
    if sum_elements(left) != sum_elements(right):
        raise CheckError


def _tokens(batch: BlindedBatch, elements: bytes) -> list[TokenKey]:
    kept = elements[: ELEMENT_BYTES * len(batch.inputs)]
    return [split_output(output) for output in _SUITE.finalize(batch.inputs, kept)]
