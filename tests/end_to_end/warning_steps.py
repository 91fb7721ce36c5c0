"""Warn a likely victim through real nodes, and let nobody learn more than it must."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.end_to_end.members import Federation, error_lines, eventually, files_of

OTHER, HOME, BANK = MEMBERS = ("carrier-a", "carrier-c", "bank-x")
# Likely victims and a guardian; the country code is assigned to nobody.
VICTIM, SECOND, GUARDIAN = "+8613800000072", "+8613800000034", "+8613900000007"
LINE, REFERENCE_TWO = "LINE-V1-72", "LINE-V2-34"
TEXT = "the tax office"
WAIT = 90.0


def outbox(federation: Federation, member: str = HOME) -> list[dict[str, Any]]:
    return federation.read(member, "warn", "outbox").rows


def warnings(federation: Federation, member: str, warning: str) -> dict[str, Any]:
    rows = federation.read(member, "warn", "list", "--json").rows
    return next((row for row in rows if row["warning_id"] == warning), {"state": None})


def raise_warning(federation: Federation, number: str, *more: str) -> str:
    facts = ("--risk", "very_high", "--vulnerable", "--fraud-type", "government")
    done = federation.do(
        BANK, "warn", "raise", number, *facts, "--urgency", "immediate", *more, "--json"
    )
    return str(done.document["warning_id"])


def watch_victims(federation: Federation) -> None:
    """Let the home carrier know its customers."""
    for number, reference in ((VICTIM, LINE), (SECOND, REFERENCE_TWO)):
        federation.do(HOME, "watch", "add", "phone", number, "--reference", reference)


def warn_a_victim(federation: Federation) -> None:
    """Warn a likely victim and its guardian, from the bank's doubt to the outcome."""
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
    asked = ("matter", "list", "--kind", "warning", "--json")
    eventually(lambda: federation.read(OTHER, *asked).rows, WAIT)
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


def warn_again(federation: Federation) -> None:
    """Warn another likely victim, from the bank to the home carrier and back."""
    warning = raise_warning(federation, SECOND)
    eventually(lambda: outbox(federation), WAIT)
    for message in outbox(federation):
        federation.do(HOME, "warn", "sent", message["message_id"])
    federation.do(HOME, "warn", "outcome", warning, "--as", "dissuaded")
    eventually(lambda: warnings(federation, BANK, warning)["outcome"] == "DISSUADED", WAIT)
