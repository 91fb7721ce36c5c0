"""Say what both doors of a node serve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from node.assembly import LogSide, meter_lookup
from node.desk.duty import DutyService
from node.desk.learning import LearningService
from node.desk.matters import MatterService
from node.desk.notice import NoticeService
from node.desk.operation import LogParts, OperationService
from node.desk.sums import SumService
from node.desk.train import TrainService
from node.doors.member_service import MemberService
from node.doors.outside import Registration
from node.duties.case_side import case_service
from node.duties.counting_side import INSIDE_NAMES as COUNTING_NAMES
from node.duties.disposition_side import INSIDE_NAMES as DISPOSITION_NAMES
from node.duties.one_id_side import INSIDE_NAME as ONE_ID_NAME
from node.duties.report_side import report_service
from node.duties.verification_side import verification_services
from node.duties.warning_side import warning_services
from node.lookup.quota import quota_states
from node.lookup.service import LookupService
from node.replication.replication import Replication
from node.running.parts import Parts
from node.status import StatusReporter
from node.tokens.service import TokenService
from node.training.file_server import FileServer
from node.training.training_service import TrainingService
from tocsin.desk.v1 import (
    desk_service_pb2_grpc,
    duty_service_pb2_grpc,
    learning_service_pb2_grpc,
    matter_service_pb2_grpc,
    notice_service_pb2_grpc,
    operation_service_pb2_grpc,
    sum_service_pb2_grpc,
    train_service_pb2_grpc,
)
from tocsin.v1 import (
    log_service_pb2_grpc,
    lookup_service_pb2_grpc,
    member_service_pb2_grpc,
    token_service_pb2_grpc,
    training_service_pb2_grpc,
)

INSIDE_NAMES: Final = (
    "tocsin.desk.v1.DeskService",
    "tocsin.desk.v1.OperationService",
    "tocsin.desk.v1.TrainService",
    "tocsin.desk.v1.SumService",
    "tocsin.desk.v1.CaseService",
    "tocsin.desk.v1.LearningService",
    "tocsin.desk.v1.VerifyService",
    *COUNTING_NAMES,
    *DISPOSITION_NAMES,
    ONE_ID_NAME,
    "tocsin.desk.v1.MatterService",
    "tocsin.desk.v1.DutyService",
    "tocsin.desk.v1.NoticeService",
    "tocsin.desk.v1.WarnService",
    "tocsin.desk.v1.CallService",
    "tocsin.desk.v1.ReportService",
)

Synchronise = Callable[[], Awaitable[tuple[int, list[str]]]]


def outside_services(
    parts: Parts, replication: Replication | None, status: StatusReporter
) -> list[Registration]:
    """Return what other members may call."""
    core, log = parts.core, parts.log

    async def root() -> bytes:
        return status.known_root()

    member = MemberService(core.identity, core.clock, lambda: core.charter.note, root)
    services: list[Registration] = [
        (member_service_pb2_grpc.add_MemberServiceServicer_to_server, member)
    ]
    if log is None or replication is None:
        return services
    if parts.training is not None:
        add = training_service_pb2_grpc.add_TrainingServiceServicer_to_server
        files = FileServer(core.me, log.consents.matters, log.bundles)
        services.append((add, TrainingService(parts.training.hub, files, parts.training.runs)))
    if parts.warning is not None:
        services.append(parts.warning.outside(partial(meter_lookup, log.metering)))
    token = TokenService(log.holder, log.ceremonies.signed_key_sets)
    return [
        *services,
        *parts.counting.outside,
        (log_service_pb2_grpc.add_LogServiceServicer_to_server, replication.service),
        (
            lookup_service_pb2_grpc.add_LookupServiceServicer_to_server,
            _lookup_service(parts, log),
        ),
        (token_service_pb2_grpc.add_TokenServiceServicer_to_server, token),
    ]


def _lookup_service(parts: Parts, log: LogSide) -> LookupService:
    core = parts.core
    quotas = partial(quota_states, core.now_charter, core.private, core.clock)
    return LookupService(log.verdicts, log.catalogue, partial(meter_lookup, log.metering), quotas)


def inside_services(
    parts: Parts, status: StatusReporter, synchronise: Synchronise
) -> list[Registration]:
    """Return what the member's own people and systems may call.

    A node without a log has all of them, too: those that need one say why they refuse.
    """
    return [
        *warning_services(parts.warning),
        *parts.counting.inside,
        *parts.disposition.inside,
        parts.one_id.inside,
        report_service(parts.core, parts.reporting),
        case_service(parts.case),
        (desk_service_pb2_grpc.add_DeskServiceServicer_to_server, parts.desk),
        *verification_services(parts.verification),
        *_model_services(parts),
        *_log_services(parts, status, synchronise),
    ]


def _model_services(parts: Parts) -> list[Registration]:
    log, training = parts.log, parts.training
    train = TrainService(
        log.consents if log is not None else None,
        training.runs if training is not None else None,
        parts.scores,
        log.bundles if log is not None else None,
    )
    learning = LearningService(parts.learning, parts.core.clock)
    return [
        (train_service_pb2_grpc.add_TrainServiceServicer_to_server, train),
        (learning_service_pb2_grpc.add_LearningServiceServicer_to_server, learning),
    ]


def _log_services(
    parts: Parts, status: StatusReporter, synchronise: Synchronise
) -> list[Registration]:
    core, log = parts.core, parts.log
    matters = log.matters if log is not None else None
    operation = OperationService(
        status, core.charter, _log_parts(log, synchronise) if log is not None else None
    )
    notices = NoticeService(core.me, matters, log.speaker if log is not None else None)
    return [
        (operation_service_pb2_grpc.add_OperationServiceServicer_to_server, operation),
        (
            sum_service_pb2_grpc.add_SumServiceServicer_to_server,
            SumService(log.sums if log is not None else None),
        ),
        (
            duty_service_pb2_grpc.add_DutyServiceServicer_to_server,
            DutyService(log.duties if log is not None else None),
        ),
        (notice_service_pb2_grpc.add_NoticeServiceServicer_to_server, notices),
        (
            matter_service_pb2_grpc.add_MatterServiceServicer_to_server,
            MatterService(core.me, matters, core.clock),
        ),
    ]


def _log_parts(log: LogSide, synchronise: Synchronise) -> LogParts:
    return LogParts(
        own=log.ledger.own,
        ledger=log.ledger,
        speaker=log.speaker,
        ceremonies=log.ceremonies,
        synchronise=synchronise,
    )
