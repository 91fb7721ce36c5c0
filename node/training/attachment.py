"""Keep this member attached to the coordinators whose plans it approved, and do what they ask.

The member dials out, so that it needs no open port for training. Before every message the member
asks itself whether it still approves the very plan of this very coordinator.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

import grpc
import grpc.aio

from federation.errors import FederationError
from federation.matters import State
from federation.names import MemberId
from federation.training.app_identity import app_digest
from federation.vocabulary import TrainingProtection
from node import __version__
from node.errors import NodeError, PeerError, UnavailableError
from node.peers import Peers
from node.telemetry import describe_error, get_log
from node.training.consent import Consents
from node.training.fetching import Fetcher, Shelf
from node.training.permission import Permission, require_permission
from node.training.pieces import Assembly, split
from node.training.sum_duties import Party
from node.training.sum_stream import SumStream
from node.training.supernodes import SuperNodes
from tocsin.v1 import training_service_pb2 as wire
from tocsin.v1 import training_service_pb2_grpc as stubs

LOOK_SECONDS: Final = 1.0
"""Seconds between looks whether there are plans of other coordinators."""
PAUSE_SECONDS: Final = (0.25, 10.0)
"""First and longest pause before dialling again; doubled each time, spread by a random half."""
MAX_ASSEMBLIES: Final = 4
"""Messages of one coordinator that may be incomplete: it sends one for each plan at a time."""
MAX_ANSWERS: Final = 8
"""Messages of one coordinator under work: one for each of a few plans, and a late one of each."""
LONGEST_ROUND: Final = 86_400
"""Seconds: a plan's own deadline is shorter, and holds for what comes through a SuperNode."""
MAX_HELLO_PLANS: Final = 64
WORKER_FAILED: Final = "WORKER_FAILED"

_RUNS: Final = frozenset(
    {State.APPROVED, State.ENROLLED, State.TRAINING, State.AGGREGATED, State.EVALUATED}
)

Work = Callable[[Permission, bytes, int, bytes, float], Awaitable[bytes]]
"""Called with permission, plan digest, round, message and seconds; returns the answer."""


class Attachments:
    """The member's streams, one to each coordinator."""

    def __init__(
        self,
        consents: Consents,
        peers: Peers,
        shelf: Shelf,
        work: Work | None,
        end: Callable[[bytes], None] = lambda _plan: None,
        party: Party | None = None,
        supernodes: SuperNodes | None = None,
    ) -> None:
        """Prepare.

        Args:
            consents: The member's decisions.
            peers: Connects to coordinators.
            shelf: Files of models that are to be fetched.
            work: Answers messages; None on a node that cannot train: it attaches for files alone.
            end: Told when a run is over.
            party: This member in private sums.
            supernodes: This member's ends of Flower's deployment engine.
        """
        self._consents = consents
        self._peers = peers
        self.shelf = shelf
        self._work = work
        self._end = end
        self.party = party
        self._supernodes = supernodes
        self._tasks: dict[MemberId, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Attach to whoever may ask, for ever."""
        try:
            while True:
                wanted = await asyncio.to_thread(self._coordinators)
                for member in self._tasks.keys() - wanted.keys():
                    self._tasks.pop(member).cancel()
                for member in wanted.keys() - self._tasks.keys():
                    self._tasks[member] = asyncio.create_task(self._stay_attached(member))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _coordinators(self) -> dict[MemberId, list[bytes]]:
        """Return whose plans this member approves, holds shares for or lacks files of; blocking."""
        found: dict[MemberId, list[bytes]] = {}
        is_holder = self.party is not None and self.party.is_holder()
        for one in self._consents.matters.all():
            matter = one.matter
            if matter.state not in _RUNS:
                continue
            if self._work is not None and self._consents.me in matter.facts.approved:
                found.setdefault(matter.opener, []).append(matter.id)
            elif is_holder and matter.facts.plan.protection is TrainingProtection.SECRET:
                found.setdefault(matter.opener, [])
        for lacking in self.shelf.lacking():
            found.setdefault(lacking.matter.opener, [])
        return found

    async def _stay_attached(self, coordinator: MemberId) -> None:
        pause, longest = PAUSE_SECONDS
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._hold_stream(coordinator)
            except (NodeError, FederationError) as error:
                reason = error.reason
                get_log().info("training.not_attached", peer=coordinator, reason=reason)
            if asyncio.get_running_loop().time() - started > longest:
                pause = PAUSE_SECONDS[0]
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
            pause = min(2 * pause, longest)

    async def _hold_stream(self, coordinator: MemberId) -> None:
        try:
            await _Stream(self, coordinator).hold()
        except grpc.aio.AioRpcError as error:
            raise await self._peers.explain(coordinator, error) from error

    async def hello(self, coordinator: MemberId) -> wire.Hello:
        """Return the first message to a coordinator."""
        plans = (await asyncio.to_thread(self._coordinators)).get(coordinator, [])
        digests = plans[:MAX_HELLO_PLANS]
        return wire.Hello(
            software_version=__version__, code_digests=[app_digest()], plan_digests=digests
        )

    def channel(self, coordinator: MemberId) -> grpc.aio.Channel:
        """Return the channel to a coordinator."""
        return self._peers.channel(coordinator)

    async def answer(
        self, coordinator: MemberId, message: wire.RoundMessage, payload: bytes
    ) -> bytes:
        """Do what was asked, if this member approves it.

        Raises:
            NodeError: It does not, or cannot.
            FederationError: The member's rows or the message do not fit.
        """
        if self._work is None:
            raise UnavailableError("this node cannot train", reason="TRAIN_EXTRA_MISSING")
        permission = await asyncio.to_thread(
            require_permission,
            self._consents,
            message.plan_digest,
            coordinator,
            trains=message.round > 0,
        )
        seconds = float(min(message.seconds_left, permission.plan.round_seconds))
        return await self._work(permission, message.plan_digest, message.round, payload, seconds)

    async def start_supernode(self, coordinator: MemberId, asked: wire.SuperNodeStart) -> None:
        """Start a SuperNode for a run, if this member allows it.

        Raises:
            NodeError: It does not, or cannot.
        """
        if self._supernodes is None:
            raise UnavailableError("this node cannot train", reason="TRAIN_EXTRA_MISSING")

        async def answer(number: int, payload: bytes) -> bytes:
            message = wire.RoundMessage(
                plan_digest=asked.plan_digest, round=number, seconds_left=LONGEST_ROUND
            )
            return await self.answer(coordinator, message, payload)

        channel = partial(self.channel, coordinator)
        await self._supernodes.start(coordinator, asked, channel, answer)

    def over(self, plan: bytes) -> None:
        """Hear that a run is over."""
        self._end(plan)
        if self._supernodes is not None:
            self._supernodes.end_later(plan)

    def lost(self, coordinator: MemberId) -> None:
        """Hear that a coordinator is gone."""
        if self._supernodes is not None:
            self._supernodes.leave(coordinator)


class _Stream:
    """One stream to one coordinator, from hello to its end."""

    def __init__(self, attachments: Attachments, coordinator: MemberId) -> None:
        self._attachments = attachments
        self._coordinator = coordinator
        self._assemblies: dict[bytes, Assembly] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._fetcher = Fetcher(attachments.shelf, coordinator, self._ask_for_file)
        self._sums = SumStream(attachments.party, coordinator, self._write)
        self._writing = asyncio.Lock()
        self._call: Any = None

    async def hold(self) -> None:
        """Stay attached until the coordinator or the network ends it.

        Raises:
            grpc.aio.AioRpcError: The call failed.
            NodeError: The coordinator broke the protocol, or cannot be called.
        """
        stub: Any = stubs.TrainingServiceStub(self._attachments.channel(self._coordinator))
        hello = await self._attachments.hello(self._coordinator)
        self._call = stub.Attach()
        beside: list[asyncio.Task[None]] = []
        try:
            await self._write(wire.AttachRequest(hello=hello))
            beside += [asyncio.create_task(one.run()) for one in (self._fetcher, self._sums)]
            async for response in self._call:
                await self._take(response)
        finally:
            self._call.cancel()
            self._attachments.lost(self._coordinator)
            for task in (*self._answering, *beside):
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _take(self, response: wire.AttachResponse) -> None:
        kind = response.WhichOneof("part")
        if kind == "goodbye":
            self._attachments.over(response.goodbye.plan_digest)
        elif kind == "message":
            self._collect(response.message)
        elif kind == "sum":
            await self._sums.take(response.sum)
        elif kind == "file":
            self._fetcher.take(response.file)
        elif kind == "supernode":
            self._begin(self._start_supernode(response.supernode))

    async def _ask_for_file(self, request: wire.FileRequest) -> None:
        await self._write(wire.AttachRequest(file=request))

    def _collect(self, message: wire.RoundMessage) -> None:
        key = message.exchange_id
        assembly = self._assemblies.setdefault(key, Assembly())
        if len(self._assemblies) > MAX_ASSEMBLIES:  # given up by the coordinator: the oldest
            del self._assemblies[next(iter(self._assemblies))]
        payload = assembly.add(message.piece, message.pieces, message.parameters)
        if payload is None:
            return
        self._assemblies.pop(key, None)
        self._begin(self._answer(message, payload))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._answering) >= MAX_ANSWERS:
            work.close()
            raise PeerError("more is asked than is answered", member=self._coordinator)
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _start_supernode(self, asked: wire.SuperNodeStart) -> None:
        message = wire.RoundMessage(plan_digest=asked.plan_digest, exchange_id=asked.exchange_id)
        try:
            await self._attachments.start_supernode(self._coordinator, asked)
        except (NodeError, FederationError) as error:
            get_log().warning("training.refused", peer=self._coordinator, reason=error.reason)
            await self._refuse(message, error.reason)
        else:
            await self._reply(message, [b""])

    async def _answer(self, message: wire.RoundMessage, payload: bytes) -> None:
        try:
            answer = await self._attachments.answer(self._coordinator, message, payload)
            pieces = split(answer)
        except (NodeError, FederationError) as error:
            get_log().warning("training.refused", peer=self._coordinator, reason=error.reason)
            await self._refuse(message, error.reason)
        except Exception as error:  # whatever it is, the coordinator must not wait for it
            get_log().error("training.failed", body="answer", **describe_error(error))
            await self._refuse(message, WORKER_FAILED)
        else:
            await self._reply(message, pieces)

    async def _reply(self, message: wire.RoundMessage, pieces: list[bytes]) -> None:
        for place, piece in enumerate(pieces):
            reply = wire.RoundReply(
                plan_digest=message.plan_digest,
                exchange_id=message.exchange_id,
                piece=place,
                pieces=len(pieces),
                parameters=piece,
            )
            await self._write(wire.AttachRequest(reply=reply))

    async def _refuse(self, message: wire.RoundMessage, reason: str) -> None:
        refusal = wire.Refusal(
            plan_digest=message.plan_digest, exchange_id=message.exchange_id, reason=reason
        )
        await self._write(wire.AttachRequest(refusal=refusal))

    async def _write(self, request: wire.AttachRequest) -> None:
        async with self._writing:
            with contextlib.suppress(asyncio.InvalidStateError):  # the stream has ended
                await self._call.write(request)
