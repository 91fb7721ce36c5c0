"""Find out why a TLS connection to a peer fails, which gRPC does not tell.

gRPC reports every failed handshake as UNAVAILABLE, and its server closes the connection without
sending the TLS alert that would give the reason. So the reason is found from outside, by a
handshake of our own with the peer's port:

- the certificate that the peer shows is checked here, and a failure says what is wrong with it;
- when the peer closes the connection after our certificate, the peer refused it. Our leaf is in
  time by our own clock, so either the peer does not accept our root, or the clocks differ. A
  second handshake decides, with a leaf that is valid as long as the root itself: made for this
  one use, kept in memory, and worth nothing beyond the root's key that made it.
"""

import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys.authority import Leaf

CONNECT_SECONDS: Final = 3.0
"""Seconds to connect and to shake hands: a peer answers in milliseconds, or is in trouble."""

VERDICT_SECONDS: Final = 1.0
"""Seconds to wait for the peer's verdict on our certificate, which TLS 1.3 sends late."""

# OpenSSL's X509_V_ERR_* numbers, which are part of its stable interface.
_VERIFY_NOT_YET_VALID, _VERIFY_EXPIRED, _VERIFY_NAME = 9, 10, 62

_PEER_REASONS = {
    _VERIFY_NOT_YET_VALID: "PEER_CERTIFICATE_NOT_YET_VALID",
    _VERIFY_EXPIRED: "PEER_CERTIFICATE_EXPIRED",
    _VERIFY_NAME: "PEER_IDENTITY_MISMATCH",
}
_ALERT_REASONS = {
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "CERTIFICATE_EXPIRED",
    "TLSV1_ALERT_UNKNOWN_CA": "UNKNOWN_AUTHORITY",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A peer's port, and who must answer there.

    Attributes:
        address: ``host:port``.
        server_name: DNS name in the peer's leaf, ``<member>.<federation>``.
        authority: PEM of the peer's root.
    """

    address: str
    server_name: str
    authority: bytes


def find_reason(target: Target, leaf: Leaf, lasting_leaf: Callable[[], Leaf] | None) -> str:
    """Shake hands with a peer and say what stands in the way; blocks for some seconds at most.

    Args:
        target: The peer.
        leaf: This node's leaf, in time by its own clock.
        lasting_leaf: Makes a leaf under the same root that is valid as long as the root; None
            where the root's key is not at hand, and CERTIFICATE_REFUSED is all that can be said.

    Returns:
        PEER_UNAVAILABLE where TLS works and the cause is above it; otherwise the reason:
        ADDRESS_UNKNOWN, CONNECTION_REFUSED, CONNECTION_TIMEOUT, PEER_AUTHORITY_MISMATCH,
        PEER_IDENTITY_MISMATCH, PEER_CERTIFICATE_EXPIRED, PEER_CERTIFICATE_NOT_YET_VALID,
        UNKNOWN_AUTHORITY, CERTIFICATE_EXPIRED, CLOCKS_DISAGREE, CERTIFICATE_REFUSED,
        HANDSHAKE_FAILED.
    """
    try:
        reason = _shake_hands(target, leaf)
        if reason != "CERTIFICATE_REFUSED" or lasting_leaf is None:
            return reason
        accepted = _shake_hands(target, lasting_leaf()) == "PEER_UNAVAILABLE"
        return "CLOCKS_DISAGREE" if accepted else "UNKNOWN_AUTHORITY"
    except ssl.SSLCertVerificationError as error:
        return _PEER_REASONS.get(error.verify_code, "PEER_AUTHORITY_MISMATCH")
    except socket.gaierror:
        return "ADDRESS_UNKNOWN"
    except ConnectionRefusedError:
        return "CONNECTION_REFUSED"
    except TimeoutError:
        return "CONNECTION_TIMEOUT"
    except (OSError, ValueError):  # ValueError: an address without a port
        return "HANDSHAKE_FAILED"


def _shake_hands(target: Target, leaf: Leaf) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=target.authority.decode("ascii"))
    context.set_alpn_protocols(["h2"])
    with _readable_by_openssl(leaf.certificate_pem + leaf.key_pem.reveal()) as path:
        context.load_cert_chain(path)
    with (
        _connect(target.address) as plain,
        context.wrap_socket(plain, server_hostname=target.server_name) as connection,
    ):
        connection.settimeout(VERDICT_SECONDS)
        return _read_verdict(connection)


def _read_verdict(connection: ssl.SSLSocket) -> str:
    """Read what follows the handshake: HTTP/2 settings, an alert, or the end."""
    try:
        return "PEER_UNAVAILABLE" if connection.recv(1) else "CERTIFICATE_REFUSED"
    except TimeoutError:
        return "PEER_UNAVAILABLE"  # connected, and silent
    except ssl.SSLError as error:
        return _ALERT_REASONS.get(error.reason or "", "CERTIFICATE_REFUSED")
    except ConnectionResetError:
        return "CERTIFICATE_REFUSED"


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS)


@contextmanager
def _readable_by_openssl(secret: bytes) -> Iterator[str]:
    """Give a path for what OpenSSL only takes from a file; in memory where the system can."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("leaf")
        try:
            os.write(descriptor, secret)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory() as directory:  # mode 0700
        path = Path(directory, "leaf.pem")
        path.write_bytes(secret)
        yield str(path)
