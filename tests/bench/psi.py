"""Measure private matching beside openmined-psi on the same sets: CPU an item and pass, and bytes.

A match has four passes: the offered values are blinded, the asked ones are blinded, blinded once
more by the other side, and what came back is compared. openmined-psi (2.0.6, P-256 in OpenSSL, one
thread) has the same four. Its sets are those that ours are, without padding; ours has none either
where time is measured, so that an item is an item, and its own where bytes are counted. 10^4 are
a median of five rounds; 10^5 and 10^6 are run once, as a figure there is a mean of so many items.

Its digests make a false hit in one of 10^9 matches (2^30) by its documentation's setting, ours in
one of 2^40: bytes are held against both. It cannot keep 2^40 with its Golomb code, which counts in
63 bits (10^6 with 10^4 need 73), but with its Bloom filter.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId
from keys.derivation import token_input
from keys.digest_set import DISTINCT_BITS, DigestShape, decode_digests
from keys.ladder import multiply_coordinates
from keys.psi import (
    MOST_OFFERED,
    arrange_digests,
    blind_values,
    evaluate,
    matching_places,
    new_key,
    offer_values,
    padded_size,
    unblind,
)
from node.duties.match_offering import Offering
from node.duties.match_table import MatchTable
from node.duties.match_work import blind_in_workers, pad_and_mix, unblind_in_workers
from node.status import resident_bytes
from node.store.private import PrivateStore
from node.workers import Workers
from tests.bench.clock import ROUNDS, cpu_of
from tests.bench.processes import family_cpu
from tests.bench.result import NotMeasuredError, Result

SESSION: Final = bytes(16)
PASSES: Final = 4
MICRO: Final = 1e6
TIME_TARGET: Final = 0.7
BYTES_TARGET: Final = 1.0
COMMON: Final = 10
"""One in so many values is on both sides."""

FALSE_HITS: Final = 1e-9
"""Of openmined-psi, of all asked values together: what its own documentation uses."""

SAFE_HITS: Final = 2.0**-DISTINCT_BITS
"""False hits of ours, of all asked values together."""

MEMORY_TARGET: Final = 150
"""Mebibytes by which a node may grow that offers a million values, both ends' digests in it."""

MEBIBYTE: Final = 1024 * 1024
NOW: Final = 1_800_000_000
HARBOUR, FIRM = FederationName("harbour"), MemberId("net-p")

Theirs = Callable[[Sequence[str], Sequence[str]], tuple[list[float], int, int]]
"""A match by openmined-psi: seconds of each pass, bytes sent, and how many are common."""

SMALL, LARGE, HUGE = 2_000, 100_000, 1_000_000


def measure() -> Iterator[Result]:
    """Yield 10^4 against 10^4, 10^5 against 10^5 and 10^4 asked among 10^6."""
    theirs = _theirs()
    yield Result("psi: one scalar multiplication (V)", MICRO * multiplication(), "us CPU/item")
    yield from _pair("10^4 × 10^4", 10_000, theirs, ROUNDS)
    yield from _pair("10^5 × 10^5", LARGE, theirs, 1)
    yield from _directional(theirs)


def _pair(name: str, count: int, theirs: Theirs, rounds: int) -> Iterator[Result]:
    """Yield time and bytes of two sets of one size, in rounds that take both in turn."""
    offered, asked = values(0, count), values(count - count // COMMON, count)
    ours(offered[:SMALL], asked[:SMALL])
    theirs(offered[:SMALL], asked[:SMALL])
    mine, other, sent = [], [], 0
    for _ in range(rounds):
        passes, common = ours(offered, asked)
        others, sent, found = theirs(offered, asked)
        if common != found or common != count // COMMON:
            raise RuntimeError(f"{common} and {found} values are common")
        mine.append(sum(passes))
        other.append(sum(others))
    each = MICRO / (PASSES * count)
    unit = "us CPU/item and pass"
    yield Result(
        f"psi: {name}", each * median(mine), unit, TIME_TARGET, baseline=each * median(other)
    )
    own = our_bytes(count, count) / count
    yield Result(f"psi: {name}, sent", own, "bytes/item", BYTES_TARGET, baseline=sent / count)


def _directional(theirs: Theirs) -> Iterator[Result]:
    """Yield what 10^4 asked among 10^6 offered ones cost, as a node does it with its workers."""
    offered, asked = values(0, HUGE), values(HUGE - 10, 10_000)
    others, sent, common = theirs(offered, asked)
    taken = by_a_node(offered, asked)
    if common != taken.common:
        raise RuntimeError(f"{common} and {taken.common} values are common")
    name = "psi: 10^4 among 10^6"
    yield Result(f"{name}, all of it", taken.cpu, "s CPU", TIME_TARGET, baseline=sum(others))
    yield Result(f"{name}, elapsed on all cores", taken.seconds, "s")
    own = our_bytes(HUGE, len(asked)) / 1e6
    yield Result(f"{name}, sent", own, "MB", BYTES_TARGET, baseline=sent / 1e6)
    safe = safe_bytes(HUGE, len(asked)) / 1e6
    yield Result(f"{name}, sent, as safe", own, "MB", BYTES_TARGET, baseline=safe)
    yield Result(f"{name}, memory of the node", taken.mebibytes, "MiB", MEMORY_TARGET)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a match through the parts of a node took, of both sides.

    Attributes:
        cpu: Seconds of all processes.
        mebibytes: By which the offering process grew.
    """

    cpu: float
    seconds: float
    mebibytes: float
    common: int


def by_a_node(offered: Sequence[str], asked: Sequence[str]) -> Taken:
    """Match through the parts of a node, with workers on all cores."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        private = PrivateStore(Path(directory) / "private.db")
        try:
            table = MatchTable(private)
            table.offer([FIRM], Kind.PHONE, offered, NOW + 86_400)
            return asyncio.run(_offer_and_ask(table, asked))
        finally:
            private.close()


async def _offer_and_ask(table: MatchTable, asked: Sequence[str]) -> Taken:
    workers = Workers(0)
    try:
        await workers.warm_up()
        begin, before = time.perf_counter(), resident_bytes()
        cpu = family_cpu(os.getpid())
        offering = Offering(HARBOUR, table, workers, lambda: NOW)
        size = padded_size(len(asked))
        opened = await offering.open(FIRM, Kind.PHONE, size, _free)
        shape, coded = DigestShape(opened.count, size), bytearray(opened.coded)
        while len(coded) < shape.length:
            coded += offering.read(FIRM, opened.session, len(coded))
        offered = decode_digests(bytes(coded), shape)
        grown = (resident_bytes() - before) / MEBIBYTE
        key = new_key()
        inputs = [token_input(HARBOUR, int(Kind.PHONE), one.encode()) for one in asked]
        blinded = await blind_in_workers(workers, key, opened.session, inputs)
        sent, order = await pad_and_mix(workers, blinded, size)
        again = await offering.evaluate(FIRM, opened.session, sent)
        own = await unblind_in_workers(workers, key, opened.session, again)
        places = matching_places(own, offered, shape)
        common = sum(order[place] < len(asked) for place in places)
        cpu = family_cpu(os.getpid()) - cpu
        return Taken(cpu, time.perf_counter() - begin, grown, common)
    finally:
        workers.close()


async def _free(_amount: int) -> None:
    """Charge nothing."""


def values(start: int, count: int) -> list[str]:
    """Return telephone numbers in a row."""
    return [f"+86139{number:08d}" for number in range(start, start + count)]


def ours(offered: Sequence[str], asked: Sequence[str]) -> tuple[list[float], int]:
    """Return the CPU seconds of each pass, and how many values are common."""
    carrier, firm = new_key(), new_key()
    shape = DigestShape(len(offered), len(asked))
    there = [one.encode() for one in offered]
    here = [one.encode() for one in asked]
    first, coded = cpu_of(lambda: _offer(carrier, there, shape))
    second, blinded = cpu_of(lambda: blind_values(firm, SESSION, here))
    third, reblinded = cpu_of(lambda: evaluate(carrier, blinded))
    fourth, places = cpu_of(
        lambda: matching_places(
            unblind(firm, SESSION, reblinded), decode_digests(coded, shape), shape
        )
    )
    return [first, second, third, fourth], len(places)


def our_bytes(offered: int, asked: int) -> int:
    """Return what goes between the sides, padding and all."""
    filled, size = padded_size(offered, MOST_OFFERED), padded_size(asked, MOST_OFFERED)
    return DigestShape(filled, size).length + 2 * 32 * size


def safe_bytes(offered: int, asked: int) -> float:
    """Return what openmined-psi sends for false hits as rare as ours, of a filter of fewer items.

    Its Bloom filter grows with the items alone, but is none smaller than for those asked.
    """
    import private_set_intersection.python as psi

    some = [f"{number}" for number in range(asked)]
    server, client = (one.CreateWithNewKey(True) for one in (psi.server, psi.client))
    kind = psi.DataStructure.BLOOM_FILTER
    setup = len(server.CreateSetupMessage(SAFE_HITS, asked, some, kind).bloom_filter.bits)
    request = len(client.CreateRequest(some).SerializeToString())
    return setup * offered / asked + 2 * request  # an answer is as long


def multiplication() -> float:
    """Return the CPU seconds of one multiplication of the loaded library."""
    elements = blind_values(new_key(), SESSION, [b"%d" % number for number in range(SMALL)])
    key = new_key()
    return median(
        cpu_of(lambda: multiply_coordinates(key, elements))[0] / SMALL for _ in range(ROUNDS)
    )


def _offer(key: Any, offered: Sequence[bytes], shape: DigestShape) -> bytes:
    return arrange_digests(offer_values(key, SESSION, offered), shape)


def _theirs() -> Theirs:
    try:
        import private_set_intersection.python as psi
    except ImportError as error:
        raise NotMeasuredError("the group 'baseline' (openmined-psi) is not installed") from error

    def match(offered: Sequence[str], asked: Sequence[str]) -> tuple[list[float], int, int]:
        server, client = (one.CreateWithNewKey(True) for one in (psi.server, psi.client))
        first, setup = cpu_of(
            lambda: server.CreateSetupMessage(FALSE_HITS, len(asked), list(offered))
        )
        second, request = cpu_of(lambda: client.CreateRequest(list(asked)))
        third, response = cpu_of(lambda: server.ProcessRequest(request))
        fourth, common = cpu_of(lambda: client.GetIntersection(setup, response))
        sent = sum(len(one.SerializeToString()) for one in (setup, request, response))
        return [first, second, third, fourth], sent, len(common)

    return match
