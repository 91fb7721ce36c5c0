"""A node behind a real outside door, with replication and without everything else."""

from dataclasses import replace

from federation.names import Origin
from keys.signing import SigningKey
from node.doors.member_service import MemberService
from node.doors.outside import OutsideDoor
from node.log.ledger import Ledger
from node.peers import Peers
from node.replication.replication import Hooks, Replication, Timing
from node.replication.roster import Roster
from node.store.sqlite import SqliteStore
from node.traffic import Traffic
from tests.node.federation_fixture import FEDERATION, make_federation
from tests.node.replication.nodes import Heard
from tocsin.v1 import log_service_pb2_grpc, member_service_pb2_grpc

READ = "/tocsin.v1.LogService/Read"


def found_federation(roles):
    """Found a federation whose members' signing keys are at hand, by member."""
    federation = make_federation(roles)
    keys = {name: SigningKey.generate() for name in roles}
    members = tuple(
        replace(member, signing_key=keys[member.member].public)
        for member in federation.charter.members
    )
    federation.charter = replace(federation.charter, members=members)
    return federation, keys


class DoorNode:
    """A node behind a real outside door."""

    def __init__(self, federation, keys, name, path, heard=None):
        self.name, self.identity = name, federation.identity(name)
        self.traffic, self.heard = Traffic(), heard or Heard()
        self.store = SqliteStore(path)
        publics = {each: key.public for each, key in keys.items()}
        self.ledger = Ledger(
            self.store, FEDERATION, name, keys[name], publics.__getitem__, federation.clock
        )
        self.peers = Peers(self.identity, self.traffic)
        self.replication = Replication(
            Roster(name, lambda: self.identity.charter, federation.clock),
            self.ledger,
            self.peers,
            Hooks(
                self.heard.listeners(),
                self.heard.on_fork,
                lambda note: None,
            ),
            Timing(poll_seconds=30, gossip_seconds=0.5, charter_seconds=1),
        )
        member = MemberService(self.identity, self.identity.now, lambda: b"", self.root)
        self.door = OutsideDoor(
            self.identity,
            [
                (log_service_pb2_grpc.add_LogServiceServicer_to_server, self.replication.service),
                (member_service_pb2_grpc.add_MemberServiceServicer_to_server, member),
            ],
            self.traffic,
        )

    async def root(self):
        return b""

    def size(self, name):
        return self.ledger.size(Origin(FEDERATION, name))

    def reads(self):
        """Return how many messages of Read this node has sent and received."""
        counts = [one for one in self.traffic.snapshot() if one.method == READ]
        return sum(one.sent_count for one in counts), sum(one.received_count for one in counts)

    def received_bytes(self):
        """Return how many bytes the answers to Read had, all together."""
        counts = [one for one in self.traffic.snapshot() if one.method == READ]
        return sum(one.received_bytes for one in counts)

    def adopt(self, charter):
        self.identity.adopt(charter)
        self.replication.refresh()

    async def close(self):
        await self.replication.close()
        await self.peers.close()
        await self.door.stop(0)
        self.store.close()
