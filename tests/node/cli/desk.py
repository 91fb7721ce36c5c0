"""A desk on a real Unix socket that remembers what it was asked; it knows no federation."""

# ruff: noqa: N802  # gRPC names a servicer's methods as the contract names them

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from node.socket_path import short_path
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import desk_service_pb2_grpc as desk_grpc
from tocsin.desk.v1 import operation_service_pb2 as operation
from tocsin.desk.v1 import operation_service_pb2_grpc as operation_grpc
from tocsin.v1 import lookup_service_pb2, statement_pb2, vocabulary_pb2

NOW = Timestamp(seconds=1_795_406_400)


class Desk:
    """What a trial can see and set."""

    def __init__(self):
        self.requests = []
        self.deadlines = []
        self.failures = {}
        self.status = operation.GetStatusResponse(
            member="bank-x",
            federation="night",
            roles=["bank"],
            ready=True,
            address="127.0.0.1:7443",
            leaf_expires_time=Timestamp(seconds=4_000_000_000),
            catalogue_root=b"\x11" * 32,
            logs=[operation.LogStatus(origin="night/bank-x/all", size=3, checkpoint_time=NOW)],
        )
        self.said = set()
        self.ceremony_states = ["OPEN", "CONFIRMED"]
        self.verified = []
        self.proof = operation.ProveStatementResponse()

    def take(self, request, context):
        name = type(request).__name__.removesuffix("Request")
        self.requests.append(request)
        self.deadlines.append(context.time_remaining())
        failing = self.failures.get(name)
        if failing and len(self.of(type(request))) > failing.after:
            detail = Any()
            detail.Pack(
                ErrorInfo(reason=failing.reason, domain="tocsin", metadata=failing.metadata)
            )
            status = Status(code=failing.code.value[0], message=failing.message, details=[detail])
            context.abort_with_status(rpc_status.to_status(status))

    def of(self, kind):
        return [request for request in self.requests if isinstance(request, kind)]

    def fail(self, name, code, reason, message="The node says no.", after=0, **metadata):
        self.failures[name] = Failure(code, reason, message, after, metadata)

    def outcome(self, key, value):
        if value.startswith("bad"):
            error = desk.RowError(reason="INDICATOR_INVALID", message="no indicator of its kind")
            return desk.RowResult(outcome=desk.ROW_OUTCOME_REFUSED, error=error)
        known = key in self.said
        self.said.add(key)
        outcome = desk.ROW_OUTCOME_UNCHANGED if known else desk.ROW_OUTCOME_ADDED
        return desk.RowResult(outcome=outcome, statement_id=b"\x01" * 16)


class Failure:
    def __init__(self, code, reason, message, after, metadata):
        self.code, self.reason, self.message = code, reason, message
        self.after, self.metadata = after, metadata


class DeskService(desk_grpc.DeskServiceServicer):
    def __init__(self, seen):
        self._seen = seen

    def Check(self, request, context):
        self._seen.take(request, context)
        return desk.CheckResponse(results=[self._check(one) for one in request.values])

    def _check(self, one):
        if one.value.startswith("bad"):
            error = desk.RowError(reason="INDICATOR_INVALID", message="no indicator of its kind")
            return desk.CheckResult(kind=one.kind, value=one.value, error=error)
        band = vocabulary_pb2.BAND_HIGH if "fraud" in one.value else vocabulary_pb2.BAND_NONE
        codes = ["OVERSEAS"] if "fraud" in one.value else []
        return desk.CheckResult(
            kind=one.kind,
            value=one.value,
            band=band,
            display_codes=codes,
            sources=len(codes),
            expires_time=NOW if codes else None,
        )

    def Nominate(self, request, context):
        self._seen.take(request, context)
        rows = [(row.SerializeToString(), row.indicator.value) for row in request.rows]
        return desk.NominateResponse(results=[self._seen.outcome(*row) for row in rows])

    def AddWatch(self, request, context):
        self._seen.take(request, context)
        rows = [(row.SerializeToString(), row.indicator.value) for row in request.rows]
        return desk.AddWatchResponse(results=[self._seen.outcome(*row) for row in rows])

    def RemoveWatch(self, request, context):
        self._seen.take(request, context)
        rows = [(row.SerializeToString(), row.indicator.value) for row in request.rows]
        return desk.RemoveWatchResponse(results=[self._seen.outcome(*row) for row in rows])

    def MatchWatch(self, request, context):
        self._seen.take(request, context)
        return desk.MatchWatchResponse(
            checked_count=2 if request.page_token else 3,
            hit_count=1,
            next_page_token="" if request.page_token else "ab",
            total_size=5,
        )

    def Sight(self, request, context):
        return self._say(request, context, desk.SightResponse)

    def Opine(self, request, context):
        return self._say(request, context, desk.OpineResponse)

    def Retract(self, request, context):
        return self._say(request, context, desk.RetractResponse)

    def Reassign(self, request, context):
        return self._say(request, context, desk.ReassignResponse)

    def Protect(self, request, context):
        return self._say(request, context, desk.ProtectResponse)

    def _say(self, request, context, response):
        self._seen.take(request, context)
        rows = [(one.SerializeToString(), one.value) for one in request.values]
        return response(results=[self._seen.outcome(*row) for row in rows])

    def ListWatch(self, request, context):
        self._seen.take(request, context)
        first = int(request.page_token or 0)
        last = min(first + request.page_size, 2_500)
        return desk.ListWatchResponse(
            entries=[
                desk.WatchEntry(kind="phone", reference=f"line-{place:04}", token=bytes(16))
                for place in range(first, last)
            ],
            next_page_token=str(last) if last < 2_500 else "",
            total_size=2_500,
        )

    def ListHits(self, request, context):
        self._seen.take(request, context)
        hit = desk.Hit(
            kind="phone", reference="line-1", band=vocabulary_pb2.BAND_LOW, first_seen_time=NOW
        )
        return desk.ListHitsResponse(hits=[hit])

    def Explain(self, request, context):
        self._seen.take(request, context)
        explanation = lookup_service_pb2.ExplainResponse(
            verdict=lookup_service_pb2.TokenVerdict(band=vocabulary_pb2.BAND_HIGH),
            score=0.75,
            rules="verdict-1",
            terms=[lookup_service_pb2.ScoreTerm(member="bank-y", body="NOMINATION", weight=0.75)],
        )
        opened = desk.OpenedDetails(member="bank-y", text="seen on a flyer")
        return desk.ExplainResponse(explanation=explanation, details=[opened])


class OperationService(operation_grpc.OperationServiceServicer):
    def __init__(self, seen):
        self._seen = seen

    def GetStatus(self, request, context):
        self._seen.take(request, context)
        return self._seen.status

    def VerifyLog(self, request, context):
        self._seen.take(request, context)
        yield from self._seen.verified

    def ListStatements(self, request, context):
        self._seen.take(request, context)
        first = int(request.page_token or 700)
        last = max(first - request.page_size, 0)
        return operation.ListStatementsResponse(
            statements=[
                operation.StatementEntry(index=index, json='{\n  "id": "x"\n}')
                for index in range(first - 1, last - 1, -1)
            ],
            next_page_token=str(last) if last else "",
        )

    def ProveStatement(self, request, context):
        self._seen.take(request, context)
        return self._seen.proof

    def RebuildViews(self, request, context):
        self._seen.take(request, context)
        same = b"\x22" * 32
        return operation.RebuildViewsResponse(
            digest_before=same, digest_after=same, statement_count=9
        )

    def StartCeremony(self, request, context):
        self._seen.take(request, context)
        return operation.StartCeremonyResponse(ceremony_id=b"\x33" * 16)

    def ListKeys(self, request, context):
        self._seen.take(request, context)
        states = self._seen.ceremony_states
        state = states.pop(0) if len(states) > 1 else states[0]
        ceremony = operation.CeremonyStatus(
            ceremony_id=b"\x33" * 16,
            action=statement_pb2.KEY_ACTION_GENERATE,
            epoch=1,
            share_epoch=1,
            state=state,
            waiting_for=["bank-y"] if state == "OPEN" else [],
            threshold=2,
            holders=["bank-x", "bank-y", "carrier-a"],
            share_held=True,
        )
        return operation.ListKeysResponse(ceremonies=[ceremony])

    def AdoptCharter(self, request, context):
        self._seen.take(request, context)
        return operation.AdoptCharterResponse(version=2)

    def GrantQuota(self, request, context):
        self._seen.take(request, context)
        return operation.GrantQuotaResponse(statement_id=b"\x44" * 16)

    def Synchronise(self, request, context):
        self._seen.take(request, context)
        return operation.SynchroniseResponse(received_count=5, unreachable=["bank-y"])

    def CompactLog(self, request, context):
        self._seen.take(request, context)
        return operation.CompactLogResponse(compacted_count=6)


@contextmanager
def open_desk(home):
    """Serve a home's socket until the end of the block."""
    home.run.mkdir(mode=0o700, exist_ok=True)
    seen = Desk()
    with ThreadPoolExecutor(max_workers=1) as threads, short_path(home.socket) as path:
        server = grpc.server(threads)
        desk_grpc.add_DeskServiceServicer_to_server(DeskService(seen), server)
        operation_grpc.add_OperationServiceServicer_to_server(OperationService(seen), server)
        server.add_insecure_port(f"unix:{path}")
        server.start()
        try:
            yield seen
        finally:
            server.stop(None).wait()
