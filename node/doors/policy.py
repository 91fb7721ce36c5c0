"""Limits of a door, each with its reason."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""Bytes: gRPC's own default, made explicit; entry runs stay below 1 MiB, batches below 600 kB."""

CONCURRENT_CALLS: Final = 512
"""Calls in a node at once: each small member may hold some, and memory stays bounded."""

CALLS_PER_MEMBER: Final = 64
"""Calls of one member at once: one member cannot take the places of all others."""

STREAMS_PER_CONNECTION: Final = 100
"""Streams: what RFC 9113 section 6.5.2 recommends as the least; above ``CALLS_PER_MEMBER``."""

KEEPALIVE: Final = timedelta(seconds=60)
"""Seconds between pings of a client: firewalls forget an idle connection after minutes."""

KEEPALIVE_PERMITTED: Final = timedelta(seconds=30)
"""Seconds: the server allows twice what our clients do, so that no timer skew ends a link."""

KEEPALIVE_ANSWER: Final = timedelta(seconds=20)
"""Seconds without an answer to a ping after which a connection counts as dead."""

LONGEST_DEADLINE: Final = timedelta(minutes=10)
"""Minutes: the longest honest call streams a whole log; longer ones come back and go on."""

UNBOUNDED_METHODS: Final = frozenset(
    {
        "/tocsin.v1.LogService/Watch",
        "/tocsin.v1.TrainingService/Attach",
        "/tocsin.v1.TrainingService/Tunnel",
        "/grpc.health.v1.Health/Watch",
    }
)
"""Methods that wait for news and may be open for days."""


LEADER_SERVICES: Final = ("/tocsin.v1.MatchService/", "/tocsin.v1.TrainingService/")
"""Services that keep a session or a stream in one process: the one that leads takes their calls."""


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    """The limits of one door; the defaults are those of the outside door.

    Attributes:
        longest_deadline: None where callers need not set a deadline.
        shares_port: Whether several processes of this node listen on the same port.
    """

    message_bytes: int = MESSAGE_BYTES
    concurrent_calls: int = CONCURRENT_CALLS
    calls_per_member: int = CALLS_PER_MEMBER
    streams_per_connection: int = STREAMS_PER_CONNECTION
    longest_deadline: timedelta | None = LONGEST_DEADLINE
    unbounded_methods: frozenset[str] = field(default=UNBOUNDED_METHODS)
    shares_port: bool = False


def server_options(policy: DoorPolicy) -> list[tuple[str, int]]:
    """Return gRPC's channel arguments for a server."""
    return [
        ("grpc.max_receive_message_length", policy.message_bytes),
        ("grpc.max_send_message_length", policy.message_bytes),
        ("grpc.max_concurrent_streams", policy.streams_per_connection),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(KEEPALIVE_PERMITTED)),
        ("grpc.keepalive_permit_without_calls", 1),
        # Without it, a second node on the port would silently take half of the connections.
        ("grpc.so_reuseport", int(policy.shares_port)),
    ]


def client_options(message_bytes: int = MESSAGE_BYTES) -> list[tuple[str, int]]:
    """Return gRPC's channel arguments for a client of the outside door."""
    return [
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", message_bytes),
        ("grpc.keepalive_time_ms", _milliseconds(KEEPALIVE)),
        ("grpc.keepalive_timeout_ms", _milliseconds(KEEPALIVE_ANSWER)),
        ("grpc.keepalive_permit_without_calls", 1),
        # Never compress: a secret beside text that an attacker chose (CRIME).
        ("grpc.default_compression_algorithm", 0),
    ]


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
