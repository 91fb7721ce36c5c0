"""Real nodes tell case briefs, trace from holder to holder and stop a payment for the police."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.members import (
    Federation,
    eventually,
    refusal_of,
    running_federation,
)

FINDER, OTHER, FORGER, FOURTH, POLICE = "carrier-a", "bank-x", "net-p", "net-q", "police"
WAIT_SECONDS = 90.0
NUMBER = "+8613900000001"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("police") / "f"
    with running_federation(root, (FINDER, OTHER, FORGER, FOURTH, POLICE)) as found:
        yield found


def test_a_case_brief_reaches_its_readers_without_anybody_in_it(
    federation: Federation, tmp_path: Path
) -> None:
    words = '[en]\ntitle = "Refund"\ntext = "{text}"\nlessons = "Ask the shop."\n'
    head = 'fraud_type = "FT04"\nstages = ["contact"]\nlures = ["profit"]\ntlp = "red"\n'
    clean = tmp_path / "clean.toml"
    clean.write_text(
        f'{head}readers = ["{OTHER}"]\nindicators = ["phone={NUMBER}"]\n'
        + words.format(text="The caller asked for 9,800 yuan.")
    )
    dirty = tmp_path / "dirty.toml"
    dirty.write_text(head + words.format(text="The caller used 139 0000 0001."))

    refused = federation.run(FINDER, "brief", "publish", str(dirty))

    assert refusal_of(refused) == "BRIEF_NOT_CLEAN"
    assert "139" not in refused.err

    federation.do(FINDER, "brief", "publish", str(clean))
    for member in (OTHER, FORGER):
        eventually(lambda who=member: federation.read(who, "brief", "list", "--json").rows)
    (readable,) = federation.do(OTHER, "brief", "list", "--json").rows
    (closed,) = federation.do(FORGER, "brief", "list", "--json").rows

    assert readable["texts"][0]["lessons"] == "Ask the shop."
    assert (closed["texts"], closed["withheld"]) == ([], "BRIEF_CLOSED")


def own_hop(federation: Federation, member: str, trace_id: str) -> tuple[str, str]:
    """Return kind and value that a member sees in a trace; empty where the hop is another's."""
    for row in federation.read(member, "trace", "list", "--json").rows:
        if row["trace_id"] == trace_id:
            return row["kind"], row["value"]
    return "", ""


def test_a_trace_of_four_hops_shows_each_holder_its_own_alone(federation: Federation) -> None:
    options = ("--fraud-type", "loan", "--case", "2026-0413")
    number = "+8613900000077"
    missing = federation.run(POLICE, "trace", "open", "phone", number, "--at", FINDER)

    assert refusal_of(missing) == "ORDER_MISSING"

    unknown = ("trace", "open", "phone", number, "--order", "00" * 16, "--at", FINDER)
    for member, reason in ((POLICE, "ORDER_UNKNOWN"), (OTHER, "ROLE_NOT_ALLOWED")):
        assert refusal_of(federation.run(member, *unknown)) == reason

    federation.do(POLICE, "designation", "issue", "phone", number, *options)
    rows = federation.do(POLICE, "designation", "list", "--json").rows
    (order,) = (row["statement_id"] for row in rows if row["value"] == number)
    opened = federation.do(
        *(POLICE, "trace", "open", "phone", number, "--order", order, "--at", FINDER, "--json")
    ).document
    trace_id = str(opened["trace_id"])
    chain = (
        (FINDER, "phone", number),
        (FORGER, "im_account", "net-p:u778"),
        (FOURTH, "domain", "tuikuan-kefu.example"),
        (OTHER, "bank_account", "102100099996:6222020200112233445"),
    )
    members = [member for member, _, _ in chain]
    for place, (member, kind, value) in enumerate(chain):
        eventually(lambda who=member: own_hop(federation, who, trace_id) != ("", ""), WAIT_SECONDS)

        assert own_hop(federation, member, trace_id) == (kind, value)
        for other in {*members, POLICE} - {member}:
            assert own_hop(federation, other, trace_id) == ("", "")

        if place + 1 < len(chain):
            holder, next_kind, next_value = chain[place + 1]
            answer = ("--next", f"{next_kind}={next_value}", "--at", holder)
        else:
            answer = ("--end",)
        federation.do(member, "trace", "answer", trace_id, *answer)

    def at_police() -> list[str]:
        found = federation.read(POLICE, "trace", "list", "--json").rows
        return [row["state"] for row in found if row["trace_id"] == trace_id]

    eventually(lambda: at_police() == ["TRACED"], WAIT_SECONDS)
    (shown,) = federation.read(POLICE, "trace", "list", "--json").rows

    assert shown["holders"] == members


def order_state(federation: Federation, member: str, order_id: str) -> str:
    outcome = federation.look(member, "dispose", "show", order_id, "--json")
    return str(outcome.document["state"]) if outcome.code == 0 else ""


def test_the_police_stop_a_payment_and_the_bank_says_how_much_as_a_band(
    federation: Federation,
) -> None:
    account = "102100099996:6222020200112299"
    about = ("dispose", "order", "bank_account", account, "--measure", "f_urgent_stop", "--json")
    federation.do(OTHER, "watch", "add", "bank_account", account, "--reference", "customer-7")

    refused = federation.run(FINDER, *about)
    assert refused.code == 1, refused.err

    stopped = federation.do(POLICE, *about, "--role", "mule", "--days", "2").document
    order_id = str(stopped["matter_id"])
    eventually(lambda: order_state(federation, OTHER, order_id) == "AUTHORISED", WAIT_SECONDS)

    assert refusal_of(federation.run(OTHER, "dispose", "execute", order_id)) == "AMOUNT_MISSING"

    federation.do(OTHER, "dispose", "execute", order_id, "--amount-band", "below_10000")
    eventually(lambda: order_state(federation, POLICE, order_id) == "EXECUTED", WAIT_SECONDS)
    shown = federation.do(POLICE, "dispose", "show", order_id, "--json").document
    (part,) = (one for one in shown["parts"] if one["member"] == OTHER)

    assert part["amount_band"] == "BELOW_10000"

    federation.do(POLICE, "dispose", "lift", order_id)
    eventually(lambda: order_state(federation, OTHER, order_id) == "LIFTED", WAIT_SECONDS)
    federation.do(OTHER, "dispose", "restore", order_id)
