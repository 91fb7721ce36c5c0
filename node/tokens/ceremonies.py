"""Take part in key ceremonies: join, deal, confirm or complain, as the logs grow.

Everything but the receiving key is derived from the logs, so a node that was killed in the middle
goes on where it was. Shares are stored before they are confirmed, and the receiving key and older
shares are deleted once the new ones are in use: what leaked before is then worth nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from federation.ceremony import (
    CeremonyError,
    CeremonyState,
    Phase,
    Setting,
    Shares,
    StepKind,
    complain,
    conclude,
    confirm,
    deal,
    fold_ceremony,
    join,
    next_step,
    open_ceremony,
    open_shares,
)
from federation.charter import Charter
from federation.errors import FederationError
from federation.indicators import KindClass
from federation.key_set import KeySet, SignedKeySet
from federation.names import MemberId
from federation.statements import Body, KeyOpen, Statement
from federation.statements.codec import decode_statement
from federation.vocabulary import KeyAction
from keys.errors import KeysError, KeyStoreError
from keys.sealing import SealingKey
from keys.secret import Secret
from node.member import MemberKeys
from node.speaker import Speaker
from node.store.catalogue import Catalogue
from node.telemetry import get_log
from node.tokens.key_ring import HeldShares, KeyRing
from tocsin.desk.v1 import operation_service_pb2 as wire

Said = list[tuple[MemberId, Statement]]


@dataclass(frozen=True, slots=True)
class Ended:
    """A confirmed ceremony and the keys that came out of it."""

    state: CeremonyState
    signed: SignedKeySet


class Ceremonies:
    """This node's part in the ceremonies that stand in the logs."""

    def __init__(
        self,
        keys: MemberKeys,
        key_ring: KeyRing,
        catalogue: Catalogue,
        speaker: Speaker,
        charters: Callable[[], tuple[Charter, ...]],
    ) -> None:
        """Take part as the member whose keys these are.

        Args:
            keys: The member's own keys; shares are kept in their key file.
            key_ring: Where keys go that are in use.
            catalogue: What stands in the logs.
            speaker: Adds to the own log.
            charters: The charter in force, and the versions before it.
        """
        self._me = keys.card.member.member
        self._keys = keys
        self._key_ring = key_ring
        self._catalogue = catalogue
        self._speaker = speaker
        self._charters = charters
        self._ended: list[Ended] = []
        self._turn = asyncio.Lock()
        self._seen = -1
        self._followed = (-1, -1)  # ceremony statements, version of the charter
        self._complained: set[tuple[bytes, str]] = set()

    def signed_key_sets(self) -> list[SignedKeySet]:
        """Return the key sets in use with their holders' signatures, newest first."""
        return [ended.signed for ended in reversed(self._ended[-KeyRing.KEPT :])]

    async def open(self, action: KeyAction) -> bytes:
        """Open a ceremony with the holders and the threshold of the charter.

        Raises:
            CeremonyError: CEREMONY_REFUSED; the charter or the last key do not call for it.
        """
        await self.advance()
        states = await asyncio.to_thread(self._states)
        attempt = 1 + sum(state.opener == self._me for state in states)
        opening = open_ceremony(self._setting(), self._me, action, attempt=attempt)
        await self._say(opening)
        await self.advance()
        return opening.ceremony_id

    async def advance(self) -> None:
        """Do what the logs ask of this node now, until there is nothing left to do."""
        async with self._turn:
            while await self._advance_once():
                pass

    async def advance_if_changed(self) -> None:
        """Advance if the logs hold ceremony statements that were not looked at yet."""
        if await asyncio.to_thread(self._catalogue.ceremony_count) != self._seen:
            await self.advance()

    async def follow_if_changed(self) -> None:
        """Use keys that stand confirmed, and say nothing: another process of this node takes part.

        Raises:
            ConfigError, KeyStoreError: The key file that it writes cannot be read.
        """
        count = await asyncio.to_thread(self._catalogue.ceremony_count)
        known = (count, self._charters()[0].version)
        if known == self._followed:
            return
        async with self._turn:
            await asyncio.to_thread(self._keys.keyfile.refresh)
            for state in await asyncio.to_thread(self._states):
                if state.phase is Phase.CONFIRMED:
                    await self._use(state)
            self._followed = known

    async def take_over(self) -> None:
        """Take part from now on, in place of another process that may have died in the middle."""
        await asyncio.to_thread(self._keys.keyfile.refresh)
        if self._ended:
            states = await asyncio.to_thread(self._states)
            await asyncio.to_thread(self._forget_older, states, self._ended[-1].signed.key_set)
        await self.advance()

    async def _advance_once(self) -> bool:
        states = await asyncio.to_thread(self._states)
        for state in states:
            if state.phase is Phase.CONFIRMED and await self._use(state):
                await asyncio.to_thread(self._forget_older, states, self._ended[-1].signed.key_set)
        for state in states:
            if await self._take_part(state, states):
                return True  # what was said changes the next look
        return False

    def _states(self) -> list[CeremonyState]:
        """Fold every ceremony in the logs, in the order of the keys that they bring."""
        said = self._said()
        self._seen = len(said)
        # By ceremony first: who opens thousands must not make every fold read all of them.
        by_id: defaultdict[bytes, Said] = defaultdict(list)
        for member, statement in said:
            by_id[getattr(statement.body, "ceremony_id", b"")].append((member, statement))
        states = []
        for ceremony_id, of_ceremony in sorted(by_id.items()):
            if not any(isinstance(one.body, KeyOpen) for _, one in of_ceremony):
                continue
            try:
                states.append(fold_ceremony(ceremony_id, of_ceremony))
            except CeremonyError:
                continue  # an id that its opening does not lead to: nobody's ceremony
        return sorted(states, key=lambda one: (one.opening.epoch, one.opening.share_epoch, one.id))

    def _said(self) -> Said:
        rows = self._catalogue.ceremony_statements()
        return [(MemberId(member), decode_statement(body)) for member, body in rows]

    def _setting(self, before: CeremonyState | None = None) -> Setting:
        """Return the charter and the key that a ceremony starts from."""
        sets = [ended.signed.key_set for ended in self._ended]
        if before is not None:
            place = (before.opening.epoch, before.opening.share_epoch)
            sets = [one for one in sets if _place(one) < place]
        charter, *earlier = self._charters()
        return Setting(charter, sets[-1] if sets else None, tuple(earlier))

    async def _use(self, state: CeremonyState) -> bool:
        """Use the keys of a confirmed ceremony, and say whether they were not in use before."""
        if any(ended.state.id == state.id for ended in self._ended):
            return False
        try:
            signed = await asyncio.to_thread(conclude, state, self._setting(state))
        except (FederationError, KeysError) as error:
            self._complain_once(state, error.reason)
            return False
        held = await asyncio.to_thread(self._load_shares, signed.key_set, state.id)
        self._key_ring.accept(signed.key_set, held)
        self._ended.append(Ended(state, signed))
        self._ended.sort(key=lambda one: _place(one.signed.key_set))
        get_log().info(
            "keys.in_use", epoch=signed.key_set.epoch, share_epoch=signed.key_set.share_epoch
        )
        return True

    async def _take_part(self, state: CeremonyState, states: Sequence[CeremonyState]) -> bool:
        """Say what the ceremony asks of this node; return whether it said anything."""
        try:
            body = await asyncio.to_thread(self._contribution, state, states)
        except (FederationError, KeysError) as error:
            # Whatever a peer has said in one ceremony, the others go on.
            self._complain_once(state, error.reason)
            return False
        if body is None:
            return False
        await self._say(body)
        return True

    def _complain_once(self, state: CeremonyState, reason: str) -> None:
        """Log why a ceremony gets no further here: once, though it is looked at again."""
        if (state.id, reason) not in self._complained:
            self._complained.add((state.id, reason))
            get_log().warning("ceremony.refused", ceremony_id=state.id.hex(), reason=reason)

    def _contribution(self, state: CeremonyState, states: Sequence[CeremonyState]) -> Body | None:
        setting = self._setting(state)
        shares = self._previous_shares(setting)
        others = [other for other in states if other.id != state.id]
        step = next_step(state, self._me, shares is not None, others)
        if step.kind is StepKind.JOIN:
            return join(state, setting, self._me, self._receiving_key(state))
        if step.kind is StepKind.DEAL:
            return deal(state, setting, self._me, shares)
        if step.kind is StepKind.CONFIRM:
            return self._judge(state, setting, shares)
        return step.complaint

    def _judge(self, state: CeremonyState, setting: Setting, shares: Shares | None) -> Body:
        """Open all shares; store and confirm them, or complain of the dealer at fault."""
        try:
            fresh = open_shares(state, setting, self._me, self._receiving_key(state), shares)
        except CeremonyError as error:
            return complain(state, self._me, error)
        opening = state.opening
        for kind_class, share in fresh.items():
            name = _share_name(opening.epoch, opening.share_epoch, kind_class)
            self._keys.keyfile.put(name, share, state.id)
        return confirm(state, setting, self._me, self._keys.signing)

    def _receiving_key(self, state: CeremonyState) -> SealingKey:
        name = _receiving_name(state.id)
        try:
            return SealingKey.from_secret(self._keys.keyfile.store.get(name, state.id))
        except KeyStoreError as error:
            _require_missing(error)
            fresh = SealingKey.generate()
            self._keys.keyfile.put(name, fresh.secret(), state.id)
            return fresh

    def _previous_shares(self, setting: Setting) -> dict[KindClass, Secret] | None:
        if setting.previous is None:
            return None
        ids = [one.state.id for one in self._ended if one.signed.key_set == setting.previous]
        held = self._load_shares(setting.previous, ids[0]) if ids else None
        return None if held is None else dict(held.shares)

    def _load_shares(self, key_set: KeySet, ceremony_id: bytes) -> HeldShares | None:
        """Return this node's stored shares of a key set, or None where it holds none."""
        index = key_set.index(self._me)
        if index is None:
            return None
        try:
            shares = {
                kind_class: self._keys.keyfile.store.get(
                    _share_name(key_set.epoch, key_set.share_epoch, kind_class), ceremony_id
                )
                for kind_class in KindClass
            }
        except KeyStoreError as error:
            _require_missing(error)
            return None  # deleted after a refresh
        return HeldShares(index, shares)

    def _forget_older(self, states: Sequence[CeremonyState], key_set: KeySet) -> None:
        """Delete the receiving keys and shares that the key set makes useless.

        Shares of an earlier epoch too: its tokens are not to be made any more.
        """
        over = {
            _receiving_name(state.id)
            for state in states
            if (state.opening.epoch, state.opening.share_epoch) <= _place(key_set)
        }
        for name in list(self._keys.keyfile.store.names()):
            place = _place_of_share(name)
            if name in over or (place is not None and place < _place(key_set)):
                self._keys.keyfile.delete(name)

    async def _say(self, body: Body) -> None:
        async with self._speaker.lock:
            await self._speaker.say([self._speaker.statement(body)])

    def describe(self) -> list[wire.CeremonyStatus]:
        """Tell every ceremony, newest first; blocking."""
        held = set(self._keys.keyfile.store.names())
        return [_status(state, held) for state in reversed(self._states())]


def _status(state: CeremonyState, held: Iterable[str]) -> wire.CeremonyStatus:
    opening = state.opening
    return wire.CeremonyStatus(
        ceremony_id=state.id,
        action=opening.action.value,  # type: ignore[arg-type]  # equal numbers, tested
        epoch=opening.epoch,
        share_epoch=opening.share_epoch,
        state=state.phase,
        waiting_for=state.waiting_for,
        threshold=opening.threshold,
        holders=opening.holders,
        share_held=_share_name(opening.epoch, opening.share_epoch, KindClass.PHONE) in held,
    )


def _require_missing(error: KeyStoreError) -> None:
    """Raise any other error of the key store: an entry that was changed is not one that is gone."""
    if error.reason != "KEYSTORE_ENTRY_MISSING":
        raise error


def _place(key_set: KeySet) -> tuple[int, int]:
    return key_set.epoch, key_set.share_epoch


def _share_name(epoch: int, share_epoch: int, kind_class: KindClass) -> str:
    return f"share/{epoch}/{share_epoch}/{kind_class.name.lower()}"


def _receiving_name(ceremony_id: bytes) -> str:
    return f"receiving/{ceremony_id.hex()}"


def _place_of_share(name: str) -> tuple[int, int] | None:
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != "share":
        return None
    return int(parts[1]), int(parts[2])
