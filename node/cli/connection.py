"""Open the running node's inside door, the one place where the command line does so.

with InsideDoor(home) as door:
    status = door.call(door.operation.GetStatus, GetStatusRequest())
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from node.errors import NodeError, PolicyError, RequestError, UnavailableError
from node.home import Home
from node.socket_path import short_path
from tocsin.desk.v1.appeal_service_pb2_grpc import AppealServiceStub
from tocsin.desk.v1.call_service_pb2_grpc import CallServiceStub
from tocsin.desk.v1.case_service_pb2_grpc import CaseServiceStub
from tocsin.desk.v1.desk_service_pb2_grpc import DeskServiceStub
from tocsin.desk.v1.disposition_service_pb2_grpc import DispositionServiceStub
from tocsin.desk.v1.duty_service_pb2_grpc import DutyServiceStub
from tocsin.desk.v1.farm_service_pb2_grpc import FarmServiceStub
from tocsin.desk.v1.iot_service_pb2_grpc import IotServiceStub
from tocsin.desk.v1.learning_service_pb2_grpc import LearningServiceStub
from tocsin.desk.v1.match_service_pb2_grpc import MatchServiceStub
from tocsin.desk.v1.matter_service_pb2_grpc import MatterServiceStub
from tocsin.desk.v1.notice_service_pb2_grpc import NoticeServiceStub
from tocsin.desk.v1.one_id_service_pb2_grpc import OneIdServiceStub
from tocsin.desk.v1.operation_service_pb2_grpc import OperationServiceStub
from tocsin.desk.v1.report_service_pb2_grpc import ReportServiceStub
from tocsin.desk.v1.sheet_service_pb2_grpc import SheetServiceStub
from tocsin.desk.v1.sum_service_pb2_grpc import SumServiceStub
from tocsin.desk.v1.train_service_pb2_grpc import TrainServiceStub
from tocsin.desk.v1.verify_service_pb2_grpc import VerifyServiceStub
from tocsin.desk.v1.warn_service_pb2_grpc import WarnServiceStub

CALL_SECONDS: Final = 60.0
"""Seconds for a call: a batch of 2,048 rows takes a second, and holders may have to be retried."""

LONG_CALL_SECONDS: Final = 590.0
"""Seconds for a call over whole logs: just below the longest deadline that a door accepts."""

MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Bytes: a page of 1,000 statements with sealed details; the socket is the member's own."""

_Answer = TypeVar("_Answer")

_ERROR_OF_CODE: Final[dict[grpc.StatusCode, type[NodeError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: RequestError,
    grpc.StatusCode.NOT_FOUND: RequestError,
    grpc.StatusCode.PERMISSION_DENIED: PolicyError,
    grpc.StatusCode.UNAUTHENTICATED: PolicyError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: PolicyError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: UnavailableError,
}


class InsideDoor:
    """The Unix socket of a running node; errors come out as those of this project."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            ConfigError: NOT_INITIALISED.
            UnavailableError: NODE_NOT_RUNNING, there is no socket.
        """
        self._home.require()
        if not self._home.socket.exists():
            raise not_running(self._home)
        path = self._open.enter_context(short_path(self._home.socket.absolute()))
        options = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            # A path is no host name, and HTTP/2 wants one.
            ("grpc.default_authority", "localhost"),
        ]
        channel = self._open.enter_context(grpc.insecure_channel(f"unix:{path}", options))
        self.desk = DeskServiceStub(channel)
        self.operation = OperationServiceStub(channel)
        self.train = TrainServiceStub(channel)
        self.sum = SumServiceStub(channel)
        self.case = CaseServiceStub(channel)
        self.report = ReportServiceStub(channel)
        self.learning = LearningServiceStub(channel)
        self.warn = WarnServiceStub(channel)
        self.calls = CallServiceStub(channel)
        self.verify = VerifyServiceStub(channel)
        self.disposition = DispositionServiceStub(channel)
        self.appeal = AppealServiceStub(channel)
        self.farm = FarmServiceStub(channel)
        self.iot = IotServiceStub(channel)
        self.match = MatchServiceStub(channel)
        self.sheet = SheetServiceStub(channel)
        self.matter = MatterServiceStub(channel)
        self.duty = DutyServiceStub(channel)
        self.notice = NoticeServiceStub(channel)
        self.one_id = OneIdServiceStub(channel)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Any, _Answer],
        request: Any,
        seconds: float = CALL_SECONDS,
    ) -> _Answer:
        """Call a method and wait for its answer.

        Raises:
            NodeError: Its class, reason and hint say what the node said, or that none runs.
        """
        return self.start(method, request, seconds).wait()

    def start(
        self,
        method: grpc.UnaryUnaryMultiCallable[Any, _Answer],
        request: Any,
        seconds: float = CALL_SECONDS,
    ) -> PendingCall[_Answer]:
        """Call a method and go on; the answer is waited for later."""
        return PendingCall(self._home, method.future(request, timeout=seconds))

    def stream(
        self,
        method: grpc.UnaryStreamMultiCallable[Any, _Answer],
        request: Any,
        seconds: float = LONG_CALL_SECONDS,
    ) -> Iterator[_Answer]:
        """Call a method and yield its answers.

        Raises:
            NodeError: As ``call``.
        """
        try:
            yield from method(request, timeout=seconds)
        except grpc.RpcError as error:
            raise explain_failure(error, not_running(self._home)) from error


class PendingCall(Generic[_Answer]):
    """A call under way."""

    def __init__(self, home: Home, future: Any) -> None:
        self._home = home
        self._future = future

    def wait(self) -> _Answer:
        """Return the answer.

        Raises:
            NodeError: As ``InsideDoor.call``.
        """
        try:
            answer: _Answer = self._future.result()
        except grpc.RpcError as error:
            raise explain_failure(error, not_running(self._home)) from error
        return answer

    def cancel(self) -> None:
        """Give the call up."""
        self._future.cancel()


def not_running(home: Home) -> UnavailableError:
    """Return the error that says how to start the node."""
    return UnavailableError(
        "no node runs in this home directory",
        reason="NODE_NOT_RUNNING",
        hint=f"tocsin --home {shlex.quote(str(home.root))} node run",
    )


def explain_failure(error: grpc.RpcError, unreachable: NodeError) -> NodeError:
    """Turn a failed call into the error that the other side named.

    Args:
        error: As gRPC raised it; it is a call, too.
        unreachable: What to say where nobody answered.
    """
    code = error.code()
    details = _error_info(error)
    if details is not None:
        kind = _ERROR_OF_CODE.get(code, NodeError)
        hint = details.metadata.get("hint") or None
        return kind(_sentence(error), reason=details.reason, hint=hint)
    if code is grpc.StatusCode.UNAVAILABLE:
        return unreachable
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnavailableError(
            "no answer came in time", reason="DEADLINE_EXCEEDED", hint="run the command again"
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return RequestError("a message is too long", reason="MESSAGE_TOO_LONG")
    kind = _ERROR_OF_CODE.get(code, NodeError)
    return kind(f"the call failed with {code.name}", reason=code.name)


def failure_reason(error: grpc.RpcError) -> str:
    """Return the reason that the other side gave, or the name of gRPC's code."""
    details = _error_info(error)
    return error.code().name if details is None else details.reason


def _error_info(error: grpc.RpcError) -> ErrorInfo | None:
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the trailers contradict the status
        return None
    for detail in status.details if status is not None else ():
        found = ErrorInfo()
        if detail.Unpack(found):
            return found
    return None


def _sentence(error: grpc.RpcError) -> str:
    return (error.details() or "the node refused").rstrip(".")
