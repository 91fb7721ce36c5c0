"""Open a run's SuperLink to its own node: one socket in the run's directory, TLS behind it.

The node says with each connection whose tunnel it is; only then are its bytes passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from federation.errors import FederationError
from node.training.frames import ProcessError, receive_frame
from node.training.streams import pump

if TYPE_CHECKING:
    from federation.training.superlink import SuperLink

FLEET_SOCKET: Final = "fleet.sock"
"""Where the node brings the members' connections; relative to the run's directory."""
_INNER_SOCKET: Final = "superlink.sock"
_CERTIFICATE: Final = "superlink.pem"
_KEY: Final = "superlink.key"
LIFETIME: Final = timedelta(days=365)
"""Of the certificate: longer than any run; it is made anew at every start of the process."""
LOOK_SECONDS: Final = 0.05
SKEW: Final = timedelta(days=1)


def serve_superlink(link: SuperLink) -> bytes:
    """Serve from a thread of this process; return the certificate that members have to trust."""
    certificate = _make_certificate()
    for name in (FLEET_SOCKET, _INNER_SOCKET):
        Path(name).unlink(missing_ok=True)
    started = threading.Event()
    threading.Thread(target=lambda: asyncio.run(_serve(link, started)), daemon=True).start()
    if not started.wait(60):
        raise ProcessError("the SuperLink did not start")
    return certificate


async def _serve(link: SuperLink, started: threading.Event) -> None:
    import uvicorn

    app: Any = link.door()
    config = uvicorn.Config(
        app,
        uds=_INNER_SOCKET,
        ssl_certfile=_CERTIFICATE,
        ssl_keyfile=_KEY,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110  # uvicorn has no event
        await asyncio.sleep(LOOK_SECONDS)
    door = await asyncio.start_unix_server(lambda *ends: _join(link, *ends), FLEET_SOCKET)
    started.set()
    async with door:
        await serving


async def _join(
    link: SuperLink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Register the SuperNode behind a connection, and pass the connection on."""
    with contextlib.suppress(ProcessError, FederationError, OSError):
        header, public_key = await receive_frame(reader)
        link.register(str(header["member"]), public_key)
        inner, outer = await asyncio.open_unix_connection(_INNER_SOCKET)
        await asyncio.gather(pump(reader, outer), pump(inner, writer))
    writer.close()


def _make_certificate() -> bytes:
    """Make a key and a certificate for loopback, for this process's life."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "superlink")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for file, data in ((_KEY, secret), (_CERTIFICATE, certificate)):
        Path(file).unlink(missing_ok=True)
        Path(file).touch(mode=0o600)
        Path(file).write_bytes(data)
    return certificate
