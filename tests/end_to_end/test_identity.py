"""Who may call a node, and what a caller learns who may not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from federation.names import MemberId
from keys.authority import Authority, Leaf
from node.identity import Identity
from node.peer_error import PeerCallError
from tests.end_to_end.callers import (
    ask,
    authority_of,
    calling,
    charter_of,
    expired_leaf,
    refusal,
)
from tests.end_to_end.members import INDUSTRY, Federation, eventually, running_federation
from tocsin.v1 import log_service_pb2
from tocsin.v1.log_service_pb2_grpc import LogServiceStub

A, B, CALLED = MemberId("carrier-b"), MemberId("bank-x"), MemberId("carrier-a")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("identity") / "f") as found:
        yield found


async def test_a_member_with_its_own_leaf_is_answered(federation: Federation) -> None:
    async with calling(federation, A) as peers:
        assert (await ask(peers, CALLED)).member == CALLED


async def test_three_kinds_of_wrong_leaf_are_refused_for_three_reasons(
    federation: Federation,
) -> None:
    name, now = charter_of(federation, A).federation, datetime.now(UTC)
    other = authority_of(federation, B)
    unknown = Authority.create(name, A, now)
    one_hour = timedelta(hours=1)

    def from_other(_: Identity) -> Leaf:
        return other.issue_leaf(name, A, now, one_hour)

    def of_stranger(identity: Identity) -> Leaf:
        identity._authority = unknown
        return unknown.issue_leaf(name, A, now, one_hour)

    assert await refusal(federation, A, CALLED, from_other) == "AUTHORITY_MISMATCH"
    assert await refusal(federation, A, CALLED, of_stranger) == "UNKNOWN_AUTHORITY"
    assert (
        await refusal(federation, A, CALLED, expired_leaf(federation, A)) == "CERTIFICATE_EXPIRED"
    )


async def test_a_revoked_member_is_cut_off_at_once_and_its_evidence_counts_no_more(
    federation: Federation, tmp_path: Path
) -> None:
    federation.nominate(A, "domain", "said-by-the-revoked.example")
    eventually(lambda: federation.band(B, "domain", "said-by-the-revoked.example") != "NONE")
    note = tmp_path / "revoked.note"
    federation.do(B, "charter", "revoke", str(note), A)
    signers = (CALLED, B, "net-p")
    for member in signers:
        federation.unlocked(member, "charter", "sign", str(note))

    async with calling(federation, A) as peers:
        watch = peers.stream(
            CALLED,
            lambda channel: LogServiceStub(channel).Watch,
            log_service_pb2.WatchRequest(),
            None,
        )
        await anext(watch)
        federation.do(CALLED, "charter", "adopt", str(note))
        with pytest.raises(PeerCallError) as closed:
            await _read_to_end(watch)
        with pytest.raises(PeerCallError) as refused:
            await ask(peers, CALLED)

    assert closed.value.reason == "MEMBER_REVOKED"
    assert refused.value.reason == "MEMBER_REVOKED"

    others = [member for member in INDUSTRY if member != A]
    for member in others:
        eventually(lambda member=member: federation.status(member)["charter_version"] == 2)
    for member in others:
        assert federation.band(member, "domain", "said-by-the-revoked.example") == "NONE"


async def _read_to_end(watch: AsyncIterator[object]) -> None:
    async for _ in watch:
        pass
