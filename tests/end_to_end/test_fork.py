"""A member that shows two histories is found out by the others, with proof."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.charter import parse_charter
from federation.fork import ForkEvidence, verify_fork_evidence
from federation.names import EVERYONE, MemberId, Origin
from tests.end_to_end.members import Federation, Outcome, eventually, running_federation

FORKED = MemberId("carrier-b")
FIRST_WITNESSES = ("carrier-a", "bank-x", "net-p")
SECOND_WITNESS = "net-q"
WITNESSES = (*FIRST_WITNESSES, SECOND_WITNESS)
HASH_BYTES = 32

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("fork") / "f") as found:
        yield found


def test_two_histories_of_one_member_are_caught_by_gossip_and_proved(
    federation: Federation, tmp_path: Path
) -> None:
    sandbox, home = federation.sandbox, federation.home(FORKED)
    _say(federation, 90)
    for member in WITNESSES:
        eventually(lambda member=member: _size(federation, member) == 1)
    sandbox.stop(FORKED)
    shutil.copytree(home.root, tmp_path / "copy")

    sandbox.stop(SECOND_WITNESS)
    sandbox.start(FORKED)
    _say(federation, 80)
    for member in FIRST_WITNESSES:
        eventually(lambda member=member: _size(federation, member) == 2)
        sandbox.stop(member)
    sandbox.stop(FORKED)

    shutil.rmtree(home.root)
    shutil.copytree(tmp_path / "copy", home.root)
    sandbox.start(FORKED)
    sandbox.start(SECOND_WITNESS)
    _say(federation, 70)
    _say(federation, 60)
    eventually(lambda: _size(federation, SECOND_WITNESS) == 3)
    sandbox.stop(FORKED)  # from here on only what the witnesses tell each other shows it

    for member in FIRST_WITNESSES:
        sandbox.start(member)
    for member in WITNESSES:
        eventually(lambda member=member: _alarms(federation, member))

    raised_by = {
        str(alarm["raised_by"]) for member in WITNESSES for alarm in _alarms(federation, member)
    }

    assert SECOND_WITNESS in raised_by
    assert raised_by & set(FIRST_WITNESSES)

    for member in WITNESSES:
        for alarm in _alarms(federation, member):
            _check_evidence(federation, alarm["alarm"])
        eventually(lambda member=member: _log(federation, member)["stopped"])

    sizes = {member: _size(federation, member) for member in WITNESSES}
    sandbox.start(FORKED)
    # It hears of its own fork from the others, and says nothing more into that log.
    eventually(lambda: "[ORIGIN_STOPPED]" in _try_to_say(federation, 50).err)
    for member in WITNESSES:
        federation.run(member, "log", "sync")

    assert {member: _size(federation, member) for member in WITNESSES} == sizes
    assert sizes == {SECOND_WITNESS: 3, **dict.fromkeys(FIRST_WITNESSES, 2)}


def _say(federation: Federation, confidence: int) -> None:
    """Add a statement to the log; from the second on, no key holder is needed for it."""
    outcome = _try_to_say(federation, confidence)

    assert outcome.code == 0, outcome.err


def _try_to_say(federation: Federation, confidence: int) -> Outcome:
    facts = ("--fraud-type", "loan", "--confidence", str(confidence))
    return federation.run(FORKED, "nominate", "domain", "said-twice.example", *facts)


def _log(federation: Federation, member: str) -> dict[str, Any]:
    logs = federation.status(member)["logs"]
    return next((log for log in logs if f"/{FORKED}/" in log["origin"]), {"size": 0})


def _size(federation: Federation, member: str) -> int:
    return int(_log(federation, member)["size"])


def _alarms(federation: Federation, member: str) -> list[dict[str, Any]]:
    alarms = federation.status(member)["alarms"]
    return [one for one in alarms if one["alarm"]["alarm_kind"] == "LOG_FORKED"]


def _check_evidence(federation: Federation, alarm: dict[str, Any]) -> None:
    charter = parse_charter(federation.home("bank-x").charter.read_bytes()).charter
    hashes = bytes.fromhex(alarm["evidence_path"])
    prefix_root, *path = [
        hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)
    ] or [None]
    evidence = ForkEvidence(
        Origin(charter.federation, FORKED, EVERYONE),
        bytes.fromhex(alarm["first_evidence"]),
        bytes.fromhex(alarm["second_evidence"]),
        prefix_root,
        tuple(path),
    )
    first, second = verify_fork_evidence(evidence, charter.member(FORKED).signing_key)

    assert alarm["member"] == FORKED
    assert first.note != second.note
    assert 1 < first.checkpoint.size <= second.checkpoint.size <= 3
