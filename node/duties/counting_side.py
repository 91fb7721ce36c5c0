"""Put together what counts with other members: SIM farms, matches, the evaluation sheet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial

from node.assembly import Core, LogSide, meter_lookup
from node.desk.farm import FarmService
from node.desk.intake import Intake
from node.desk.iot import IotService
from node.desk.match import MatchDesk
from node.desk.match import MatchService as MatchDeskService
from node.desk.sheet import SheetService
from node.doors.outside import Registration
from node.duties.annual import AnnualReports
from node.duties.clues import Clues
from node.duties.counting_care import CountingCare
from node.duties.farm import Farms
from node.duties.farm_alerts import FarmAlerts
from node.duties.farm_clues import FarmClues
from node.duties.farm_table import FarmTable
from node.duties.inspection_table import InspectionTable
from node.duties.inspections import Inspections
from node.duties.match_asking import Asking
from node.duties.match_offering import Offering
from node.duties.match_service import MatchService
from node.duties.match_table import MatchTable
from node.duties.own_figures import OwnFigures
from node.duties.sheet import Sheets
from node.duties.sheet_table import SheetTable
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import farm_service_pb2_grpc, iot_service_pb2_grpc, sheet_service_pb2_grpc
from tocsin.desk.v1 import match_service_pb2_grpc as match_desk_grpc
from tocsin.v1 import match_service_pb2_grpc

INSIDE_NAMES = (
    "tocsin.desk.v1.FarmService",
    "tocsin.desk.v1.IotService",
    "tocsin.desk.v1.MatchService",
    "tocsin.desk.v1.SheetService",
)


@dataclass(frozen=True, slots=True)
class CountingSide:
    """Services of both doors, and tasks; a query partner's inside services refuse everything."""

    inside: tuple[Registration, ...]
    outside: tuple[Registration, ...]
    tasks: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = ()


def build_counting_side(
    core: Core, log: LogSide | None, tokeniser: Tokeniser, clues: Clues | None
) -> CountingSide:
    """Make what counts with other members."""

    def recall(values: Collection[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        return core.private.known_tokens(values, core.epoch())

    intake = Intake(tokeniser, core.config.country, recall)
    farms = build_farms(core, log, clues) if log is not None and clues is not None else None
    table = MatchTable(core.private)
    farm_desk = FarmService(farms, intake, core.pad, core.epoch)
    match_desk = MatchDeskService(build_match_desk(core, table, intake) if log else None)
    sheet_desk = build_sheet_service(core, log)
    inside: tuple[Registration, ...] = (
        (sheet_service_pb2_grpc.add_SheetServiceServicer_to_server, sheet_desk),
        (iot_service_pb2_grpc.add_IotServiceServicer_to_server, build_iot_desk(core, log)),
        (farm_service_pb2_grpc.add_FarmServiceServicer_to_server, farm_desk),
        (match_desk_grpc.add_MatchServiceServicer_to_server, match_desk),
    )
    if log is None or farms is None:
        return CountingSide(inside, ())
    offering = Offering(core.now_charter().federation, table, core.workers, core.clock)
    service = MatchService(offering, partial(meter_lookup, log.metering))
    add = match_service_pb2_grpc.add_MatchServiceServicer_to_server
    care = CountingCare(farms, table, offering, core.clock)
    return CountingSide(inside, ((add, service),), (("counting", care.run),))


def build_farms(core: Core, log: LogSide, clues: Clues) -> Farms:
    """Make what looks for sites of SIM farms; each site told becomes a clue, too."""
    alerts, table = FarmAlerts(log.store), FarmTable(core.private)
    told_clues = FarmClues(core.me, clues, log.matters)
    return Farms(
        table, alerts, log.sums, log.speaker, core.now_charter, core.epoch, told_clues.open
    )


def build_iot_desk(core: Core, log: LogSide | None) -> IotService:
    """Make what keeps inspections of IoT cards, and adds them up with all carriers."""
    inspections = None
    if log is not None:
        inspections = Inspections(InspectionTable(core.private), log.sums, core.now_charter)
    return IotService(inspections, SheetTable(core.private))


def build_match_desk(core: Core, table: MatchTable, intake: Intake) -> MatchDesk:
    """Make what offers own values and looks for own hits."""
    federation = core.now_charter().federation
    asking = Asking(federation, core.peers, table, core.workers, core.clock)
    return MatchDesk(core.me, table, asking, intake, core.now_charter, core.clock)


def build_sheet_service(core: Core, log: LogSide | None) -> SheetService:
    """Make what serves sheets and reports of a year."""
    if log is None:
        return SheetService(None, None)
    annual = AnnualReports(core.me, log.store, lambda: core.charter.versions, core.clock)
    return SheetService(build_sheets(core, log), annual)


def build_sheets(core: Core, log: LogSide) -> Sheets:
    """Make what adds up the members' figures."""
    own = OwnFigures(
        core.me,
        lambda: core.now_charter().member(core.me).roles,
        log.matters,
        log.store,
        core.private,
    )
    return Sheets(own, log.sums, core.now_charter)
