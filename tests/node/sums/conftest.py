"""Members on disk with a network of copied logs and a clock that a test turns."""

import numpy as np
import pytest

from federation.names import MemberId
from federation.sums import label_of
from federation.vocabulary import Purpose
from node.sums.carrier import Sums
from node.sums.memory import SumMemory
from node.sums.opener import SumDraft
from node.sums.records import SumRecords
from node.sums.sources import Source
from tests.node.tokens.parties import make_parties

LABELS = tuple(label_of(b"test", bytes([place])) for place in range(4))
NAMES = ("carrier-a", "bank-x", "net-p", "carrier-b")
PURPOSES = frozenset({Purpose.OPERATION})


def draft(**fields):
    defaults = {
        "source": "TEST",
        "labels": LABELS,
        "purpose": Purpose.OPERATION,
        "seconds": 60,
        "largest": 1_000,
    }
    return SumDraft(**defaults | fields)


class Office:
    """One member's part in sums; ``restart`` is a new process on the same files."""

    def __init__(self, party, vector, clock):
        self.party, self.vector, self.clock = party, vector, clock
        self.asked = 0
        self.build()

    def build(self):
        log, core = self.party.log, self.party.core
        records = SumRecords(log.catalogue, log.ledger, core.now_charter)
        log.speaker._clock = self.clock  # the party's own speaker, on the test's time
        self.sums = Sums(core.keys, records, log.speaker, SumMemory(core.private), self.clock)
        source = Source("TEST", "what the test says", PURPOSES, self.count, lambda _: {})
        self.sums.sources.register(source)

    def count(self, asked):
        self.asked += 1
        return None if self.vector is None else np.asarray(self.vector, dtype=np.int64)

    def restart(self):
        self.party.reopen()
        self.build()

    @property
    def name(self):
        return self.party.name

    def said(self):
        log = self.party.log.ledger
        return log.size(log.own)


class Network:
    """All members; who is down neither speaks nor is read."""

    def __init__(self, parties):
        self.time = 1_800_000_000
        vectors = {name: [place + 1] * len(LABELS) for place, name in enumerate(NAMES)}
        self.offices = {one.name: Office(one, vectors[one.name], self.now) for one in parties}
        self.down = set()

    def now(self):
        return self.time

    def __getitem__(self, name):
        return self.offices[MemberId(name)]

    @property
    def up(self):
        return [one for name, one in self.offices.items() if name not in self.down]

    def spread(self):
        for reader in self.up:
            for other in self.up:
                if reader is not other:
                    reader.party.read_from(other.party)

    async def settle(self, rounds=8):
        for _ in range(rounds):
            before = [one.said() for one in self.up]
            self.spread()
            for one in self.up:
                await one.sums.advance_if_due()
            self.spread()
            if [one.said() for one in self.up] == before:
                return
        raise AssertionError("the members go on talking")

    async def total(self, sum_id, name=NAMES[0]):
        return (await self[name].sums.progress(sum_id)).total

    async def phase(self, sum_id, name=NAMES[0]):
        progress = await self[name].sums.progress(sum_id)
        return progress.phase, progress.reason


@pytest.fixture
def network(tmp_path):
    parties = make_parties(tmp_path / "f", NAMES)
    found = Network(parties)
    yield found
    for one in found.offices.values():
        one.party.close()
