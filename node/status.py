"""Tell how the node is, in one message for people and programs."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from federation.checkpoint import parse_checkpoint
from keys.note import parse_note
from node import __version__
from node.clock import Clock, RehearsalClock
from node.identity import Identity
from node.log.ledger import Ledger
from node.store.catalogue import Catalogue
from node.store.leadership import ProcessState
from node.store.private import PrivateStore
from node.store.protocol import LogState
from node.tokens.key_ring import KeyRing
from node.traffic import Traffic
from tocsin.desk.v1 import operation_service_pb2 as wire
from tocsin.v1 import statement_pb2

SECONDS_AN_HOUR = 3_600
MAX_ALARMS = 100
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class StatusSources:
    """Where the parts of a status come from; a query partner has no ledger and no catalogue."""

    identity: Identity
    key_ring: KeyRing
    traffic: Traffic
    peers: Callable[[], list[wire.PeerStatus]]
    processes: Callable[[], list[ProcessState]]
    address: Callable[[], str]
    clock: Clock
    ledger: Ledger | None = None
    catalogue: Catalogue | None = None
    private: PrivateStore | None = None


@dataclass(frozen=True, slots=True)
class _Counted:
    """What costs a look at every row: for which second, and how long the logs were."""

    as_of: int
    sizes: tuple[int, ...]
    root: bytes
    tokens: int


class StatusReporter:
    """Collects a node's status off the event loop."""

    def __init__(self, sources: StatusSources) -> None:
        self._from = sources
        self._root = (0, b"")
        self._counted: _Counted | None = None

    def known_root(self) -> bytes:
        """Return the root last worked out for the current hour, or nothing.

        What peers may ask at any rate must not cost a look at every row.
        """
        as_of, root = self._root
        return root if as_of == self._moment(None) else b""

    async def report(self, as_of: int | None) -> wire.GetStatusResponse:
        """Return the whole status."""
        response = self._about_node()
        await asyncio.to_thread(self._add_stored, response, self._moment(as_of))
        return response

    def count_again(self) -> None:
        """Forget what was counted: the views changed although no log grew."""
        self._root, self._counted = (0, b""), None

    def _moment(self, as_of: int | None) -> int:
        now = self._from.clock()
        return as_of if as_of is not None else now - now % SECONDS_AN_HOUR

    def _about_node(self) -> wire.GetStatusResponse:
        sources = self._from
        charter, member = sources.identity.charter, sources.identity.member
        current = sources.key_ring.current
        return wire.GetStatusResponse(
            member=member,
            federation=charter.federation,
            roles=sorted(charter.member(member).roles),
            software_version=__version__,
            charter_version=charter.version,
            ready=current is not None,
            epoch=current.epoch if current else 0,
            share_epoch=current.share_epoch if current else 0,
            peers=sources.peers(),
            traffic=[
                wire.TrafficStatus(
                    method=one.method,
                    sent_count=one.sent_count,
                    sent_bytes=one.sent_bytes,
                    received_count=one.received_count,
                    received_bytes=one.received_bytes,
                )
                for one in sources.traffic.snapshot()
            ],
            resident_bytes=resident_bytes(),
            address=sources.address(),
            leaf_expires_time=Timestamp(seconds=int(sources.identity.leaf.not_after.timestamp())),
        )

    def _add_stored(self, response: wire.GetStatusResponse, as_of: int) -> None:
        sources = self._from
        response.as_of_time.seconds = as_of
        if isinstance(sources.clock, RehearsalClock):
            response.rehearsal_time.seconds = sources.clock()
        if sources.private is not None:
            response.watch_count = sources.private.watch_count()
            response.hit_count = sources.private.hit_count()
        if sources.catalogue is None or sources.ledger is None:
            return
        response.processes.extend(map(_process_status, sources.processes()))
        states = sources.ledger.states()
        counted = self._count(sources.catalogue, as_of, tuple(state.size for state in states))
        response.catalogue_root, response.token_count = counted.root, counted.tokens
        if as_of == self._moment(None):
            self._root = (as_of, counted.root)
        for state in states:
            response.statement_count += state.size
            response.logs.append(_log_status(state))
        response.alarms.extend(_alarms(sources.catalogue))

    def _count(self, catalogue: Catalogue, as_of: int, sizes: tuple[int, ...]) -> _Counted:
        """Look at every row, unless that was done since the logs last grew."""
        counted = self._counted
        if counted is None or (counted.as_of, counted.sizes) != (as_of, sizes):
            root, tokens = catalogue.root(as_of), catalogue.token_count()
            self._counted = counted = _Counted(as_of, sizes, root, tokens)
        return counted


def _process_status(state: ProcessState) -> wire.ProcessStatus:
    return wire.ProcessStatus(
        number=state.number,
        machine=state.machine,
        leads=state.leads,
        since_time=Timestamp(seconds=state.since),
    )


def _log_status(state: LogState) -> wire.LogStatus:
    status = wire.LogStatus(
        origin=state.origin,
        size=state.size,
        root=state.root,
        stopped=state.stopped is not None,
    )
    if state.checkpoint:
        checkpoint = parse_checkpoint(parse_note(state.checkpoint).text)
        status.checkpoint_time.seconds = int(checkpoint.time.timestamp())
    return status


def _alarms(catalogue: Catalogue) -> list[wire.AlarmStatus]:
    found = []
    for row in catalogue.alarms(MAX_ALARMS):
        statement = statement_pb2.Statement.FromString(row.body)
        found.append(
            wire.AlarmStatus(
                raised_by=row.member,
                issued_time=statement.issued_time,
                alarm=statement.alarm,
            )
        )
    return found


def resident_bytes() -> int:
    """Return this process's resident memory, or 0 where the system does not tell."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()
