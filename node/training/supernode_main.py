"""Be a member's SuperNode for one run: no rows, no keys of the member; asks its node about all.

Its way to the coordinator's SuperLink is a socket of its node. It speaks to it over a loopback of
its own, because flwr's client knows nothing but network addresses.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, BinaryIO, Final

from federation.errors import PolicyError
from node.training.fence import claim_pipe, close_fence
from node.training.frames import encode_frame, read_frame
from node.training.streams import pump

NODE_SOCKET: Final = "node.sock"
"""Where the node takes connections to the SuperLink; relative to this process's directory."""
LOOPBACK: Final = "127.0.0.1"


class RefusedError(PolicyError):
    """The member's node said no; ``reason`` is its own."""

    reason = "REFUSED"
    public = "The member refused a message of a run."


def main() -> None:
    """Serve until the node ends this process."""
    given, taken = claim_pipe()
    _, certificate = read_frame(given)
    close_fence(network=False, loopback=True)
    from federation.training.supernode import SuperNode  # after the fence is closed

    def ask(number: int, message: bytes) -> bytes:
        header, answer = _ask(given, taken, {"kind": "message", "round": number}, message)
        if header["refused"]:
            raise RefusedError(reason=str(header["refused"]))
        return answer

    node = SuperNode(ask)
    _ask(given, taken, {"kind": "key"}, node.public_key)
    node.run(f"{LOOPBACK}:{_open_way()}", certificate)


def _ask(
    given: BinaryIO, taken: BinaryIO, header: dict[str, Any], body: bytes
) -> tuple[dict[str, Any], bytes]:
    taken.write(encode_frame(header, body))
    taken.flush()
    return read_frame(given)


def _open_way() -> int:
    """Listen on loopback for this process's own flwr; return the port."""
    found: list[int] = []
    opened = threading.Event()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection(NODE_SOCKET)
        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    async def listen() -> None:
        server = await asyncio.start_server(pass_on, LOOPBACK, 0)
        found.append(server.sockets[0].getsockname()[1])
        opened.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(listen()), daemon=True).start()
    opened.wait()
    return found[0]


if __name__ == "__main__":
    main()
