"""Members on disk that hold ceremonies: real homes, key files, logs; copied logs for a network."""

from __future__ import annotations

from functools import partial

from keys.keystore import Cost
from node.assembly import build_core, build_log_side
from node.config import load_config
from node.member import MemberKeys
from node.passphrase import passphrase_from_file
from node.sandbox.build import build_sandbox, member_home, passphrase_file

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
MEMBERS = ("carrier-a", "bank-x", "net-p", "carrier-b")


class KilledError(Exception):
    """The process ended here."""


class Party:
    """One member's node without doors; ``open`` after ``close`` is a new process."""

    def __init__(self, home) -> None:
        self.home = home
        self.open()

    def open(self) -> None:
        keys = MemberKeys.open(self.home, passphrase_from_file(passphrase_file(self.home)))
        self.core = build_core(self.home, load_config(self.home.config), keys)
        self.log = build_log_side(self.core)
        self.ceremonies, self.ring = self.log.ceremonies, self.core.key_ring

    def close(self) -> None:
        self.core.private.close()
        self.log.store.close()
        self.core.workers.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    @property
    def name(self):
        return self.core.me

    @property
    def place(self):
        current = self.ring.current
        return (current.epoch, current.share_epoch) if current else None

    @property
    def shares(self):
        return self.ring.held(*self.place)

    def entries(self, kind: str) -> set[str]:
        return {name for name in self.core.keys.keyfile.store.names() if name.startswith(kind)}

    def read_from(self, other: Party) -> None:
        origin = other.log.ledger.own
        run = other.log.ledger.read(origin, self.log.ledger.size(origin))
        self.log.ledger.ingest(origin, run.bodies, run.compacted, run.checkpoint)

    def kill_at(self, number: int, *, after: bool) -> None:
        """End this process when it says its ``number``-th statement, before or after it is said."""
        self.log.speaker.say = partial(self._say, self.log.speaker.say, [number], after)

    async def _say(self, say, left, after, statements):
        left[0] -= 1
        if left[0] == 0 and not after:
            raise KilledError
        await say(statements)
        if left[0] == 0:
            raise KilledError


def make_parties(directory, members=MEMBERS) -> list[Party]:
    build_sandbox(directory, members, cost=CHEAP)
    return [Party(member_home(directory, member)) for member in members]


async def advance_all(parties, done, rounds: int = 12) -> int:
    """Let everybody read and act until it is done; return how many were killed meanwhile."""
    killed = 0
    for _ in range(rounds):
        for party in parties:
            for other in parties:
                if other is not party:
                    party.read_from(other)
            try:
                await party.ceremonies.advance()
            except KilledError:
                party.reopen()
                killed += 1
        if all(done(party) for party in parties):
            return killed
    raise AssertionError([(party.name, party.place) for party in parties])
