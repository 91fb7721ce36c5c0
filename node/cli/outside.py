"""Call a node's outside door as this home's member, over mutual TLS, from the command line.

with OutsideDoor(keys, charter, "bank-x") as door:
    answer = door.call(door.member.GetNode, GetNodeRequest())
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc

from federation.charter import Charter, Member
from federation.names import MemberId
from keys.authority import Authority, Leaf
from node.cli.connection import explain_failure
from node.doors.policy import client_options
from node.errors import UnavailableError
from node.handshake import Target, find_reason
from node.member import MemberKeys
from tocsin.v1.log_service_pb2_grpc import LogServiceStub
from tocsin.v1.lookup_service_pb2_grpc import LookupServiceStub
from tocsin.v1.member_service_pb2_grpc import MemberServiceStub
from tocsin.v1.token_service_pb2_grpc import TokenServiceStub

CALL_SECONDS: Final = 20.0
"""Seconds for a call to another node: far beyond any network, short for somebody who waits."""

LEAF_LIFETIME: Final = timedelta(minutes=15)
"""Minutes: the leaf of one command, whose key is never written."""

_Answer = TypeVar("_Answer")


class OutsideDoor:
    """A connection to one member's node; errors come out as those of this project."""

    def __init__(
        self,
        keys: MemberKeys,
        charter: Charter,
        member: MemberId,
        address: str | None = None,
        authority: Authority | None = None,
    ) -> None:
        """Prepare a connection.

        Args:
            keys: Who calls.
            charter: Says who answers, under which root.
            member: Whom to call.
            address: Where, if not where the charter says.
            authority: Another root to call under than the caller's own, for a trial.
        """
        self._charter = charter
        self._listed: Member = charter.member(member)
        self._address = address or self._listed.address
        self._leaf = _issue(keys, authority or keys.authority)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=self._listed.authority,
            private_key=self._leaf.key_pem.reveal(),
            certificate_chain=self._leaf.chain_pem,
        )
        options = [*client_options(), ("grpc.ssl_target_name_override", self._server_name)]
        self.channel = self._open.enter_context(
            grpc.secure_channel(self._address, credentials, options)
        )
        self.member = MemberServiceStub(self.channel)
        self.log = LogServiceStub(self.channel)
        self.lookup = LookupServiceStub(self.channel)
        self.token = TokenServiceStub(self.channel)
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
        """Call a method.

        Raises:
            NodeError: Its class, reason and hint say what the other node said, or why it could
                not be reached.
        """
        try:
            return method(request, timeout=seconds)
        except grpc.RpcError as error:
            raise self.explain(error) from error

    def explain(self, error: grpc.RpcError) -> Exception:
        """Turn a failed call into the error that says why."""
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return explain_failure(error, self.diagnose())
        return explain_failure(error, _unreachable("PEER_UNAVAILABLE", self._listed))

    def diagnose(self) -> UnavailableError:
        """Shake hands by hand, and say what stands in the way of a connection."""
        target = Target(self._address, self._server_name, self._listed.authority)
        return _unreachable(find_reason(target, self._leaf, None), self._listed)

    @property
    def _server_name(self) -> str:
        return f"{self._listed.member}.{self._charter.federation}"


def _issue(keys: MemberKeys, authority: Authority) -> Leaf:
    card, now = keys.card, datetime.now(UTC)
    return authority.issue_leaf(card.federation, card.member.member, now, LEAF_LIFETIME)


def _unreachable(reason: str, member: Member) -> UnavailableError:
    return UnavailableError(
        f"the node of {member.member} cannot be reached",
        reason=reason,
        hint="ask its operator whether it runs, and whether both clocks are right",
    )
