"""Members on disk that count together: their own sums, and logs copied between them."""

import asyncio
import contextlib

from node.duties.farm import Farms
from node.duties.farm_alerts import FarmAlerts
from node.duties.farm_table import FarmTable
from node.duties.inspection_table import InspectionTable
from node.duties.inspections import Inspections
from node.duties.own_figures import OwnFigures
from node.duties.sheet import Sheets
from tests.node.tokens.parties import make_parties

EPOCH = 1


class Counter:
    """One member's part: its farms and its sheet."""

    def __init__(self, party):
        log, core = party.log, party.core
        self.party, self.sums, self.log = party, log.sums, log
        self.farms = Farms(
            FarmTable(core.private),
            FarmAlerts(log.store),
            log.sums,
            log.speaker,
            core.now_charter,
            lambda: EPOCH,
            self._note,
        )
        self.told = []
        self.follow = None
        own = OwnFigures(
            core.me,
            lambda: core.now_charter().member(core.me).roles,
            log.matters,
            log.store,
            core.private,
        )
        self.sheets = Sheets(own, log.sums, core.now_charter)
        table = InspectionTable(core.private)
        self.inspections = Inspections(table, log.sums, core.now_charter)

    async def _note(self, told):
        self.told.append((told.token, told.statement))
        if self.follow is not None:
            await self.follow(told)


class World:
    """All members; ``settle`` lets them read and answer until nobody says anything more."""

    def __init__(self, directory, names):
        self.parties = make_parties(directory, names)
        self.members = {str(one.name): Counter(one) for one in self.parties}

    def __getitem__(self, name):
        return self.members[name]

    def close(self):
        for party in self.parties:
            party.close()

    def restart(self, name):
        """Let a member's node end and start again."""
        party = self.members[name].party
        party.reopen()
        self.members[name] = Counter(party)

    def spread(self):
        for reader in self.parties:
            for other in self.parties:
                if reader is not other:
                    reader.read_from(other)

    async def step(self):
        await asyncio.to_thread(self.spread)
        for one in self.members.values():
            await one.sums.advance_if_due()
        await asyncio.to_thread(self.spread)

    async def settle(self):
        sizes = None
        while sizes != (sizes := [one.log.ledger.size(one.log.ledger.own) for one in self.parties]):
            await self.step()

    async def while_talking(self, awaitable):
        """Wait for something while everybody reads and answers."""

        async def talk():
            while True:
                await self.step()
                await asyncio.sleep(0.05)

        talking = asyncio.create_task(talk())
        try:
            return await awaitable
        finally:
            talking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await talking

    async def declined(self, sum_id):
        """Return why each member contributes nothing to a sum that names it."""
        await self.settle()
        parts = {name: one.sums.contributor for name, one in self.members.items()}
        return {
            name: part.declined[sum_id] for name, part in parts.items() if sum_id in part.declined
        }
