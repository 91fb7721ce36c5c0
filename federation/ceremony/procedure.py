"""Take a holder through a key ceremony, one statement at a time.

What a node does, again after every new statement and after every start::

    state = fold_ceremony(ceremony_id, statements)
    step = next_step(state, me, i_hold_previous_share=shares is not None)
    match step.kind:
        case StepKind.JOIN:      # store a new SealingKey first, under the ceremony's id
            say(join(state, setting, me, receiving_key))
        case StepKind.DEAL:      # nothing to store
            say(deal(state, setting, me, shares))
        case StepKind.CONFIRM:
            try:                 # store the new shares first, beside the old ones
                new = open_shares(state, setting, me, receiving_key, shares)
                say(confirm(state, setting, me, signing_key))
            except CeremonyError as error:
                say(complain(state, me, error))
        case StepKind.COMPLAIN:
            say(step.complaint)
        case StepKind.DONE if state.phase is Phase.CONFIRMED:
            key_set = conclude(state, setting)     # from now on the new shares; delete the old

A node that crashes between two lines starts over at the first: what it said is in its log, what
it must not lose was stored before it spoke.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from federation.ceremony.dealing import public_keys
from federation.ceremony.error import CeremonyError
from federation.ceremony.opening import Setting, check_opening
from federation.ceremony.state import CeremonyState, Fault, Phase, transcript_digest
from federation.indicators.kind import KindClass
from federation.key_set import (
    SIGNATURE_CONTEXT,
    KeySet,
    SignedKeySet,
    key_set_bytes,
    verify_public_key_set,
)
from federation.names import MemberId
from federation.statements import KeyComplaint, KeyConfirm, KeyJoin
from federation.vocabulary import KeyAction
from keys.sealing import SealingKey
from keys.signing import SigningKey


class StepKind(enum.StrEnum):
    """Name what a member does next."""

    JOIN = "JOIN"
    DEAL = "DEAL"
    CONFIRM = "CONFIRM"
    COMPLAIN = "COMPLAIN"
    WAIT = "WAIT"
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class Step:
    """What a member does next; with COMPLAIN, what it says."""

    kind: StepKind
    complaint: KeyComplaint | None = None


_WAIT = Step(StepKind.WAIT)
_VISIBLE_IN_DEALS = frozenset({Fault.DEAL_MALFORMED, Fault.DEALT_TWICE})


def next_step(
    state: CeremonyState,
    me: MemberId,
    i_hold_previous_share: bool,
    others: Iterable[CeremonyState] = (),
) -> Step:
    """Say what this member does next.

    Args:
        state: The ceremony as this member sees it.
        me: This member; one that has no part in it waits, and is done when it ends.
        i_hold_previous_share: Whether it has its shares of the last key.
        others: Other ceremonies: a holder confirms only one for an epoch and share epoch.
    """
    if state.phase is Phase.CONFIRMED:
        return Step(StepKind.DONE)
    if state.phase is Phase.FAILED:
        return _after_failure(state, me)
    if state.phase is Phase.OPEN:
        is_missing = me in state.waiting_for
        return Step(StepKind.JOIN) if is_missing else _WAIT
    if me not in state.waiting_for:
        return _WAIT
    is_new = state.opening.action is KeyAction.GENERATE
    is_dealing = state.phase is Phase.JOINED
    needs_share = not is_new if is_dealing else state.opening.action is KeyAction.REFRESH
    if needs_share and not i_hold_previous_share:
        return Step(StepKind.COMPLAIN, give_up(state, me))
    if is_dealing:
        return Step(StepKind.DEAL)
    if any(other.has_same_outcome(state) and me in other.confirms for other in others):
        return Step(StepKind.COMPLAIN, give_up(state, me))
    return Step(StepKind.CONFIRM)


def join(
    state: CeremonyState, setting: Setting, me: MemberId, receiving_key: SealingKey
) -> KeyJoin:
    """Join with a fresh receiving key, which the node has stored before it says so.

    Raises:
        CeremonyError: CEREMONY_REFUSED; the charter in force does not call for this ceremony.
    """
    check_opening(Setting(setting.charter, setting.previous), state.opener, state.opening)
    if me not in state.holders:
        raise CeremonyError("only a receiving holder joins", reason="CEREMONY_REFUSED")
    return KeyJoin(state.id, receiving_key.public)


def confirm(
    state: CeremonyState, setting: Setting, me: MemberId, signing_key: SigningKey
) -> KeyConfirm:
    """Accept the transcript and sign the public keys; only after ``open_shares`` has passed.

    Raises:
        CeremonyError: A deal is wrong, or the transcript is not complete.
    """
    if me not in state.holders:
        raise CeremonyError("only a receiving holder confirms", reason="CEREMONY_REFUSED")
    message = key_set_bytes(setting.charter.federation, _key_set(state, setting))
    signature = signing_key.sign(SIGNATURE_CONTEXT, message)
    return KeyConfirm(state.id, transcript_digest(state), signature)


def complain(state: CeremonyState, me: MemberId, error: CeremonyError) -> KeyComplaint:
    """Reject the deal that the error names; without one, give up."""
    if error.dealer is None:
        return give_up(state, me)
    return KeyComplaint(state.id, error.dealer, error.kind_class or KindClass.PHONE)


def give_up(state: CeremonyState, me: MemberId) -> KeyComplaint:
    """End the ceremony without blaming anybody: a complaint of a party that names itself."""
    return KeyComplaint(state.id, me, KindClass.PHONE)


def conclude(state: CeremonyState, setting: Setting) -> SignedKeySet:
    """Verify the whole of a confirmed ceremony; only then its keys and shares may be used.

    Raises:
        CeremonyError: CEREMONY_NOT_READY, not everyone has confirmed; or a deal is wrong.
        KeySetError: A holder's signature is wrong.
    """
    if state.phase is not Phase.CONFIRMED:
        raise CeremonyError("not every holder has confirmed", reason="CEREMONY_NOT_READY")
    signatures = tuple(state.confirms[holder].signature for holder in state.holders)
    signed = SignedKeySet(_key_set(state, setting), signatures)
    verify_public_key_set(setting.charter, signed, setting.earlier)
    return signed


def _key_set(state: CeremonyState, setting: Setting) -> KeySet:
    opening = state.opening
    return KeySet(
        epoch=opening.epoch,
        share_epoch=opening.share_epoch,
        threshold=opening.threshold,
        holders=opening.holders,
        keys=public_keys(state, setting),
    )


def _after_failure(state: CeremonyState, me: MemberId) -> Step:
    """Put a failure on record, unless a holder has: then nobody can confirm after all."""
    has_ended = any(holder in state.complaints for holder in state.holders)
    if has_ended or me not in state.holders or state.has_judged(me):
        return Step(StepKind.DONE)
    blame = state.blame
    if blame is None or blame.fault not in _VISIBLE_IN_DEALS:
        return Step(StepKind.COMPLAIN, give_up(state, me))
    complaint = KeyComplaint(state.id, blame.accused, blame.kind_class or KindClass.PHONE)
    return Step(StepKind.COMPLAIN, complaint)
