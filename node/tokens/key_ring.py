"""Hold the token keys in use: public for every node, with shares where this node is a holder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from federation.indicators import KindClass
from federation.key_set import KeySet
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

    # Seconds that older keys still serve: query partners ask for new keys once a minute. Longer,
    # and whoever breaks into a node would find the shares that a refresh made worthless.
    GRACE_SECONDS = 600.0

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sets: dict[tuple[int, int], KeySet] = {}
        self._held: dict[tuple[int, int], HeldShares] = {}
        self._replaced: dict[tuple[int, int], float] = {}
        self._monotonic = monotonic

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
        self.drop_replaced()
        return self._sets.get((epoch, share_epoch))

    def held(self, epoch: int, share_epoch: int) -> HeldShares | None:
        """Return this node's shares of one share epoch."""
        self.drop_replaced()
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
        for old in sorted(self._sets)[:-1]:
            self._replaced.setdefault(old, self._monotonic())
        for old in sorted(self._sets)[: -self.KEPT]:
            self._forget(old)

    def drop_replaced(self) -> None:
        """Forget key sets, and wipe their shares, that were replaced long enough ago."""
        end = self._monotonic() - self.GRACE_SECONDS
        for place, since in list(self._replaced.items()):
            if since <= end:
                self._forget(place)

    def _forget(self, place: tuple[int, int]) -> None:
        del self._sets[place]
        self._replaced.pop(place, None)
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
