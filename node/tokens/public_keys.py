"""Learn the public keys from peers, as a node without logs: every holder must have signed them."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable, Sequence

from federation.charter import Charter
from federation.errors import FederationError
from federation.key_set import parse_key_set, verify_public_key_set
from federation.names import MemberId
from keys.errors import KeysError
from node.errors import NodeError
from node.tokens.key_ring import KeyRing
from tocsin.v1 import token_service_pb2 as wire

NODES_ASKED = 3  # one that keeps newer keys back does not decide alone
MAX_KEY_SETS = 8  # a node shows the two in use

AskKeys = Callable[[MemberId], Awaitable[wire.GetPublicKeysResponse]]


class PublicKeys:
    """The key sets that some peer showed and all its holders signed."""

    def __init__(
        self,
        charters: Callable[[], tuple[Charter, ...]],
        key_ring: KeyRing,
        nodes: Callable[[], Sequence[MemberId]],
        ask: AskKeys,
    ) -> None:
        """Believe key sets of the holders that the charter, or a version before it, names."""
        self._charters = charters
        self._key_ring = key_ring
        self._nodes = nodes
        self._ask = ask
        self._turn = itertools.count(secrets.randbelow(1000))

    async def refresh(self) -> bool:
        """Ask peers in turn until some have shown valid keys; the newest are used.

        Returns:
            Whether there are keys afterwards. A peer that lies or is down is passed over.
        """
        nodes, shown = list(self._nodes()), 0
        first = next(self._turn) % max(1, len(nodes))
        for node in nodes[first:] + nodes[:first]:
            try:
                response = await self._ask(node)
                for message in reversed(response.key_sets[:MAX_KEY_SETS]):
                    self._accept(message)
            except (NodeError, FederationError, KeysError):
                continue
            shown += bool(response.key_sets)
            if shown == NODES_ASKED:
                break
        return self._key_ring.current is not None

    def _accept(self, message: wire.PublicKeySet) -> None:
        signed = parse_key_set(message)
        current = self._key_ring.current
        place = (signed.key_set.epoch, signed.key_set.share_epoch)
        if current is None or place > (current.epoch, current.share_epoch):
            charter, *earlier = self._charters()
            self._key_ring.accept(verify_public_key_set(charter, signed, earlier))
