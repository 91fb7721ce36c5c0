"""Put the parts of a node together that take part in verification rounds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from node.assembly import Core, LogSide
from node.desk.intake import Intake
from node.desk.verify import VerifyParts, VerifyService
from node.doors.outside import Registration
from node.duties.verification import OwnData, Verifications, Voices
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import verify_service_pb2_grpc


@dataclass(frozen=True, slots=True)
class VerificationSide:
    """What only a node with a log has: its part in rounds, and its people's service."""

    verifications: Verifications
    service: VerifyService


def build_verification_side(core: Core, log: LogSide, tokeniser: Tokeniser) -> VerificationSide:
    """Make the parts, and register what this member answers in private sums."""

    def recall(values: Collection[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        return core.private.known_tokens(values, core.epoch())

    own = OwnData(log.catalogue, core.private, core.config.verification)
    voices = Voices(log.speaker, log.sums, log.alarms)
    verifications = Verifications(core.me, log.matters, own, voices, core.clock)
    log.sums.sources.register(verifications.source())
    intake = Intake(tokeniser, core.config.country, recall)
    parts = VerifyParts(verifications, intake, core.pad, core.epoch)
    return VerificationSide(verifications, VerifyService(parts))


def verification_services(side: VerificationSide | None) -> list[Registration]:
    """Return the service of the inside door; without a log it refuses."""
    service = VerifyService(None) if side is None else side.service
    return [(verify_service_pb2_grpc.add_VerifyServiceServicer_to_server, service)]
