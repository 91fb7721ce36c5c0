"""Real nodes warn a likely victim and answer a bank about calls, and nobody learns more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from federation.names import MemberId
from federation.vocabulary import Purpose
from node.duties.call_limit import QUESTIONS_AN_HOUR
from node.peer_error import PeerCallError
from tests.end_to_end.callers import calling
from tests.end_to_end.members import (
    Federation,
    error_lines,
    eventually,
    files_of,
    running_federation,
    write_lines,
)
from tests.end_to_end.warning_steps import (
    BANK,
    GUARDIAN,
    HOME,
    MEMBERS,
    OTHER,
    REFERENCE_TWO,
    SECOND,
    WAIT,
    outbox,
    raise_warning,
    warnings,
    watch_victims,
)
from tocsin.v1 import call_context_service_pb2 as outside
from tocsin.v1.call_context_service_pb2_grpc import CallContextServiceStub

# A payer, whom it calls, and a friend.
PAYER, FRAUDSTER, FRIEND = "+8613700000001", "+8613600000001", "+8613500000001"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("warn") / "f", MEMBERS) as found:
        watch_victims(found)
        found.do(OTHER, "watch", "add", "phone", PAYER, "--reference", "LINE-A")
        yield found


def told(federation: Federation, warning: str) -> dict[str, str]:
    """Return the outcome that each carrier reported, as the bank knows it."""
    tracks = warnings(federation, BANK, warning).get("tracks", [])
    return {one["carrier"]: one["outcome"] for one in tracks}


def test_silence_leads_to_a_call_and_no_rival_that_is_first_keeps_the_outcome_out(
    federation: Federation,
) -> None:
    federation.do(OTHER, "watch", "add", "phone", SECOND, "--reference", "RIVAL")
    until = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    federation.do(HOME, "warn", "guardian", "add", REFERENCE_TWO, GUARDIAN, "--until", until)
    federation.do(HOME, "warn", "guardian", "remove", REFERENCE_TWO)
    warning = raise_warning(federation, SECOND, "--acknowledge-seconds", "2")
    eventually(lambda: outbox(federation, OTHER), WAIT)
    (claim,) = outbox(federation, OTHER)
    federation.do(OTHER, "warn", "sent", claim["message_id"])
    federation.do(OTHER, "warn", "outcome", warning, "--as", "false_alarm")
    eventually(lambda: warnings(federation, HOME, warning)["carrier"] == OTHER, WAIT)
    eventually(lambda: outbox(federation), WAIT)
    (flash,) = outbox(federation)

    assert (flash["channel"], flash["recipient"]) == ("FLASH", "CUSTOMER")

    federation.do(HOME, "warn", "sent", flash["message_id"])
    gave_up = federation.run(HOME, "warn", "outcome", warning, "--as", "unreached")

    assert "[ESCALATION_MISSING]" in error_lines(gave_up)[0]

    eventually(lambda: outbox(federation), WAIT)
    (call,) = outbox(federation)

    assert (call["channel"], call["address"]) == ("VOICE", REFERENCE_TWO)

    federation.do(HOME, "warn", "sent", call["message_id"])
    federation.do(HOME, "warn", "outcome", warning, "--as", "unreached")
    eventually(lambda: told(federation, warning) == {OTHER: "FALSE_ALARM", HOME: "UNREACHED"}, WAIT)
    tracks = {one["carrier"]: one["sent"] for one in warnings(federation, BANK, warning)["tracks"]}

    assert tracks == {OTHER: ["FLASH"], HOME: ["FLASH", "VOICE"]}
    assert warnings(federation, BANK, warning)["outcome"] == "FALSE_ALARM"

    federation.do(BANK, "warn", "outcome", warning, "--as", "lost")

    assert warnings(federation, BANK, warning)["outcome"] == "LOST"


def fed(federation: Federation, carrier: str, tmp_path: Path, *calls: dict[str, Any]) -> None:
    file = write_lines(tmp_path / f"{carrier}.jsonl", [json.dumps(call) for call in calls] or [""])
    federation.do(carrier, "call", "feed", "--file", str(file))


def context(federation: Federation, *more: str) -> dict[str, Any]:
    return federation.do(BANK, "call", "context", PAYER, *more, "--json").document


def minutes_ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


async def test_a_payment_is_allowed_without_a_risky_call_and_delayed_during_one(
    federation: Federation, tmp_path: Path
) -> None:
    # Neither carrier sees calls yet: nobody can tell.
    assert context(federation)["call_context"] == "UNKNOWN"
    assert context(federation)["advice"] == "UNDECIDED"

    friendly = {"subscriber": PAYER, "other": FRIEND, "began": minutes_ago(30)}
    fed(federation, OTHER, tmp_path, friendly)
    fed(federation, HOME, tmp_path)
    quiet = context(federation)

    assert (quiet["call_context"], quiet["advice"]) == ("NONE", "ALLOW")
    assert not {OTHER, HOME} & set(map(str, quiet.values()))
    # The customer's carrier and the other one cannot be told apart.
    alone = [context(federation, "--carrier", one) for one in (OTHER, HOME)]

    assert alone[0]["call_context"] == alone[1]["call_context"] == "NONE"

    long = {"subscriber": PAYER, "other": FRAUDSTER, "began": minutes_ago(14), "new": True}
    fed(federation, OTHER, tmp_path, long)
    active = context(federation)

    assert (active["call_context"], active["advice"]) == ("ACTIVE_RISKY", "DELAY")

    fed(federation, OTHER, tmp_path, long | {"ended": minutes_ago(1)})
    recent = context(federation)

    assert (recent["call_context"], recent["advice"]) == ("RECENT_RISKY", "ASK")

    # A short call with a number that the federation knows is risky as well.
    federation.nominate(BANK, "phone", FRAUDSTER)
    eventually(lambda: federation.band(OTHER, "phone", FRAUDSTER) != "NONE", WAIT)
    short = {"subscriber": PAYER, "other": FRAUDSTER, "began": minutes_ago(2)}
    fed(federation, OTHER, tmp_path, short)

    assert context(federation)["call_context"] == "ACTIVE_RISKY"

    refused = federation.run(BANK, "call", "context", PAYER, "--purpose", "check")

    assert "[PURPOSE_NOT_ALLOWED]" in error_lines(refused)[0]
    assert await refusal(federation, BANK, 0) == "PURPOSE_MISSING"
    assert await refusal(federation, BANK, Purpose.CHECK) == "PURPOSE_NOT_ALLOWED"
    assert await refusal(federation, HOME, Purpose.PAYMENT_HOLD) == "ROLE_NOT_ALLOWED"
    assert await refusal(federation, BANK, Purpose.PAYMENT_HOLD, QUESTIONS_AN_HOUR) == (
        "ASKED_TOO_OFTEN"
    )

    # The bank never learns with whom; the carriers keep no trace of having been asked.
    watched = federation.do(OTHER, "watch", "list", "--json").rows
    (token,) = (row["token"] for row in watched if row["reference"] == "LINE-A")
    written = files_of(federation, BANK)

    assert bytes.fromhex(token) not in files_of(federation, HOME)
    assert FRIEND.encode() not in written
    assert token.encode() not in log_of(federation, OTHER) + log_of(federation, HOME)
    assert PAYER.encode() not in log_of(federation, OTHER) + log_of(federation, HOME)


def log_of(federation: Federation, member: str) -> bytes:
    """Return what a node wrote about its own doing."""
    root = federation.home(member).root
    return b"".join(path.read_bytes() for path in root.rglob("*.log"))


async def refusal(federation: Federation, caller: str, purpose: int, answered: int = 0) -> str:
    """Return the reason for which a carrier does not answer, after so many answers."""
    request = outside.GetCallContextRequest(token=bytes(range(200, 216)), purpose=purpose)  # type: ignore[arg-type]  # also what is none
    async with calling(federation, caller) as peers:

        async def ask() -> None:
            await peers.call(
                MemberId(OTHER),
                lambda channel: CallContextServiceStub(channel).GetCallContext,
                request,
                20.0,
            )

        for _ in range(answered):
            await ask()
        with pytest.raises(PeerCallError) as refused:
            await ask()
    return refused.value.reason
