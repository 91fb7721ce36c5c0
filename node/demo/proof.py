"""Last part of the story: count what left, search for what must not have, find an edited byte."""

from __future__ import annotations

import multiprocessing
import shutil
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from federation.indicators import Indicator
from node.cli.connection import InsideDoor
from node.demo.doors import Check
from node.demo.error import DemoError
from node.demo.lists import MEMBERS
from node.demo.scan import Needles, Place, Tally, places_below
from node.demo.stage import Stage
from node.home import Home
from node.sandbox.build import CAPTURE_NAME
from node.sandbox.process import OUTPUT_NAME, end_process, start_process
from node.sandbox.sandbox import wait_answer
from node.traffic import Direction, read_capture
from tocsin.desk.v1 import operation_service_pb2 as operation

EDITED = "net-q"
"""Whose own history is edited, in a copy of its home."""
EDITED_COPY = "edited"

# Files in which not even the member's own values may be: what passed its door, and its events.
SILENT = frozenset({CAPTURE_NAME, OUTPUT_NAME})
_SEARCHERS = 2  # processes

_needles = Needles()
"""What a searching process looks for; set once when it starts."""


def end(stage: Stage) -> Iterator[Check]:
    """End every node, and count from the captures what left each, by message type."""
    with stage.progress("ending nodes", len(stage.sandbox.members)) as bar:
        stage.close_doors()
        ended = stage.sandbox.down()
        bar.advance(len(ended))
    for member in stage.sandbox.members:
        stage.facts.traffic[member] = sent_bytes(stage.sandbox.capture(member))
    methods = {name for sent in stage.facts.traffic.values() for name in sent}
    foreign = [name for name in methods if not name.startswith("/tocsin.v1.")]
    total = sum(size for sent in stage.facts.traffic.values() for size in sent.values())
    yield Check(
        "only-the-contract-spoken",
        not foreign and all(stage.facts.traffic.values()),
        f"{total / 1e6:,.1f} MB left the nodes, in {len(methods)} message types of tocsin.v1 alone",
    )


def sent_bytes(path: Path) -> dict[str, int]:
    """Return the bytes of messages that a node sent, by full method name."""
    sent: defaultdict[str, int] = defaultdict(int)
    for record in read_capture(path):
        if record.direction is Direction.SENT:
            sent[record.method] += len(record.payload)
    return dict(sent)


def search(stage: Stage) -> Iterator[Check]:
    """Search every node's disk and every capture for raw identifiers of the others."""
    needles = _needles_of(stage)
    places = [
        place
        for member in stage.sandbox.members
        for place in places_below(stage.sandbox.home(member).root, member, member, SILENT)
    ]
    tally = Tally()
    size = sum(place.path.stat().st_size for place in places)
    with stage.progress("searching, kB", size // 1_000) as bar:
        for part in search_places(needles, places):
            tally.add(part)
            bar.advance(part.bytes_read // 1_000)
    facts = stage.facts
    facts.files, facts.bytes_read = tally.files, tally.bytes_read
    facts.findings = [f"{one.kind} in {one.name} at {one.offset}" for one in tally.findings]
    # The same search has to see each value at its owner: a blind search would find nothing, too.
    sees = tally.expected >= len(stage.material.listed)
    yield Check(
        "no-raw-identifiers",
        not tally.findings and sees,
        f"raw identifiers found: {len(tally.findings)}; searched for {facts.searched:,} in "
        f"{tally.files} files, captures included, {tally.bytes_read / 1e6:,.0f} MB; the same "
        f"search found {tally.expected:,} at their owners",
    )


def _needles_of(stage: Stage) -> Needles:
    """Return all values of the story; each may be with the members whose own list it stands on."""
    material, facts = stage.material, stage.facts
    needles = Needles()
    typed: defaultdict[Indicator, set[str]] = defaultdict(set)
    owners: defaultdict[Indicator, set[str]] = defaultdict(set)
    for member, one in material.lists.items():
        for row in one.entries:
            if row.indicator is not None and row.indicator not in material.guarded:
                typed[row.indicator].add(row.typed)
                owners[row.indicator].add(member)
    for customers in facts.watched.values():
        for value in customers:
            typed[value].add(value.value)
    for extra in facts.extra:
        typed[extra.indicator].add(extra.typed)
        owners[extra.indicator].update(extra.owners)
    for value, texts in typed.items():
        needles.add(value, texts, owners[value])
    facts.searched, facts.too_short = len(typed) - needles.too_short, needles.too_short
    needles.settle((value.value for value in material.guard), MEMBERS)
    facts.indistinct = needles.indistinct
    return needles


def search_places(needles: Needles, places: list[Place]) -> Iterator[Tally]:
    """Search files in processes of their own, and yield what each file came to."""
    # Spawned, not forked: this process has threads of gRPC in it.
    context = multiprocessing.get_context("spawn")
    largest_first = sorted(places, key=lambda place: -place.path.stat().st_size)
    with ProcessPoolExecutor(
        _SEARCHERS, mp_context=context, initializer=_set_needles, initargs=(needles,)
    ) as searchers:
        yield from searchers.map(_search_one, largest_first)


def _set_needles(needles: Needles) -> None:
    global _needles  # a process's own, set before its first job
    _needles = needles


def _search_one(place: Place) -> Tally:
    return _needles.search(place)


def edit_log(stage: Stage) -> Iterator[Check]:
    """Change one byte of one entry in a copy of a node, and let the copy verify its log."""
    original = stage.sandbox.home(EDITED)
    copy = Home(stage.sandbox.directory / EDITED_COPY)
    shutil.copytree(original.root, copy.root, ignore=shutil.ignore_patterns("run", CAPTURE_NAME))
    (copy.root / "run").mkdir(mode=0o700)
    with stage.progress("verifying", 3) as bar:
        try:
            before = _verify(stage, copy)
            bar.advance(1)
            index = before.total * 2 // 3
            body = _entry(stage, copy, index)
            end_process(copy)
            _flip_byte(copy.data, body)
            bar.advance(1)
            after = _verify(stage, copy)
            bar.advance(1)
        finally:
            end_process(copy)
    yield Check("log-sound", before.sound and before.total > 0, f"{before.total:,} entries agree")
    yield Check(
        "log-edit-found",
        not after.sound and after.HasField("bad_index") and after.bad_index == index,
        f"entry {index:,} of {after.total:,} was edited, entry {after.bad_index:,} was found",
    )


def _origin(stage: Stage) -> str:
    return f"{stage.sandbox.layout.federation}/{EDITED}/all"


def _verify(stage: Stage, home: Home) -> operation.VerifyLogResponse:
    """Run the node of a home and let it recompute its own log from disk."""
    start_process(home)
    wait_answer(home)
    request = operation.VerifyLogRequest(origin=_origin(stage))
    with InsideDoor(home) as door:
        for response in door.stream(door.operation.VerifyLog, request):
            if response.done:
                return response
    raise DemoError("the verification of a log came to no result")


def _entry(stage: Stage, home: Home, index: int) -> bytes:
    request = operation.ProveStatementRequest(origin=_origin(stage), index=index)
    with InsideDoor(home) as door:
        return door.call(door.operation.ProveStatement, request).body


def _flip_byte(directory: Path, body: bytes) -> None:
    """Change one byte in the middle of the entry's body where it stands in the database file.

    Raises:
        DemoError: It is not there, or more than once.
    """
    places = [
        (path, path.read_bytes().find(body))
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.read_bytes().count(body) == 1
    ]
    if len(places) != 1:
        raise DemoError(f"the entry stands in {len(places)} files")
    ((path, at),) = places
    with path.open("r+b") as file:
        file.seek(at + len(body) // 2)
        byte = file.read(1)
        file.seek(at + len(body) // 2)
        file.write(bytes([byte[0] ^ 1]))
