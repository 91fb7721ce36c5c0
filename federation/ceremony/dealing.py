"""Deal, verify and open the shares of a key ceremony: statements on one side, keys on the other.

A holder's place in the opening is its index. In a reshare the dealers have the indexes of the
sharing that ends, the receivers those of the one that begins.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from federation.ceremony.error import CeremonyError
from federation.ceremony.opening import Setting, check_opening
from federation.ceremony.state import CeremonyState, transcript_digest
from federation.indicators.kind import KindClass
from federation.key_set import KeySet, split_elements
from federation.names import MemberId
from federation.packing import pack
from federation.statements import ClassDeal, KeyDeal
from federation.vocabulary import KeyAction
from keys.ceremony import (
    Deal,
    Dealt,
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
from keys.errors import KeysError, SealError
from keys.group import multiply_base
from keys.sealing import SealingKey, seal_to_member
from keys.secret import Secret
from keys.threshold import PublicKey

Shares = Mapping[KindClass, Secret]
"""One holder's share of every kind class's key."""

_DEAL_LABEL: Final = b"tocsin/ceremony/deal/1"
_SHARE_LABEL: Final = b"tocsin/ceremony/share/1"


def deal(
    state: CeremonyState, setting: Setting, me: MemberId, previous_shares: Shares | None
) -> KeyDeal:
    """Deal to every holder, for every kind class; nothing of it needs to be stored.

    Args:
        state: Everybody has joined.
        setting: The charter in force and the last key.
        me: A dealer.
        previous_shares: For a refresh or reshare the dealer's shares of the last key.

    Raises:
        CeremonyError: CEREMONY_REFUSED, CEREMONY_NOT_READY or PREVIOUS_SHARE_INVALID.
    """
    check_opening(Setting(setting.charter, setting.previous), state.opener, state.opening)
    if me not in state.dealers or len(state.joins) < len(state.holders):
        raise CeremonyError("only a dealer deals, after all joined", reason="CEREMONY_NOT_READY")
    if state.opening.action is not KeyAction.GENERATE:
        _check_previous(setting, me, previous_shares)
    deals = (_deal_class(state, setting, me, name, previous_shares) for name in KindClass)
    return KeyDeal(state.id, tuple(deals))


def verify_deals(state: CeremonyState, setting: Setting) -> dict[KindClass, tuple[Deal, ...]]:
    """Verify what is public of every deal, and return the deals in the order of the dealers.

    Raises:
        CeremonyError: DEAL_INVALID, naming dealer and class; CEREMONY_NOT_READY; or
            CEREMONY_REFUSED.
    """
    check_opening(setting, state.opener, state.opening)
    transcript_digest(state)
    return {
        name: tuple(_verified(state, setting, dealer, name) for dealer in state.dealers)
        for name in KindClass
    }


def public_keys(state: CeremonyState, setting: Setting) -> dict[KindClass, PublicKey]:
    """Verify every deal and add them up to the public keys.

    Raises:
        CeremonyError: As ``verify_deals``; or KEY_INVALID, the deals do not add up to a key.
    """
    deals = verify_deals(state, setting)
    return {name: _combine(state, setting, name, deals[name]) for name in KindClass}


def open_shares(
    state: CeremonyState,
    setting: Setting,
    me: MemberId,
    receiving_key: SealingKey,
    previous_shares: Shares | None,
) -> dict[KindClass, Secret]:
    """Verify every deal and every share in it for this holder, and add them up to its new shares.

    Args:
        state: Everybody has dealt.
        setting: The charter and the last key.
        me: A receiving holder.
        receiving_key: The one it joined with.
        previous_shares: For a refresh the holder's shares of the last key.

    Raises:
        CeremonyError: DEAL_INVALID or SHARE_INVALID, naming dealer and class to complain of; or,
            without a dealer, why this holder cannot go on.
    """
    deals = verify_deals(state, setting)
    if me not in state.joins or state.joins[me].receiving_key != receiving_key.public:
        raise CeremonyError("not the key this holder joined with", reason="CEREMONY_NOT_READY")
    is_refresh = state.opening.action is KeyAction.REFRESH
    kept = _check_previous(setting, me, previous_shares) if is_refresh else None
    opened = {}
    for name in KindClass:
        parts = [_open_share(state, setting, me, receiving_key, name, each) for each in deals[name]]
        opened[name] = combine_shares(parts if kept is None else [*parts, kept[name]])
        for part in parts:
            part.wipe()
        public = _combine(state, setting, name, deals[name])
        _check_fit(opened[name], public, state.holders.index(me) + 1, "KEY_INVALID")
    return opened


def _deal_class(
    state: CeremonyState,
    setting: Setting,
    me: MemberId,
    name: KindClass,
    previous_shares: Shares | None,
) -> ClassDeal:
    old_share = None if previous_shares is None else previous_shares[name]
    public, shares = _draw(state, setting, me, name, old_share)
    sealed = []
    for index, holder in enumerate(state.holders, start=1):
        context = _share_context(state, setting, name, me, holder)
        sealed.append(_seal(state, holder, shares[index], context))
    return ClassDeal(name, b"".join(public.commitments), public.proof, tuple(sealed))


def _draw(
    state: CeremonyState,
    setting: Setting,
    me: MemberId,
    name: KindClass,
    old_share: Secret | None,
) -> Dealt:
    index, threshold = _dealer_index(state, setting, me), state.opening.threshold
    receivers = range(1, len(state.holders) + 1)
    context = _deal_context(state, setting, name)
    if state.opening.action is KeyAction.GENERATE:
        return deal_new(index, threshold, receivers, context)
    if state.opening.action is KeyAction.REFRESH:
        return deal_refresh(index, threshold, receivers, context)
    previous, old = _previous(setting), _present(old_share)
    dealers = _dealer_indexes(state, setting)
    return deal_reshare(index, old, previous.keys[name], dealers, threshold, receivers, context)


def _seal(state: CeremonyState, holder: MemberId, share: Secret, context: bytes) -> bytes:
    try:
        return seal_to_member(state.joins[holder].receiving_key, share.reveal(), context)
    except SealError as error:
        raise CeremonyError(
            f"{holder} joined with a key to which nothing can be sealed",
            reason="CEREMONY_REFUSED",
        ) from error
    finally:
        share.wipe()


def _verified(state: CeremonyState, setting: Setting, dealer: MemberId, name: KindClass) -> Deal:
    said = next(each for each in state.deals[dealer].deals if each.kind_class is name)
    public = Deal(
        _dealer_index(state, setting, dealer), split_elements(said.commitments), said.proof
    )
    try:
        _verify_public(state, setting, name, public)
    except KeysError as error:
        raise CeremonyError(
            f"{dealer} dealt wrongly for class {name.name}: {error}",
            reason="DEAL_INVALID",
            dealer=dealer,
            kind_class=name,
        ) from error
    return public


def _verify_public(state: CeremonyState, setting: Setting, name: KindClass, public: Deal) -> None:
    threshold, context = state.opening.threshold, _deal_context(state, setting, name)
    if state.opening.action is KeyAction.GENERATE:
        verify_deal_new(public, threshold, context)
    elif state.opening.action is KeyAction.REFRESH:
        verify_deal_refresh(public, threshold, context)
    else:
        old, dealers = _previous(setting).keys[name], _dealer_indexes(state, setting)
        verify_deal_reshare(public, old, dealers, threshold, context)


def _combine(
    state: CeremonyState, setting: Setting, name: KindClass, deals: tuple[Deal, ...]
) -> PublicKey:
    is_new = state.opening.action is KeyAction.GENERATE
    try:
        return combine_commitments(deals, None if is_new else _previous(setting).keys[name])
    except KeysError as error:
        raise CeremonyError(str(error), reason="KEY_INVALID", kind_class=name) from error


def _open_share(
    state: CeremonyState,
    setting: Setting,
    me: MemberId,
    receiving_key: SealingKey,
    name: KindClass,
    public: Deal,
) -> Secret:
    dealer = _dealer_of_index(state, setting, public.dealer)
    said = next(each for each in state.deals[dealer].deals if each.kind_class is name)
    place = state.holders.index(me)
    context = _share_context(state, setting, name, dealer, me)
    try:
        share = Secret(receiving_key.open(said.sealed_shares[place], context))
        verify_share(public, place + 1, share)
    except KeysError as error:
        raise CeremonyError(
            f"the share that {dealer} dealt for class {name.name} is wrong",
            reason="SHARE_INVALID",
            dealer=dealer,
            kind_class=name,
        ) from error
    return share


def _check_previous(setting: Setting, me: MemberId, shares: Shares | None) -> Shares:
    """Accept only shares of the last key that are this member's."""
    previous = _previous(setting)
    index = previous.index(me)
    if index is None or shares is None or set(shares) != set(KindClass):
        raise CeremonyError(
            "this member has no shares of the last key", reason="PREVIOUS_SHARE_INVALID"
        )
    for name, key in previous.keys.items():
        _check_fit(shares[name], key, index, "PREVIOUS_SHARE_INVALID")
    return shares


def _check_fit(share: Secret, key: PublicKey, index: int, reason: str) -> None:
    try:
        fits = multiply_base(share.borrow()) == key.holder_key(index)
    except KeysError as error:
        raise CeremonyError("a share is no scalar", reason=reason) from error
    if not fits:
        raise CeremonyError("a share does not fit the public key", reason=reason)


def _previous(setting: Setting) -> KeySet:
    return _present(setting.previous)


def _dealer_index(state: CeremonyState, setting: Setting, dealer: MemberId) -> int:
    if state.opening.action is KeyAction.RESHARE:
        return _present(_previous(setting).index(dealer))
    return state.holders.index(dealer) + 1


def _dealer_indexes(state: CeremonyState, setting: Setting) -> tuple[int, ...]:
    return tuple(_dealer_index(state, setting, dealer) for dealer in state.dealers)


def _dealer_of_index(state: CeremonyState, setting: Setting, index: int) -> MemberId:
    return state.dealers[_dealer_indexes(state, setting).index(index)]


def _deal_context(state: CeremonyState, setting: Setting, name: KindClass) -> bytes:
    federation = setting.charter.federation.encode()
    return pack(_DEAL_LABEL, federation, state.id, bytes([name.value]))


def _share_context(
    state: CeremonyState, setting: Setting, name: KindClass, dealer: MemberId, receiver: MemberId
) -> bytes:
    federation = setting.charter.federation.encode()
    names = (dealer.encode(), receiver.encode())
    return pack(_SHARE_LABEL, federation, state.id, bytes([name.value]), *names)


_Value = TypeVar("_Value")


def _present(value: _Value | None) -> _Value:
    """Return what ``check_opening`` has made sure of."""
    if value is None:
        raise CeremonyError("there is no last key to start from", reason="CEREMONY_REFUSED")
    return value
