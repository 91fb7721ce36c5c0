"""Check a running node from outside, as another member sees it.

Every check is a promise of the contract: who answers, what is refused, and that what is answered
can be verified. Nothing is changed; the look-ups are charged to the caller's quota.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from federation.charter import Charter, charter_digest
from federation.checkpoint import verify_checkpoint
from federation.merkle import CompactRange, leaf_hash
from federation.names import MemberId, Origin
from federation.roles import REPLICATING
from federation.vocabulary import Purpose
from keys.authority import Authority
from node.cli.connection import failure_reason
from node.cli.finding import Finding, SkippedError, find
from node.cli.outside import CALL_SECONDS, OutsideDoor
from node.errors import PeerError, RequestError
from node.member import MemberKeys
from tocsin.v1 import log_service_pb2, lookup_service_pb2, member_service_pb2

TOO_MANY_TOKENS: Final = 4_097
"""Tokens: one more than the contract allows in a look-up."""

TOO_LONG_BYTES: Final = 5 * 1024 * 1024
"""Bytes: more than the 4 MiB that a door takes in one message."""

LOG_SECONDS: Final = 300.0
"""Seconds for reading a whole log."""

CLOCK_SKEW_SECONDS: Final = 300

_TOKEN: Final = bytes(16)


def find_member(charter: Charter, address: str, name: str | None) -> MemberId:
    """Say who has to answer at an address.

    Raises:
        RequestError: MEMBER_UNKNOWN, the charter lists nobody there.
    """
    if name is not None:
        return charter.member(name).member
    for member in charter.members:
        if member.address == address:
            return member.member
    raise RequestError(
        "the charter lists no member at this address",
        reason="MEMBER_UNKNOWN",
        hint="say who has to answer there with --member",
    )


def check_node(
    keys: MemberKeys, charter: Charter, member: MemberId, address: str
) -> Iterator[Finding]:
    """Make every check; where nobody answers, the first says why and the others are skipped."""
    with OutsideDoor(keys, charter, member, address) as door:
        examiner = _Examiner(keys, charter, member, address, door)
        for name, make in examiner.checks():
            finding = find(name, make)
            yield finding
            if name == "identity" and finding.is_failure:
                return


class _Examiner:
    """The checks against one node."""

    def __init__(
        self,
        keys: MemberKeys,
        charter: Charter,
        member: MemberId,
        address: str,
        door: OutsideDoor,
    ) -> None:
        self._keys = keys
        self._charter = charter
        self._member = member
        self._address = address
        self._door = door

    def checks(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("identity", self._check_identity),
            ("charter", self._check_charter),
            ("clock", self._check_clock),
            ("health", self._check_health),
            ("no reflection outside", self._check_reflection),
            ("call without a deadline refused", self._check_deadline),
            ("caller under an unknown root refused", self._check_stranger),
            ("wrong purpose refused", self._check_purpose),
            ("missing purpose refused", self._check_no_purpose),
            ("malformed token refused", self._check_token),
            ("oversized batch refused", self._check_batch),
            ("oversized message refused", self._check_message),
            ("unknown log refused", self._check_origin),
            ("position beyond the log refused", self._check_position),
            ("log agrees with its checkpoint", self._check_log),
        ]

    def _check_identity(self) -> str:
        answer = self._node()
        if answer.member != self._member:
            raise PeerError("it says that it is another member", reason="IDENTITY_MISMATCH")
        return f"{self._member} by its own root, version {answer.software_version}"

    def _check_charter(self) -> str:
        request = member_service_pb2.GetCharterRequest()
        note = self._door.call(self._door.member.GetCharter, request).charter
        if charter_digest(note) != self._charter.digest():
            raise PeerError(
                "it follows another charter than this home",
                reason="CHARTER_DIFFERS",
                hint="tocsin charter show, here and there; tocsin charter adopt FILE",
            )
        return f"version {self._charter.version}, the same digest"

    def _check_clock(self) -> str:
        skew = self._node().now_time.seconds - datetime.now(UTC).timestamp()
        if abs(skew) > CLOCK_SKEW_SECONDS:
            raise PeerError(f"its clock differs by {skew:+.0f} s", reason="CLOCKS_DISAGREE")
        return f"differs by {skew:+.0f} s"

    def _check_health(self) -> str:
        stub = health_pb2_grpc.HealthStub(self._door.channel)
        status = self._door.call(stub.Check, health_pb2.HealthCheckRequest()).status
        if status != health_pb2.HealthCheckResponse.SERVING:
            raise PeerError("it does not say that it serves", reason="NOT_SERVING")
        return "SERVING"

    def _check_reflection(self) -> str:
        stub = reflection_pb2_grpc.ServerReflectionStub(self._door.channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")

        def call() -> None:
            list(stub.ServerReflectionInfo(iter([request]), timeout=CALL_SECONDS))

        return _refused(call, {"UNIMPLEMENTED", "METHOD_UNKNOWN", "ROLE_NOT_ALLOWED"})

    def _check_deadline(self) -> str:
        future = self._door.member.GetNode.future(member_service_pb2.GetNodeRequest())

        def call() -> None:
            try:
                future.result(timeout=CALL_SECONDS)
            except grpc.FutureTimeoutError as error:
                raise PeerError("it neither answers nor refuses", reason="NO_ANSWER") from error

        return _refused(call, {"DEADLINE_MISSING"})

    def _check_stranger(self) -> str:
        card = self._keys.card
        stranger = Authority.create(card.federation, card.member.member, datetime.now(UTC))
        request = member_service_pb2.GetNodeRequest()
        with OutsideDoor(self._keys, self._charter, self._member, self._address, stranger) as door:
            return _refused(
                lambda: door.member.GetNode(request, timeout=CALL_SECONDS),
                {"UNAVAILABLE", "AUTHORITY_MISMATCH", "CERTIFICATE_INVALID"},
            )

    def _check_purpose(self) -> str:
        return self._refused_lookup([_TOKEN], Purpose.OPERATION.value, {"PURPOSE_NOT_ALLOWED"})

    def _check_no_purpose(self) -> str:
        return self._refused_lookup([_TOKEN], 0, {"PURPOSE_MISSING", "PURPOSE_NOT_ALLOWED"})

    def _check_token(self) -> str:
        return self._refused_lookup([_TOKEN[1:]], Purpose.CHECK.value, {"TOKEN_INVALID"})

    def _check_batch(self) -> str:
        tokens = [_TOKEN] * TOO_MANY_TOKENS
        return self._refused_lookup(tokens, Purpose.CHECK.value, {"BATCH_INVALID"})

    def _check_message(self) -> str:
        huge = [bytes(TOO_LONG_BYTES)]
        reasons = {"RESOURCE_EXHAUSTED", "MESSAGE_TOO_LONG", "MESSAGE_INVALID"}
        return self._refused_lookup(huge, Purpose.CHECK.value, reasons)

    def _check_origin(self) -> str:
        self._require_reader()
        origin = f"{self._charter.federation}/nobody-of-this-name/all"
        return self._refused_read(origin, 0, {"ORIGIN_UNKNOWN"})

    def _check_position(self) -> str:
        self._require_reader()
        return self._refused_read(str(self._origin), 2**62, {"POSITION_INVALID"})

    def _check_log(self) -> str:
        self._require_reader()
        grown, note = CompactRange(), b""
        request = log_service_pb2.ReadRequest(origin=str(self._origin), start=0)
        try:
            for answer in self._door.log.Read(request, timeout=LOG_SECONDS):
                if answer.WhichOneof("part") == "checkpoint":
                    note = answer.checkpoint
                else:
                    grown.extend(_leaves(answer.entries))
        except grpc.RpcError as error:
            raise self._door.explain(error) from error
        public = self._charter.member(self._member).signing_key
        checkpoint = verify_checkpoint(note, self._origin, public).checkpoint
        if (checkpoint.size, checkpoint.root) != (grown.size, grown.root()):
            raise PeerError("the entries do not have the signed root", reason="ROOT_MISMATCH")
        return f"{grown.size} entries have the signed root"

    @property
    def _origin(self) -> Origin:
        return Origin(self._charter.federation, self._member)

    def _node(self) -> Any:
        return self._door.call(self._door.member.GetNode, member_service_pb2.GetNodeRequest())

    def _require_reader(self) -> None:
        me = self._charter.member(self._keys.card.member.member)
        if not me.roles & REPLICATING:
            raise SkippedError("your role reads no logs")
        if not self._charter.member(self._member).is_speaking:
            raise SkippedError("its role has no log")

    def _refused_lookup(self, tokens: list[bytes], purpose: int, reasons: set[str]) -> str:
        request = lookup_service_pb2.LookupRequest(
            tokens=tokens,
            purpose=purpose,  # type: ignore[arg-type]  # wrong on purpose
        )
        return _refused(
            lambda: self._door.lookup.Lookup(request, timeout=CALL_SECONDS),
            reasons,
            {"UNIMPLEMENTED"},
        )

    def _refused_read(self, origin: str, start: int, reasons: set[str]) -> str:
        request = log_service_pb2.ReadRequest(origin=origin, start=start)
        return _refused(lambda: list(self._door.log.Read(request, timeout=CALL_SECONDS)), reasons)


def _refused(
    call: Callable[[], object],
    reasons: set[str],
    unsupported: frozenset[str] | set[str] = frozenset(),
) -> str:
    """Make a call that has to be refused, and say with which reason it was.

    Raises:
        PeerError: NOT_REFUSED, or REFUSED_OTHERWISE where the reason is not one of ``reasons``.
        SkippedError: The node does not offer this service, or the caller's role may not use it.
    """
    try:
        call()
    except grpc.RpcError as error:
        reason = failure_reason(error)
        if reason in reasons:
            return reason
        if reason in unsupported or reason == "ROLE_NOT_ALLOWED":
            raise SkippedError(f"not possible here ({reason})") from error
        message = f"it was refused with {reason} and not with {' or '.join(sorted(reasons))}"
        raise PeerError(message, reason="REFUSED_OTHERWISE") from error
    raise PeerError("it was accepted", reason="NOT_REFUSED")


def _leaves(entries: log_service_pb2.EntryRun) -> list[bytes]:
    """Return the leaf hashes of a run; a compacted entry holds its hash instead of a body."""
    compacted = set(entries.compacted)
    return [
        body if place in compacted else leaf_hash(body) for place, body in enumerate(entries.bodies)
    ]
