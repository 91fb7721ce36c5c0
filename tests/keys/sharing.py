"""Deal whole sharings in one process, for the tests of tokens and ceremonies."""

from collections.abc import Sequence
from dataclasses import dataclass

from keys.ceremony import (
    Deal,
    combine_commitments,
    combine_shares,
    deal_new,
    deal_refresh,
    deal_reshare,
    verify_deal_new,
    verify_deal_refresh,
    verify_deal_reshare,
    verify_share,
)
from keys.secret import Secret
from keys.threshold import PublicKey
from keys.tokens import (
    BlindedBatch,
    CheckMode,
    PartialEvaluation,
    TokenKey,
    blind_batch,
    evaluate_batch,
    finish_batch,
    finish_strict,
    strict_challenge,
    token_input,
)

CONTEXT = b"federation/phone/epoch 1"
INPUTS = [token_input("test.example", 1, b"+8613800%06d" % number) for number in range(70)]


@dataclass(frozen=True)
class Sharing:
    public: PublicKey
    shares: dict[int, Secret]


def _collect(dealt: Sequence[tuple[Deal, dict[int, Secret]]], receiver: int) -> list[Secret]:
    for deal, shares in dealt:
        verify_share(deal, receiver, shares[receiver])
    return [shares[receiver] for _, shares in dealt]


def deal_sharing(threshold: int, holders: Sequence[int]) -> Sharing:
    dealt = [deal_new(holder, threshold, holders, CONTEXT) for holder in holders]
    for deal, _ in dealt:
        verify_deal_new(deal, threshold, CONTEXT)
    public = combine_commitments([deal for deal, _ in dealt], None)
    return Sharing(public, {i: combine_shares(_collect(dealt, i)) for i in holders})


def refresh_sharing(old: Sharing) -> Sharing:
    holders, threshold = sorted(old.shares), old.public.threshold
    dealt = [deal_refresh(holder, threshold, holders, CONTEXT) for holder in holders]
    for deal, _ in dealt:
        verify_deal_refresh(deal, threshold, CONTEXT)
    public = combine_commitments([deal for deal, _ in dealt], old.public)
    shares = {i: combine_shares([old.shares[i], *_collect(dealt, i)]) for i in holders}
    return Sharing(public, shares)


def reshare_sharing(
    old: Sharing, dealers: Sequence[int], threshold: int, receivers: Sequence[int]
) -> Sharing:
    dealt = [
        deal_reshare(i, old.shares[i], old.public, dealers, threshold, receivers, CONTEXT)
        for i in dealers
    ]
    for deal, _ in dealt:
        verify_deal_reshare(deal, old.public, dealers, threshold, CONTEXT)
    public = combine_commitments([deal for deal, _ in dealt], old.public)
    return Sharing(public, {i: combine_shares(_collect(dealt, i)) for i in receivers})


def answer(
    sharing: Sharing, batch: BlindedBatch, subset: Sequence[int]
) -> dict[int, PartialEvaluation]:
    point = batch.check_point
    return {
        i: evaluate_batch(sharing.shares[i], i, subset, batch.blinded, point, batch.mode)
        for i in subset
    }


def finish(
    sharing: Sharing,
    batch: BlindedBatch,
    subset: Sequence[int],
    partials: dict[int, PartialEvaluation],
) -> list[TokenKey]:
    """Finish in the batch's mode, asking the honest holders for a STRICT challenge's answer."""
    if batch.mode is not CheckMode.STRICT:
        return finish_batch(batch, sharing.public, subset, partials)
    challenge = strict_challenge(batch, sharing.public, subset, partials)
    answers = {
        i: evaluate_batch(
            sharing.shares[i], i, subset, b"", challenge.check_point, CheckMode.STRICT
        )
        for i in subset
    }
    return finish_strict(batch, sharing.public, subset, challenge, answers)


def tokens_of(
    sharing: Sharing, subset: Sequence[int], mode: CheckMode = CheckMode.SUM
) -> list[TokenKey]:
    batch = blind_batch(INPUTS, mode)
    return finish(sharing, batch, subset, answer(sharing, batch, subset))
