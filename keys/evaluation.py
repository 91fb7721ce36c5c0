"""Answer a batch as a key holder, and prove the answer.

Everything here is a top-level function over bytes and frozen values, because holders evaluate
in worker processes. ``PublicKey.check_subset`` is the caller's to ask first: a share does not
know its threshold.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keys.batch import count_elements, multiply_all
from keys.errors import GroupError, RequestError
from keys.group import ELEMENT_BYTES, multiply, multiply_base
from keys.proof import UNBOUND_PROOF_ITEMS, prove, verify
from keys.scalar import lagrange, multiply_secret
from keys.secret import Secret
from keys.threshold import PublicKey, require_subset

MAXIMUM_BATCH_ITEMS: Final = 16_384  # 0.8 s of one core at a holder, 512 KiB on the wire


class CheckMode(enum.IntEnum):
    """Choose how the client checks the holders; the numbers stand on the wire."""

    SUM = 1
    STRICT = 2
    RFC = 3


@dataclass(frozen=True, slots=True)
class PartialEvaluation:
    """Hold one holder's answer; all of it is public.

    Attributes:
        elements: The blinded elements times the holder's part, packed; empty where only a
            check point was asked.
        check_element: The check point times the holder's part, or empty.
        proof: For a check point its proof; in RFC mode the proof of ``elements``; else empty.
    """

    elements: bytes
    check_element: bytes
    proof: bytes


def evaluate_batch(
    share: Secret,
    index: int,
    subset: Sequence[int],
    blinded: bytes,
    check_point: bytes | None,
    mode: CheckMode,
) -> PartialEvaluation:
    """Multiply a batch by the holder's share, its Lagrange coefficient folded in.

    Args:
        share: The holder's share, 32 bytes.
        index: The holder's index.
        subset: Holders that answer this batch, ascending.
        blinded: Packed elements; empty in a STRICT second request.
        check_point: One element or None (or empty): SUM always has one, STRICT has it in the
            second request alone, RFC never.
        mode: The check that the client chose.

    Raises:
        RequestError: Size, holder set or the parts do not fit the mode.
        GroupError: An element is not canonical, or is the identity; names its index.
    """
    require_request(blinded, check_point, mode)
    part = _part(share, index, subset)
    try:
        elements = multiply_all(part.borrow(), blinded)
        if check_point:
            return _with_check_element(part, elements, check_point)
        proof = b""
        if mode is CheckMode.RFC:
            public = multiply_base(part.borrow())
            proof = prove(part, public, blinded, elements, bind=_needs_binding(blinded))
        return PartialEvaluation(elements, b"", proof)
    finally:
        part.wipe()


def require_request(blinded: bytes, check_point: bytes | None, mode: CheckMode) -> None:
    """Accept only a request whose parts fit its mode and size limits.

    Raises:
        RequestError: They do not.
    """
    has_batch, has_check = bool(blinded), bool(check_point)
    fits = {
        CheckMode.SUM: has_batch and has_check,
        CheckMode.STRICT: has_batch is not has_check,
        CheckMode.RFC: has_batch and not has_check,
    }
    if not fits[mode]:
        raise RequestError("batch and check point do not fit the mode")
    if len(blinded) % ELEMENT_BYTES or (check_point and len(check_point) != ELEMENT_BYTES):
        raise RequestError("elements are 32 bytes each")
    if len(blinded) > ELEMENT_BYTES * MAXIMUM_BATCH_ITEMS:
        raise RequestError(f"a batch holds at most {MAXIMUM_BATCH_ITEMS} items")


def verify_check_element(
    public: PublicKey,
    index: int,
    subset: Sequence[int],
    check_point: bytes,
    partial: PartialEvaluation,
) -> None:
    """Verify a holder's answer to a check point.

    Raises:
        ProofError: The answer is wrong, and that is provable.
    """
    key = public.partial_key(index, subset)
    verify(key, check_point, partial.check_element, partial.proof)


def verify_elements(
    public: PublicKey,
    index: int,
    subset: Sequence[int],
    blinded: bytes,
    partial: PartialEvaluation,
) -> None:
    """Verify a holder's RFC mode answer.

    Raises:
        ProofError: The answer is wrong, and that is provable.
    """
    key = public.partial_key(index, subset)
    verify(key, blinded, partial.elements, partial.proof, bind=_needs_binding(blinded))


def prove_batch(
    share: Secret, index: int, subset: Sequence[int], blinded: bytes, elements: bytes
) -> bytes:
    """Prove after a failed check that ``elements`` is this holder's right answer.

    The proof binds the whole batch, so its size does not weaken it. Wrong elements give a
    proof that does not verify.

    Raises:
        ProofError: The batch is empty or uneven.
        RequestError: The holder set does not fit.
    """
    part = _part(share, index, subset)
    try:
        return prove(part, multiply_base(part.borrow()), blinded, elements, bind=True)
    finally:
        part.wipe()


def verify_batch_proof(
    public: PublicKey,
    index: int,
    subset: Sequence[int],
    blinded: bytes,
    elements: bytes,
    proof: bytes,
) -> None:
    """Verify a proof of ``prove_batch``; anyone can, against the holder's signed response.

    Raises:
        ProofError: The holder answered wrongly or proves badly: it is to blame.
        RequestError: The holder set is not one of this key.
    """
    public.check_subset(subset)
    verify(public.partial_key(index, subset), blinded, elements, proof, bind=True)


def _part(share: Secret, index: int, subset: Sequence[int]) -> Secret:
    require_subset(subset)
    return multiply_secret(lagrange(index, subset), share)


def _with_check_element(part: Secret, elements: bytes, check_point: bytes) -> PartialEvaluation:
    try:
        check_element = multiply(part.borrow(), check_point)
    except GroupError as error:
        raise GroupError("the check point is not valid") from error
    proof = prove(part, multiply_base(part.borrow()), check_point, check_element)
    return PartialEvaluation(elements, check_element, proof)


def _needs_binding(blinded: bytes) -> bool:
    return count_elements(blinded) > UNBOUND_PROOF_ITEMS
