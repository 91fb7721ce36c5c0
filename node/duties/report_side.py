"""Put together what a node needs for citizens' reports and marks of numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial

from node.assembly import Core, LogSide
from node.desk.intake import Intake
from node.desk.own_claims import OwnClaims
from node.desk.report import ReportParts, ReportService
from node.desk.voice import Stores, Voice
from node.doors.outside import Registration
from node.duties.mark_proof import MarkProof
from node.duties.marks import MarkReader, Marks, marks_source
from node.duties.own_marks import OwnMarks
from node.duties.pseudonyms import Pseudonyms
from node.duties.reports import Reports
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import report_service_pb2_grpc

Task = tuple[str, Callable[[], Awaitable[None]]]
"""Name of what goes on as long as the node runs, and what does it."""


def build_report_side(core: Core, log: LogSide, tokeniser: Tokeniser) -> ReportParts:
    """Make the parts, and let private sums ask for marks; before the node starts."""
    voice = _voice(core, log, tokeniser)
    pseudonyms, own = Pseudonyms(core.private), OwnMarks(core.private)
    reader = MarkReader(log.catalogue, log.verdicts, own, MarkProof(log.sums.records, core.clock))
    log.sums.sources.register(marks_source(reader, pseudonyms))
    return ReportParts(
        Reports(voice, log.matters, core.now_charter, core.keys.sealing, pseudonyms),
        Marks(voice, log.sums, own, reader, pseudonyms),
    )


def report_service(core: Core, parts: ReportParts | None) -> Registration:
    """Return what the inside door serves; where there are no parts it says why."""
    add = report_service_pb2_grpc.add_ReportServiceServicer_to_server
    return add, ReportService(parts, core.clock)


def report_tasks(parts: ReportParts | None) -> list[Task]:
    """Return what goes on as long as the node runs."""
    if parts is None:
        return []
    return [("reports", parts.reports.run), ("marks", parts.marks.run)]


def _voice(core: Core, log: LogSide, tokeniser: Tokeniser) -> Voice:
    def recall(values: Collection[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        return core.private.known_tokens(values, core.epoch())

    intake = Intake(tokeniser, core.config.country, recall)
    claims = OwnClaims(core.me, log.catalogue, partial(log.ledger.entry, log.ledger.own))
    stores = Stores(log.catalogue, core.private, log.verdicts, claims)
    return Voice(core.me, intake, log.speaker, stores, core.pad, core.epoch, core.clock)
