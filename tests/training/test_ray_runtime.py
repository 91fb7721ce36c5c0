"""A Ray started here is heard by nobody but this machine, and obeys nobody but who started it."""

import json
import os
import subprocess
import sys
import uuid
from importlib.util import find_spec
from pathlib import Path

import grpc
import pytest

from federation.training.ray_runtime import running_ray

ROOT = Path(__file__).parent.parent.parent
MARK = "TOCSIN_TEST_MARK"
LISTENS = "0A"
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
ASKED = "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo"

pytestmark = [
    pytest.mark.timeout(300),
    # Found, and not imported: Ray reads its environment when it is.
    pytest.mark.skipif(find_spec("ray") is None, reason="neither extra with Ray is installed"),
]


def test_a_ray_started_here_listens_on_loopback_and_asks_for_its_token() -> None:
    mark = f"{uuid.uuid4()}"
    done = subprocess.run(
        [sys.executable, "-c", "from tests.training.test_ray_runtime import start; start()"],
        cwd=ROOT,
        env=os.environ | {MARK: mark},
        capture_output=True,
        text=True,
        timeout=280,
    )

    assert done.returncode == 0, done.stderr[-3_000:]
    found = json.loads(done.stdout)
    assert found["refused"] == "UNAUTHENTICATED"
    assert found["first"] == found["second"] == 7
    assert found["places"]
    assert set(found["places"]) <= set(LOOPBACK)


def start() -> None:
    """Start two after another, and print how they can be reached."""
    with running_ray(1) as ray:
        first = ray.get(ray.remote(seven).remote())
        address = ray.get_runtime_context().gcs_address
        places = listening(os.environ[MARK])
        with grpc.insecure_channel(address) as channel:
            try:
                channel.unary_unary(ASKED)(b"", timeout=30)
                refused = ""
            except grpc.RpcError as error:
                refused = error.code().name
    with running_ray(1) as ray:
        second = ray.get(ray.remote(seven).remote())
    print(json.dumps({"first": first, "second": second, "places": places, "refused": refused}))


def seven() -> int:
    return 7


def listening(mark: str) -> list[str]:
    """Return the addresses, as the kernel writes them, that processes with a mark listen on."""
    sockets = set().union(*map(sockets_of, processes(mark)))
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path("/proc/net", table).read_text().splitlines()[1:]
    ]
    return sorted(
        {one[1].partition(":")[0] for one in lines if one[3] == LISTENS and one[9] in sockets}
    )


def processes(mark: str) -> list[Path]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (directory / "environ").read_bytes():
                found.append(directory)
        except OSError:
            continue  # another's, or it has ended
    return found


def sockets_of(process: Path) -> set[str]:
    found = set()
    for descriptor in (process / "fd").iterdir():
        try:
            name = str(descriptor.readlink())
        except OSError:
            continue
        if name.startswith("socket:["):
            found.add(name[8:-1])
    return found
