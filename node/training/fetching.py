"""Fetch the files that the log names and this node lacks from the coordinator of their plan.

The member asks, so that it gets them whenever it attaches: after the evaluation, after the shadow
stage, after having been away. It asks for plans alone that it approved, takes one file at a time,
and keeps only what is whole and right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from federation.errors import FederationError
from federation.matters import TrainingMatter
from federation.names import MemberId
from node.errors import NodeError
from node.telemetry import get_log
from node.training.bundle import Bundles, ModelFile, ModelFileError, check_file, wanted_files
from node.training.consent import Consents
from node.training.pieces import Assembly
from tocsin.v1 import training_service_pb2 as wire

LOOK_SECONDS: Final = 1.0
"""Seconds between looks whether a file is lacking."""
FILE_SECONDS: Final = 120.0
"""Seconds that a whole file may take: 64 MiB at half a megabyte a second."""
AGAIN_SECONDS: Final = 30.0
"""Seconds until a file that was wrong, late or not there is asked for again."""
MISSING_REASON: Final = "MODEL_FILE_MISSING"


@dataclass(frozen=True, slots=True)
class Lacking:
    """A file that the log names and that is not here."""

    matter: TrainingMatter
    file: ModelFile

    @property
    def key(self) -> tuple[bytes, int]:
        """What the wire calls it."""
        return self.matter.id, self.file.value


class Shelf:
    """What this member lacks, and where it is put; every method blocks."""

    def __init__(self, consents: Consents, bundles: Bundles) -> None:
        self._consents = consents
        self._bundles = bundles

    def lacking(self, coordinator: MemberId | None = None) -> list[Lacking]:
        """Return what is lacking of the plans that this member takes part in, newest first."""
        me = self._consents.me
        matters = [one.matter for one in self._consents.matters.all()]
        return [
            Lacking(matter, file)
            for matter in matters
            if matter.opener != me
            and coordinator in (None, matter.opener)
            and me in matter.facts.enrolled & matter.facts.approved.keys()
            for file in wanted_files(matter)
            if not self._bundles.has(matter, file)
        ]

    def keep(self, lacking: Lacking, data: bytes) -> None:
        """Keep a file that came.

        Raises:
            ModelFileError: It is not the one that the log names; nothing was kept.
        """
        matter = lacking.matter
        for one in self._consents.matters.all():  # the log may have grown while it came
            if (one.matter.id, one.matter.opener) == (matter.id, matter.opener):
                matter = one.matter
        check_file(matter, lacking.file, data)
        self._bundles.keep(matter.id, lacking.file, data)


class Fetcher:
    """Fetches over one stream, from its start to its end."""

    def __init__(
        self,
        shelf: Shelf,
        coordinator: MemberId,
        ask: Callable[[wire.FileRequest], Awaitable[None]],
    ) -> None:
        """Prepare.

        Args:
            shelf: What is lacking.
            coordinator: Who is at the other end.
            ask: Sends a request.
        """
        self._shelf = shelf
        self._coordinator = coordinator
        self._ask = ask
        self._asked: tuple[bytes, int] | None = None
        self._assembly = Assembly()
        self._answer: asyncio.Future[bytes] | None = None
        self._not_before: dict[tuple[bytes, int], float] = {}

    async def run(self) -> None:
        """Fetch whatever is lacking, for as long as the stream lasts."""
        while True:
            for one in await asyncio.to_thread(self._shelf.lacking, self._coordinator):
                if asyncio.get_running_loop().time() >= self._not_before.get(one.key, 0.0):
                    await self._fetch(one)
            await asyncio.sleep(LOOK_SECONDS)

    def take(self, piece: wire.ReleaseFile) -> None:
        """Take a piece; one that was not asked for is dropped.

        Raises:
            PeerError: PEER_PROTOCOL; it is not the next piece.
        """
        waiting = self._answer
        if waiting is None or waiting.done() or (piece.plan_digest, piece.file) != self._asked:
            get_log().debug("training.file_dropped", peer=self._coordinator)
            return
        if not piece.pieces:
            waiting.set_exception(ModelFileError("it has no such file", reason=MISSING_REASON))
            return
        whole = self._assembly.add(piece.piece, piece.pieces, piece.body)
        if whole is not None:
            waiting.set_result(whole)

    async def _fetch(self, one: Lacking) -> None:
        self._asked, self._assembly = one.key, Assembly()
        self._answer = asyncio.get_running_loop().create_future()
        try:
            await self._ask(wire.FileRequest(plan_digest=one.matter.id, file=one.file.value))  # type: ignore[arg-type]  # equal numbers, tested
            async with asyncio.timeout(FILE_SECONDS):
                data = await self._answer
            await asyncio.to_thread(self._shelf.keep, one, data)
        except (TimeoutError, NodeError, FederationError) as error:
            reason = getattr(error, "reason", "DEADLINE_PASSED")
            get_log().warning("training.file_refused", peer=self._coordinator, reason=reason)
            self._not_before[one.key] = asyncio.get_running_loop().time() + AGAIN_SECONDS
        else:
            get_log().info("training.file_kept", peer=self._coordinator, count=len(data))
        finally:
            self._answer, self._asked = None, None
