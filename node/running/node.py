"""Open both doors of a node, let it stand by or lead, stop it gracefully."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable

from google.protobuf.timestamp_pb2 import Timestamp

from federation.charter import Charter
from node import __version__
from node.assembly import Core, build_charter_sync
from node.clock import RehearsalClock
from node.doors.errors import SocketError
from node.doors.inside import InsideDoor, hold_desk, hold_directory
from node.doors.outside import OutsideDoor
from node.doors.policy import DoorPolicy
from node.election import LOOK_SECONDS as ELECTION_LOOK_SECONDS
from node.election import Election
from node.running.duties import Duties
from node.running.hearing import Hearing, build_replication
from node.running.parts import build_parts
from node.running.services import INSIDE_NAMES, inside_services, outside_services
from node.running.tasks import Growth, Tasks
from node.status import StatusReporter, StatusSources
from node.telemetry import describe_error, get_log
from tocsin.desk.v1 import operation_service_pb2

STOP_SECONDS = 10.0
DESK_SECONDS = 60.0  # how long a process that no longer leads has to close the desk


class RunningNode:
    """One node, or one of its processes, while it runs; used from the event loop alone."""

    def __init__(self, core: Core, *, is_one_of_several: bool = False) -> None:
        self._core = core
        self._is_one_of_several = is_one_of_several
        self._leads = False
        self._reads_index = False
        self._address = ""
        self._holds_home = False
        self._following: asyncio.Task[None] | None = None
        self.parts = parts = build_parts(core)
        self._log = log = parts.log
        self._hearing = Hearing(core, parts.desk, log.alarms) if log else None
        self._replication = (
            build_replication(core, log, self._hearing) if log and self._hearing else None
        )
        self._charter_sync = build_charter_sync(core) if log is None else None
        self.election = Election(log.store.leadership() if log else None)
        status = StatusReporter(self._sources())
        self._outside = OutsideDoor(
            core.identity,
            outside_services(parts, self._replication, status),
            core.traffic,
            DoorPolicy(shares_port=is_one_of_several),
            lambda: self._leads,
        )
        self._inside = InsideDoor(
            core.home.socket,
            inside_services(parts, status, self._synchronise),
            INSIDE_NAMES,
            take=hold_desk if is_one_of_several else hold_directory,
        )
        self._tasks, self._growth = Tasks(), Growth()
        self._duties = Duties(parts, self._growth)
        core.charter.subscribe(self._follow)

    async def serve(self) -> None:
        """Open the outside door; what any of several processes may do runs from now on."""
        core = self._core
        if not self._is_one_of_several:
            self._inside.hold()  # a second node on this home gets no further
            self._holds_home = True
            core.home.process_id.write_text(f"{os.getpid()}\n")
        await core.workers.warm_up()
        if self._log is not None:
            self._log.ledger.listen()
            await self._log.ceremonies.follow_if_changed()
            self._growth.listen(self._log.ledger)
        listen = core.config.listen or core.now_charter().member(core.me).address
        port = await self._outside.start(listen)
        self._address = f"{listen.rpartition(':')[0]}:{port}"
        for duty in self._duties.of_each():
            self._tasks.keep(*duty)
        if self._log is not None:
            self._following = self._tasks.keep(*self._duties.following(self._log))
        get_log().info(
            "node.serving", member=core.me, address=self._address, process_id=os.getpid()
        )

    def stand_by(self) -> None:
        """Answer peers while another process leads."""
        self._start_index()
        get_log().info("node.standing_by", member=self._core.me, process_id=os.getpid())

    async def lead(self) -> None:
        """Do also what only one process of a member may do: the desk, replication, duties."""
        core = self._core
        if self._following is not None:
            self._following.cancel()
        if self._log is not None and self._hearing is not None:
            await self._log.ceremonies.take_over()
            self._log.speaker.subscribe(self._hearing.match)
        await self._take_desk()
        await self._inside.start()
        self._leads = True
        self._duties.start_leading(self._tasks)
        if self._replication is not None:
            self._replication.start()
        if self._charter_sync is not None:
            self._charter_sync.start()
        await self._inside.set_ready(ready=True)
        self._start_index()
        if isinstance(core.clock, RehearsalClock):
            get_log().warning("node.rehearsal", seconds=core.clock.offset())
        get_log().info(
            "node.started",
            member=core.me,
            address=self._address,
            process_id=os.getpid(),
            software_version=__version__,
        )

    async def stop(self) -> None:
        """Take no new calls, let those under way end, close everything."""
        self._leads = False
        if self._holds_home:  # while the home is still locked: the next node writes its own
            self._core.home.process_id.unlink(missing_ok=True)
        doors = [self._inside.stop(STOP_SECONDS), self._outside.stop(STOP_SECONDS)]
        await self._inside.set_ready(ready=False)
        if self._replication is not None:
            self._replication.end_watches()
        if self.parts.training is not None:
            await _end("training", self.parts.training.close())
        await _end("doors", asyncio.gather(*doors))
        if self._replication is not None:
            await _end("replication", self._replication.close())
        if self._charter_sync is not None:
            await _end("charter", self._charter_sync.close())
        await self._tasks.end()
        self.election.close()
        await _end("peers", self._core.peers.close())
        await _end("workers", asyncio.to_thread(self._core.workers.close))
        self._core.private.close()
        if self._log is not None:
            await asyncio.to_thread(self._log.index.close)
            self._log.store.close()
        get_log().info("node.stopped", member=self._core.me)

    def _start_index(self) -> None:
        """Read the store once what must be ready is; until then look-ups ask the store itself."""
        if self._log is not None and not self._reads_index:
            self._reads_index = True
            self._log.index.start()

    async def _take_desk(self) -> None:
        """Wait until a process that led before has closed the desk."""
        end = asyncio.get_running_loop().time() + DESK_SECONDS
        while True:
            try:
                return self._inside.hold()
            except SocketError as error:
                if error.reason != "NODE_RUNNING" or asyncio.get_running_loop().time() > end:
                    raise
            await asyncio.sleep(ELECTION_LOOK_SECONDS)

    def _sources(self) -> StatusSources:
        core, log = self._core, self._log
        return StatusSources(
            identity=core.identity,
            key_ring=core.key_ring,
            traffic=core.traffic,
            peers=self._peer_states,
            processes=self.election.processes,
            address=lambda: self._address,
            clock=core.clock,
            ledger=log.ledger if log else None,
            catalogue=log.catalogue if log else None,
            private=core.private,
        )

    def _peer_states(self) -> list[operation_service_pb2.PeerStatus]:
        if self._replication is None:
            return []
        return [
            operation_service_pb2.PeerStatus(
                member=peer.member,
                reachable=peer.reachable,
                reason=peer.reason,
                last_contact_time=Timestamp(seconds=peer.last_contact),
            )
            for peer in self._replication.peers()
        ]

    async def _synchronise(self) -> tuple[int, list[str]]:
        if self._replication is None:
            return 0, []
        done = await self._replication.synchronise()
        return done.count, list(done.unreachable)

    def _follow(self, _charter: Charter) -> None:
        if self._replication is not None:
            self._replication.refresh()
        if self._charter_sync is not None:
            self._charter_sync.start()


async def _end(name: str, ending: Awaitable[object]) -> None:
    """End one part; where it fails, the others are ended all the same."""
    try:
        await ending
    except Exception as error:
        get_log().error("node.part_not_ended", body=name, **describe_error(error))
