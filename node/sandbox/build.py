"""Make the homes of a sandbox: keys, passphrase files, settings and one charter signed by all."""

from __future__ import annotations

import random
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from federation.charter import create_charter, encode_charter, sign_charter
from federation.names import FederationName
from federation.roles import Role
from keys.keystore import DEFAULT_COST, Cost
from keys.secret import Secret
from keys.signing import SigningKey
from node.config import Value
from node.home import Home
from node.keyfile import KeyFile, create_secret_file
from node.member import SIGNING_ENTRY, Applicant, create_member, load_card
from node.sandbox.error import SandboxError
from node.sandbox.layout import DEFAULT_FEDERATION, Layout, Place, encode_layout, plan_layout

MARKER_NAME = "sandbox.json"
# Stands in a directory while its homes are made; one that was left half made may be made again.
UNFINISHED_NAME = "sandbox.unfinished"
PASSPHRASE_NAME = "passphrase"  # noqa: S105  # the name of a file
CAPTURE_NAME = "capture.bin"

# Below the range from which systems take ports of outgoing calls, so that a node that comes back
# finds its port free.
_PORTS = range(20_000, 30_000)
# Bytes: a Unix socket's path is at most 107 long (103 on some systems); "/run/desk.sock" is in it.
_MAX_HOME_BYTES = 85
# Seconds: short, because on one machine a person waits for what the network usually hides, and no
# shorter, because all nodes together burn its cores while nothing happens. News travels by hints.
_SETTINGS: dict[str, Value] = {
    "poll_seconds": 10,
    "gossip_seconds": 5,
    "workers": 1,  # processes: all nodes share this machine's cores
}


def build_sandbox(
    directory: Path,
    members: Sequence[str],
    *,
    federation: FederationName = DEFAULT_FEDERATION,
    capture: bool = False,
    cost: Cost = DEFAULT_COST,
    settings: Mapping[str, Value] = MappingProxyType({}),
    beside: Mapping[str, Collection[Role]] = MappingProxyType({}),
    done: Callable[[str], None] = lambda _: None,
) -> Layout:
    """Make every member's home below ``directory``, which must not exist or be empty.

    Args:
        directory: Where the homes go, each under its member's name.
        members: Their names, which tell their roles.
        federation: Its name, in every certificate and token.
        capture: Whether each node records the messages of its outside door in its home.
        cost: What one guess at a passphrase costs.
        settings: Of every node, beside and before those that a sandbox has anyway.
        beside: Roles beside those that the names tell, by member.
        done: Called with each member's name once its home is there.

    Raises:
        SandboxError: SANDBOX_DIRECTORY_TAKEN, SANDBOX_DIRECTORY_TOO_LONG,
            SANDBOX_DIRECTORY_UNUSABLE, SANDBOX_NAME_INVALID or SANDBOX_MEMBERS_INVALID.
    """
    layout = plan_layout(members, list(_free_addresses(len(members))), federation, beside)
    _check_room(directory, layout)
    _claim(directory)
    now = datetime.now(UTC)
    signers = {}
    for place in layout.places:
        home = member_home(directory, place.member)
        passphrase = Secret(secrets.token_hex(16).encode())
        own = {**_SETTINGS, **settings}
        if capture:
            own["capture"] = str(capture_file(home).resolve())
        signers[place] = _make_home(home, layout, place, passphrase, now, own, cost)
        done(place.member)
    note = _sign_charter(directory, layout, signers, int(time.time()))
    for place in layout.places:
        member_home(directory, place.member).charter.write_bytes(note)
    # Last of all: where this file stands, the sandbox is whole.
    (directory / MARKER_NAME).write_bytes(encode_layout(layout))
    (directory / UNFINISHED_NAME).unlink()
    return layout


def member_home(directory: Path, member: str) -> Home:
    """Return the home of a member of the sandbox."""
    return Home(directory / member)


def passphrase_file(home: Home) -> Path:
    """Return the file with the passphrase of a sandbox member, mode 0600."""
    return home.root / PASSPHRASE_NAME


def capture_file(home: Home) -> Path:
    """Return where a member's node records the messages of its outside door, where it does."""
    return home.root / CAPTURE_NAME


def remove_sandbox(directory: Path) -> None:
    """Remove a sandbox whose nodes are down; anything that is no sandbox is left alone.

    Raises:
        SandboxError: SANDBOX_DIRECTORY_TAKEN.
    """
    if not (directory / MARKER_NAME).is_file():
        _claim(directory)  # refuses what is not empty
    shutil.rmtree(directory)


def _make_home(
    home: Home,
    layout: Layout,
    place: Place,
    passphrase: Secret,
    now: datetime,
    settings: dict[str, Value],
    cost: Cost,
) -> SigningKey:
    applicant = Applicant(
        layout.federation, place.member, place.roles, place.address, settings=settings
    )
    create_member(home, applicant, passphrase, now, cost)
    create_secret_file(passphrase_file(home), passphrase.reveal() + b"\n")
    return SigningKey.from_seed(KeyFile.open(home.keys, passphrase).store.get(SIGNING_ENTRY))


def _sign_charter(
    directory: Path, layout: Layout, signers: dict[Place, SigningKey], now: int
) -> bytes:
    cards = [load_card(member_home(directory, place.member)).member for place in layout.places]
    charter = create_charter(layout.federation, cards, layout.holders, layout.threshold, time=now)
    note = encode_charter(charter).encode()
    for place, key in signers.items():
        note = sign_charter(note, place.member, key)
    return note


def _claim(directory: Path) -> None:
    """Empty what an earlier build left half made, and say that the directory is being filled."""
    try:
        if (directory / UNFINISHED_NAME).is_file():
            shutil.rmtree(directory)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise SandboxError(
                f"{directory} is not empty and holds no sandbox",
                reason="SANDBOX_DIRECTORY_TAKEN",
                hint="name a new directory",
            )
        (directory / UNFINISHED_NAME).touch()
    except OSError as error:
        raise SandboxError(
            f"{directory} cannot be written: {error.strerror}",
            reason="SANDBOX_DIRECTORY_UNUSABLE",
            hint="name another directory, for example /tmp/federation",
        ) from error


def _check_room(directory: Path, layout: Layout) -> None:
    longest = max(len(str(directory.resolve() / member)) for member in layout.members)
    if longest > _MAX_HOME_BYTES:
        raise SandboxError(
            f"{directory} is too long a path for the sockets below it",
            reason="SANDBOX_DIRECTORY_TOO_LONG",
            hint="name a shorter directory, for example /tmp/federation",
        )


def _free_addresses(count: int) -> Iterator[str]:
    """Find free loopback ports; all are held until the last one is found."""
    with ExitStack() as held:
        ports: list[int] = []
        # Random, so that two sandboxes made at once hardly try the same ports.
        candidates = random.SystemRandom().sample(_PORTS, len(_PORTS))
        while len(ports) < count:
            listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            port = candidates.pop()
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    yield from (f"127.0.0.1:{port}" for port in ports)
