"""Run a node: open both doors, keep replicas, keys and leaf current, stop gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial

from google.protobuf.timestamp_pb2 import Timestamp

from federation.authorisation import may_say
from federation.charter import Charter
from federation.errors import FederationError
from federation.fork import ForkEvidence
from federation.names import MemberId
from keys.library import set_library_path
from keys.secret import Secret
from node import __version__
from node.allocator import keep_giving_back, settle_allocator
from node.assembly import (
    Core,
    LogSide,
    build_charter_sync,
    build_core,
    build_desk,
    build_file_attachments,
    build_learning,
    build_log_side,
    build_public_keys,
    build_score_desk,
    build_tokeniser,
    build_training_side,
    meter_lookup,
)
from node.clock import RehearsalClock
from node.config import Config
from node.desk.duty import DutyService
from node.desk.learning import LearningService
from node.desk.matters import MatterService
from node.desk.notice import NoticeService
from node.desk.operation import LogParts, OperationService
from node.desk.score import ScoreDesk
from node.desk.service import DeskService
from node.desk.sums import SumService
from node.desk.train import TrainService
from node.doors.errors import SocketError
from node.doors.inside import InsideDoor, hold_desk, hold_directory
from node.doors.member_service import MemberService
from node.doors.outside import OutsideDoor, Registration
from node.doors.policy import DoorPolicy
from node.duties.case_side import build_case_side, case_service
from node.duties.counting_side import INSIDE_NAMES as COUNTING_NAMES
from node.duties.counting_side import build_counting_side
from node.duties.disposition_side import INSIDE_NAMES as DISPOSITION_NAMES
from node.duties.disposition_side import DispositionSide
from node.duties.one_id_side import INSIDE_NAME as ONE_ID_NAME
from node.duties.one_id_side import OneIdSide
from node.duties.report_side import build_report_side, report_service, report_tasks
from node.duties.verification import LOOK_SECONDS as VERIFICATION_LOOK_SECONDS
from node.duties.verification_side import build_verification_side, verification_services
from node.duties.warning_side import build_warning_side, warning_services
from node.duties.warnings import LOOK_SECONDS as WARNING_LOOK_SECONDS
from node.election import LOOK_SECONDS as ELECTION_LOOK_SECONDS
from node.election import Election
from node.errors import NodeError
from node.home import Home
from node.lookup.quota import quota_states
from node.lookup.service import LookupService
from node.matters import oversight
from node.member import MemberKeys
from node.replication.follower import Listeners
from node.replication.replication import Hooks, Replication, Timing
from node.replication.roster import Roster
from node.several import Place
from node.speaker import name_bodies
from node.status import StatusReporter, StatusSources
from node.sums.carrier import LOOK_SECONDS
from node.telemetry import describe_error, get_log, start_telemetry
from node.tokens.service import TokenService
from node.training.file_server import FileServer
from node.training.training_service import TrainingService
from tocsin.desk.v1 import (
    desk_service_pb2_grpc,
    duty_service_pb2_grpc,
    learning_service_pb2_grpc,
    matter_service_pb2_grpc,
    notice_service_pb2_grpc,
    operation_service_pb2,
    operation_service_pb2_grpc,
    sum_service_pb2_grpc,
    train_service_pb2_grpc,
)
from tocsin.v1 import (
    log_service_pb2_grpc,
    lookup_service_pb2_grpc,
    member_service_pb2_grpc,
    token_service_pb2_grpc,
    training_service_pb2_grpc,
)

CEREMONY_SECONDS = 1.0  # how often ceremonies are looked at when no log grew
POLICY_SECONDS = 5.0  # how often a changed training.toml is noticed when no log grew
PARTNER_KEYS_SECONDS = 60.0  # how often a partner asks whether the shares were refreshed
FIRST_KEYS_SECONDS = 1.0  # the same before it has any keys
STOP_SECONDS = 10.0
DESK_SECONDS = 60.0  # how long a process that no longer leads has to close the desk
EXIT_DEPOSED = 75  # "try again" (sysexits.h): start the process anew, and it stands by

INSIDE_NAMES = (
    "tocsin.desk.v1.DeskService",
    "tocsin.desk.v1.OperationService",
    "tocsin.desk.v1.TrainService",
    "tocsin.desk.v1.SumService",
    "tocsin.desk.v1.CaseService",
    "tocsin.desk.v1.LearningService",
    "tocsin.desk.v1.VerifyService",
    *COUNTING_NAMES,
    *DISPOSITION_NAMES,
    ONE_ID_NAME,
    "tocsin.desk.v1.MatterService",
    "tocsin.desk.v1.DutyService",
    "tocsin.desk.v1.NoticeService",
    "tocsin.desk.v1.WarnService",
    "tocsin.desk.v1.CallService",
    "tocsin.desk.v1.ReportService",
)


def run_node(home: Home, config: Config, passphrase: Secret, place: Place | None = None) -> int:
    """Run until SIGTERM or Ctrl-C.

    Args:
        home: Whose node it is.
        config: Its settings.
        passphrase: Of the keys; wiped.
        place: What one of several processes is told; None for a node of one process.

    Returns:
        0 after a graceful stop; EXIT_DEPOSED where another process leads instead.

    Raises:
        NodeError: The node cannot start; nothing was changed.
    """
    settle_allocator()
    start_telemetry(None)
    if config.libsodium:
        set_library_path(config.libsodium)
    keys = MemberKeys.open(home, passphrase)
    passphrase.wipe()
    if place is not None:
        place.keep()
        config = replace(config, workers=place.workers)
    return asyncio.run(_run(home, config, keys, place))


async def _run(home: Home, config: Config, keys: MemberKeys, place: Place | None) -> int:
    node = RunningNode(build_core(home, config, keys), is_one_of_several=place is not None)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if place is not None:
        loop.add_reader(place.alive, stopping.set)
    try:
        await node.serve()
        if not await node.election.begin():
            node.stand_by()
        if await _unless(stopping, node.election.won()):
            await node.lead()
            if await _unless(stopping, node.election.lost()):
                get_log().error("leadership.lost")
                return EXIT_DEPOSED
    finally:
        await node.stop()
    return 0


async def _unless(stopping: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Wait for something, and say whether it happened before the node was told to stop."""
    waiting = asyncio.create_task(stopping.wait())
    working = asyncio.create_task(work)
    try:
        await asyncio.wait((waiting, working), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        for task in (waiting, working):
            task.cancel()
        await asyncio.gather(waiting, working, return_exceptions=True)


class RunningNode:
    """The parts of one node while it runs; used from the event loop alone."""

    def __init__(self, core: Core, *, is_one_of_several: bool = False) -> None:
        self._core = core
        self._is_one_of_several = is_one_of_several
        self._leads = False
        self._reads_index = False
        self._log: LogSide | None = build_log_side(core) if core.speaks else None
        self._training = build_training_side(core, self._log) if self._log else None
        self._tokeniser = build_tokeniser(core, self._log)
        self._desk: DeskService = build_desk(core, self._log, self._tokeniser)
        self._disposition = DispositionSide(core, self._log, self._tokeniser)
        self._one_id = OneIdSide(core, self._log, self._tokeniser)
        self._verification = (
            build_verification_side(core, self._log, self._tokeniser) if self._log else None
        )
        self._learning = build_learning(core, self._log, self._tokeniser) if self._log else None
        self._case = build_case_side(core, self._log, self._tokeniser) if self._log else None
        clues = self._case.clues if self._case is not None else None
        self._counting = build_counting_side(core, self._log, self._tokeniser, clues)
        self._scores: ScoreDesk | None = None
        if self._log is not None and self._desk.nominator is not None:
            self._scores = build_score_desk(core, self._log, self._desk.nominator)
        self._warning = build_warning_side(core, self._log, self._tokeniser) if self._log else None
        self._replication = self._build_replication() if self._log else None
        self._charter_sync = build_charter_sync(core) if self._log is None else None
        self._reporting = build_report_side(core, self._log, self._tokeniser) if self._log else None
        self.election = Election(self._log.store.leadership() if self._log else None)
        self._status = StatusReporter(self._sources())
        self._outside = OutsideDoor(
            core.identity,
            self._outside_services(),
            core.traffic,
            DoorPolicy(shares_port=is_one_of_several),
            lambda: self._leads,
        )
        self._inside = InsideDoor(
            core.home.socket,
            self._inside_services(),
            INSIDE_NAMES,
            take=hold_desk if is_one_of_several else hold_directory,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._grown = asyncio.Event()  # for ceremonies
        self._spoken = asyncio.Event()  # for training plans
        self._verified = asyncio.Event()  # for verification rounds
        self._summed = asyncio.Event()  # for private sums
        self._warned = asyncio.Event()  # for warnings
        self._moved = asyncio.Event()  # for the oversight of matters
        self._address = ""
        self._holds_home = False
        self._following: asyncio.Task[None] | None = None
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
            self._wake_on_growth(self._log)
        listen = core.config.listen or core.now_charter().member(core.me).address
        port = await self._outside.start(listen)
        self._address = f"{listen.rpartition(':')[0]}:{port}"
        self._spawn("memory", keep_giving_back)
        self._spawn("leaf", core.identity.keep_fresh)
        self._spawn("charter", self._watch_charter)
        if self._log is not None:
            self._following = self._spawn("keys", self._follow_ceremonies)
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
        if self._log is not None:
            await self._log.ceremonies.take_over()
            self._log.speaker.subscribe(self._match)
        await self._take_desk()
        await self._inside.start()
        self._leads = True
        self._start_tasks()
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

    async def stop(self) -> None:
        """Take no new calls, let those under way end, close everything."""
        self._leads = False
        if self._holds_home:  # while the home is still locked: the next node writes its own
            self._core.home.process_id.unlink(missing_ok=True)
        doors = [self._inside.stop(STOP_SECONDS), self._outside.stop(STOP_SECONDS)]
        await self._inside.set_ready(ready=False)
        if self._replication is not None:
            self._replication.end_watches()
        if self._training is not None:
            await _end("training", self._training.close())
        await _end("doors", asyncio.gather(*doors))
        if self._replication is not None:
            await _end("replication", self._replication.close())
        if self._charter_sync is not None:
            await _end("charter", self._charter_sync.close())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.election.close()
        await _end("peers", self._core.peers.close())
        await _end("workers", asyncio.to_thread(self._core.workers.close))
        self._core.private.close()
        if self._log is not None:
            await asyncio.to_thread(self._log.index.close)
            self._log.store.close()
        get_log().info("node.stopped", member=self._core.me)

    def _build_replication(self) -> Replication:
        core, log = self._core, self._require_log()
        config = core.config
        hooks = Hooks(
            listeners=Listeners(
                self._match, self._refused, self._judge_said, log.alarms.dated_ahead
            ),
            on_fork=self._forked,
            adopt=core.charter.adopt,
        )
        return Replication(
            Roster(core.me, core.now_charter, core.clock),
            log.ledger,
            core.peers,
            hooks,
            Timing(
                poll_seconds=config.poll_seconds,
                gossip_seconds=config.gossip_seconds,
                charter_seconds=config.charter_seconds,
            ),
        )

    def _require_log(self) -> LogSide:
        if self._log is None:
            raise RuntimeError("only a node with a log has this part")
        return self._log

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

    def _outside_services(self) -> list[Registration]:
        core = self._core

        async def root() -> bytes:
            return self._status.known_root()

        member = MemberService(core.identity, core.clock, lambda: core.charter.note, root)
        services: list[Registration] = [
            (member_service_pb2_grpc.add_MemberServiceServicer_to_server, member)
        ]
        if self._log is None or self._replication is None:
            return services
        log = self._log
        quotas = partial(quota_states, core.now_charter, core.private, core.clock)
        lookup = LookupService(
            log.verdicts, log.catalogue, partial(meter_lookup, log.metering), quotas
        )
        token = TokenService(log.holder, log.ceremonies.signed_key_sets)
        if self._training is not None:
            add = training_service_pb2_grpc.add_TrainingServiceServicer_to_server
            files = FileServer(core.me, log.consents.matters, log.bundles)
            services.append((add, TrainingService(self._training.hub, files, self._training.runs)))
        if self._warning is not None:
            services.append(self._warning.outside(partial(meter_lookup, log.metering)))
        return [
            *services,
            *self._counting.outside,
            (log_service_pb2_grpc.add_LogServiceServicer_to_server, self._replication.service),
            (lookup_service_pb2_grpc.add_LookupServiceServicer_to_server, lookup),
            (token_service_pb2_grpc.add_TokenServiceServicer_to_server, token),
        ]

    def _inside_services(self) -> list[Registration]:
        parts = None
        if self._log is not None:
            log = self._log
            parts = LogParts(
                own=log.ledger.own,
                ledger=log.ledger,
                speaker=log.speaker,
                ceremonies=log.ceremonies,
                synchronise=self._synchronise,
            )
        operation = OperationService(self._status, self._core.charter, parts)
        train = TrainService(
            self._log.consents if self._log is not None else None,
            self._training.runs if self._training is not None else None,
            self._scores,
            self._log.bundles if self._log is not None else None,
        )
        return [
            *warning_services(self._warning),
            *self._counting.inside,
            *self._disposition.inside,
            self._one_id.inside,
            report_service(self._core, self._reporting),
            case_service(self._case),
            (desk_service_pb2_grpc.add_DeskServiceServicer_to_server, self._desk),
            *verification_services(self._verification),
            (operation_service_pb2_grpc.add_OperationServiceServicer_to_server, operation),
            (train_service_pb2_grpc.add_TrainServiceServicer_to_server, train),
            (
                sum_service_pb2_grpc.add_SumServiceServicer_to_server,
                SumService(self._log.sums if self._log is not None else None),
            ),
            (
                learning_service_pb2_grpc.add_LearningServiceServicer_to_server,
                LearningService(self._learning, self._core.clock),
            ),
            (
                duty_service_pb2_grpc.add_DutyServiceServicer_to_server,
                DutyService(self._log.duties if self._log is not None else None),
            ),
            (
                notice_service_pb2_grpc.add_NoticeServiceServicer_to_server,
                NoticeService(
                    self._core.me,
                    self._log.matters if self._log is not None else None,
                    self._log.speaker if self._log is not None else None,
                ),
            ),
            (
                matter_service_pb2_grpc.add_MatterServiceServicer_to_server,
                MatterService(
                    self._core.me,
                    self._log.matters if self._log is not None else None,
                    self._core.clock,
                ),
            ),
        ]

    async def _synchronise(self) -> tuple[int, list[str]]:
        if self._replication is None:
            return 0, []
        done = await self._replication.synchronise()
        return done.count, list(done.unreachable)

    def _start_tasks(self) -> None:
        self._spawn("keys", self._keep_keys if self._log is None else self._hold_ceremonies)
        if self._log is not None:
            self._spawn("watchlist", self._match_watchlist)
            self._spawn("training", self._decide_plans)
            self._spawn("sums", self._take_part_in_sums)
            self._spawn("warnings", self._warn_customers)
            self._spawn("verification", self._verify)
            self._spawn("matters", self._oversee_matters)
            for name, work in (*self._disposition.tasks, *self._one_id.tasks):
                self._spawn(name, work)
            for name, work in (*report_tasks(self._reporting), *self._counting.tasks):
                self._spawn(name, work)
            if self._training is None:
                self._spawn("attachments", build_file_attachments(self._core, self._log).run)
        if self._training is not None:
            self._spawn("attachments", self._training.attachments.run)
            self._tasks.add(asyncio.create_task(self._training.runs.resume(), name="resume"))

    def _spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(_supervised(name, work), name=name)
        self._tasks.add(task)
        return task

    def _wake_on_growth(self, log: LogSide) -> None:
        loop = asyncio.get_running_loop()

        def wake(_origin: object, _size: int) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the node is stopping
                loop.call_soon_threadsafe(self._wake)

        log.ledger.subscribe(wake)

    def _wake(self) -> None:
        self._grown.set()
        self._spoken.set()
        self._summed.set()
        self._warned.set()
        self._verified.set()
        self._moved.set()

    async def _hold_ceremonies(self) -> None:
        await self._after_growth(self._require_log().ceremonies.advance_if_changed)

    async def _follow_ceremonies(self) -> None:
        await self._after_growth(self._require_log().ceremonies.follow_if_changed)

    async def _after_growth(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CEREMONY_SECONDS):
                    await self._grown.wait()
            self._grown.clear()
            await look()

    async def _decide_plans(self) -> None:
        log = self._require_log()
        while True:
            await log.consents.decide_if_changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLICY_SECONDS):
                    await self._spoken.wait()
            self._spoken.clear()

    async def _take_part_in_sums(self) -> None:
        log = self._require_log()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._summed.wait()
            self._summed.clear()
            await log.sums.advance_if_due()

    async def _oversee_matters(self) -> None:
        log = self._require_log()
        while True:
            await log.oversight.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(oversight.LOOK_SECONDS):
                    await self._moved.wait()
            self._moved.clear()

    async def _verify(self) -> None:
        if self._verification is None:
            raise RuntimeError("only a node with a log has this part")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(VERIFICATION_LOOK_SECONDS):
                    await self._verified.wait()
            self._verified.clear()
            await self._verification.verifications.advance()

    async def _warn_customers(self) -> None:
        if self._warning is None:
            raise RuntimeError("only a node with a log has this part")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WARNING_LOOK_SECONDS):
                    await self._warned.wait()
            self._warned.clear()
            await self._warning.warnings.advance()

    async def _keep_keys(self) -> None:
        public_keys = build_public_keys(self._core)
        while True:
            known = await public_keys.refresh()
            await asyncio.sleep(PARTNER_KEYS_SECONDS if known else FIRST_KEYS_SECONDS)

    async def _watch_charter(self) -> None:
        while True:
            await asyncio.sleep(self._core.config.charter_seconds)
            try:
                self._core.charter.reload()
            except (NodeError, FederationError) as error:
                get_log().warning("charter.refused", reason=error.reason)

    def _follow(self, _charter: Charter) -> None:
        if self._replication is not None:
            self._replication.refresh()
        if self._charter_sync is not None:
            self._charter_sync.start()

    async def _match_watchlist(self) -> None:
        if self._desk.watch is not None:
            await self._desk.watch.match_anew()
        await asyncio.Event().wait()  # once is enough; the supervisor tries again what failed

    async def _match(self, tokens: frozenset[bytes]) -> None:
        if self._desk.watch is not None and tokens:
            await asyncio.to_thread(self._desk.watch.matcher.match, tokens)

    async def _refused(self, member: MemberId, count: int, reason: str) -> None:
        get_log().warning("entries.refused", member=member, count=count, reason=reason)
        await self._require_log().alarms.statement_refused(member, reason)

    async def _judge_said(self, member: MemberId, said: frozenset[type]) -> None:
        """Raise an alarm about what a member may not say; it stands in the log but never counts."""
        found = self._core.now_charter().find(member)
        for body in name_bodies(said):
            if found is not None and not may_say(found.roles, body):
                await self._require_log().alarms.statement_refused(
                    member, f"{body.upper()}_NOT_ALLOWED"
                )

    async def _forked(self, evidence: ForkEvidence) -> None:
        await self._require_log().alarms.log_forked(evidence.origin.member, evidence)


async def _end(name: str, ending: Awaitable[object]) -> None:
    """End one part; where it fails, the others are ended all the same."""
    try:
        await ending
    except Exception as error:
        get_log().error("node.part_not_ended", body=name, **describe_error(error))


async def _supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run a task for ever; one that fails is logged and started again a second later."""
    while True:
        try:
            await work()
        except Exception as error:  # the supervisor: the node outlives its tasks
            get_log().error("task.failed", body=name, **describe_error(error))
            await asyncio.sleep(1.0)
