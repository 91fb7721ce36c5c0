"""Put nodes at the ends of a bad line: 50 ms there and back, and one packet in a hundred lost.

Each member gets a network namespace with one device of its own, at an address that exists nowhere
else; a process carries IP packets between the devices, late, and some of them not at all. The
kernels' own TCP has to cope. ``tc``'s emulator would do the same, but not every kernel has it, and
TUN devices are everywhere. Needs root; where it may not be done, ``LinkError`` says why.
"""

import ctypes
import fcntl
import heapq
import multiprocessing
import os
import random
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from tests.bench.nodes import Place

DELAY_SECONDS: Final = 0.025
"""Of a packet in one direction."""
LOSS: Final = 0.01
"""Share of packets lost in each direction."""
CONTROL: Final = "reno"
"""How TCP copes with loss: the oldest way, which every kernel has and none does worse."""
PORT: Final = 24_443
MAX_PACKET_BYTES: Final = 65_536
READY_SECONDS: Final = 10.0

_DEVICE: Final = "line"
_NAMESPACE: Final = "tocsin-bench-"
_NETWORK: Final = "10.77.0"
_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x0001 | 0x1000
_DESTINATION: Final = slice(16, 20)
"""Of an IPv4 header. Source: RFC 791 section 3.1."""


class LinkError(Exception):
    """This machine does not allow the line."""


@contextmanager
def slow_link(members: Sequence[str]) -> Iterator[dict[str, Place]]:
    """Lay the line; it and its namespaces are gone at the end of the block.

    Raises:
        LinkError: No namespaces or devices can be made here.
    """
    with ExitStack() as laid:
        places = {
            member: Place(f"{_NETWORK}.{number}:{PORT}", f"{_NAMESPACE}{number}")
            for number, member in enumerate(members, start=1)
        }
        for place in places.values():  # of a bench that was killed
            with suppress(LinkError):
                _ip("netns", "del", place.namespace)
        for place in places.values():
            _ip("netns", "add", place.namespace)
            laid.callback(subprocess.run, ["ip", "netns", "del", place.namespace], check=False)
        context = multiprocessing.get_context("spawn")  # others of this process run threads
        ours, theirs = context.Pipe(duplex=False)
        switch = context.Process(target=_carry, args=(list(places.values()), theirs), daemon=True)
        switch.start()
        laid.callback(switch.join)
        laid.callback(switch.kill)
        theirs.close()
        if not ours.poll(READY_SECONDS) or (complaint := _received(ours)):
            raise LinkError(complaint or "the devices are not ready")
        for place in places.values():
            inside = ("-n", place.namespace)
            _ip(*inside, "addr", "add", f"{_host(place)}/24", "dev", _DEVICE)
            _ip(*inside, "link", "set", _DEVICE, "up")
            _ip(*inside, "link", "set", "lo", "up")
            _use_ordinary_control(place)
        yield places


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise LinkError("there is no command ip") from error
    except subprocess.CalledProcessError as error:
        raise LinkError(error.stderr.strip() or "the command ip failed") from error


def _use_ordinary_control(place: Place) -> None:
    """Let TCP halve its pace at each loss, whatever this machine does otherwise."""
    inside = ["ip", "netns", "exec", place.namespace]
    control = f"echo {CONTROL} > /proc/sys/net/ipv4/tcp_congestion_control"
    subprocess.run([*inside, "sh", "-c", control], check=True)


def _received(answers: Connection) -> str:
    try:
        return str(answers.recv())
    except EOFError:
        return "the process between the devices ended"


def _host(place: Place) -> str:
    return place.address.partition(":")[0]


def _carry(places: Sequence[Place], answers: Connection) -> None:
    """Open every device and carry packets until this process is ended."""
    try:
        devices = {socket.inet_aton(_host(place)): _open_device(place) for place in places}
    except OSError as error:
        answers.send(f"no device can be made: {error.strerror}")
        return
    answers.send("")
    chance, under_way = random.Random(1), list[tuple[float, int, int, bytes]]()
    poll = select.epoll()
    for device in devices.values():
        poll.register(device, select.EPOLLIN)
    number = 0
    while True:
        wait = under_way[0][0] - time.monotonic() if under_way else -1.0
        for device, _ in poll.poll(max(0.0, wait) if under_way else -1):
            packet = os.read(device, MAX_PACKET_BYTES)
            receiver = devices.get(packet[_DESTINATION])
            if receiver is not None and chance.random() >= LOSS:
                number += 1  # packets of the same moment keep their order
                due = time.monotonic() + DELAY_SECONDS
                heapq.heappush(under_way, (due, number, receiver, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, receiver, packet = heapq.heappop(under_way)
            _deliver(receiver, packet)


def _deliver(receiver: int, packet: bytes) -> None:
    try:
        os.write(receiver, packet)
    except OSError:
        return  # the device is not up yet: lost like others


def _open_device(place: Place) -> int:
    """Make a member's device inside its namespace and return its descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", place.namespace).open("rb") as namespace:
        if libc.setns(namespace.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", _DEVICE.encode(), _IFF_TUN_NO_PI))
    return device
