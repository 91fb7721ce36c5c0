"""Keep three nodes busy with all they do at once: look-ups, nominations, token evaluations.

Nominations are taken back some batches later, so that as many are said as end and what a node
holds stays the same. The logs grow all the same, on disk: nothing is ever removed from them here.
"""

import asyncio
import itertools
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import grpc.aio

from federation.names import MemberId
from node.cli.connection import InsideDoor
from node.errors import NodeError
from node.peers import Peers
from node.sandbox import Sandbox
from tests.bench.clock import SEED
from tests.bench.nodes import MEMBERS
from tests.end_to_end.callers import calling
from tests.end_to_end.members import Federation
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.v1 import lookup_service_pb2 as wire
from tocsin.v1 import statement_pb2
from tocsin.v1 import vocabulary_pb2 as words
from tocsin.v1.lookup_service_pb2_grpc import LookupServiceStub

UNARY, BULK, INGEST, EVALUATE = "unary", "bulk", "ingest", "evaluate"
CALLERS: Final = {UNARY: 2, BULK: 1, INGEST: 1, EVALUATE: 1}
"""Calls under way at once, by kind, when they are made as fast as they are answered."""
PACED_CALLERS: Final = CALLERS | {UNARY: 8, BULK: 4}
"""The same when calls are made at a rate. A call that lasts longer than its caller's interval costs
the next: two callers left out every twelfth of 170 look-ups a second."""
SIZES: Final = {UNARY: 1, BULK: 1_000, INGEST: 256, EVALUATE: 256}
"""Items of one call; an ingest says so many and takes as many back."""
LIVE_BATCHES: Final = 16
"""Batches of nominations that stand before the oldest is taken back."""
KNOWN_TOKENS: Final = 50_000
"""Of those held, as many as look-ups are about; nine in ten of a bulk look-up are unknown."""
CALL_SECONDS: Final = 60.0

Call = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Tally:
    """What came of the calls of one kind.

    Attributes:
        count: Calls that were answered.
        late: Calls begun more than their interval after their time.
        errors: Reasons of those that failed.
        samples: When each answered call began, and the seconds it took from its due time.
    """

    count: int = 0
    late: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[float, float]] = field(default_factory=list)


Tallies = dict[str, Tally]


class Load:
    """The calls of all kinds against one federation."""

    def __init__(self, sandbox: Sandbox, peers: Peers, doors: dict[str, InsideDoor]) -> None:
        self._peers = peers
        self._doors = doors
        self._random = random.Random(SEED + 1)  # other bytes than the tokens held
        held = random.Random(SEED)  # as ``statements.batches`` makes tokens
        self._known = [held.randbytes(16) for _ in range(KNOWN_TOKENS)]
        self._numbers = itertools.count()
        self._standing: deque[tuple[str, list[str]]] = deque()
        self._turn = itertools.cycle(MEMBERS)
        self._asked = itertools.cycle(MEMBERS[:2])  # the third member asks them

    async def call(self, kind: str) -> None:
        """Make one call, and raise what it raises."""
        calls: dict[str, Call] = {
            UNARY: self._look_up_one,
            BULK: self._look_up_many,
            INGEST: self._ingest,
            EVALUATE: self._evaluate,
        }
        await calls[kind]()

    async def _look_up_one(self) -> None:
        (verdict,) = await self._look_up([self._random.choice(self._known)])
        if verdict.band == words.BAND_NONE:
            raise WrongAnswerError("KNOWN_TOKEN_UNKNOWN")

    async def _look_up_many(self) -> None:
        tenth = SIZES[BULK] // 10
        known = self._random.sample(self._known, tenth)
        others = [self._random.randbytes(16) for _ in range(SIZES[BULK] - tenth)]
        verdicts = await self._look_up(known + others)
        if sum(one.band != words.BAND_NONE for one in verdicts) != tenth:
            raise WrongAnswerError("WRONG_COUNT_OF_KNOWN")

    async def _look_up(self, tokens: list[bytes]) -> list[wire.TokenVerdict]:
        request = wire.LookupRequest(tokens=tokens, purpose=words.PURPOSE_CHECK)
        stub = LookupServiceStub(self._peers.channel(MemberId(next(self._asked))))
        return list((await stub.Lookup(request, timeout=CALL_SECONDS)).verdicts)

    async def _ingest(self) -> None:
        speaker, values = next(self._turn), self._fresh(SIZES[INGEST])
        rows = [
            desk.NominationRow(
                indicator=_raw(value), fraud_type=words.FRAUD_TYPE_INVESTMENT, confidence=90
            )
            for value in values
        ]
        door = self._doors[speaker]
        said = await asyncio.to_thread(
            door.call, door.desk.Nominate, desk.NominateRequest(rows=rows), CALL_SECONDS
        )
        _require_added(said.results)
        self._standing.append((speaker, values))
        if len(self._standing) > LIVE_BATCHES:
            await self._take_back(*self._standing.popleft())

    async def _take_back(self, speaker: str, values: list[str]) -> None:
        door, reason = self._doors[speaker], statement_pb2.RETRACTION_REASON_OVER
        request = desk.RetractRequest(values=map(_raw, values), reason=reason)
        ended = await asyncio.to_thread(door.call, door.desk.Retract, request, CALL_SECONDS)
        _require_added(ended.results)

    async def _evaluate(self) -> None:
        door, values = self._doors[next(self._turn)], self._fresh(SIZES[EVALUATE])
        request = desk.CheckRequest(values=map(_raw, values), purpose=words.PURPOSE_CHECK)
        checked = await asyncio.to_thread(door.call, door.desk.Check, request, CALL_SECONDS)
        for one in checked.results:
            if one.HasField("error") or one.band != words.BAND_NONE:
                raise WrongAnswerError(one.error.reason or "FRESH_VALUE_KNOWN")

    def _fresh(self, count: int) -> list[str]:
        """Return values that nobody has asked for before, so that holders must evaluate them."""
        return [f"soak-{next(self._numbers)}.example.com" for _ in range(count)]


class WrongAnswerError(Exception):
    """A node answered, and not what is true."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@asynccontextmanager
async def loading(sandbox: Sandbox) -> AsyncIterator[Load]:
    """Open what the calls go through: mTLS as the third member, and every inside door."""
    with ExitStack() as open_doors:
        doors = {one: open_doors.enter_context(sandbox.door(one)) for one in MEMBERS}
        async with calling(Federation(sandbox), MEMBERS[2]) as peers:
            yield Load(sandbox, peers, doors)


async def run_freely(load: Load, seconds: float) -> dict[str, float]:
    """Call as fast as the nodes answer, all kinds at once, and return calls a second by kind.

    Raises:
        WrongAnswerError: Or whatever else a call failed with.
    """
    until = time.monotonic() + seconds
    counts: Counter[str] = Counter()

    async def keep_calling(kind: str) -> None:
        while time.monotonic() < until:
            await load.call(kind)
            counts[kind] += 1

    await asyncio.gather(*(keep_calling(kind) for kind in _each_caller(CALLERS)))
    return {kind: counts[kind] / seconds for kind in CALLERS}


async def run_paced(load: Load, rates: dict[str, float], until: float, tallies: Tallies) -> None:
    """Call at these rates a second until a moment of the monotonic clock, and keep tally."""

    async def keep_pace(kind: str) -> None:
        interval = PACED_CALLERS[kind] / rates[kind]
        due = time.monotonic() + interval * random.random()  # only to spread callers
        while (now := time.monotonic()) < until:
            await asyncio.sleep(max(0.0, due - now))
            if time.monotonic() - due > interval:
                tallies[kind].late += 1
            await _tallied(load, kind, due, tallies[kind])
            # A caller that fell behind does not make up for it: a queue would measure itself.
            due = max(due + interval, time.monotonic() - interval)

    await asyncio.gather(*(keep_pace(kind) for kind in _each_caller(PACED_CALLERS)))


async def _tallied(load: Load, kind: str, due: float, tally: Tally) -> None:
    try:
        await load.call(kind)
    except grpc.aio.AioRpcError as error:
        tally.errors[error.code().name] += 1
    except (NodeError, WrongAnswerError) as error:
        tally.errors[error.reason] += 1
    else:
        tally.count += 1
        tally.samples.append((due, time.monotonic() - due))


def _each_caller(several: Mapping[str, int]) -> Iterator[str]:
    for kind, callers in several.items():
        yield from itertools.repeat(kind, callers)


def _require_added(results: object) -> None:
    for one in results:
        if one.outcome != desk.ROW_OUTCOME_ADDED:
            raise WrongAnswerError(one.error.reason or "NOT_SAID")


def _raw(value: str) -> desk.RawIndicator:
    return desk.RawIndicator(kind="domain", value=value)
