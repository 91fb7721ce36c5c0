"""Run real nodes to be measured: quotas that no bench exhausts, addresses and places as wished."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from federation.charter import encode_charter, parse_charter, sign_charter
from federation.charter.quota import EPOCH_DAYS, MAX_QUOTA, RoleQuota, uniform_quota
from federation.names import MemberId, Origin
from node.home import Home
from node.keyfile import replace_secret_file
from node.log.ledger import Ledger
from node.member import MemberKeys
from node.passphrase import passphrase_from_file
from node.sandbox import Sandbox
from node.sandbox.build import passphrase_file
from node.sandbox.process import OUTPUT_NAME, PID_NAME, node_arguments, running_process
from node.socket_path import short_path
from node.store.opening import open_file
from tests.bench.statements import batches

MEMBERS: Final = ("carrier-a", "bank-x", "net-p")
START_SECONDS: Final = 60.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
_LAUNCH: Final = "from node.cli import main; main()"
_LOOK_SECONDS: Final = 0.01
_HEALTH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node runs: its outside door's address, and a network namespace."""

    address: str
    namespace: str


@contextmanager
def running_nodes(
    directory: Path, places: Mapping[str, Place] = MappingProxyType({})
) -> Iterator[Sandbox]:
    """Run three nodes with token keys until the end of the block.

    Args:
        directory: Where their homes go.
        places: Of all members, unless they shall run on loopback.
    """
    sandbox = Sandbox(directory, MEMBERS)
    sandbox.build()
    _write_charter(sandbox, places)
    try:
        for member in MEMBERS:
            start_apart(sandbox.home(member), places[member].namespace if places else "")
        sandbox.up()
        yield sandbox
    finally:
        sandbox.down()


def start_apart(home: Home, namespace: str = "") -> None:
    """Start a node in a network namespace, or here where none is named.

    Unlike the sandbox's own it belongs to this process's group, and ends with a bench that hangs.
    """
    inside = ("ip", "netns", "exec", namespace) if namespace else ()
    with (home.root / OUTPUT_NAME).open("ab") as output:
        process = subprocess.Popen(
            [*inside, sys.executable, "-c", _LAUNCH, *node_arguments(home)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    replace_secret_file(home.root / PID_NAME, f"{process.pid}\n".encode())
    until = time.monotonic() + START_SECONDS
    while running_process(home) is None:  # "ip" has not yet become the node
        if time.monotonic() > until or process.poll() is not None:
            raise RuntimeError(f"the node of {home.root.name} does not start")
        time.sleep(_LOOK_SECONDS)


def start_timed(home: Home) -> float:
    """Start a node that is down and return the seconds until it says that it is ready."""
    begin = time.perf_counter()
    start_apart(home)
    while not _is_serving(home):
        if time.perf_counter() - begin > START_SECONDS:
            raise RuntimeError(f"the node of {home.root.name} is not ready")
        time.sleep(_LOOK_SECONDS)
    return time.perf_counter() - begin


def append_at(sandbox: Sandbox, member: str, count: int, seed: int = 1) -> None:
    """Say so many nominations in a member's log, signed by its key, while its node is down."""
    home = sandbox.home(member)
    federation, store = sandbox.layout.federation, open_file(home.data)
    with closing(store):
        signing = keys_of(home).signing
        now = int(time.time())
        ledger = Ledger(store, federation, member, signing, lambda _: signing.public, lambda: now)
        for batch in batches(member, count, now, seed):
            ledger.append(batch)


def keys_of(home: Home) -> MemberKeys:
    """Open a member's own keys."""
    return MemberKeys.open(home, passphrase_from_file(passphrase_file(home)))


def held(sandbox: Sandbox, member: str, of: str) -> int:
    """Return how many entries of a member's log a node has on disk, without asking the node."""
    path = sandbox.home(member).data / "public.db"
    origin = str(Origin(sandbox.layout.federation, MemberId(of)))
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        row = database.execute("SELECT size FROM log WHERE origin = ?", (origin,)).fetchone()
    return 0 if row is None else int(row[0])


def processor_seconds(process: int) -> float:
    """Return the CPU time that a process has used, its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(process: int) -> int:
    """Return the bytes of a process that are in memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_resident(process: int) -> int:
    """Return the most bytes of a process that were in memory at once."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return 1024 * int(kibibytes)


def process_of(home: Home) -> int:
    """Return the id of a home's node, which runs."""
    process = running_process(home)
    if process is None:
        raise RuntimeError(f"the node of {home.root.name} ended")
    return process


def _is_serving(home: Home) -> bool:
    if not home.socket.exists():
        return False
    options = [("grpc.default_authority", "localhost")]
    with (
        short_path(home.socket.absolute()) as path,
        grpc.insecure_channel(f"unix:{path}", options) as channel,
    ):
        stub, request = health_pb2_grpc.HealthStub(channel), health_pb2.HealthCheckRequest()
        try:
            answer = stub.Check(request, timeout=_HEALTH_SECONDS)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _write_charter(sandbox: Sandbox, places: Mapping[str, Place]) -> None:
    """Replace the charter before any node runs: wide quotas, and the addresses wished."""
    homes = [sandbox.home(member) for member in MEMBERS]
    charter = parse_charter(homes[0].charter.read_bytes()).charter
    moved = tuple(
        replace(one, address=places[one.member].address) if one.member in places else one
        for one in charter.members
    )
    quotas = {role: _wide(quota) for role, quota in charter.quotas.items()}
    note = encode_charter(replace(charter, members=moved, quotas=quotas)).encode()
    for member, home in zip(MEMBERS, homes, strict=True):
        note = sign_charter(note, MemberId(member), keys_of(home).signing)
    for home in homes:
        home.charter.write_bytes(note)


def _wide(quota: RoleQuota) -> RoleQuota:
    return uniform_quota(MAX_QUOTA // EPOCH_DAYS, MAX_QUOTA, quota.pad)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
