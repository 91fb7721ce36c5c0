"""Act 16: an auditor reads all checkpoints with its own certificate, and an editor is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from federation.charter import Charter, add_member
from federation.checkpoint import SignedCheckpoint, parse_checkpoint, verify_checkpoint
from federation.merkle import CompactRange, leaf_hash, verify_consistency
from federation.names import MemberId, Origin
from federation.roles import Role
from keys.keystore import Cost
from keys.note import parse_note
from keys.secret import Secret
from node.demo.doors import CALL_SECONDS, Check
from node.demo.error import DemoError
from node.demo.night_harbour.cast import COORDINATOR, INDUSTRY, LOGS
from node.demo.night_harbour.charter_change import change_charter, charter_of
from node.demo.night_harbour.scene import Scene
from node.demo.night_harbour.visitor import visit
from node.home import Home
from node.keyfile import create_secret_file
from node.member import Applicant, MemberKeys, create_member
from node.peers import Peers
from node.replication.log_client import LogClient
from node.sandbox.build import passphrase_file
from tocsin.desk.v1 import operation_service_pb2 as operation

AUDITOR = MemberId("auditor")
EDITED = "net-q"
"""Whose own history somebody edits."""
WITNESS = "bank-x"
"""Who holds a copy of it that nobody edited."""

_SECRET = b"the auditor's own passphrase"
_CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)


@dataclass(frozen=True, slots=True)
class Shown:
    """A checkpoint that a node showed, verified under its member's key."""

    by: str
    signed: SignedCheckpoint

    @property
    def origin(self) -> Origin:
        """Return whose log it is of."""
        return self.signed.checkpoint.origin

    @property
    def size(self) -> int:
        """Return how long the log was."""
        return self.signed.checkpoint.size


def audit(scene: Scene) -> Iterator[Check]:
    """Admit an auditor, let it hold every log against every other copy, and edit one."""
    keys = _admit(scene)
    charter = charter_of(scene, INDUSTRY[0])
    scene.wait_replicated()
    shown = visit(keys, charter, lambda peers: _collect(peers, charter))
    proofs = visit(keys, charter, lambda peers: _prove(peers, shown))
    yield Check(
        "act-16-checkpoints-verified",
        len({(one.by, one.origin) for one in shown}) == len(LOGS) ** 2,
        f"{len(shown)} signed checkpoints of {len(LOGS)} logs at {len(LOGS)} nodes agree;"
        f" {proofs} proofs that a longer one only grew",
    )
    total = sum({one.origin: one.size for one in shown}.values())
    scene.saw(AUDITOR, f"checkpoints and proofs over {total:,} events; it is asked for no payload")
    yield from _edit(scene, keys, charter)


def _admit(scene: Scene) -> MemberKeys:
    """Let the auditor make its keys, and the federation sign a charter with it."""
    home = Home(scene.file("auditor", [""]).parent / "auditor-home")
    applicant = Applicant(
        scene.sandbox.layout.federation, AUDITOR, frozenset({Role.AUDITOR}), "127.0.0.1:19998"
    )
    member = create_member(home, applicant, Secret(_SECRET), datetime.now(UTC), _CHEAP)
    create_secret_file(passphrase_file(home), _SECRET + b"\n")

    def change(charter: Charter, now: int) -> Charter:
        return add_member(charter, member, time=now)

    signers = [scene.home(one) for one in (*INDUSTRY, COORDINATOR)]
    change_charter(scene, change, [*signers, home])
    return MemberKeys.open(home, Secret(_SECRET))


async def _collect(peers: Peers, charter: Charter) -> list[Shown]:
    """Return what every node shows of every log.

    Raises:
        CheckpointError: One was not signed by its member.
    """
    client, shown = LogClient(peers), []
    for node in LOGS:
        for note in await client.gossip(MemberId(node), []):
            origin = Origin.parse(parse_note(note).text.split("\n", 1)[0])
            public = charter.member(origin.member).signing_key
            shown.append(Shown(node, verify_checkpoint(note, origin, public)))
    return shown


async def _prove(peers: Peers, shown: Sequence[Shown]) -> int:
    """Hold all checkpoints of each log against each other; return how many proofs that took.

    Raises:
        ConsistencyError: Two nodes were shown two histories.
    """
    client, proofs = LogClient(peers), 0
    for origin in {one.origin for one in shown}:
        of_log = sorted((one for one in shown if one.origin == origin), key=lambda one: one.size)
        for small, large in pairwise(of_log):
            path: tuple[bytes, ...] = ()
            if 0 < small.size < large.size:
                member = MemberId(large.by)
                path = (await client.prove_growth(member, origin, small.size, large.size)).hashes
                proofs += 1
            if small.size:
                first, second = small.signed.checkpoint, large.signed.checkpoint
                verify_consistency(first.size, first.root, second.size, second.root, path)
    return proofs


def _edit(scene: Scene, keys: MemberKeys, charter: Charter) -> Iterator[Check]:
    """Flip one byte of one event behind a node's back, and put it right afterwards."""
    origin = Origin(scene.sandbox.layout.federation, MemberId(EDITED))
    editor = _Editor(scene.home(EDITED), origin)
    position = editor.flip()
    try:
        found = _verify(scene, EDITED, origin)
        seen = visit(keys, charter, lambda peers: _compare_copies(peers, origin))
    finally:
        editor.restore()
    scene.saw(AUDITOR, f"{EDITED}'s copy of event {position} is not what {EDITED} signed")
    yield Check(
        "act-16-edit-found-at-its-index",
        not found.sound and found.HasField("bad_index") and found.bad_index == position,
        f"event {position:,} of {found.total:,} was edited, event {found.bad_index:,} was found",
    )
    yield Check(
        "act-16-proof-fails-for-the-edited-copy-alone",
        seen == {EDITED: False, WITNESS: True},
        f"the events that {EDITED} hands out no longer lead to the root it signed; {WITNESS}'s"
        " copy of them does",
    )
    again = _verify(scene, EDITED, origin)
    yield Check("act-16-log-sound-again", again.sound, f"{again.total:,} events agree")


async def _compare_copies(peers: Peers, origin: Origin) -> dict[str, bool]:
    return {node: await _leads_to_root(peers, node, origin) for node in (EDITED, WITNESS)}


async def _leads_to_root(peers: Peers, node: str, origin: Origin) -> bool:
    """Read a log from a node, and say whether its events lead to the root that was signed."""
    client, tree = LogClient(peers), CompactRange()
    while True:
        run = await client.read(MemberId(node), origin, tree.size)
        removed = frozenset(run.compacted)
        tree.extend(
            [body if place in removed else leaf_hash(body) for place, body in enumerate(run.bodies)]
        )
        signed = parse_checkpoint(parse_note(run.checkpoint).text)
        if tree.size >= signed.size:
            return tree.root() == signed.root


class _Editor:
    """Somebody with access to a node's database."""

    def __init__(self, home: Home, origin: Origin) -> None:
        self._path = home.data / "public.db"
        with sqlite3.connect(self._path) as database:
            (log,) = database.execute(
                "SELECT number FROM log WHERE origin = ?", (str(origin),)
            ).fetchone()
            rows = database.execute(
                "SELECT position, body FROM entry WHERE log = ? AND body IS NOT NULL"
                " ORDER BY position",
                (log,),
            ).fetchall()
        self._log = log
        self._position, self._body = rows[len(rows) * 2 // 3]

    def flip(self) -> int:
        """Change one bit of one event; return its position."""
        body: bytes = self._body
        self._write(body[:-1] + bytes([body[-1] ^ 1]))
        return int(self._position)

    def restore(self) -> None:
        """Put it right."""
        self._write(self._body)

    def _write(self, body: bytes) -> None:
        with sqlite3.connect(self._path, timeout=CALL_SECONDS) as database:
            database.execute(
                "UPDATE entry SET body = ? WHERE log = ? AND position = ?",
                (body, self._log, self._position),
            )


def _verify(scene: Scene, member: str, origin: Origin) -> operation.VerifyLogResponse:
    """Let a node recompute its own log from disk."""
    door = scene.door(member)
    request = operation.VerifyLogRequest(origin=str(origin))
    for response in door.stream(door.operation.VerifyLog, request):
        if response.done:
            return response
    raise DemoError("the verification of a log came to no result")
