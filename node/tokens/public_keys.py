"""Learn the public keys from peers, as a node without logs: every holder must have signed them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from federation.charter import Charter
from federation.key_set import KeySetError, parse_key_set, verify_public_key_set
from federation.names import MemberId
from node.errors import NodeError
from node.tokens.key_ring import KeyRing
from tocsin.v1 import token_service_pb2 as wire

AskKeys = Callable[[MemberId], Awaitable[wire.GetPublicKeysResponse]]


class PublicKeys:
    """The key sets that some peer showed and all its holders signed."""

    def __init__(
        self,
        charter: Callable[[], Charter],
        key_ring: KeyRing,
        nodes: Callable[[], Sequence[MemberId]],
        ask: AskKeys,
    ) -> None:
        self._charter = charter
        self._key_ring = key_ring
        self._nodes = nodes
        self._ask = ask

    async def refresh(self) -> bool:
        """Ask peers in turn until one shows valid keys.

        Returns:
            Whether there are keys afterwards. A peer that lies or is down is passed over.
        """
        for node in self._nodes():
            try:
                response = await self._ask(node)
                for message in reversed(response.key_sets):
                    self._accept(message)
            except (NodeError, KeySetError):
                continue
            if response.key_sets:
                return True
        return self._key_ring.current is not None

    def _accept(self, message: wire.PublicKeySet) -> None:
        signed = parse_key_set(message)
        current = self._key_ring.current
        place = (signed.key_set.epoch, signed.key_set.share_epoch)
        if current is None or place > (current.epoch, current.share_epoch):
            self._key_ring.accept(verify_public_key_set(self._charter(), signed))
