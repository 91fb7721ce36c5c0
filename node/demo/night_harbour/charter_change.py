"""Change the charter as a federation does: a majority signs, and every node follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from federation.charter import Charter, encode_charter, parse_charter, sign_charter
from node.clock import system_clock
from node.demo.doors import CALL_SECONDS, wait_until
from node.demo.night_harbour.scene import Scene
from node.home import Home
from node.member import MemberKeys
from node.passphrase import passphrase_from_file
from node.sandbox.build import passphrase_file
from tocsin.desk.v1 import operation_service_pb2 as operation

Change = Callable[[Charter, int], Charter]
"""Returns the next version of a charter, made at a time (seconds since 1970)."""


def open_keys(home: Home) -> MemberKeys:
    """Open a member's keys, as its own people can."""
    return MemberKeys.open(home, passphrase_from_file(passphrase_file(home)))


def charter_of(scene: Scene, member: str) -> Charter:
    """Return the charter that a member follows."""
    return parse_charter(scene.sandbox.home(member).charter.read_bytes()).charter


def change_charter(
    scene: Scene, change: Change, signers: Sequence[Home], followers: Sequence[str] = ()
) -> int:
    """Put the next version of the charter in force and return its number.

    Its time is the system's: who is revoked is refused by the clock that also judges certificates.

    Args:
        scene: The scene.
        change: Writes the version.
        signers: Homes of those that sign it, one after the other.
        followers: Members that adopt it; without names all whose nodes run.

    Raises:
        DemoError: A node does not follow it.
    """
    before = charter_of(scene, scene.speaking[0])
    after = change(before, system_clock())
    note = encode_charter(after).encode()
    for home in signers:
        keys = open_keys(home)
        note = sign_charter(note, keys.card.member.member, keys.signing, before)
    running = followers or scene.running

    def adopt(member: str) -> None:
        door = scene.door(member)
        request = operation.AdoptCharterRequest(charter=note)
        door.call(door.operation.AdoptCharter, request, CALL_SECONDS)

    scene.each(adopt, running)
    wait_until(
        lambda: all(charter_of(scene, one).version == after.version for one in running),
        "a node does not follow the charter",
    )
    return after.version
