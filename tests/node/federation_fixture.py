"""Build throw-away federations: real roots, a real charter, and nodes in this process."""

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from federation.charter import Charter, Member, create_charter, revoke_member
from federation.names import FederationName, MemberId
from federation.roles import Role
from keys.authority import LEAF_LIFETIME, Authority, Leaf
from keys.sealing import SealingKey
from keys.signing import SigningKey
from node.doors.outside import OutsideDoor, Registration
from node.doors.policy import DoorPolicy
from node.identity import Identity
from node.peers import Peers
from node.traffic import Capture, Traffic

FEDERATION = FederationName("harbour")
CARRIER, BANK, PARTNER = MemberId("carrier-a"), MemberId("bank-x"), MemberId("partner-p")
ROLES = {CARRIER: Role.CARRIER, BANK: Role.BANK, PARTNER: Role.PARTNER}


class Clock:
    """The system's clock, which a test may turn."""

    def __init__(self) -> None:
        self.offset = 0

    def __call__(self) -> int:
        return int(time.time()) + self.offset


@dataclass
class Federation:
    """Roots and charter of a federation."""

    charter: Charter
    authorities: dict[MemberId, Authority]
    clock: Clock = field(default_factory=Clock)

    def leaf(
        self, member: MemberId, issuer: MemberId | None = None, lifetime: timedelta = LEAF_LIFETIME
    ) -> Leaf:
        """Issue a leaf for a member, under another's root where a test wants to cheat."""
        authority = self.authorities[issuer or member]
        return authority.issue_leaf(FEDERATION, member, datetime.now(UTC), lifetime)

    def identity(self, member: MemberId, lifetime: timedelta = LEAF_LIFETIME) -> Identity:
        """Make a node's identity."""
        return Identity(self.authorities[member], self.charter, member, self.clock, lifetime)

    def at(self, member: MemberId, port: int) -> Charter:
        """Return the charter with another address of a member; it stays in force."""
        moved = [
            replace(one, address=f"127.0.0.1:{port}") if one.member == member else one
            for one in self.charter.members
        ]
        self.charter = replace(self.charter, members=tuple(moved))
        return self.charter

    def without(self, member: MemberId) -> Charter:
        """Return the next charter, in which a member is revoked; it is in force."""
        holders = tuple(name for name in self.charter.holders if name != member)
        self.charter = revoke_member(
            self.charter,
            member,
            time=self.clock(),
            holders=holders,
            threshold=min(2, len(holders)),
        )
        return self.charter


def make_federation(roles: dict[MemberId, Role] | None = None) -> Federation:
    """Found a federation whose first two members hold keys."""
    now = datetime.now(UTC) - timedelta(days=1)
    roles = roles or ROLES
    authorities = {name: Authority.create(FEDERATION, name, now) for name in roles}
    members = [
        Member(
            member=name,
            roles=frozenset({role}),
            address="127.0.0.1:1",
            authority=authorities[name].certificate_pem,
            signing_key=SigningKey.generate().public,
            sealing_key=SealingKey.generate().public,
        )
        for name, role in roles.items()
    ]
    holders = [name for name in roles if roles[name] is not Role.PARTNER]
    charter = create_charter(
        FEDERATION, members, holders, min(2, len(holders)), time=int(now.timestamp())
    )
    return Federation(charter, authorities)


@dataclass
class RunningNode:
    """A node that listens; ``port`` is its outside door."""

    identity: Identity
    door: OutsideDoor
    traffic: Traffic
    port: int


@contextlib.asynccontextmanager
async def running_node(
    federation: Federation,
    member: MemberId,
    services: Sequence[Registration],
    policy: DoorPolicy | None = None,
    capture: Capture | None = None,
    lifetime: timedelta = LEAF_LIFETIME,
) -> AsyncIterator[RunningNode]:
    """Run a member's outside door and write its address into the charter."""
    identity = federation.identity(member, lifetime)
    traffic = Traffic(capture)
    door = OutsideDoor(identity, services, traffic, policy)
    port = await door.start("127.0.0.1:0")
    identity.adopt(federation.at(member, port))
    try:
        yield RunningNode(identity, door, traffic, port)
    finally:
        await door.stop(0)


@contextlib.asynccontextmanager
async def calling(
    federation: Federation, member: MemberId, identity: Identity | None = None
) -> AsyncIterator[Peers]:
    """Give the channels of a member to the others."""
    peers = Peers(identity or federation.identity(member), Traffic())
    try:
        yield peers
    finally:
        await peers.close()
