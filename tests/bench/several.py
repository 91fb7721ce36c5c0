"""Measure one node as one process and as two on PostgreSQL: ``python -m tests.bench.several``.

The same look-ups and nominations go to the same node three times: with its tables in files, then
moved to PostgreSQL as one process, then as two. Three nodes, mutual TLS on loopback; one client
asks over several connections, which the kernel spreads over the processes. CPU is that of all
processes of the node, and of the database server beside it. Where client, node and server share
two cores, the clock says how long all of them took together and not what two processes could do:
hold the CPU of a token to the one of files instead.

The server is started here with its default settings (each commit reaches the disk, as with files).
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from federation.names import MemberId
from node.peers import Peers
from node.sandbox import Sandbox
from tests.bench.clock import ROUNDS
from tests.bench.held_tokens import random_tokens
from tests.bench.large_nodes import wait_held, wait_rested
from tests.bench.machine import describe_machine
from tests.bench.nodes import (
    MEMBERS,
    append_at,
    process_of,
    processor_seconds,
    running_nodes,
    start_apart,
)
from tests.bench.result import Result, table
from tests.bench.statements import nominations
from tests.end_to_end.callers import calling
from tests.end_to_end.members import Federation
from tests.postgresql import Server, running_server
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.v1 import lookup_service_pb2 as wire
from tocsin.v1 import vocabulary_pb2 as words
from tocsin.v1.lookup_service_pb2_grpc import LookupServiceStub

HELD: Final = 100_000
"""Tokens that the node holds of another member."""
CONNECTIONS: Final = 8
BATCH: Final = 1_000
"""Tokens of a bulk look-up; one in ten is known."""
BULKS, SINGLES, SAID = 96, 800, 1_024
"""Of a round: bulk calls, calls with a single token, values nominated in calls of SAID_BATCH."""
SAID_BATCH: Final = 256
CALL_SECONDS: Final = 60.0
MICRO: Final = 1e6

Costs = dict[str, float]
"""Seconds of a round by what was measured: kind of work and "node", "server" or "clock"."""


@dataclass(slots=True)
class Bench:
    """The node that is measured, who asks it, and how much was said."""

    sandbox: Sandbox
    server: Server
    said: int = 0

    @property
    def measured(self) -> str:
        """The member whose node it is."""
        return MEMBERS[1]

    def nominate(self) -> Callable[[], None]:
        """Return what nominates values whose tokens the node has made already."""
        values = [f"said-{number}.example.com" for number in range(self.said, self.said + SAID)]
        self.said += SAID
        parts = [values[start : start + SAID_BATCH] for start in range(0, SAID, SAID_BATCH)]
        with self.sandbox.door(self.measured) as door:
            for part in parts:
                asked = desk.CheckRequest(values=map(_raw, part), purpose=words.PURPOSE_CHECK)
                door.call(door.desk.Check, asked, CALL_SECONDS)

        def say() -> None:
            with self.sandbox.door(self.measured) as door:
                for part in parts:
                    request = desk.NominateRequest(rows=map(_row, part))
                    found = door.call(door.desk.Nominate, request, CALL_SECONDS).results
                    if any(one.outcome != desk.ROW_OUTCOME_ADDED for one in found):
                        raise RuntimeError("a value was not nominated")

        return say


def main(arguments: list[str]) -> int:
    """Measure and show the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.several", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list instead of a table")
    asked, results = parser.parse_args(arguments), list(measure())
    if asked.json:
        print(json.dumps([one.document() for one in results], indent=2, ensure_ascii=False))
    else:
        print(f"{describe_machine()}\n\n{table(results)}")
    return 0


def measure() -> Iterator[Result]:
    """Yield CPU an item and items a second, each beside the node with files."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_server(fsync="on") as server,
        running_nodes(Path(directory) / "federation") as sandbox,
    ):
        bench = Bench(sandbox, server)
        _fill(bench)
        files = _costs(bench, "files")
        yield from _results("files", files, files)
        _move(bench, Path(directory) / "passfile")
        for count in (1, 2):
            name = f"PostgreSQL, {count} process{'es' if count > 1 else ''}"
            _restart(bench, count)
            yield from _results(name, _costs(bench, name), files)


def _fill(bench: Bench) -> None:
    sender, sandbox = MEMBERS[0], bench.sandbox
    sandbox.stop(sender)
    append_at(sandbox, sender, HELD)
    start_apart(sandbox.home(sender))
    sandbox.up()
    wait_held(sandbox, bench.measured, sender)


def _move(bench: Bench, passfile: Path) -> None:
    address = bench.server.address(passfile=str(bench.server.passfile(passfile)))
    bench.sandbox.stop(bench.measured)
    Federation(bench.sandbox).do(bench.measured, "node", "move-store", address)
    config = bench.sandbox.home(bench.measured).config
    config.write_text(f"processes = 1\n{config.read_text()}")


def _restart(bench: Bench, count: int) -> None:
    home = bench.sandbox.home(bench.measured)
    bench.sandbox.stop(bench.measured)
    _, rest = home.config.read_text().split("\n", 1)
    home.config.write_text(f"processes = {count}\n{rest}")
    start_apart(home)
    bench.sandbox.up()


def _costs(bench: Bench, name: str) -> Costs:
    """Return medians of all figures with the node as it is now."""
    wait_rested(process_of(bench.sandbox.home(bench.measured)))
    _say(f"measures {name}")
    rounds = asyncio.run(_rounds(bench))
    return {figure: median(one[figure] for one in rounds) for figure in rounds[0]}


async def _rounds(bench: Bench) -> list[Costs]:
    async with _clients(bench.sandbox) as clients:
        await _round(bench, clients, 0)  # a warm-up
        return [await _round(bench, clients, number) for number in range(1, ROUNDS + 1)]


async def _round(bench: Bench, clients: Sequence[Peers], number: int) -> Costs:
    known = _known(number)
    tenth = BATCH // 10
    batches = [
        known[tenth * place : tenth * (place + 1)]
        + random_tokens(BATCH - tenth, number * BULKS + place)
        for place in range(BULKS)
    ]
    singles = [[token] for token in known[:SINGLES]]
    say = await asyncio.to_thread(bench.nominate)
    costs: Costs = {}
    for kind, work in (
        ("bulk", lambda: _look_up(bench, clients, batches)),
        ("single", lambda: _look_up(bench, clients, singles)),
        ("nominate", lambda: asyncio.to_thread(say)),
    ):
        node, server = _node_cpu(bench), _server_cpu(bench)
        begin = time.perf_counter()
        await work()
        costs[f"{kind} clock"] = time.perf_counter() - begin
        costs[f"{kind} node"] = _node_cpu(bench) - node
        costs[f"{kind} server"] = _server_cpu(bench) - server
    return costs


async def _look_up(
    bench: Bench, clients: Sequence[Peers], batches: Sequence[Sequence[bytes]]
) -> None:
    waiting = iter(batches)

    async def ask(peers: Peers) -> None:
        stub = LookupServiceStub(peers.channel(MemberId(bench.measured)))
        for batch in waiting:
            request = wire.LookupRequest(tokens=batch, purpose=words.PURPOSE_CHECK)
            found = await stub.Lookup(request, timeout=CALL_SECONDS)
            if len(found.verdicts) != len(batch) or found.verdicts[0].band == words.BAND_NONE:
                raise RuntimeError("a known token was not known")

    await asyncio.gather(*map(ask, clients))


@asynccontextmanager
async def _clients(sandbox: Sandbox) -> AsyncIterator[list[Peers]]:
    """Yield clients with a connection each: credentials of their own keep gRPC from sharing one."""
    async with AsyncExitStack() as stack:
        federation, caller = Federation(sandbox), MEMBERS[2]
        yield [
            await stack.enter_async_context(calling(federation, caller)) for _ in range(CONNECTIONS)
        ]


def _known(number: int) -> list[bytes]:
    """Return as many held tokens as a round asks for, others in each."""
    each = BULKS * BATCH // 10
    said = nominations(MEMBERS[0], (number + 1) * each, int(time.time()))
    return [one.body.token for one in said][number * each :]  # type: ignore[union-attr]  # nominations


def _node_cpu(bench: Bench) -> float:
    return sum(map(processor_seconds, _family(process_of(bench.sandbox.home(bench.measured)))))


def _server_cpu(bench: Bench) -> float:
    return sum(map(processor_seconds, _family(bench.server.process)))


def _family(process: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield process
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in (thread / "children").read_text(encoding="ascii").split():
            yield from _family(int(child))


def _results(name: str, costs: Costs, files: Costs) -> Iterator[Result]:
    for kind, items, what in (
        ("bulk", BULKS * BATCH, "token of a batch of 1,000"),
        ("single", SINGLES, "look-up of one token"),
        ("nominate", SAID, "nomination"),
    ):
        own, base = (each[f"{kind} node"] / items * MICRO for each in (costs, files))
        yield Result(f"several: {name}, {what}", own, "us CPU of the node", None, base)
        server = costs[f"{kind} server"] / items * MICRO
        if costs is not files:
            yield Result(f"several: {name}, {what}", server, "us CPU of the server")
        rate, plain = (items / each[f"{kind} clock"] for each in (costs, files))
        yield Result(f"several: {name}, {what}", rate, "items/s wall", None, plain)


def _raw(value: str) -> desk.RawIndicator:
    return desk.RawIndicator(kind="domain", value=value)


def _row(value: str) -> desk.NominationRow:
    return desk.NominationRow(
        indicator=_raw(value), fraud_type=words.FRAUD_TYPE_INVESTMENT, confidence=90
    )


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} several {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
