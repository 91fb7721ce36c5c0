"""Deals are checked, refresh and reshare keep tokens, and share epochs do not mix."""

from collections.abc import Callable
from dataclasses import replace

import pytest

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
from keys.errors import CeremonyError, CheckError, GroupError, RequestError
from keys.group import GENERATOR, IDENTITY, add, multiply_base
from keys.scalar import encode_scalar
from keys.secret import Secret
from keys.threshold import PublicKey
from keys.tokens import CheckMode, blind_batch, evaluate_batch
from tests.keys.sharing import (
    CONTEXT,
    INPUTS,
    deal_sharing,
    finish,
    refresh_sharing,
    reshare_sharing,
    tokens_of,
)

THREE_OF_FIVE = deal_sharing(3, [1, 2, 3, 4, 5])


@pytest.mark.parametrize(("threshold", "holders"), [(1, 1), (1, 3), (2, 3), (3, 3), (3, 5)])
def test_every_share_fits_its_holders_public_key(threshold: int, holders: int) -> None:
    sharing = deal_sharing(threshold, range(1, holders + 1))

    for index, share in sharing.shares.items():
        assert multiply_base(share.reveal()) == sharing.public.holder_key(index)


def test_a_refresh_changes_every_share_and_no_token() -> None:
    refreshed = refresh_sharing(THREE_OF_FIVE)
    expected = tokens_of(THREE_OF_FIVE, [1, 2, 3])

    assert refreshed.public.element == THREE_OF_FIVE.public.element
    assert refreshed.public.commitments[1:] != THREE_OF_FIVE.public.commitments[1:]
    assert all(refreshed.shares[i] != THREE_OF_FIVE.shares[i] for i in refreshed.shares)
    assert tokens_of(refreshed, [2, 4, 5]) == expected
    assert tokens_of(refresh_sharing(refreshed), [1, 3, 5]) == expected


@pytest.mark.parametrize(
    ("dealers", "threshold", "receivers"),
    [
        ([1, 2, 3], 3, [1, 2, 3, 4, 5]),
        ([2, 4, 5], 4, [1, 2, 3, 4, 5, 6, 7]),
        ([1, 2, 3, 4, 5], 2, [6, 7, 8]),
        ([1, 3, 5], 1, [9]),
    ],
)
def test_a_reshare_to_other_holders_keeps_every_token(
    dealers: list[int], threshold: int, receivers: list[int]
) -> None:
    new = reshare_sharing(THREE_OF_FIVE, dealers, threshold, receivers)

    assert new.public.threshold == threshold
    assert new.public.element == THREE_OF_FIVE.public.element
    assert tokens_of(new, receivers[-threshold:]) == tokens_of(THREE_OF_FIVE, [1, 2, 3])


def test_two_ceremonies_make_two_keys() -> None:
    other = deal_sharing(3, [1, 2, 3, 4, 5])

    assert tokens_of(other, [1, 2, 3]) != tokens_of(THREE_OF_FIVE, [1, 2, 3])


@pytest.mark.parametrize("mode", list(CheckMode))
@pytest.mark.parametrize("stale", [(1,), (2,), (3,), (1, 2)])
def test_shares_of_two_epochs_do_not_combine(stale: tuple[int, ...], mode: CheckMode) -> None:
    refreshed = refresh_sharing(THREE_OF_FIVE)
    subset = [1, 2, 3]
    shares = {i: (THREE_OF_FIVE if i in stale else refreshed).shares[i] for i in subset}
    mixed = replace(refreshed, shares=shares)
    batch = blind_batch(INPUTS, mode)
    point = batch.check_point
    partials = {i: evaluate_batch(shares[i], i, subset, batch.blinded, point, mode) for i in subset}

    with pytest.raises(CheckError) as caught:
        finish(mixed, batch, subset, partials)
    assert caught.value.suspects == stale


def changed(part: bytes, position: int = 0) -> bytes:
    return part[:position] + bytes([part[position] ^ 1]) + part[position + 1 :]


NEW_DEAL_CHANGES: list[Callable[[Deal], Deal]] = [
    lambda deal: replace(deal, dealer=deal.dealer + 1),
    lambda deal: replace(deal, dealer=0),
    lambda deal: replace(deal, dealer=256),
    lambda deal: replace(deal, commitments=()),
    lambda deal: replace(deal, commitments=deal.commitments[:1]),
    lambda deal: replace(deal, commitments=(*deal.commitments, GENERATOR)),
    lambda deal: replace(deal, commitments=(IDENTITY, deal.commitments[1])),
    lambda deal: replace(deal, commitments=(deal.commitments[0], IDENTITY)),
    lambda deal: replace(deal, commitments=(GENERATOR, deal.commitments[1])),
    lambda deal: replace(deal, commitments=(deal.commitments[0], GENERATOR)),
    lambda deal: replace(deal, commitments=(deal.commitments[0], b"\xff" * 32)),
    lambda deal: replace(deal, commitments=(deal.commitments[0], b"short")),
    lambda deal: replace(deal, proof=b""),
    lambda deal: replace(deal, proof=deal.proof[:63]),
    lambda deal: replace(deal, proof=deal.proof + b"x"),
    lambda deal: replace(deal, proof=changed(deal.proof, 0)),
    lambda deal: replace(deal, proof=changed(deal.proof, 32)),
    lambda deal: replace(deal, proof=deal.proof[:32] + b"\xff" * 32),
]


@pytest.mark.parametrize("change", NEW_DEAL_CHANGES)
def test_a_changed_deal_is_refused_and_names_its_dealer(change: Callable[[Deal], Deal]) -> None:
    deal, _ = deal_new(2, 2, [1, 2, 3], CONTEXT)
    verify_deal_new(deal, 2, CONTEXT)
    bad = change(deal)

    with pytest.raises(CeremonyError) as caught:
        verify_deal_new(bad, 2, CONTEXT)
    assert caught.value.dealer == bad.dealer


def test_a_deal_belongs_to_its_context_and_threshold() -> None:
    deal, _ = deal_new(2, 2, [1, 2, 3], CONTEXT)

    with pytest.raises(CeremonyError):
        verify_deal_new(deal, 2, CONTEXT + b"x")
    with pytest.raises(CeremonyError):
        verify_deal_new(deal, 3, CONTEXT)


def test_a_dealer_cannot_cancel_the_others_out() -> None:
    honest, _ = deal_new(1, 2, [1, 2, 3], CONTEXT)
    rogue, _ = deal_new(2, 2, [1, 2, 3], CONTEXT)
    # The rogue key: its own minus the honest one's, with the only proof it can make.
    aimed = add(rogue.commitments[0], multiply_base(encode_scalar(-1)))
    forged = replace(rogue, commitments=(aimed, honest.commitments[1]))

    with pytest.raises(CeremonyError):
        verify_deal_new(forged, 2, CONTEXT)


def test_a_refresh_that_would_move_the_key_is_refused() -> None:
    moving, _ = deal_new(1, 3, [1, 2, 3], CONTEXT)
    honest, _ = deal_refresh(2, 3, [1, 2, 3], CONTEXT)

    for deal in (moving, replace(moving, proof=b""), replace(honest, proof=bytes(64))):
        with pytest.raises(CeremonyError):
            verify_deal_refresh(deal, 3, CONTEXT)
    with pytest.raises(CeremonyError):
        combine_commitments([replace(moving, proof=b""), honest], THREE_OF_FIVE.public)


def test_a_reshare_deals_the_old_share_and_nothing_else() -> None:
    old, dealers = THREE_OF_FIVE, [1, 2, 3]
    fresh, _ = deal_new(2, 2, [6, 7], CONTEXT)
    honest, _ = deal_reshare(2, old.shares[2], old.public, dealers, 2, [6, 7], CONTEXT)
    verify_deal_reshare(honest, old.public, dealers, 2, CONTEXT)

    for deal, set_of_dealers in ((fresh, dealers), (honest, [1, 2, 4]), (honest, [1, 3, 4])):
        with pytest.raises(CeremonyError) as caught:
            verify_deal_reshare(deal, old.public, set_of_dealers, 2, CONTEXT)
        assert caught.value.dealer == 2
    with pytest.raises(CeremonyError):
        deal_reshare(2, old.shares[3], old.public, dealers, 2, [6, 7], CONTEXT)
    with pytest.raises(RequestError):
        deal_reshare(2, old.shares[2], old.public, [1, 2], 2, [6, 7], CONTEXT)


def test_a_reshare_that_misses_a_dealer_would_change_the_key_and_is_refused() -> None:
    old, dealers = THREE_OF_FIVE, [1, 2, 3]
    deals = [
        deal_reshare(i, old.shares[i], old.public, dealers, 2, [6, 7], CONTEXT)[0] for i in dealers
    ]

    assert combine_commitments(deals, old.public).element == old.public.element
    with pytest.raises(CeremonyError):
        combine_commitments(deals[:2], old.public)


def test_a_share_that_is_not_on_the_polynomial_names_the_dealer() -> None:
    deal, shares = deal_new(3, 2, [1, 2], CONTEXT)
    verify_share(deal, 1, shares[1])

    for bad in (shares[2], Secret(bytes(32)), Secret(b"\xff" * 32), Secret(b""), Secret(b"x" * 33)):
        with pytest.raises(CeremonyError) as caught:
            verify_share(deal, 1, bad)
        assert caught.value.dealer == 3


def test_deals_that_do_not_belong_together_are_not_combined() -> None:
    new, _ = deal_new(1, 2, [1, 2], CONTEXT)
    wider, _ = deal_new(2, 3, [1, 2, 3], CONTEXT)
    refresh, _ = deal_refresh(2, 2, [1, 2], CONTEXT)
    wrong: list[tuple[list[Deal], PublicKey | None]] = [
        ([], None),
        ([new, new], None),
        ([new, wider], None),
        ([new, refresh], None),
        ([refresh], None),
        ([refresh], THREE_OF_FIVE.public),
        ([new], THREE_OF_FIVE.public),
    ]

    for deals, previous in wrong:
        with pytest.raises(CeremonyError):
            combine_commitments(deals, previous)
    with pytest.raises(CeremonyError):
        combine_shares([])


@pytest.mark.parametrize(
    ("dealer", "threshold", "receivers"),
    [
        (0, 1, [1]),
        (256, 1, [1]),
        (1, 0, [1]),
        (1, 2, [1]),
        (1, 1, []),
        (1, 1, [1, 1]),
        (1, 1, [2, 1]),
        (1, 1, [0]),
        (1, 1, [256]),
    ],
)
def test_senseless_indexes_and_thresholds_are_refused(
    dealer: int, threshold: int, receivers: list[int]
) -> None:
    with pytest.raises(RequestError):
        deal_new(dealer, threshold, receivers, CONTEXT)


@pytest.mark.parametrize(
    ("threshold", "commitments"),
    [
        (0, ()),
        (1, ()),
        (1, (GENERATOR, GENERATOR)),
        (1, (IDENTITY,)),
        (1, (b"\xff" * 32,)),
        (1, (b"",)),
    ],
)
def test_a_public_key_holds_valid_commitments_only(
    threshold: int, commitments: tuple[bytes, ...]
) -> None:
    with pytest.raises(GroupError):
        PublicKey(threshold, commitments)


def test_a_public_keys_digest_covers_every_commitment() -> None:
    refreshed = refresh_sharing(THREE_OF_FIVE)

    assert len(THREE_OF_FIVE.public.digest()) == 32
    assert THREE_OF_FIVE.public.digest() != refreshed.public.digest()
