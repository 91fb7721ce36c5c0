"""Hand a clue over to the police through real nodes, designate, forge, and read the label."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

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
from tests.end_to_end.members import Federation, eventually, refusal_of

FINDER, OTHER, FORGER, POLICE = "carrier-a", "bank-x", "net-p", "police"
WAIT_SECONDS = 90.0
NUMBER, FORGED = "+8613900000001", "forged.example"


def clue(federation: Federation, member: str, clue_id: str) -> dict[str, object]:
    outcome = federation.look(member, "clue", "show", clue_id, "--json")
    return dict(outcome.document) if outcome.code == 0 else {"state": None}


def reaches(federation: Federation, member: str, clue_id: str, state: str) -> None:
    eventually(lambda: clue(federation, member, clue_id)["state"] == state, WAIT_SECONDS)


def alarms(federation: Federation, member: str) -> set[str]:
    return {one["alarm"]["reason"] for one in federation.status(member)["alarms"]}


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
        said = [decode_statement(entry).body for entry in entries if entry]
        nomination = [one for one in said if isinstance(one, Nomination)][-1]
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
    assert refusal_of(federation.run(FINDER, "clue", "close", clue_id)) == "TRANSITION_NOT_ALLOWED"

    federation.do(FINDER, "clue", "triage", clue_id)

    assert (
        refusal_of(federation.run(FINDER, "clue", "hand-over", clue_id, "--to", OTHER))
        == "RECEIVER_NOT_POLICE"
    )

    handed = federation.do(
        FINDER, "clue", "hand-over", clue_id, "--file", str(evidence), "--json"
    ).document
    for member in (OTHER, POLICE):
        reaches(federation, member, clue_id, "HANDED_OVER")

    # Everybody has the package; it opens with one key.
    for member in (FINDER, OTHER):
        assert refusal_of(federation.run(member, "clue", "open", clue_id)) == "PACKAGE_CLOSED"
    federation.do(POLICE, "clue", "open", clue_id, "--output", str(tmp_path / "opened"))
    manifest = (tmp_path / "opened" / "manifest.json").read_text(encoding="utf-8")

    assert hashlib.sha256(manifest.encode()).hexdigest() == handed["manifest_digest"]
    assert [one["value"] for one in json.loads(manifest)["objects"]] == [
        NUMBER,
        "tuikuan-kefu.example",
    ]
    assert (tmp_path / "opened" / "files" / "calls.csv").read_bytes() == evidence.read_bytes()

    # Another member can neither take it nor say what came of it.
    assert refusal_of(federation.run(OTHER, "clue", "accept", clue_id)) == "ROLE_NOT_ALLOWED"
    assert (
        refusal_of(federation.run(OTHER, "clue", "outcome", clue_id, "fraud")) == "ROLE_NOT_ALLOWED"
    )

    federation.do(POLICE, "clue", "accept", clue_id)
    reaches(federation, FINDER, clue_id, "ACCEPTED")

    assert refusal_of(federation.run(FINDER, "clue", "close", clue_id)) == "TRANSITION_NOT_ALLOWED"

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
        assert refusal_of(refused) == "ROLE_NOT_ALLOWED"
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


def refuse_secrets(federation: Federation) -> None:
    """Say that a clue rests on what the law keeps secret."""
    about = ("--object", f"phone={NUMBER}", "--reason", "complaint", "--fraud-type", "loan")

    for word in ("STR", "str", "suspicious_transaction_report", "可疑交易报告"):
        refused = federation.run(OTHER, "clue", "create", *about, "--source", word)
        assert refusal_of(refused) == "STR_SECRET"
