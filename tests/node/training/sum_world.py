"""A coordinator and members that add in secret, joined by the coordinator's real hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np

from federation.roles import Role
from federation.statements import (
    TrainingApproval,
    TrainingPlan,
    TrainingStage,
    encode_statement,
)
from federation.training.fixed_point import FixedPoint
from federation.training.sum_labels import is_new_each_time, labels_digest, round_label
from federation.views import fold
from federation.vocabulary import ModelStage, TrainingDecision
from node.log.ledger import Ledger
from node.matters.book import MatterBook
from node.speaker import Speaker
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.store.sqlite import SqliteStore
from node.sums.memory import SumMemory
from node.training.consent import Consents
from node.training.hub import Hub, Link
from node.training.ledger import EpsilonLedger
from node.training.matters import TrainingMatters
from node.training.sum_company import SumCompany
from node.training.sum_duties import Party
from node.training.sum_order import SumOrder, SumOutcome
from node.training.sum_run import SumDesk, SumRun
from node.training.sum_stream import SumStream
from node.training.summands import Summands
from tests.federation.organisations import FEDERATION, Organisation, found, organisation
from tests.federation.said import NOW, opaque, plan, said
from tocsin.v1 import training_service_pb2 as wire

CARRIER, BANK, HOLDER = (
    organisation("carrier-a", Role.CARRIER),
    organisation("bank-x", Role.BANK),
    organisation("net-h", Role.INTERNET),
)
OTHERS = tuple(organisation(f"carrier-{letter}", Role.CARRIER) for letter in "bcde")
COORD = organisation("coord", Role.COORDINATOR)
CHARTER = found(CARRIER, BANK, HOLDER, *OTHERS, COORD)
"""Two of the three holders give a total; the third holder contributes nothing."""

PARAMETERS = 40
ROWS = 1_000
SECONDS = 6.0
PLAN = plan(rounds=9, round_seconds=60, minimum_members=3)

Change = Callable[[wire.AttachRequest], wire.AttachRequest | None]


class Member:
    """One member's part, with everything it received."""

    def __init__(self, world: World, who: Organisation) -> None:
        self.world, self.name, self.who = world, who.name, who
        self.private = PrivateStore(world.directory / f"{who.name}.db")
        self.summands = Summands()
        self.received: list[wire.SumPiece] = []
        self.change: Change = lambda request: request
        self._tasks: list[asyncio.Task[None]] = []
        self._link: Link | None = None

    def party(self) -> Party:
        return Party(
            self.name,
            self.who.signing_key,
            self.who.sealing_key,
            lambda: CHARTER,
            self.world.consents(self.name),
            SumMemory(self.private),
            self.summands,
        )

    def attach(self) -> None:
        self._link = link = self.world.hub.attach(self.name)
        stream = SumStream(self.party(), COORD.name, self._send)
        self._tasks = [asyncio.create_task(one) for one in (stream.run(), self._pump(link, stream))]

    def detach(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._link is not None:
            self.world.hub.detach(self._link)

    def freeze(self) -> None:
        """Read and say nothing more, and keep the stream open."""
        for task in self._tasks:
            task.cancel()

    def give(self, label: str, vector: np.ndarray) -> None:
        self.summands.keep(PLAN.digest(), labels_digest(PLAN.digest(), label), vector)

    async def _pump(self, link: Link, stream: SumStream) -> None:
        while (message := await link.next()) is not None:
            self.received.append(message.sum)
            await stream.take(message.sum)

    async def _send(self, request: wire.AttachRequest) -> None:
        changed = self.change(request)
        if changed is not None and self._link is not None:
            self.world.hub.receive(self._link, changed)
            await asyncio.sleep(0)


class World:
    """Everybody, the logs that all have read, and the coordinator's side."""

    def __init__(self, directory: Path, approved: TrainingPlan = PLAN) -> None:
        self.directory, self.time = directory, NOW
        self.hub = Hub()
        self.store = SqliteStore(directory / "public.db")
        self.private = PrivateStore(directory / "coord.db")
        key = COORD.signing_key
        ledger = Ledger(self.store, FEDERATION, COORD.name, key, lambda _: key.public, self.now)
        self.speaker = Speaker(ledger, lambda: COORD.member.roles, self.now)
        self._positions: dict[str, int] = {}
        self.members = {one.name: Member(self, one) for one in (CARRIER, BANK, HOLDER, *OTHERS)}
        self.contributors = [CARRIER.name, BANK.name, *(one.name for one in OTHERS[:2])]
        self.plan = approved
        self.hear(COORD.name, approved)
        for name in self.contributors:
            self.hear(name, approve(approved))
        enrolled = tuple(sorted(self.contributors))
        self.hear(COORD.name, TrainingStage(approved.digest(), ModelStage.ENROLLED, enrolled))
        self.desk = self.new_desk()

    def new_desk(self) -> SumDesk:
        company = SumCompany(self.private)
        key = COORD.signing_key
        return SumDesk(self.hub, COORD.name, key, lambda: CHARTER, company, lambda: self.time)

    def hear(self, member: str, body: object) -> None:
        self.time += 1
        statement = said(body, id=opaque((member, body, self.time)), issued_time=self.time)
        position = self._positions[member] = self._positions.get(member, -1) + 1
        with self.store.write() as writer:
            writer.apply(fold(member, position, encode_statement(statement), statement))

    def consents(self, name: str) -> Consents:
        private = self.members[name].private
        matters = TrainingMatters(MatterBook(Catalogue(self.store), lambda: CHARTER, self.now))
        file, spent = self.directory / "training.toml", EpsilonLedger(private)
        return Consents(name, matters, self.speaker, spent, file, self.now)

    def now(self) -> int:
        return self.time

    async def attach(self, *names: str) -> None:
        for name in names or self.members:
            self.members[name].attach()

    def close(self) -> None:
        for member in self.members.values():
            member.detach()
            member.private.close()
        self.hub.close()
        self.store.close()
        self.private.close()

    def give_updates(self, number: int = 1, attempt: int = 0) -> dict[str, np.ndarray]:
        """Let every contributor's process give an update, and return what they are."""
        label, scale = round_label(number, attempt), self.scale()
        given = {}
        for place, name in enumerate(self.contributors):
            change = update(number * 100 + attempt * 10 + place)
            given[name] = scale.encode(change, 1.0, 800 + place, ROWS, 0.5)
            self.members[name].give(label, given[name])
        return given

    def scale(self) -> FixedPoint:
        return FixedPoint.fitting(PARAMETERS, len(self.contributors), ROWS)

    def order(self, label: str = round_label(1, 0), **changes: object) -> SumOrder:
        scale = self.scale()
        fields = {
            "plan": self.plan.digest(),
            "labels": labels_digest(self.plan.digest(), label),
            "members": tuple(self.contributors),
            "length": scale.length,
            "least": 3,
            "row_caps": dict.fromkeys(self.contributors, ROWS),
            "scale": scale if is_new_each_time(label) else None,
            "seconds": SECONDS,
            "is_repeatable": not is_new_each_time(label),
        }
        return SumOrder(**fields | changes)

    async def add(self, label: str = round_label(1, 0), **changes: object) -> SumOutcome:
        return await SumRun(self.desk, self.order(label, **changes)).run()


def update(seed: int) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(0, 1, PARAMETERS)
    return (numbers * (0.9 / np.linalg.norm(numbers))).astype(np.float32)


def approve(body: TrainingPlan) -> TrainingApproval:
    return TrainingApproval(body.digest(), COORD.name, TrainingDecision.APPROVE, row_cap=ROWS)
