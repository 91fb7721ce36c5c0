"""Seal each holder's share to it, bound to its sum, contributor and holder; and open it again."""

from collections.abc import Mapping
from typing import Final

from federation.names import MemberId
from federation.prime_field import ELEMENT_BYTES
from federation.statements.sums import SumShares
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.field import Vector, decode_elements, encode_elements
from federation.sums.opening import Sum
from keys.errors import SealError, SignatureError
from keys.sealing import MEMBER_OVERHEAD_BYTES, SealingKey, seal_to_member
from keys.signing import SigningKey, verify_signature

SHARES_CONTEXT: Final = "sum-shares/v1"


def sealed_bytes(opened: Sum) -> int:
    """Return how long every sealed share of a sum is."""
    return MEMBER_OVERHEAD_BYTES + ELEMENT_BYTES * opened.layout.length


def seal_shares(
    opened: Sum,
    contributor: MemberId,
    rows: Vector,
    keys: Mapping[MemberId, bytes],
    signing_key: SigningKey,
) -> SumShares:
    """Seal one row to each holder, in their order, and sign them together.

    A signature, because a holder that combines altered shares under the same masks again would
    publish more of them than it may.

    Raises:
        SumRefusedError: SUM_REFUSED; a holder has no usable sealing key.
    """
    sealed = []
    for holder, row in zip(opened.opening.holders, rows, strict=True):
        context = opened.share_context(contributor, holder)
        try:
            sealed.append(seal_to_member(keys[holder], encode_elements(row), context))
        except (KeyError, SealError) as error:
            raise SumRefusedError(
                f"nothing can be sealed to {holder}", reason="SUM_REFUSED"
            ) from error
    message = opened.shares_digest(contributor, sealed)
    signature = signing_key.sign(SHARES_CONTEXT, message)
    return SumShares(opened.opening.sum_id, tuple(sealed), signature)


def is_signed(shares: SumShares, digest: bytes, public: bytes | None) -> bool:
    """Say whether the contributor signed these shares, whose digest is given."""
    try:
        verify_signature(public or b"", SHARES_CONTEXT, digest, shares.signature)
    except SignatureError:
        return False
    return True


def open_share(
    opened: Sum, contributor: MemberId, shares: SumShares, holder: MemberId, key: SealingKey
) -> Vector:
    """Open the share that is this holder's.

    Raises:
        SumFaultError: SHARE_INVALID, naming the contributor: made for another sum, contributor,
            holder or labels, not sealed at all, or no vector of this length.
    """
    place = opened.index(holder) - 1
    try:
        plain = key.open(shares.sealed_shares[place], opened.share_context(contributor, holder))
        return decode_elements(plain, opened.layout.length)
    except (IndexError, SealError, SumRefusedError) as error:
        raise SumFaultError(
            f"the share of {contributor} is wrong", reason="SHARE_INVALID", members=(contributor,)
        ) from error
