"""Order measures, act on them and lift them, over real nodes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from tests.end_to_end.members import Federation, eventually, run_command

CARRIERS = ["carrier-a", "carrier-b", "carrier-c"]
MEMBERS = ("coord", "carrier-a", "carrier-b", "bank-x", "net-p", "net-q")
# Systems of these follow the log by themselves; at carrier-a people work through the queue.
AUTOMATIC = ("bank-x", "net-p")
# Seconds: a second or two on an idle machine.
SOON = 90.0

FARM_SIM, SITE, HOTLINE, SHARED = "+999700000001", "tuikuan-kefu.example", "96110", "198.51.100.7"
GUARDED, ABSENT = "our-own-shop.example", "+999700000002"
DOCTOR, SPOUSE, TENANT = "+999700000003", "+999700000004", "+999700000005"

AUTOMATIC_SETTINGS = dict.fromkeys(AUTOMATIC, 'dispose = "automatic"\n')


def watch(federation: Federation, member: str, kind: str, value: str) -> None:
    federation.do(member, "watch", "add", kind, value, "--reference", f"{member}-{kind}")


def order(
    federation: Federation, member: str, kind: str, value: str, measure: str, *more: str
) -> dict[str, Any]:
    words = ("dispose", "order", kind, value, "--measure", measure, *more, "--json")
    return federation.do(member, *words).document


def show(federation: Federation, member: str, order_id: str) -> dict[str, Any] | None:
    outcome = federation.look(member, "dispose", "show", order_id, "--json")
    return outcome.document if outcome.code == 0 else None


def part(federation: Federation, member: str, order_id: str, of: str) -> dict[str, Any]:
    """Return how a member sees another's part in an order."""
    found = show(federation, member, order_id)
    parts = found["parts"] if found else []
    return next((one for one in parts if one["member"] == of), {})


def owed(federation: Federation, member: str) -> list[tuple[str, str]]:
    rows = federation.read(member, "dispose", "queue", "--json").rows
    return [(one["matter_id"], one["owed"]) for one in rows]


def refusal(federation: Federation, member: str, *words: str) -> str:
    outcome = federation.run(member, *words)

    assert outcome.code == 1

    return outcome.err


def act_on_orders(federation: Federation) -> None:
    """Order a limit that people carry out and a block that systems follow."""
    watch(federation, "carrier-a", "phone", FARM_SIM)
    watch(federation, "net-p", "domain", SITE)
    limit = order(federation, "coord", "phone", FARM_SIM, "t_limit", "--reason", "sim_farm")
    block = order(federation, "coord", "domain", SITE, "n_block")

    assert [one["member"] for one in limit["parts"]] == CARRIERS
    assert {one["member"] for one in block["parts"]} == {*CARRIERS, "net-p", "net-q"}
    refused = order_words("phone", FARM_SIM, "t_limit", "--to", "bank-x")
    assert "MEASURE_NOT_ITS_OWN" in refusal(federation, "coord", *refused)

    # A person at the carrier acts, and then tells the subscriber.
    eventually(lambda: (limit["matter_id"], "EXECUTE") in owed(federation, "carrier-a"), SOON)
    federation.do("carrier-a", "dispose", "execute", limit["matter_id"])

    assert (limit["matter_id"], "NOTIFY") in owed(federation, "carrier-a")

    eventually(lambda: _state(federation, "coord", limit) == "EXECUTED", SOON)
    federation.do("carrier-a", "dispose", "notify", "--all")
    eventually(lambda: _state(federation, "coord", limit) == "NOTIFIED", SOON)
    done = part(federation, "coord", limit["matter_id"], "carrier-a")

    assert limit["order_time"] <= done["executed_time"] <= done["notified_time"]

    # Systems at the internet firm follow by themselves; who has never met the site says so.
    eventually(lambda: _step(federation, block, "net-p") == "EXECUTED", SOON)
    eventually(lambda: _step(federation, block, "carrier-a") == "NOT_MINE", SOON)


def refuse_what_is_protected(federation: Federation) -> None:
    """Order against what everybody protects, and against what one member guards for itself."""
    federation.do("coord", "protect", "phone", HOTLINE, "--ground", "emergency")
    federation.do("coord", "protect", "ip", SHARED, "--ground", "shared_infrastructure")
    hotline = order_words("phone", HOTLINE, "t_suspend")

    assert "PROTECTED_OBJECT" in refusal(federation, "coord", *hotline)

    shared = order_words("ip", SHARED, "n_block")

    assert "SHARED_INFRASTRUCTURE" in refusal(federation, "coord", *shared)

    # What a member guards for itself the others do not know: its node refuses, and says why.
    federation.do("net-p", "protect", "domain", GUARDED, "--ground", "daily_life", "--local")
    watch(federation, "net-p", "domain", GUARDED)
    guarded = order(federation, "coord", "domain", GUARDED, "n_block")
    eventually(lambda: _step(federation, guarded, "net-p") == "EXEMPT", SOON)
    found = part(federation, "coord", guarded["matter_id"], "net-p")

    assert found["exemption"] == "PROTECTED_OBJECT"


def act_once_after_absence(federation: Federation) -> None:
    """Stop and start a node around an order: it acts on it, and once."""
    watch(federation, "net-p", "phone", ABSENT)
    federation.sandbox.stop("net-p")
    away = order(federation, "coord", "phone", ABSENT, "i_suspend")
    federation.sandbox.start("net-p")
    eventually(lambda: _step(federation, away, "net-p") == "EXECUTED", SOON)
    federation.sandbox.stop("net-p")
    federation.sandbox.start("net-p")

    assert len(_receipts(federation, "net-p", away["matter_id"])) == 1


def lift_everywhere(federation: Federation) -> None:
    """Restrict a person at three members, and let one appeal free it at all of them."""
    for member in ("carrier-a", "bank-x", "net-p"):
        watch(federation, member, "phone", DOCTOR)
    federation.nominate("net-p", "phone", DOCTOR)
    orders = [
        order(federation, "net-p", "phone", DOCTOR, "i_limit", "--to", "net-p"),
        order(federation, "coord", "phone", DOCTOR, "t_limit"),
        order(federation, "coord", "phone", DOCTOR, "f_limit"),
    ]
    actors = dict(zip(("net-p", "carrier-a", "bank-x"), orders, strict=True))
    eventually(lambda: (orders[1]["matter_id"], "EXECUTE") in owed(federation, "carrier-a"), SOON)
    federation.do("carrier-a", "dispose", "execute", "--all")
    for member, one in actors.items():
        eventually(
            lambda member=member, one=one: _step(federation, one, member, at="net-p") == "EXECUTED",
            SOON,
        )

    words = ("appeal", "file", "phone", DOCTOR, "--contact", "-", "--ground", "new_owner", "--json")
    appealed = run_command(federation.home("net-p"), *words, give=f"{SPOUSE}\n").rows

    assert {one["matter_id"] for one in appealed} == {one["matter_id"] for one in orders}
    assert {one["state"] for one in appealed} == {"APPEALED"}

    # Who ordered for the federation decides for all; a member would free its own part alone.
    eventually(lambda: _state(federation, "coord", orders[1]) == "APPEALED", SOON)
    federation.do("coord", "appeal", "decide", orders[1]["matter_id"], "--result", "lifted")
    for member in MEMBERS:
        eventually(lambda member=member: not _in_force(federation, member, DOCTOR), SOON)
        eventually(lambda member=member: federation.band(member, "phone", DOCTOR) == "NONE", SOON)
    for member in AUTOMATIC:
        eventually(lambda member=member: _restored(federation, actors[member], member), SOON)

    assert (orders[1]["matter_id"], "RESTORE") in owed(federation, "carrier-a")

    federation.do("carrier-a", "dispose", "restore", "--all")
    eventually(lambda: _restored(federation, orders[1], "carrier-a"), SOON)


def dispose_and_appeal_locally(federation: Federation) -> None:
    """Restrict a person at a member's own word, and free it on appeal: nobody else is needed."""
    watch(federation, "net-p", "phone", TENANT)
    own = order(federation, "net-p", "phone", TENANT, "i_limit", "--to", "net-p")
    eventually(lambda: _step(federation, own, "net-p", at="bank-x") == "EXECUTED", SOON)
    words = ("appeal", "file", "phone", TENANT, "--ground", "new_owner", "--json")
    (appealed,) = federation.do("net-p", *words).rows

    assert appealed["matter_id"] == own["matter_id"]

    federation.do("net-p", "appeal", "decide", own["matter_id"], "--result", "lifted")
    eventually(lambda: not _in_force(federation, "bank-x", TENANT), SOON)


def keep_the_contact_apart(federation: Federation) -> None:
    """Find that what a person gave to be reached by is known to one member, and never scored."""
    facts = ("--fraud-type", "investment")

    assert "APPEAL_CONTACT" in refusal(federation, "net-p", "nominate", "phone", SPOUSE, *facts)
    assert {federation.band(member, "phone", SPOUSE) for member in MEMBERS} == {"NONE"}
    assert SPOUSE in federation.do("net-p", "appeal", "list").out
    assert SPOUSE not in federation.do("bank-x", "appeal", "list").out

    for member in MEMBERS:
        for path in _files(federation.home(member).root):
            if path.name.startswith("private.db") and member == "net-p":
                continue  # the one place: the member that took the appeal in

            assert SPOUSE.encode()[1:] not in path.read_bytes(), f"{path.name} of {member}"


def order_words(kind: str, value: str, measure: str, *more: str) -> tuple[str, ...]:
    return ("dispose", "order", kind, value, "--measure", measure, *more)


def _state(federation: Federation, member: str, one: dict[str, Any]) -> str:
    found = show(federation, member, one["matter_id"])
    return found["state"] if found else ""


def _step(federation: Federation, one: dict[str, Any], of: str, at: str = "coord") -> str:
    return str(part(federation, at, one["matter_id"], of).get("step"))


def _restored(federation: Federation, one: dict[str, Any], of: str) -> bool:
    return bool(part(federation, "coord", one["matter_id"], of).get("restored_time"))


def _in_force(federation: Federation, member: str, number: str) -> list[str]:
    rows = federation.read(member, "dispose", "show", "phone", number, "--json").rows
    return [one["matter_id"] for one in rows if one["in_force"]]


def _receipts(federation: Federation, member: str, order_id: str) -> list[str]:
    """Return what a member's own log says it did about an order."""
    rows = federation.read(member, "log", "show", "--limit", "200", "--json").rows
    name = base64.b64encode(bytes.fromhex(order_id)).decode()
    receipts = [row["statement"].get("disposition_receipt", {}) for row in rows]
    return [one["step"] for one in receipts if one.get("matter_id") == name]


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]
