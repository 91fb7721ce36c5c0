"""Hold the token keys in use: public for every node, with shares where this node is a holder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.key_set import KeySet

from federation.indicators import KindClass
from keys.group import multiply_base
from keys.secret import Secret
from node.errors import ConfigError, UnavailableError


@dataclass(frozen=True, slots=True)
class HeldShares:
    """This node's own shares of one share epoch."""

    index: int
    shares: Mapping[KindClass, Secret] = field(repr=False)


class KeyRing:
    """The key sets that are in use, newest last; the one before serves calls still under way."""

    KEPT = 2  # share epochs: a client may have fetched the keys just before a refresh

    def __init__(self) -> None:
        self._sets: dict[tuple[int, int], KeySet] = {}
        self._held: dict[tuple[int, int], HeldShares] = {}

    @property
    def current(self) -> KeySet | None:
        """The newest key set, or None before the first ceremony."""
        return self._sets[max(self._sets)] if self._sets else None

    def require_current(self) -> KeySet:
        """Return the newest key set.

        Raises:
            UnavailableError: KEYS_MISSING.
        """
        if (current := self.current) is None:
            raise UnavailableError(
                "the federation has no token keys yet",
                reason="KEYS_MISSING",
                hint="tocsin key ceremony (at one of the key holders)",
            )
        return current

    def all(self) -> list[KeySet]:
        """Return the key sets in use, newest first."""
        return [self._sets[key] for key in sorted(self._sets, reverse=True)]

    def find(self, epoch: int, share_epoch: int) -> KeySet | None:
        """Return one key set."""
        return self._sets.get((epoch, share_epoch))

    def held(self, epoch: int, share_epoch: int) -> HeldShares | None:
        """Return this node's shares of one share epoch."""
        return self._held.get((epoch, share_epoch))

    def accept(self, key_set: KeySet, held: HeldShares | None = None) -> None:
        """Use a key set from now on, and forget those before the last two.

        Raises:
            ConfigError: SHARE_MISMATCH, a share is not the one that the public key commits to.
        """
        place = (key_set.epoch, key_set.share_epoch)
        if held is not None:
            _check_shares(key_set, held)
            self._held[place] = held
        self._sets[place] = key_set
        for old in sorted(self._sets)[: -self.KEPT]:
            self._forget(old)

    def _forget(self, place: tuple[int, int]) -> None:
        del self._sets[place]
        if (held := self._held.pop(place, None)) is not None:
            for share in held.shares.values():
                share.wipe()


def _check_shares(key_set: KeySet, held: HeldShares) -> None:
    for kind_class, public in key_set.keys.items():
        share = held.shares.get(kind_class)
        if share is None or multiply_base(share.borrow()) != public.holder_key(held.index):
            raise ConfigError(
                f"the stored share for class {kind_class.name} is not this holder's",
                reason="SHARE_MISMATCH",
                hint="restore the key store from its backup, or refresh the shares",
            )
