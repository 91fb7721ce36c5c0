"""Put the parts of a node together that warn likely victims and answer about calls."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from federation.names import MemberId
from federation.roles import Role
from node.assembly import Core, LogSide
from node.desk.call import CallDesk, CallService
from node.desk.intake import Intake
from node.desk.warn import WarnParts, WarnService
from node.doors.outside import Registration
from node.duties.call_limit import CallLimit
from node.duties.call_table import CallTable
from node.duties.calls import Calls
from node.duties.warning_table import WarningTable
from node.duties.warnings import Warnings
from node.lookup.call_context import CallContextService
from node.lookup.service import Meter
from node.remote import Remote
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import call_service_pb2_grpc, warn_service_pb2_grpc
from tocsin.v1 import call_context_service_pb2_grpc


@dataclass(slots=True)
class WarningSide:
    """What only a node with a log has: its part in warnings, and in questions about calls."""

    core: Core
    warnings: Warnings
    calls: Calls
    limit: CallLimit
    desk: CallDesk
    warn_service: WarnService

    def outside(self, meter: Meter) -> Registration:
        """Return the service that banks ask."""
        add = call_context_service_pb2_grpc.add_CallContextServiceServicer_to_server
        core = self.core
        service = CallContextService(
            self.calls, meter, self.limit, lambda: _roles(core), core.clock
        )
        return add, service


def build_warning_side(core: Core, log: LogSide, tokeniser: Tokeniser) -> WarningSide:
    """Make the parts, each once."""

    def recall(values: Collection[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        return core.private.known_tokens(values, core.epoch())

    def carriers() -> list[MemberId]:
        active = core.now_charter().active(core.clock())
        return [one.member for one in active if Role.CARRIER in one.roles and one.member != core.me]

    intake = Intake(tokeniser, core.config.country, recall)
    calls = Calls(CallTable(core.private), intake, log.verdicts, core.pad, core.epoch, core.clock)
    table = WarningTable(core.private)
    warnings = Warnings(core.me, log.matters, table, log.speaker, core.clock)
    ask = Remote(core.me, core.peers, None).call_context
    return WarningSide(
        core,
        warnings,
        calls,
        CallLimit(core.private, core.clock),
        CallDesk(calls, intake, ask, carriers, lambda: _roles(core), core.pad, core.clock),
        WarnService(WarnParts(warnings, intake, core.pad, core.epoch)),
    )


def warning_services(side: WarningSide | None) -> list[Registration]:
    """Return the services of the inside door; without a log they refuse."""
    warn = WarnService(None) if side is None else side.warn_service
    return [
        (warn_service_pb2_grpc.add_WarnServiceServicer_to_server, warn),
        (
            call_service_pb2_grpc.add_CallServiceServicer_to_server,
            CallService(None if side is None else side.desk),
        ),
    ]


def _roles(core: Core) -> frozenset[Role]:
    return core.now_charter().member(core.me).roles
