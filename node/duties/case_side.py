"""Put the parts of a node together that deal with the police: designations, clues, briefs."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from federation.names import MemberId
from federation.roles import Role
from node.assembly import Core, LogSide
from node.desk.case import CaseParts, CaseService
from node.desk.intake import Intake
from node.desk.own_claims import OwnClaims
from node.desk.voice import Stores, Voice
from node.doors.outside import Registration
from node.duties.briefs import Briefs
from node.duties.clues import Clues
from node.duties.designations import Designations
from node.duties.traces import Traces
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import case_service_pb2_grpc


def build_case_side(core: Core, log: LogSide, tokeniser: Tokeniser) -> CaseParts:
    """Make what the member's people and those of the police do together."""

    def recall(values: Collection[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        return core.private.known_tokens(values, core.epoch())

    def is_police(member: str) -> bool:
        known = core.now_charter().find(MemberId(member))
        if known is None or known.is_revoked(core.clock()):
            return False
        return Role.POLICE in known.roles

    intake = Intake(tokeniser, core.config.country, recall)
    claims = OwnClaims(core.me, log.catalogue, partial(log.ledger.entry, log.ledger.own))
    stores = Stores(log.catalogue, core.private, log.verdicts, claims)
    voice = Voice(core.me, intake, log.speaker, stores, core.pad, core.epoch, core.clock)
    return CaseParts(
        core.me,
        Designations(voice, log.ledger, lambda: core.now_charter().federation, is_police),
        Clues(voice, log.matters, core.now_charter, core.keys.sealing),
        Briefs(voice, core.now_charter, core.keys.sealing),
        Traces(voice, log.matters, core.now_charter, core.keys.sealing),
        core.clock,
    )


def case_service(parts: CaseParts | None) -> Registration:
    """Return the service of the inside door; without a log it refuses."""
    return case_service_pb2_grpc.add_CaseServiceServicer_to_server, CaseService(parts)
