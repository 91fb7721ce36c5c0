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
    running_federation,
    write_lines,
)
from tocsin.v1 import call_context_service_pb2 as outside
from tocsin.v1.call_context_service_pb2_grpc import CallContextServiceStub

OTHER, HOME, BANK = MEMBERS = ("carrier-a", "carrier-c", "bank-x")
# Likely victims, a guardian and a stranger; the country code is assigned to nobody.
VICTIM, SECOND, GUARDIAN = "+8613800000072", "+8613800000034", "+8613900000007"
PAYER, FRAUDSTER, FRIEND = "+8613700000001", "+8613600000001", "+8613500000001"
LINE, REFERENCE_TWO = "LINE-V1-72", "LINE-V2-34"
TEXT = "the tax office"
WAIT = 90.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("warn") / "f", MEMBERS) as found:
        for number, reference in ((VICTIM, LINE), (SECOND, REFERENCE_TWO)):
            found.do(HOME, "watch", "add", "phone", number, "--reference", reference)
        found.do(OTHER, "watch", "add", "phone", PAYER, "--reference", "LINE-A")
        yield found


def outbox(federation: Federation, member: str = HOME) -> list[dict[str, Any]]:
    return federation.do(member, "warn", "outbox").rows


def warnings(federation: Federation, member: str, warning: str) -> dict[str, Any]:
    rows = federation.do(member, "warn", "list", "--json").rows
    return next((row for row in rows if row["warning_id"] == warning), {"state": None})


def raise_warning(federation: Federation, number: str, *more: str) -> str:
    facts = ("--risk", "very_high", "--vulnerable", "--fraud-type", "government")
    done = federation.do(
        BANK, "warn", "raise", number, *facts, "--urgency", "immediate", *more, "--json"
    )
    return str(done.document["warning_id"])


def files_of(federation: Federation, member: str) -> bytes:
    """Return everything that a node has written: databases, write-ahead logs, its own log."""
    root = federation.home(member).root
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


def test_12_a_warning_is_sealed_to_the_home_carrier_linted_and_ends_with_a_code(
    federation: Federation,
) -> None:
    until = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    federation.do(HOME, "warn", "guardian", "add", LINE, GUARDIAN, "--until", until)
    for trap in ("see evil.example", "+86 138 0000 0000", "account number follows", "reply yes"):
        refused = federation.run(
            BANK, "warn", "raise", VICTIM, "--risk", "high", "--fraud-type", "loan",
            "--impersonated", trap,
        )  # fmt: skip

        assert refused.code == 1
        assert "[TEXT_HAS_" in error_lines(refused)[0]
        assert trap not in refused.err

    warning = raise_warning(federation, VICTIM, "--impersonated", TEXT)
    again = federation.do(
        BANK, "warn", "raise", VICTIM, "--risk", "high", "--fraud-type", "loan", "--json"
    )

    assert again.document == {"warning_id": warning, "raised": False}

    eventually(lambda: outbox(federation), WAIT)
    eventually(lambda: len(federation.do(OTHER, "matter", "list", "--json").rows) > 0, WAIT)
    by_recipient = {one["recipient"]: one for one in outbox(federation)}
    customer, guardian = by_recipient["CUSTOMER"], by_recipient["GUARDIAN"]

    assert (customer["address"], customer["channel"]) == (LINE, "FLASH")
    assert TEXT in customer["text_en"]
    assert TEXT in customer["text_zh"]
    assert (guardian["address"], guardian["channel"]) == (GUARDIAN, "SMS")
    assert TEXT not in guardian["text_en"] + guardian["text_zh"]
    assert outbox(federation, OTHER) == []
    assert "ROLE_NOT_ALLOWED" in error_lines(federation.run(BANK, "warn", "outbox"))[0]

    # The home carrier alone has the text; the number is on no disk, the guardian's on its own.
    for member in MEMBERS:
        written = files_of(federation, member)

        assert (TEXT.encode() in written) == (member == HOME)
        assert VICTIM.encode() not in written
        assert (GUARDIAN.encode() in written) == (member == HOME)

    federation.do(HOME, "warn", "sent", guardian["message_id"])

    assert warnings(federation, HOME, warning)["state"] == "RAISED"

    federation.do(HOME, "warn", "sent", customer["message_id"])
    repeated = federation.do(HOME, "warn", "sent", customer["message_id"], "--json")

    assert repeated.document == {"noted": False}
    assert outbox(federation) == []

    federation.do(HOME, "warn", "acknowledged", warning)
    federation.do(HOME, "warn", "outcome", warning, "--as", "dissuaded")
    eventually(lambda: warnings(federation, BANK, warning)["outcome"] == "DISSUADED", WAIT)
    known = warnings(federation, BANK, warning)

    assert (known["state"], known["carrier"]) == ("OUTCOME_REPORTED", HOME)
    assert known["sent"] == ["FLASH"]
    assert TEXT.encode() not in files_of(federation, BANK)
    assert GUARDIAN not in json.dumps(federation.do(BANK, "log", "show", "--json").rows)

    late = federation.run(HOME, "warn", "outcome", warning, "--as", "lost")

    assert late.code == 1
    assert "[ALREADY_ENDED]" in error_lines(late)[0]


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
