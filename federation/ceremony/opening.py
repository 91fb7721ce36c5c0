"""Open a key ceremony, and check that it is one the charter and the last key call for.

A ceremony's id is a digest of its opening, so nobody can open another one under the same id.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from federation.ceremony.error import CeremonyError
from federation.charter import Charter
from federation.key_set import KeySet
from federation.names import MemberId
from federation.packing import pack, pack_number
from federation.roles import Role
from federation.statements.ceremony import KeyOpen
from federation.vocabulary import KeyAction

# Bytes of the id that count attempts; the other fourteen are a digest.
ATTEMPT_BYTES: Final = 2
ID_BYTES: Final = 16
_LABEL: Final = b"tocsin/ceremony/opening/1"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a ceremony is judged by, beside its statements.

    Attributes:
        charter: The version in force.
        previous: The key that a refresh or reshare starts from; for a new key the one before, to
            see that the epoch is new. None where there has been no key.
        earlier: Earlier verified versions of the charter, for ceremonies that ended under them.
    """

    charter: Charter
    previous: KeySet | None
    earlier: tuple[Charter, ...] = ()

    @property
    def charters(self) -> tuple[Charter, ...]:
        """All versions, the one in force first."""
        return (self.charter, *self.earlier)


def dealers_of(opening: KeyOpen) -> tuple[MemberId, ...]:
    """Return who deals: those named, or all holders where nobody is named."""
    return opening.dealers or opening.holders


def opening_id(opener: str, opening: KeyOpen) -> bytes:
    """Derive the id that an opening must carry, from its own attempt count and its content."""
    attempt = opening.ceremony_id[:ATTEMPT_BYTES]
    numbers = (opening.action, opening.epoch, opening.share_epoch, opening.threshold)
    content = pack(
        _LABEL,
        opener.encode(),
        attempt,
        *(pack_number(number) for number in numbers),
        pack(*(holder.encode() for holder in opening.holders)),
        pack(*(dealer.encode() for dealer in opening.dealers)),
    )
    return attempt + hashlib.sha256(content).digest()[: ID_BYTES - ATTEMPT_BYTES]


def open_ceremony(
    setting: Setting,
    opener: MemberId,
    action: KeyAction,
    *,
    attempt: int = 0,
    dealers: Sequence[MemberId] | None = None,
    share_epoch: int | None = None,
) -> KeyOpen:
    """Write the opening of a ceremony for the holders that the charter names.

    Args:
        setting: The charter in force and the last key.
        opener: Who opens it: a holder, a dealer or a coordinator.
        action: What it does.
        attempt: How many ceremonies with the same outcome it has opened before, 0 to 65,535.
        dealers: For a reshare; None: as many holders as it takes that are still members.
        share_epoch: None: the next one. Give a later one after a ceremony that never ended.

    Raises:
        CeremonyError: CEREMONY_REFUSED.
    """
    charter, previous = setting.charter, setting.previous
    is_new = action is KeyAction.GENERATE
    last_epoch = previous.epoch if previous else 0
    last_share_epoch = previous.share_epoch if previous and not is_new else 0
    if dealers is None:
        dealers = _available(setting) if action is KeyAction.RESHARE else charter.holders
    draft = KeyOpen(
        # Not the id yet: the id is a digest of the rest.
        ceremony_id=attempt.to_bytes(ATTEMPT_BYTES) + b"\xff" * (ID_BYTES - ATTEMPT_BYTES),
        action=action,
        epoch=last_epoch + 1 if is_new else max(last_epoch, 1),
        share_epoch=last_share_epoch + 1 if share_epoch is None else share_epoch,
        threshold=charter.threshold,
        holders=charter.holders,
        dealers=tuple(dealers),
    )
    opening = replace(draft, ceremony_id=opening_id(opener, draft))
    check_opening(Setting(charter, previous), opener, opening)
    return opening


def check_opening(setting: Setting, opener: MemberId, opening: KeyOpen) -> None:
    """Accept only a ceremony that a charter and the last key call for.

    Raises:
        CeremonyError: CEREMONY_REFUSED; the message says why.
    """
    _check_parties(setting, opener, opening)
    if opening.action is KeyAction.GENERATE:
        _check_generate(opening, setting.previous)
        return
    previous = setting.previous
    if previous is None:
        _refuse("there is no key that could be refreshed or reshared")
    if opening.epoch != previous.epoch or opening.share_epoch <= previous.share_epoch:
        _refuse("the epoch is that of the key, and the share epoch a later one")
    if opening.action is KeyAction.REFRESH:
        _check_refresh(opening, previous)
    else:
        _check_reshare(opening, previous)


def _check_parties(setting: Setting, opener: MemberId, opening: KeyOpen) -> None:
    named = {(version.holders, version.threshold) for version in setting.charters}
    if (opening.holders, opening.threshold) not in named:
        _refuse("the charter names other key holders or another threshold")
    listed = (version.find(opener) for version in setting.charters)
    roles = frozenset[Role]().union(*(member.roles for member in listed if member is not None))
    is_party = opener in opening.holders or opener in dealers_of(opening)
    if not (is_party or Role.COORDINATOR in roles):
        _refuse("a ceremony is opened by a holder, a dealer or a coordinator")


def _check_generate(opening: KeyOpen, previous: KeySet | None) -> None:
    if previous is not None and opening.epoch <= previous.epoch:
        _refuse("a new key needs a new epoch")
    if dealers_of(opening) != opening.holders:
        _refuse("for a new key all holders deal")


def _check_refresh(opening: KeyOpen, previous: KeySet) -> None:
    if (opening.holders, opening.threshold) != (previous.holders, previous.threshold):
        _refuse("a refresh keeps holders and threshold", "open a reshare instead")
    if dealers_of(opening) != opening.holders:
        _refuse("for a refresh all holders deal")


def _check_reshare(opening: KeyOpen, previous: KeySet) -> None:
    in_order = tuple(holder for holder in previous.holders if holder in opening.dealers)
    if opening.dealers != in_order or len(in_order) != previous.threshold:
        _refuse(
            f"for a reshare exactly {previous.threshold} of the old holders deal, in their order"
        )


def _available(setting: Setting) -> tuple[MemberId, ...]:
    """Return the first old holders that are still members, as many as it takes."""
    if setting.previous is None:
        return ()
    listed = [(name, setting.charter.find(name)) for name in setting.previous.holders]
    still = [name for name, member in listed if member and member.revoked_time is None]
    return tuple(still[: setting.previous.threshold])


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    raise CeremonyError(message, reason="CEREMONY_REFUSED", hint=hint)
