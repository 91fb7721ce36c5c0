"""Real nodes hand a clue over to the police, who alone designate; the outcome becomes a label."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.indicators import Kind
from federation.labels import DAY_SECONDS, OutcomeRule, SubjectLabel, SubjectRows, label_subject
from federation.names import EVERYONE, FederationName, MemberId, Origin
from federation.statements import Designation, Nomination, Statement, decode_statement
from federation.statements.codec import encode_statement
from federation.vocabulary import (
    FraudType,
    LegalBasis,
    PermissibleAction,
    Purpose,
    TrafficLight,
    TrainingLabel,
)
from federation.weighing import Standing
from node.log.ledger import Ledger
from node.member import MemberKeys
from node.passphrase import passphrase_from_file
from node.sandbox.build import passphrase_file
from node.store.catalogue import Catalogue
from node.store.sqlite import SqliteStore
from tests.end_to_end.callers import charter_of
from tests.end_to_end.members import (
    Federation,
    Outcome,
    error_lines,
    eventually,
    running_federation,
)

FINDER, OTHER, FORGER, FOURTH, POLICE = "carrier-a", "bank-x", "net-p", "net-q", "police"
WAIT_SECONDS = 90.0
NUMBER, FORGED = "+8613900000001", "forged.example"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("police") / "f"
    with running_federation(root, (FINDER, OTHER, FORGER, FOURTH, POLICE)) as found:
        yield found


def clue(federation: Federation, member: str, clue_id: str) -> dict[str, object]:
    outcome = federation.run(member, "clue", "show", clue_id, "--json")
    return dict(outcome.document) if outcome.code == 0 else {"state": None}


def reaches(federation: Federation, member: str, clue_id: str, state: str) -> None:
    eventually(lambda: clue(federation, member, clue_id)["state"] == state, WAIT_SECONDS)


def alarms(federation: Federation, member: str) -> set[str]:
    return {one["alarm"]["reason"] for one in federation.status(member)["alarms"]}


def refusal(outcome: Outcome) -> str:
    assert outcome.code == 1, outcome.err

    return error_lines(outcome)[0]


def force_designation(federation: Federation, member: str) -> None:
    """Write a designation into a stopped member's log, past everything that refuses it."""
    home = federation.home(member)
    keys = MemberKeys.open(home, passphrase_from_file(passphrase_file(home)))
    name, now = FederationName("sandbox"), int(time.time())
    store = SqliteStore(home.data / "public.db")
    try:
        ledger = Ledger(
            store, name, member, keys.signing, lambda _: keys.signing.public, lambda: now
        )
        origin = Origin(name, MemberId(member), EVERYONE)
        entries = (ledger.entry(origin, at) for at in range(ledger.size(origin)))
        (nomination,) = (
            one.body
            for entry in entries
            if entry and isinstance((one := decode_statement(entry)).body, Nomination)
        )
        case = hashlib.sha256(b"no case").digest()
        body = Designation(
            nomination.token, Kind.DOMAIN, 1, FraudType.LOAN, case, now + 90 * DAY_SECONDS
        )
        statement = Statement(
            hashlib.sha256(b"forged").digest()[:16],
            now,
            Purpose.NOMINATION,
            LegalBasis.ATNFL_32,
            TrafficLight.AMBER_STRICT,
            PermissibleAction.GREEN,
            body,
        )
        ledger.append([encode_statement(statement)])
    finally:
        store.close()


def label_at(federation: Federation, member: str, token: bytes) -> SubjectLabel:
    """Label a token from a stopped member's replica, as `tocsin train label` does."""
    store = SqliteStore(federation.home(member).data / "public.db")
    try:
        catalogue = Catalogue(store)
        rows, lifts = catalogue.evidence([token])[token], catalogue.lifts([token])
    finally:
        store.close()
    roles = {one.member: one.roles for one in charter_of(federation, member).members}
    subject = SubjectRows(*rows[:3], lifts.get(token, ()))
    rule = OutcomeRule(TrainingLabel.DESIGNATED)
    return label_subject(subject, rule, Standing(roles, {}), int(time.time()) + 1)


def hand_a_clue_over(federation: Federation, tmp_path: Path) -> None:
    """Take a clue from its finder to the police and back, and read its label."""
    evidence = tmp_path / "calls.csv"
    evidence.write_text("hour,calls\n22,600\n", encoding="utf-8")
    created = federation.do(
        *(FINDER, "clue", "create", "--object", f"phone={NUMBER}"),
        *("--object", "domain=tuikuan-kefu.example", "--edge", "0,1,leads_to"),
        *("--reason", "mass_calling", "--reason", "fraud_page"),
        *("--fraud-type", "customer_service", "--json"),
    ).document
    clue_id = str(created["clue_id"])

    assert created["state"] == "RECEIVED"
    assert "[TRANSITION_NOT_ALLOWED]" in refusal(federation.run(FINDER, "clue", "close", clue_id))

    federation.do(FINDER, "clue", "triage", clue_id)

    assert "[RECEIVER_NOT_POLICE]" in refusal(
        federation.run(FINDER, "clue", "hand-over", clue_id, "--to", OTHER)
    )

    handed = federation.do(
        FINDER, "clue", "hand-over", clue_id, "--file", str(evidence), "--json"
    ).document
    for member in (OTHER, POLICE):
        reaches(federation, member, clue_id, "HANDED_OVER")

    # Everybody has the package; it opens with one key.
    for member in (FINDER, OTHER):
        assert "[PACKAGE_CLOSED]" in refusal(federation.run(member, "clue", "open", clue_id))
    federation.do(POLICE, "clue", "open", clue_id, "--output", str(tmp_path / "opened"))
    manifest = (tmp_path / "opened" / "manifest.json").read_text(encoding="utf-8")

    assert hashlib.sha256(manifest.encode()).hexdigest() == handed["manifest_digest"]
    assert [one["value"] for one in json.loads(manifest)["objects"]] == [
        NUMBER,
        "tuikuan-kefu.example",
    ]
    assert (tmp_path / "opened" / "files" / "calls.csv").read_bytes() == evidence.read_bytes()

    # Another member can neither take it nor say what came of it.
    assert "[ROLE_NOT_ALLOWED]" in refusal(federation.run(OTHER, "clue", "accept", clue_id))
    assert "[ROLE_NOT_ALLOWED]" in refusal(
        federation.run(OTHER, "clue", "outcome", clue_id, "fraud")
    )

    federation.do(POLICE, "clue", "accept", clue_id)
    reaches(federation, FINDER, clue_id, "ACCEPTED")

    assert "[TRANSITION_NOT_ALLOWED]" in refusal(federation.run(FINDER, "clue", "close", clue_id))

    federation.do(POLICE, "clue", "outcome", clue_id, "fraud", "--object", "0")
    reaches(federation, FINDER, clue_id, "OUTCOME_REPORTED")
    found = clue(federation, FINDER, clue_id)
    first, second = found["subjects"]  # type: ignore[misc]

    assert (first["result"], second["result"]) == ("FRAUD", None)

    federation.do(FINDER, "clue", "close", clue_id)
    reaches(federation, POLICE, clue_id, "CLOSED")
    federation.sandbox.stop(FINDER)
    label = label_at(federation, FINDER, bytes.fromhex(first["token"]))
    federation.sandbox.start(FINDER)

    assert label is SubjectLabel.POSITIVE


def designate_and_forge(federation: Federation) -> None:
    """Let all try to designate, one by force; let the police designate and lift."""
    options = ("--fraud-type", "loan", "--case", "2026-0412")

    for member in (FINDER, OTHER, FORGER):
        refused = federation.run(member, "designation", "issue", "phone", NUMBER, *options)
        assert "[ROLE_NOT_ALLOWED]" in refusal(refused)
    federation.do(POLICE, "designation", "issue", "phone", NUMBER, *options)
    eventually(lambda: federation.band(OTHER, "phone", NUMBER) == "VERY_HIGH", WAIT_SECONDS)
    shown = federation.check(OTHER, "phone", NUMBER)

    assert "POLICE" in shown["display_codes"]

    # Nobody's word against it takes it away; the police's own does.
    for member in (FINDER, OTHER, FORGER):
        federation.do(
            *(member, "opine", "phone", NUMBER, "--opinion", "strongly_disagree"),
            *("--basis", "known_benign", "--confidence", "100"),
        )
    eventually(
        lambda: "DISPUTED" in federation.check(OTHER, "phone", NUMBER)["display_codes"],
        WAIT_SECONDS,
    )

    assert federation.band(OTHER, "phone", NUMBER) == "VERY_HIGH"

    facts = ("--fraud-type", "loan", "--confidence", "20")
    federation.do(FORGER, "nominate", "domain", FORGED, *facts)
    eventually(lambda: federation.band(OTHER, "domain", FORGED) == "LOW", WAIT_SECONDS)
    federation.sandbox.stop(FORGER)
    force_designation(federation, FORGER)
    federation.sandbox.start(FORGER)
    eventually(lambda: "DESIGNATION_NOT_ALLOWED" in alarms(federation, OTHER), WAIT_SECONDS)

    assert federation.band(OTHER, "domain", FORGED) == "LOW"
    (listed,) = federation.do(OTHER, "designation", "list", "--json").rows
    assert listed["member"] == POLICE

    federation.do(POLICE, "designation", "lift", "phone", NUMBER, "--reason", "mistaken")
    eventually(lambda: federation.band(OTHER, "phone", NUMBER) != "VERY_HIGH", WAIT_SECONDS)

    assert federation.do(OTHER, "designation", "list", "--json").rows == []


def test_16_a_clue_goes_to_the_police_who_alone_designate_and_its_outcome_is_a_label(
    federation: Federation, tmp_path: Path
) -> None:
    hand_a_clue_over(federation, tmp_path)
    designate_and_forge(federation)


def test_23_what_rests_on_a_report_of_suspicious_transactions_is_refused(
    federation: Federation,
) -> None:
    about = ("--object", f"phone={NUMBER}", "--reason", "complaint", "--fraud-type", "loan")

    for word in ("STR", "str", "suspicious_transaction_report", "可疑交易报告"):
        refused = federation.run(OTHER, "clue", "create", *about, "--source", word)
        assert "[STR_SECRET]" in refusal(refused)


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

    refused = refusal(federation.run(FINDER, "brief", "publish", str(dirty)))
    assert "[BRIEF_NOT_CLEAN]" in refused
    assert "139" not in refused

    federation.do(FINDER, "brief", "publish", str(clean))
    for member in (OTHER, FORGER):
        eventually(lambda who=member: federation.do(who, "brief", "list", "--json").rows)
    (readable,) = federation.do(OTHER, "brief", "list", "--json").rows
    (closed,) = federation.do(FORGER, "brief", "list", "--json").rows

    assert readable["texts"][0]["lessons"] == "Ask the shop."
    assert (closed["texts"], closed["withheld"]) == ([], "BRIEF_CLOSED")


def own_hop(federation: Federation, member: str, trace_id: str) -> tuple[str, str]:
    """Return kind and value that a member sees in a trace; empty where the hop is another's."""
    for row in federation.do(member, "trace", "list", "--json").rows:
        if row["trace_id"] == trace_id:
            return row["kind"], row["value"]
    return "", ""


def test_a_trace_of_four_hops_shows_each_holder_its_own_alone(federation: Federation) -> None:
    options = ("--fraud-type", "loan", "--case", "2026-0413")
    number = "+8613900000077"
    missing = federation.run(POLICE, "trace", "open", "phone", number, "--at", FINDER)

    assert "[ORDER_MISSING]" in refusal(missing)
    assert "[ORDER_UNKNOWN]" in refusal(
        federation.run(
            POLICE, "trace", "open", "phone", number, "--order", "00" * 16, "--at", FINDER
        )
    )
    assert "[ROLE_NOT_ALLOWED]" in refusal(
        federation.run(
            OTHER, "trace", "open", "phone", number, "--order", "00" * 16, "--at", FINDER
        )
    )

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
        found = federation.do(POLICE, "trace", "list", "--json").rows
        return [row["state"] for row in found if row["trace_id"] == trace_id]

    eventually(lambda: at_police() == ["TRACED"], WAIT_SECONDS)
    (shown,) = federation.do(POLICE, "trace", "list", "--json").rows

    assert shown["holders"] == members


def order_state(federation: Federation, member: str, order_id: str) -> str:
    outcome = federation.run(member, "dispose", "show", order_id, "--json")
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

    assert "[AMOUNT_MISSING]" in refusal(federation.run(OTHER, "dispose", "execute", order_id))

    federation.do(OTHER, "dispose", "execute", order_id, "--amount-band", "below_10000")
    eventually(lambda: order_state(federation, POLICE, order_id) == "EXECUTED", WAIT_SECONDS)
    shown = federation.do(POLICE, "dispose", "show", order_id, "--json").document
    (part,) = (one for one in shown["parts"] if one["member"] == OTHER)

    assert part["amount_band"] == "BELOW_10000"

    federation.do(POLICE, "dispose", "lift", order_id)
    eventually(lambda: order_state(federation, OTHER, order_id) == "LIFTED", WAIT_SECONDS)
    federation.do(OTHER, "dispose", "restore", order_id)
