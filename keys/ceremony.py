"""Deal shares of a key that nobody holds: new keys, refreshes and reshares.

Every dealer commits to a polynomial (Feldman) and gives each receiver its value at the
receiver's index; shares and commitments of all dealers add up. A new key or a reshare carries
a proof that the dealer knows its constant term, so no dealer can cancel the others out.

A caller's round: collect deals, ``verify_deal_*`` each, ``verify_share`` one's own from each,
then ``combine_shares`` and ``combine_commitments`` over the same dealers. Agreement on which
deals count is the transcript's job, one floor up.

Source: Pedersen's DKG with the proofs of FROST key generation (DESIGN §5).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from keys.batch import add_all
from keys.errors import CeremonyError, GroupError, KeysError, RequestError
from keys.group import ELEMENT_BYTES, IDENTITY, SCALAR_BYTES, add, is_valid, multiply, multiply_base
from keys.oprf import length_prefixed
from keys.scalar import (
    add_secrets,
    encode_scalar,
    evaluate_polynomial,
    lagrange,
    multiply_secret,
    random_secret,
    reduce_wide,
    require_secret_scalar,
)
from keys.secret import Secret
from keys.threshold import MAXIMUM_HOLDERS, PublicKey, evaluate_commitments, require_subset

_POSSESSION_TAG: Final = b"TOCSIN-POSSESSION-1"


@dataclass(frozen=True, slots=True)
class Deal:
    """Hold the public part of one dealer's contribution.

    Attributes:
        dealer: Index of the dealer, 1 to 255.
        commitments: One element for each coefficient, constant term first.
        proof: Proof of possession of the constant term, 64 bytes; empty for a refresh, whose
            constant term is zero.
    """

    dealer: int
    commitments: tuple[bytes, ...]
    proof: bytes


Dealt = tuple[Deal, dict[int, Secret]]


def deal_new(dealer: int, threshold: int, receivers: Sequence[int], context: bytes) -> Dealt:
    """Deal one contribution to a new key.

    Returns:
        The public deal, and each receiver's secret share of it.

    Raises:
        RequestError: The indexes or the threshold make no sense.
    """
    return _deal(dealer, random_secret(), threshold, receivers, context)


def deal_refresh(dealer: int, threshold: int, receivers: Sequence[int], context: bytes) -> Dealt:
    """Deal a polynomial with constant term zero: the key stays, every share changes."""
    zero = Secret(bytes(SCALAR_BYTES))
    return _deal(dealer, zero, threshold, receivers, context)


def deal_reshare(
    dealer: int,
    old_share: Secret,
    old_public: PublicKey,
    dealers: Sequence[int],
    threshold: int,
    receivers: Sequence[int],
    context: bytes,
) -> Dealt:
    """Deal an old holder's part of the key to new holders, under a new threshold.

    Args:
        dealer: Index under which ``old_share`` is held.
        old_share: The dealer's share of the old sharing.
        old_public: Public key of the old sharing.
        dealers: All old holders that deal, ascending, at least the old threshold.
        threshold: The new threshold.
        receivers: Indexes of the new holders, ascending.
        context: What this ceremony is bound to.

    Raises:
        CeremonyError: The share is not the dealer's share under ``old_public``.
        RequestError: The indexes or thresholds make no sense.
    """
    _require_dealers(dealers, old_public)
    if multiply_base(old_share.borrow()) != old_public.holder_key(dealer):
        raise CeremonyError("the old share does not fit the old public key", dealer=dealer)
    part = multiply_secret(lagrange(dealer, dealers), old_share)
    return _deal(dealer, part, threshold, receivers, context)


def verify_deal_new(deal: Deal, threshold: int, context: bytes) -> None:
    """Verify the public part of a contribution to a new key.

    Raises:
        CeremonyError: It is not valid; names the dealer.
    """
    _verify_shape(deal, threshold)
    _verify_possession(deal, context)


def verify_deal_refresh(deal: Deal, threshold: int, context: bytes) -> None:
    """Verify a refresh: its constant term is zero, so the key cannot change.

    ``context`` binds nothing here, since a refresh carries no proof; it keeps the three alike.

    Raises:
        CeremonyError: It is not valid; names the dealer.
    """
    _verify_shape(deal, threshold)
    if deal.commitments[0] != IDENTITY or deal.proof:
        raise CeremonyError("a refresh has constant term zero and no proof", dealer=deal.dealer)


def verify_deal_reshare(
    deal: Deal, old_public: PublicKey, dealers: Sequence[int], threshold: int, context: bytes
) -> None:
    """Verify a reshare: its constant term is the dealer's part of the old key.

    Raises:
        CeremonyError: It is not valid; names the dealer.
    """
    _verify_shape(deal, threshold)
    _verify_possession(deal, context)
    try:
        _require_dealers(dealers, old_public)
        expected = old_public.partial_key(deal.dealer, dealers)
    except KeysError as error:
        raise CeremonyError("the dealer is not one of the old set", dealer=deal.dealer) from error
    if deal.commitments[0] != expected:
        raise CeremonyError("the dealer deals something else than its share", dealer=deal.dealer)


def verify_share(deal: Deal, receiver: int, share: Secret) -> None:
    """Verify that a secret share lies on the committed polynomial of a verified deal.

    Raises:
        CeremonyError: It does not; names the dealer. Share and deal are then the evidence.
    """
    try:
        expected = evaluate_commitments(deal.commitments, receiver)
        holds = _commit(require_secret_scalar(share)) == expected
    except GroupError as error:
        raise CeremonyError("the share is not a scalar", dealer=deal.dealer) from error
    if not holds:
        raise CeremonyError("the share does not fit the deal", dealer=deal.dealer)


def combine_shares(shares: Sequence[Secret]) -> Secret:
    """Add the shares that one holder received, and for a refresh its old share too.

    Raises:
        CeremonyError: There are none.
        GroupError: A share is not a scalar.
    """
    if not shares:
        raise CeremonyError("nothing to combine")
    return reduce(add_secrets, shares, Secret(bytes(SCALAR_BYTES)))


def combine_commitments(deals: Sequence[Deal], previous: PublicKey | None) -> PublicKey:
    """Add up verified deals to the public key of the new sharing.

    Args:
        deals: All of one kind: new, refresh (no proof) or reshare, one for each dealer.
        previous: None for a new key; else the key that must stay the same.

    Raises:
        CeremonyError: The deals do not belong together, or would change the previous key.
    """
    rows = [b"".join(deal.commitments) for deal in deals]
    if not rows or len({deal.dealer for deal in deals}) != len(deals):
        raise CeremonyError("one deal for each dealer, at least one")
    if len(set(map(len, rows))) != 1 or len({not deal.proof for deal in deals}) != 1:
        raise CeremonyError("the deals are not of one kind")
    is_refresh = not deals[0].proof
    if is_refresh:
        rows.append(_refreshed_row(previous, len(rows[0])))
    try:
        total = reduce(add_all, rows)
        size = ELEMENT_BYTES
        parts = tuple(total[start : start + size] for start in range(0, len(total), size))
        public = PublicKey(len(parts), parts)
    except GroupError as error:
        raise CeremonyError("the deals add up to no valid key") from error
    if previous is not None and public.element != previous.element:
        raise CeremonyError("the deals would change the key")
    return public


def _refreshed_row(previous: PublicKey | None, length: int) -> bytes:
    if previous is None:
        raise CeremonyError("a refresh needs the key it refreshes")
    row = b"".join(previous.commitments)
    if len(row) != length:
        raise CeremonyError("a refresh keeps the threshold")
    return row


def _deal(
    dealer: int, constant: Secret, threshold: int, receivers: Sequence[int], context: bytes
) -> Dealt:
    require_subset([dealer])
    require_subset(receivers)
    if not 1 <= threshold <= len(receivers):
        raise RequestError("the threshold is from 1 to the number of receivers")
    coefficients = [constant, *(random_secret() for _ in range(threshold - 1))]
    commitments = tuple(map(_commit, coefficients))
    shares = {receiver: evaluate_polynomial(coefficients, receiver) for receiver in receivers}
    proof = b""
    if commitments[0] != IDENTITY:
        proof = _prove_possession(dealer, constant, commitments, context)
    return Deal(dealer, commitments, proof), shares


def _commit(coefficient: Secret) -> bytes:
    # The library refuses zero, which is a refresh's constant term.
    if coefficient == Secret(bytes(SCALAR_BYTES)):
        return IDENTITY
    return multiply_base(coefficient.borrow())


def _prove_possession(
    dealer: int, constant: Secret, commitments: tuple[bytes, ...], context: bytes
) -> bytes:
    nonce = random_secret()
    announcement = multiply_base(nonce.borrow())
    challenge = _possession_challenge(dealer, commitments, context, announcement)
    return announcement + add_secrets(nonce, multiply_secret(challenge, constant)).reveal()


def _verify_possession(deal: Deal, context: bytes) -> None:
    announcement, response = deal.proof[:ELEMENT_BYTES], deal.proof[ELEMENT_BYTES:]
    challenge = _possession_challenge(deal.dealer, deal.commitments, context, announcement)
    try:
        require_secret_scalar(Secret(response))
        expected = add(announcement, multiply(encode_scalar(challenge), deal.commitments[0]))
        holds = multiply_base(response) == expected
    except GroupError as error:
        raise CeremonyError("malformed proof of possession", dealer=deal.dealer) from error
    if not holds:
        raise CeremonyError("the proof of possession does not hold", dealer=deal.dealer)


def _possession_challenge(
    dealer: int, commitments: tuple[bytes, ...], context: bytes, announcement: bytes
) -> int:
    binding = hashlib.sha512(context).digest() + bytes([dealer, len(commitments)])
    message = length_prefixed(_POSSESSION_TAG) + binding + b"".join(commitments) + announcement
    return reduce_wide(hashlib.sha512(message).digest())


def _verify_shape(deal: Deal, threshold: int) -> None:
    fits = (
        1 <= deal.dealer <= MAXIMUM_HOLDERS
        and len(deal.commitments) == threshold
        and 1 <= threshold <= MAXIMUM_HOLDERS
        # Only the constant term may be the identity, and only a refresh's (checked there).
        and all(map(is_valid, deal.commitments[1:]))
        and (deal.commitments[0] == IDENTITY or is_valid(deal.commitments[0]))
    )
    if not fits:
        raise CeremonyError("malformed deal", dealer=deal.dealer)


def _require_dealers(dealers: Sequence[int], old_public: PublicKey) -> None:
    require_subset(dealers)
    if len(dealers) < old_public.threshold:
        raise RequestError(f"at least {old_public.threshold} old holders deal")
