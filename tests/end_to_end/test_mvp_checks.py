"""The 24 checks of the whole, one test each, numbered as in the domain reference, on real nodes.

Here are those that need all nine nodes: three carriers, two banks, two internet firms, the
coordinator and a query partner live through them in order. The checks of single duties stand with
their duty's other tests, numbered alike (``pytest -k test_14``), so that two processes share them;
``tests/contract/test_check_numbers.py`` holds that none of the 24 is missing.
"""

from __future__ import annotations

import csv
import hashlib
import secrets
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from federation.names import MemberId
from federation.vocabulary import Purpose
from node.peer_error import PeerCallError
from tests.contract.test_outside_fields import ALLOWED, FILES, violations
from tests.end_to_end.callers import ask, calling, expired_leaf, refusal
from tests.end_to_end.members import (
    Federation,
    command,
    error_lines,
    eventually,
    running_federation,
    write_lines,
)
from tocsin.v1 import lookup_service_pb2 as wire
from tocsin.v1.lookup_service_pb2_grpc import LookupServiceStub

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
BANKS = ("bank-x", "bank-y")
FIRMS = ("net-p", "net-q")
INDUSTRY = (*CARRIERS, *BANKS, *FIRMS)
COORDINATOR, PARTNER, REVOKED = "coord", "partner-k", "partner-m"
LOGS = (*INDUSTRY, COORDINATOR)
CAST = (*LOGS, PARTNER)
HOLDERS = ("carrier-a", "bank-x", "net-p")
OTHER_HOLDERS = HOLDERS[1:]

VECTORS = Path(__file__).parents[1] / "vectors" / "indicators.csv"
WAIT_SECONDS = 120.0
"""Until something is everywhere: ten nodes on a machine that does other things."""
BLOCK = 10_000
"""Numbers in one block, as a carrier is given them."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("mvp") / "f"
    with running_federation(root, (*CAST, REVOKED)) as found:
        yield found


def known(federation: Federation, member: str, kind: str, value: str) -> bool:
    return federation.band(member, kind, value) != "NONE"


def everywhere(federation: Federation, kind: str, value: str, *, is_known: bool = True) -> None:
    for member in INDUSTRY:
        eventually(
            lambda member=member: known(federation, member, kind, value) is is_known, WAIT_SECONDS
        )


def tokens(federation: Federation, member: str) -> set[bytes]:
    """Return every token that a node's database speaks about."""
    (path,) = federation.home(member).data.glob("public.db")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return {row[0] for row in database.execute("SELECT DISTINCT token FROM view_evidence")}


async def test_01_nine_nodes_start_and_bad_certificates_are_refused(
    federation: Federation, tmp_path: Path
) -> None:
    for member in CAST:
        eventually(partial(federation.sees_all, member), WAIT_SECONDS)

    async with calling(federation, BANKS[1]) as peers:
        assert (await ask(peers, "carrier-a")).member == "carrier-a"

    expired = expired_leaf(federation, BANKS[1])

    assert await refusal(federation, BANKS[1], "carrier-a", expired) == "CERTIFICATE_EXPIRED"

    note = tmp_path / "revoked.note"
    federation.do("carrier-a", "charter", "revoke", str(note), REVOKED)
    federation.adopt(note, (*INDUSTRY[:5], COORDINATOR), (INDUSTRY[0], PARTNER))
    for member in CAST:
        eventually(
            lambda member=member: federation.status(member)["charter_version"] == 2, WAIT_SECONDS
        )

    assert await refusal(federation, REVOKED, "carrier-a") == "MEMBER_REVOKED"


def test_02_two_holders_are_needed_to_make_a_token(federation: Federation) -> None:
    federation.sandbox.kill(HOLDERS[0])

    assert federation.band("net-q", "domain", "two-of-three.example") == "NONE"

    federation.sandbox.kill(HOLDERS[1])
    refused = federation.run("net-q", "check", "domain", "one-of-three.example")
    federation.sandbox.up()

    assert refused.code == 1
    assert error_lines(refused)[0].endswith("[HOLDERS_UNAVAILABLE]")
    eventually(
        lambda: federation.run("net-q", "check", "domain", "three-again.example").code == 0,
        WAIT_SECONDS,
    )
    for member in INDUSTRY:
        eventually(partial(federation.sees_all, member), WAIT_SECONDS)


def spellings() -> dict[str, tuple[str, str]]:
    """Return for each kind a text as people write it, and its canonical form."""
    found: dict[str, tuple[str, str]] = {}
    with VECTORS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kind, value, canonical = row["kind"], row["value"], row["canonical"]
            if canonical not in ("!", value) and not row["region"] and "\n" not in value:
                found.setdefault(kind, (value, canonical))
    return found


def test_03_every_spelling_gives_the_same_token_on_every_node(
    federation: Federation, tmp_path: Path
) -> None:
    pairs = spellings()
    asked = {kind: pair for kind, pair in pairs.items() if kind not in ("imsi", "site")}

    assert len(asked) >= 20

    def table(path: Path, column: int) -> str:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("kind", "value"))
            writer.writerows((kind, pair[column]) for kind, pair in asked.items())
        path.chmod(0o600)
        return str(path)

    facts = ("--fraud-type", "investment", "--confidence", "90")
    canonical = table(tmp_path / "canonical.csv", 1)
    written = table(tmp_path / "written.csv", 0)
    federation.do("carrier-a", "nominate", "--file", canonical, *facts)

    def unknown(member: str) -> set[str]:
        rows = federation.do(member, "check", "--file", written, "--json").rows
        return {row["kind"] for row in rows if row["band"] == "NONE"}

    for member in (*INDUSTRY, COORDINATOR):
        eventually(lambda member=member: not unknown(member), WAIT_SECONDS)


def test_04_hashes_of_a_block_are_reversed_and_tokens_are_not(
    federation: Federation, tmp_path: Path
) -> None:
    block = [f"+99912{number:07}" for number in range(BLOCK)]
    members = block[::500]
    file = write_lines(tmp_path / "block.txt", members)
    facts = ("--fraud-type", "investment", "--confidence", "90")
    federation.do("carrier-b", "nominate", "--file", str(file), "--kind", "phone", *facts)
    everywhere(federation, "phone", members[-1])
    shared = {hashlib.sha256(number.encode()).digest() for number in members}

    started = time.monotonic()
    reversed_numbers = [
        number for number in block if hashlib.sha256(number.encode()).digest() in shared
    ]
    taken = time.monotonic() - started

    assert reversed_numbers == members
    assert taken < 5

    held = tokens(federation, "net-q")

    assert len(held) >= len(members)
    for make in (hashlib.sha256, hashlib.sha512, hashlib.blake2b, hashlib.sha3_256, hashlib.md5):
        guesses = {make(form.encode()).digest()[:16] for number in block for form in forms(number)}

        assert not guesses & held


def forms(number: str) -> tuple[str, ...]:
    return number, number[1:], f"phone:{number}", f"phone_e164:{number}"


def test_05_what_is_published_gives_one_catalogue_root(federation: Federation) -> None:
    federation.nominate("bank-y", "domain", "published.example")
    everywhere(federation, "domain", "published.example")
    as_of = int(time.time()) + 60

    def roots() -> int:
        return len(federation.roots(LOGS, as_of))

    eventually(lambda: roots() == 1, WAIT_SECONDS)


def test_09_a_reassigned_number_starts_clean(federation: Federation) -> None:
    number = "+999130000003"
    federation.nominate("net-p", "phone", number)
    federation.nominate("bank-y", "phone", number)
    everywhere(federation, "phone", number)
    federation.do("carrier-b", "reassign", "phone", number)
    everywhere(federation, "phone", number, is_known=False)
    shown = federation.check("bank-y", "phone", number)

    assert shown["band"] == "NONE"
    assert "REASSIGNED" in shown["display_codes"]


def test_13_a_partner_that_enumerates_is_stopped_and_alone(
    federation: Federation, tmp_path: Path
) -> None:
    number = "+999140000007"
    for member in ("carrier-a", "bank-y"):
        federation.nominate(member, "phone", number)
    eventually(lambda: known(federation, PARTNER, "phone", number), WAIT_SECONDS)
    found = federation.check(PARTNER, "phone", number)

    assert found["band"] in ("HIGH", "VERY_HIGH")
    assert "SEVERAL_MEMBERS" in found["display_codes"]

    walked = write_lines(tmp_path / "walk.txt", [f"+99914{one:07}" for one in range(7_000)])
    walk = federation.run(PARTNER, "check", "--file", str(walked), "--kind", "phone", "--json")

    assert walk.code == 1
    assert error_lines(walk)[0].endswith("[QUOTA_EXCEEDED]")

    def alarms(member: str) -> list[dict[str, Any]]:
        raised = [one["alarm"] for one in federation.status(member)["alarms"]]
        return [
            one
            for one in raised
            if one["alarm_kind"] == "QUOTA_EXCEEDED" and one["member"] == PARTNER
        ]

    eventually(lambda: alarms(COORDINATOR), WAIT_SECONDS)

    assert known(federation, "bank-y", "phone", number)  # another's quota is its own


TRAINERS = (*CARRIERS, "bank-x")
PLAN = """
task = "carrier_subscribers"
schema = "rows.schema"
label = {{ definition = "confirmed", maturity_days = 30 }}
data_use = {{ purpose = "score_own_subjects", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
rounds = {rounds}
protection = "secret"
minimum_members = 3
deadline_seconds = 60
model = {{ width = 16, networks = 2, bins = 8, seed = {seed} }}
optimiser = {{ least_steps = {steps}, most_steps = {steps}, batch_rows = 64 }}
"""
POLICY = """
[approval]
automatic = true
coordinators = ["coord"]
tasks = ["carrier_subscribers"]
uses = ["score_own_subjects"]
legal_bases = ["atnfl_32"]
protections = ["secret"]
codes = ["installed"]
without_privacy = true
[[data]]
name = "rows"
schema = "rows.schema"
table = "rows.csv"
"""
SUBJECTS = 'subject = "number"\nsubject_kind = "phone"\n'
SHARED = "+999160000001"


def train(federation: Federation, *arguments: str) -> dict[str, Any]:
    return federation.do(COORDINATOR, "train", *arguments, "--json").document


def refused(federation: Federation, *arguments: str) -> str:
    """Return the reason of a command of the coordinator that must fail."""
    outcome = federation.run(COORDINATOR, "train", *arguments)

    assert outcome.code == 1, outcome.out

    return error_lines(outcome)[0].rpartition("[")[2].rstrip("]")


def plan(federation: Federation, directory: Path, **how: int) -> str:
    """Propose a plan, and wait until every trainer's policy has approved it."""
    file = directory / "plan.toml"
    file.write_text(PLAN.format(**how), encoding="utf-8")
    digest = str(train(federation, "plan", str(file))["plan_digest"])
    eventually(
        lambda: set(train(federation, "status", digest)["approved"]) == set(TRAINERS), WAIT_SECONDS
    )
    return digest


@pytest.fixture(scope="module")
def schema_file(federation: Federation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the schema of the rows that the trainers hold from here on."""
    pytest.importorskip("flwr", reason="the extra 'train' is not installed")
    from federation.training.table import infer_schema
    from tests.end_to_end.test_training_score import write_table
    from tests.training.planted import planted_rows

    schema = infer_schema(planted_rows(200, 1), "label")
    for place, member in enumerate(TRAINERS):
        home = federation.home(member)
        numbers = [f"+99917{place}{row:06}" for row in range(400)]
        write_table(home.root / "rows.csv", planted_rows(400, 7 + place, place * 0.3), numbers)
        (home.root / "rows.schema").write_bytes(schema.encode())
        home.training.write_text(POLICY, encoding="utf-8")
    file = tmp_path_factory.mktemp("plans") / "rows.schema"
    file.write_bytes(schema.encode())
    return file


@pytest.fixture(scope="module")
def trained(federation: Federation, schema_file: Path) -> str:
    """Give a plan whose run lost a member on the way."""
    digest = plan(federation, schema_file.parent, rounds=24, seed=1, steps=300)
    launch = command(federation.home(COORDINATOR), "train", "run", digest)
    launch += ["--schema", str(schema_file)]
    with subprocess.Popen(launch, stdout=subprocess.DEVNULL) as run:
        eventually(lambda: train(federation, "status", digest)["round"] >= 1, WAIT_SECONDS)
        federation.sandbox.kill(TRAINERS[2])

        assert run.wait(300) == 0

    federation.sandbox.start(TRAINERS[2])
    return digest


def outcomes(federation: Federation, digest: str, member: str) -> list[tuple[str, str]]:
    """Return outcome and reason of a member in each round."""
    return [
        (one["outcome"], one["reason"])
        for each in train(federation, "show", digest)["rounds"]
        for one in each["outcomes"]
        if one["member"] == member
    ]


def test_17_carriers_train_together_and_gain_whoever_drops_out_or_cheats(
    federation: Federation, trained: str, schema_file: Path
) -> None:
    found = train(federation, "show", trained)
    values = {
        (one["metric"], one["candidate"]): one["millionths"]
        for one in found["evaluation"]["metrics"]
    }

    assert values["ROC_AUC", "FEDERATED"] >= values["ROC_AUC", "LOCAL"]
    assert found["status"]["round"] == 24
    assert "LATE" in {one[0] for one in outcomes(federation, trained, TRAINERS[2])}
    assert {one[0] for one in outcomes(federation, trained, TRAINERS[0])} == {"OK"}

    from tests.end_to_end.test_training_secret import poisoned

    cheat = TRAINERS[1]
    with poisoned(federation, cheat):
        digest = plan(federation, schema_file.parent, rounds=2, seed=2, steps=10)
        federation.run(COORDINATOR, "train", "run", digest, "--schema", str(schema_file))

    assert set(outcomes(federation, digest, cheat)) == {("REJECTED", "UPDATE_NORM")}


def assess(federation: Federation, directory: Path, digest: str) -> None:
    """Fill in the template as a person would, and record it."""
    template = federation.do(COORDINATOR, "train", "assess", digest, "--template").out
    text = template.replace('reviewer = ""', 'reviewer = "risk office"')
    file = directory / "assessment.toml"
    file.write_text(text.replace('decision = "refused"', 'decision = "approved"'))
    federation.do(COORDINATOR, "train", "assess", digest, "--file", str(file))


def release(federation: Federation, directory: Path, digest: str) -> None:
    """Take a model from its evaluation to its release, and be refused on the way."""
    assert refused(federation, "release", digest, "--stage", "shadow") == "ASSESSMENT_MISSING"

    assess(federation, directory, digest)
    federation.do(COORDINATOR, "train", "release", digest, "--stage", "shadow")

    assert refused(federation, "release", digest) == "RELEASE_NOT_APPROVED"

    for member in TRAINERS:
        federation.do(member, "train", "status", digest, "--until", "shadow", "--wait", "60")
        federation.do(member, "train", "approve", digest, "--release")
    eventually(
        lambda: federation.run(COORDINATOR, "train", "release", digest).code == 0, WAIT_SECONDS
    )


@pytest.fixture(scope="module")
def released(federation: Federation, trained: str, schema_file: Path) -> str:
    """Release the first model, whose files then come to every member."""
    release(federation, schema_file.parent, trained)
    for member in TRAINERS:
        path = federation.home(member).models / trained / "model"
        eventually(path.exists, WAIT_SECONDS)
    return trained


def rename_worst(federation: Federation, member: str, digest: str) -> None:
    """Give the row that a member's model fears most the number that all have."""
    path = federation.home(member).root / "rows.csv"
    columns = ("--id", "number", "--model", digest, "--json")
    scored = federation.do(member, "train", "score", "--table", str(path), *columns).rows
    worst = max((row for row in scored if "score" in row), key=lambda row: row["score"])
    path.write_text(path.read_text().replace(str(worst["id"]), SHARED))
    federation.home(member).training.write_text(POLICY + SUBJECTS, encoding="utf-8")


def test_18_what_several_sectors_know_beats_the_best_single_one(
    federation: Federation, released: str
) -> None:
    from federation.training.fusion import MOST_LEVEL

    for member in TRAINERS:
        rename_worst(federation, member, released)
        federation.nominate(member, "phone", SHARED)
    everywhere(federation, "phone", SHARED)
    fuse = ("train", "fuse", "phone", SHARED, "--seconds", "60", "--json")
    found = federation.do("bank-x", *fuse).document
    for member in TRAINERS:  # labels are those in the table again
        federation.home(member).training.write_text(POLICY, encoding="utf-8")

    assert (found["contributors"], found["is_fused"]) == (len(TRAINERS), True)
    assert found["level_sum"] > MOST_LEVEL  # the most that any one of them can say


def test_19_no_model_is_released_without_its_papers_and_an_older_one_comes_back(
    federation: Federation, released: str, schema_file: Path, tmp_path: Path
) -> None:
    second = plan(federation, schema_file.parent, rounds=2, seed=3, steps=10)
    federation.do(COORDINATOR, "train", "run", second, "--schema", str(schema_file))
    release(federation, tmp_path, second)

    assert train(federation, "show", second)["status"]["in_force"]

    federation.do(COORDINATOR, "train", "rollback", released)
    states = [train(federation, "show", one)["status"]["state"] for one in (released, second)]

    assert states == ["RELEASED", "RETIRED"]
    eventually(
        lambda: federation.do(TRAINERS[3], "train", "show", released, "--json").document["status"][
            "in_force"
        ],
        WAIT_SECONDS,
    )


def test_20_logs_prove_themselves_and_an_edited_history_is_found(federation: Federation) -> None:
    home = federation.home("bank-y")
    federation.nominate("bank-y", "domain", "will-be-edited.example")

    assert federation.do("bank-y", "log", "verify", "--json").rows

    proof = federation.do("bank-y", "log", "prove", "0", "--json").document

    assert proof

    (path,) = home.data.glob("public.db")
    with sqlite3.connect(path) as database:
        row = "SELECT log, position, body FROM entry WHERE body IS NOT NULL LIMIT 1"
        log, position, body = database.execute(row).fetchone()
    where = "UPDATE entry SET body = ? WHERE log = ? AND position = ?"
    with sqlite3.connect(path) as database:
        database.execute(where, (body[:-1] + bytes([body[-1] ^ 1]), log, position))
    found = federation.run("bank-y", "log", "verify", "--json")
    with sqlite3.connect(path) as database:
        database.execute(where, (body, log, position))

    unsound = [one["origin"] for one in found.rows if one["done"] and not one["sound"]]

    assert found.code == 1
    assert unsound
    assert federation.do("bank-y", "log", "verify", "--json").rows


async def test_23_no_field_holds_what_is_never_shared_and_no_purpose_gets_no_answer(
    federation: Federation,
) -> None:
    assert violations(FILES, ALLOWED) == []

    async def look_up(purpose: int) -> list[Any]:
        request = wire.LookupRequest(tokens=[secrets.token_bytes(16)], purpose=purpose)
        async with calling(federation, "bank-y") as peers:
            service = MemberId("carrier-a")
            answer = await peers.call(
                service, lambda channel: LookupServiceStub(channel).Lookup, request, 20.0
            )
        return list(answer.verdicts)

    assert len(await look_up(Purpose.CHECK)) == 1

    with pytest.raises(PeerCallError) as missing:
        await look_up(0)
    with pytest.raises(PeerCallError) as other:
        await look_up(Purpose.TRAINING)

    assert missing.value.reason == "PURPOSE_MISSING"
    assert other.value.reason == "PURPOSE_NOT_ALLOWED"


def test_24_without_the_coordinator_the_members_go_on(federation: Federation) -> None:
    federation.sandbox.kill(COORDINATOR)
    try:
        federation.nominate("net-q", "phone", "+999150000001")
        everywhere(federation, "phone", "+999150000001")
        federation.do("bank-y", "watch", "add", "phone", "+999150000001", "--reference", "r-1")

        assert federation.do("bank-y", "hits", "--json").rows

        federation.do("net-q", "retract", "phone", "+999150000001")
        everywhere(federation, "phone", "+999150000001", is_known=False)
    finally:
        federation.sandbox.start(COORDINATOR)
    eventually(partial(federation.sees_all, COORDINATOR), WAIT_SECONDS)
