"""``tocsin node doctor`` and ``log prove``: what is wrong is found, and what is right is said."""

import json
import sqlite3
import time
from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from federation.checkpoint import Checkpoint, sign_checkpoint
from federation.merkle import CompactRange, inclusion_path, leaf_hash, root_at
from federation.names import FederationName, MemberId, Origin
from keys.secret import Secret
from node.config import encode_config
from node.member import MemberKeys
from node.store.private import PrivateStore
from tests.node.cli.conftest import PASSPHRASE
from tests.node.cli.desk import open_desk
from tests.node.private_place import place_on
from tocsin.desk.v1 import operation_service_pb2 as operation


@pytest.fixture
def chartered(tocsin, home, make_home, passphrase_file, tmp_path):
    """A home with a charter of two members in force."""
    other = make_home("bank-y")
    note = tmp_path / "charter.note"
    tocsin("charter", "create", note, home.card, other.card)
    for member in (home, other):
        tocsin(
            *("--home", member.root, "charter", "sign", note),
            *("--passphrase-file", passphrase_file),
        )
    adopted = tocsin("--home", home.root, "charter", "adopt", note)
    assert adopted.code == 0, adopted.err
    return home


@pytest.fixture
def doctor(tocsin):
    def examine(home, *words):
        ended = tocsin("--home", home.root, "node", "doctor", "--json", *words)
        findings = [json.loads(line) for line in ended.out.splitlines()]
        return ended.code, {one["check"]: one for one in findings}

    return examine


def test_a_home_in_order_with_a_running_node_has_no_failure(doctor, chartered, passphrase_file):
    with open_desk(chartered) as seen:
        peer = operation.PeerStatus(
            member="bank-y", reachable=True, last_contact_time=Timestamp(seconds=1)
        )
        seen.status.peers.append(peer)
        seen.status.logs[0].checkpoint_time.FromSeconds(int(time.time()))
        code, found = doctor(chartered)

    assert code == 0
    assert {one["check"] for one in found.values() if one["outcome"] == "skipped"} == {
        "keys",
        "database",
    }
    assert found["charter"]["message"] == "version 1, signed by 2 members"
    assert found["peer bank-y"]["outcome"] == "passed"


def test_the_key_file_is_opened_where_a_passphrase_is_given(
    doctor, home, passphrase_file, tmp_path
):
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"not it")
    wrong.chmod(0o600)
    _, right = doctor(home, "--passphrase-file", passphrase_file)
    code, found = doctor(home, "--passphrase-file", wrong)

    assert right["keys"]["outcome"] == "passed"
    assert code == 1
    assert found["keys"]["reason"] == "KEYSTORE_PASSPHRASE"


def test_everything_that_is_broken_is_named_with_a_hint(doctor, chartered):
    chartered.keys.chmod(0o644)
    chartered.config.write_text("workers = 'many'\n")
    chartered.charter.write_bytes(chartered.charter.read_bytes().replace(b":7443", b":7444", 1))
    chartered.data.mkdir()
    chartered.data.joinpath("public.db").write_bytes(b"no database" * 1_000)
    code, found = doctor(chartered)
    failed = {one["check"]: one["reason"] for one in found.values() if one["outcome"] == "failed"}

    assert code == 1
    assert failed == {
        "settings": "CONFIG_INVALID",
        "key file": "KEYFILE_MODE",
        "charter": "CHARTER_SIGNATURE_INVALID",
        "database": "DATABASE_UNUSABLE",
        "node": "NODE_NOT_RUNNING",
    }
    assert all(found[check]["hint"] for check in failed if check != "charter")
    assert found["membership"]["outcome"] == "skipped"


def test_what_a_running_node_lacks_is_named(doctor, chartered):
    with open_desk(chartered) as seen:
        seen.status.ready = False
        seen.status.leaf_expires_time.FromSeconds(int(time.time()) + 60)
        seen.status.logs[0].checkpoint_time.FromSeconds(int(time.time()) + 3_600)
        seen.status.peers.append(operation.PeerStatus(member="bank-y", reason="CONNECTION_REFUSED"))
        _, found = doctor(chartered)
        seen.status.logs[0].stopped = True
        _, forked = doctor(chartered)

    assert found["node"]["reason"] == "NODE_NOT_READY"
    assert found["peer bank-y"]["reason"] == "CONNECTION_REFUSED"
    assert forked["logs"]["reason"] == "LOG_FORKED"


def test_a_late_leaf_and_a_clock_that_is_behind_are_named(doctor, chartered):
    with open_desk(chartered) as seen:
        seen.status.leaf_expires_time.FromSeconds(int(time.time()) + 60)
        seen.status.logs[0].checkpoint_time.FromSeconds(int(time.time()) + 3_600)
        _, found = doctor(chartered)

    assert found["leaf"]["reason"] == "LEAF_NOT_RENEWED"
    assert found["logs"]["reason"] == "CLOCKS_DISAGREE"


def test_without_a_node_a_good_database_is_opened_and_text_is_for_people(tocsin, doctor, chartered):
    chartered.data.mkdir()
    with sqlite3.connect(chartered.data / "public.db") as database:
        database.execute("CREATE TABLE t(x)")
    database.close()
    _, found = doctor(chartered)
    text = tocsin("--home", chartered.root, "node", "doctor")

    assert found["database"]["outcome"] == "passed"
    assert "failed   node: no node runs in this home directory [NODE_NOT_RUNNING]" in text.out
    assert f"hint: tocsin --home {chartered.root} node run" in text.out
    assert text.err == "1 checks failed\n"


def test_a_private_file_beside_a_database_is_named_before_and_after_it_moved(
    doctor, chartered, private_on_server
):
    PrivateStore(chartered.data / "private.db").close()
    chartered.config.write_text(encode_config({"database": private_on_server}))
    _, before = doctor(chartered)
    (chartered.data / "private.db").rename(chartered.data / "private.db.moved")
    _, after = doctor(chartered)

    assert before["database"]["reason"] == "PRIVATE_LEFT_BEHIND"
    assert after["database"]["outcome"] == "passed"
    assert "private.db.moved still holds raw values" in after["database"]["message"]


@pytest.fixture
def private_on_server(postgresql_server, tmp_path):
    return place_on(postgresql_server, tmp_path).where


def prove(home, bodies, index, *, signer=None):
    """Return the answer of a node whose log holds ``bodies``."""
    keys = MemberKeys.open(home, Secret(PASSPHRASE))
    leaves = [leaf_hash(body) for body in bodies]
    grown = CompactRange()
    grown.extend(leaves)

    def hashes(level, place):
        first = place << level
        part = leaves[first : first + (1 << level)]
        return part[0] if level == 0 else root_at(len(part), lambda lv, pl: below(part, lv, pl))

    def below(part, level, place):
        first = place << level
        inner = part[first : first + (1 << level)]
        whole = CompactRange()
        whole.extend(inner)
        return whole.root()

    checkpoint = Checkpoint(
        Origin(FederationName("night"), MemberId("bank-x")),
        len(bodies),
        grown.root(),
        datetime(2026, 11, 23, tzinfo=UTC),
    )
    signed = sign_checkpoint(checkpoint, signer or keys.signing)
    return operation.ProveStatementResponse(
        body=bodies[index],
        hashes=inclusion_path(index, len(bodies), hashes),
        checkpoint=signed.note,
    )


BODIES = [b"statement %d" % number for number in range(11)]


def test_an_entry_is_proved_and_checked_here(tocsin, chartered):
    with open_desk(chartered) as seen:
        seen.proof = prove(chartered, BODIES, 6)
        text = tocsin("--home", chartered.root, "log", "prove", 6)
        document = json.loads(tocsin("--home", chartered.root, "log", "prove", 6, "--json").out)

    assert text.code == 0
    assert "entry 6 is in night/bank-x/all, a log of 11 entries" in text.out
    assert bytes.fromhex(document["body"]) == BODIES[6]
    assert document["checkpoint_time"] == "2026-11-23T00:00:00Z"


def test_a_node_that_proves_wrongly_is_not_believed(tocsin, chartered, make_home):
    stranger = MemberKeys.open(make_home("bank-z"), Secret(PASSPHRASE)).signing
    with open_desk(chartered) as seen:
        seen.proof = prove(chartered, BODIES, 6)
        seen.proof.body = b"another statement"
        other_body = tocsin("--home", chartered.root, "log", "prove", 6)
        seen.proof = prove(chartered, BODIES, 6, signer=stranger)
        other_signer = tocsin("--home", chartered.root, "log", "prove", 6)

    assert other_body.code == other_signer.code == 1
    assert "[INCLUSION" in other_body.err or "[PROOF" in other_body.err
    assert "[CHECKPOINT_SIGNATURE_INVALID]" in other_signer.err
