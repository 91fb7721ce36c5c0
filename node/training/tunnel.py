"""Bring members' SuperNodes to a run's SuperLink: the coordinator's side.

A member reaches nothing but the one socket of the run that it was asked into, and each of its
connections is labelled there with the member that its certificate names.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Final

from federation.names import MemberId
from node.errors import PolicyError, UnavailableError
from node.socket_path import short_path
from node.telemetry import get_log
from node.training.frames import encode_frame
from node.training.hub import ExchangeError, Hub, Link
from node.training.streams import CHUNK_BYTES
from node.training.superlink_server import FLEET_SOCKET
from tocsin.v1 import training_service_pb2 as wire

START_SECONDS: Final = 30.0
"""Seconds for a member to say whether it starts its SuperNode."""


class Entries:
    """Who was asked into one run on Flower's deployment engine, and who refused."""

    def __init__(self, hub: Hub, plan: bytes, directory: Path) -> None:
        """Prepare.

        Args:
            hub: The members attached.
            plan: Digest of the run's plan.
            directory: Of the run, where its SuperLink listens.
        """
        self._hub = hub
        self._plan = plan
        self._socket = directory / FLEET_SOCKET
        self._asked: dict[MemberId, Link] = {}
        self.refusals: dict[MemberId, str] = {}

    async def enter(self, members: Collection[MemberId], certificate: bytes) -> list[MemberId]:
        """Ask members that were not asked on their present stream; return who takes part."""
        new = [member for member in members if not self._is_asked(member)]
        await asyncio.gather(*(self._ask(member, certificate) for member in new))
        return sorted(member for member in members if member not in self.refusals)

    def losses(self, partners: Collection[MemberId]) -> dict[str, str]:
        """Return who of those asked is not there now, or not any more in the run."""
        found = {
            str(member): "CONNECTION_LOST" for member in self._asked if not self._is_asked(member)
        }
        found |= {str(one): "PLAN_NOT_APPROVED" for one in self._asked if one not in partners}
        return found

    async def carry(
        self, member: MemberId, requests: AsyncIterator[wire.TunnelRequest], public_key: bytes
    ) -> AsyncIterator[bytes]:
        """Carry one connection of a member's SuperNode.

        Raises:
            PolicyError: PLAN_NOT_APPROVED; the member was not asked.
            UnavailableError: The SuperLink is not there.
        """
        if not self._is_asked(member) or member in self.refusals:
            raise PolicyError("the member was not asked into the run", reason="PLAN_NOT_APPROVED")
        try:
            with short_path(self._socket) as path:
                reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise UnavailableError("the run's SuperLink is not there") from error
        writer.write(encode_frame({"member": str(member)}, public_key))
        sending = asyncio.create_task(_send(requests, writer))
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                yield chunk
        finally:
            sending.cancel()
            writer.close()

    def _is_asked(self, member: MemberId) -> bool:
        link = self._asked.get(member)
        return link is not None and self._hub.link(member) is link

    async def _ask(self, member: MemberId, certificate: bytes) -> None:
        link = self._hub.link(member)
        if link is None:
            return
        self._asked[member] = link
        self.refusals.pop(member, None)
        try:
            await self._hub.start_supernode(member, self._plan, certificate, START_SECONDS)
        except ExchangeError as error:
            self.refusals[member] = error.reason
            get_log().warning("training.engine_refused", member=member, reason=error.reason)


def too_few(refusals: Mapping[MemberId, str]) -> PolicyError:
    """Say that a run cannot start because members do not allow its engine."""
    reason = next(iter(refusals.values()))
    return PolicyError(
        f"too few members take part: {', '.join(sorted(refusals))} refused",
        reason=reason,
        hint="members allow Flower's engine in training.toml: [engines] flower = true",
    )


async def _send(requests: AsyncIterator[wire.TunnelRequest], writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        async for request in requests:
            writer.write(request.chunk)
            await writer.drain()
        writer.write_eof()
