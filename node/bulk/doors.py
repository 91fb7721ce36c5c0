"""Reach the key holders from any process: through their doors, with one short-lived leaf.

The member's root never leaves the process that the operator started; what travels to the others
is a TLS leaf of a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
import grpc.aio

from federation.charter import Charter
from federation.names import MemberId
from keys.authority import Leaf
from keys.secret import Secret
from keys.signing import verify_signature
from node.bulk.tokenising import OnBlame
from node.doors.policy import client_options
from node.errors import NodeError
from node.peer_error import explain_status, unreachable
from node.remote import Remote
from node.tokens.holder import EVALUATION_CONTEXT
from node.tokens.tokeniser import Blame, Holders


@dataclass(frozen=True, slots=True)
class Door:
    """Where a member answers, and what its answers are verified with."""

    address: str
    server_name: str
    authority: bytes
    signing_key: bytes


@dataclass(frozen=True, slots=True)
class DoorHolders:
    """How to reach the members that hold keys; called once in each process."""

    member: MemberId
    key: Secret = field(repr=False)
    chain: bytes
    doors: Mapping[MemberId, Door]

    @classmethod
    def of(cls, charter: Charter, member: MemberId, leaf: Leaf) -> DoorHolders:
        """Take from the charter in force what other processes need of it."""
        doors = {}
        for name in charter.holders:
            listed = charter.member(name)
            server_name = f"{name}.{charter.federation}"
            doors[name] = Door(listed.address, server_name, listed.authority, listed.signing_key)
        return cls(member, leaf.key_pem, leaf.chain_pem, doors)

    def __call__(self, on_blame: OnBlame) -> Holders:
        """Connect; inside the event loop that the calls are made on."""
        links = _Links(self)
        remote = Remote(self.member, links, None)

        async def blame(found: Blame) -> None:
            """Tell whose answer was wrong; another set of holders is asked."""
            on_blame(found.holder)

        return Holders(remote.evaluate, remote.prove, self._verify, blame)

    def _verify(self, member: MemberId, message: bytes, signature: bytes) -> None:
        verify_signature(self.doors[member].signing_key, EVALUATION_CONTEXT, message, signature)


class _Links:
    """One channel for each holder, for as long as the process lives."""

    def __init__(self, holders: DoorHolders) -> None:
        self._holders = holders
        self._channels: dict[MemberId, grpc.aio.Channel] = {}

    def channel(self, member: MemberId) -> grpc.aio.Channel:
        if member not in self._channels:
            self._channels[member] = self._connect(self._holders.doors[member])
        return self._channels[member]

    def _connect(self, door: Door) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=door.authority,
            private_key=self._holders.key.reveal(),
            certificate_chain=self._holders.chain,
        )
        options = [*client_options(), ("grpc.ssl_target_name_override", door.server_name)]
        return grpc.aio.secure_channel(door.address, credentials, options)

    async def explain(self, member: MemberId, error: grpc.aio.AioRpcError) -> NodeError:
        """Say why a call failed, as far as the status tells; ``tocsin doctor`` finds the rest."""
        return explain_status(member, error) or unreachable(member, "PEER_UNAVAILABLE")
