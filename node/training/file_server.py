"""Give attached members the files of this coordinator's models, piece by piece."""

from __future__ import annotations

import asyncio
from typing import Final

from federation.names import MemberId
from node.telemetry import get_log
from node.training.bundle import Bundles, wanted_files
from node.training.hub import Link
from node.training.matters import TrainingMatters
from node.training.pieces import split
from tocsin.v1 import training_service_pb2 as wire

NONE_HERE: Final = 0
"""Pieces of a file that the coordinator does not have, or does not give to this member."""


class FileServer:
    """Answers requests for files, one at a time for each member."""

    def __init__(self, me: MemberId, matters: TrainingMatters, bundles: Bundles) -> None:
        self._me = me
        self._matters = matters
        self._bundles = bundles
        self._busy: dict[Link, asyncio.Task[None]] = {}

    def answer(self, link: Link, request: wire.FileRequest) -> None:
        """Send a file on a member's stream; while one is under way, another request is dropped."""
        if link in self._busy:
            get_log().debug("training.file_request_dropped", member=link.member)
            return
        task = self._busy[link] = asyncio.create_task(self._send(link, request))
        task.add_done_callback(lambda _: self._busy.pop(link, None))

    def forget(self, link: Link) -> None:
        """Stop sending on a stream that has ended."""
        task = self._busy.pop(link, None)
        if task is not None:
            task.cancel()

    async def _send(self, link: Link, request: wire.FileRequest) -> None:
        data = await asyncio.to_thread(self._read, link.member, request)
        pieces = split(data) if data else []
        if not pieces:
            await link.put(_piece(request, 0, NONE_HERE, b""))
        for place, piece in enumerate(pieces):
            await link.put(_piece(request, place, len(pieces), piece))
        get_log().info("training.file_sent", member=link.member, count=len(data))

    def _read(self, member: MemberId, request: wire.FileRequest) -> bytes:
        """Return the file for who takes part in a plan of this coordinator; else nothing."""
        for one in self._matters.all():
            matter = one.matter
            if (matter.id, matter.opener) != (request.plan_digest, self._me):
                continue
            takes_part = member in matter.facts.enrolled & matter.facts.approved.keys()
            for file in wanted_files(matter) if takes_part else ():
                if file.value == request.file:
                    return self._bundles.read(matter.id, file)
        return b""


def _piece(request: wire.FileRequest, place: int, pieces: int, body: bytes) -> wire.AttachResponse:
    return wire.AttachResponse(
        file=wire.ReleaseFile(
            plan_digest=request.plan_digest,
            file=request.file,
            piece=place,
            pieces=pieces,
            body=body,
        )
    )
