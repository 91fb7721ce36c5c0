"""Files of models go over real doors to who takes part, and only the right ones are kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from federation.matters import State, TrainingMatter
from federation.names import MemberId
from federation.roles import Role
from node.errors import PeerError
from node.training import fetching
from node.training.bundle import Bundles, ModelFile
from node.training.fetching import Fetcher, Shelf
from node.training.file_server import FileServer
from node.training.hub import Hub
from node.training.training_service import TrainingService
from tests.federation.training_world import COORD, A
from tests.node.federation_fixture import (
    BANK,
    CARRIER,
    PARTNER,
    calling,
    make_federation,
    running_node,
)
from tests.node.training.model_world import ASSESSMENT, CARD, KnownMatters, matter, model
from tocsin.v1 import training_service_pb2 as wire
from tocsin.v1 import training_service_pb2_grpc as stubs

MODEL = model()
SECONDS = 15.0


@dataclass
class Decisions:
    """What a shelf asks of a member's decisions."""

    me: MemberId
    matters: Any


def coordinator_files(folder: Path, known: KnownMatters, *, whole: bool = True) -> FileServer:
    """Make the side that serves; names in the matter are those of the story, not of the doors."""
    bundles = Bundles(folder)
    for one in known.matters:
        bundles.keep(one.id, ModelFile.MODEL, MODEL.encode() if whole else b"another file")
        bundles.keep(one.id, ModelFile.CARD, CARD)
        bundles.keep(one.id, ModelFile.ASSESSMENT, ASSESSMENT)
    matters: Any = known
    return FileServer(COORD, matters, bundles)


class AsMember(FileServer):
    """Serves a stream's member under its name in the story."""

    def __init__(self, inner: FileServer, name: MemberId) -> None:
        self._inner = inner
        self._name = name

    def answer(self, link: Any, request: wire.FileRequest) -> None:
        link.member = self._name
        self._inner.answer(link, request)

    def forget(self, link: Any) -> None:
        self._inner.forget(link)


@contextlib.asynccontextmanager
async def fetching_over_doors(
    folder: Path, known: KnownMatters, *, name: MemberId = A, whole: bool = True
) -> AsyncIterator[Bundles]:
    """Run a coordinator and a member that fetches from it; give the member's files."""
    federation = make_federation(
        {CARRIER: Role.CARRIER, BANK: Role.BANK, PARTNER: Role.COORDINATOR}
    )
    hub = Hub()
    files = AsMember(coordinator_files(folder / "coordinator", known, whole=whole), name)
    no_runs: Any = None  # nobody runs a plan here
    service = TrainingService(hub, files, no_runs)
    services = [(stubs.add_TrainingServiceServicer_to_server, service)]
    own = Bundles(folder / "member")
    decisions: Any = Decisions(A, known)
    async with running_node(federation, PARTNER, services), calling(federation, CARRIER) as peers:
        stub: Any = stubs.TrainingServiceStub(peers.channel(PARTNER))
        call = stub.Attach()
        await call.write(wire.AttachRequest(hello=wire.Hello(software_version="1")))

        async def ask(request: wire.FileRequest) -> None:
            await call.write(wire.AttachRequest(file=request))

        fetcher = Fetcher(Shelf(decisions, own), COORD, ask)

        async def read() -> None:
            async for response in call:
                fetcher.take(response.file)

        tasks = [asyncio.create_task(read()), asyncio.create_task(fetcher.run())]
        try:
            yield own
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            call.cancel()
            hub.close()


async def eventually(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(happened):  # noqa: ASYNC110 - a file appears, nobody tells
            await asyncio.sleep(0.02)


def has_all(own: Bundles, one: TrainingMatter) -> bool:
    return all(own.has(one, file) for file in ModelFile)


async def test_a_member_gets_all_that_the_log_names_also_in_many_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("node.training.pieces.PIECE_BYTES", 1_000)
    released = matter(MODEL)
    async with fetching_over_doors(tmp_path, KnownMatters(released)) as own:
        await eventually(lambda: has_all(own, released))

    assert own.read(released.id, ModelFile.MODEL) == MODEL.encode()


async def test_papers_come_once_the_log_names_them(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "LOOK_SECONDS", 0.02)
    known = KnownMatters(matter(MODEL, State.EVALUATED))
    async with fetching_over_doors(tmp_path, known) as own:
        await eventually(lambda: own.has(known.matters[0], ModelFile.MODEL))

        assert not own.path(known.matters[0].id, ModelFile.CARD).exists()

        known.matters[0] = matter(MODEL, State.SHADOW)
        await eventually(lambda: has_all(own, known.matters[0]))


async def test_a_wrong_file_is_dropped_and_asked_for_again_later(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(fetching, "AGAIN_SECONDS", 0.3)
    released = matter(MODEL)
    async with fetching_over_doors(tmp_path, KnownMatters(released), whole=False) as own:
        await eventually(lambda: own.has(released, ModelFile.CARD))
        await asyncio.sleep(0.2)

        assert not own.path(released.id, ModelFile.MODEL).exists()

        Bundles(tmp_path / "coordinator").keep(released.id, ModelFile.MODEL, MODEL.encode())
        await eventually(lambda: has_all(own, released))


async def test_who_takes_no_part_gets_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "LOOK_SECONDS", 0.02)
    released = matter(MODEL)
    known = KnownMatters(released)
    async with fetching_over_doors(tmp_path, known, name=MemberId("bank-z")) as own:
        await asyncio.sleep(0.5)

        assert not own.directory(released.id).exists()


def test_nothing_is_lacking_of_plans_that_the_member_takes_no_part_in(tmp_path: Path) -> None:
    own = Bundles(tmp_path)
    known = KnownMatters(matter(MODEL))
    for name, count in ((A, 3), (MemberId("bank-z"), 0), (COORD, 0)):
        decisions: Any = Decisions(name, known)

        assert len(Shelf(decisions, own).lacking()) == count
        assert Shelf(decisions, own).lacking(MemberId("bank-z")) == []


async def test_pieces_that_nobody_asked_for_are_dropped_and_those_out_of_order_refused(
    tmp_path: Path,
) -> None:
    released = matter(MODEL)
    decisions: Any = Decisions(A, KnownMatters(released))
    asked: list[wire.FileRequest] = []

    async def ask(request: wire.FileRequest) -> None:
        asked.append(request)

    fetcher = Fetcher(Shelf(decisions, Bundles(tmp_path)), COORD, ask)
    piece = wire.ReleaseFile(plan_digest=released.id, file=wire.MODEL_FILE_MODEL, pieces=2)
    fetcher.take(piece)
    task = asyncio.create_task(fetcher.run())
    try:
        await eventually(lambda: bool(asked))
        fetcher.take(wire.ReleaseFile(plan_digest=bytes(32), file=1, pieces=9))
        fetcher.take(piece)
        with pytest.raises(PeerError):
            fetcher.take(piece)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
