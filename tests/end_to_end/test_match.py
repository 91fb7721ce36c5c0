"""An internet firm finds its accounts behind a carrier's high-risk numbers, and nobody more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.members import Federation, running_federation, write_lines

CARRIER, OTHER, FIRM = "carrier-a", "carrier-b", "net-p"
HIGH_RISK = [f"+8613800{place:06d}" for place in range(100)]
COMMON = HIGH_RISK[::2][:37]
REGISTERED = [f"+8613900{place:06d}" for place in range(10_000 - len(COMMON))] + COMMON
# Seconds for ten thousand numbers on each side, nodes and command line; it takes about six alone.
LONGEST_SECONDS = 90

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("match") / "f"
    with running_federation(root, (CARRIER, OTHER, FIRM), capture=True) as found:
        yield found


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [f"{number},account-{place}" for place, number in enumerate(REGISTERED)]
    return write_lines(tmp_path_factory.mktemp("own") / "own.csv", ["number,account", *lines])


MAPPED = ("--map", "value=number,reference=account")


def files_of(federation: Federation, member: str) -> bytes:
    """Return every byte that a member keeps, its databases and what it sent."""
    root = federation.home(member).root
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


def test_11_psi_finds_37_of_37_and_shows_the_carrier_the_count_alone(
    federation: Federation, registered: Path, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "high-risk.txt", HIGH_RISK)
    offered = federation.do(CARRIER, "match", "offer", str(file), "--with", FIRM, "--json")

    assert offered.document == {"offered": 100, "refused": 0, "with": [FIRM]}

    found = federation.do(
        FIRM, "match", "run", str(registered), "--with", CARRIER, *MAPPED, "--json"
    ).document
    place_of = {number: place for place, number in enumerate(REGISTERED)}

    assert {one["value"] for one in found["hits"]} == set(COMMON)
    assert all(one["reference"] == f"account-{place_of[one['value']]}" for one in found["hits"])
    assert (found["found"], found["own"], found["offered_elements"]) == (37, 10_000, 128)

    (at_carrier,) = federation.do(CARRIER, "match", "list", "--json").rows
    (at_firm,) = federation.do(FIRM, "match", "list", "--json").rows

    assert (at_carrier["found_count"], at_carrier["own_count"]) == (37, 100)
    assert (at_carrier["offered"], at_carrier["member"]) == (True, FIRM)
    assert at_carrier["other_elements"] == 12_288  # how many the firm has is not told
    assert at_carrier["uncounted"] is False
    assert at_firm["found_count"] == 37
    assert federation.do(OTHER, "match", "list", "--json").out == ""


def test_no_side_keeps_or_sends_the_other_s_numbers(federation: Federation) -> None:
    kept = {member: files_of(federation, member) for member in (CARRIER, OTHER, FIRM)}

    assert HIGH_RISK[1].encode() in kept[CARRIER]  # offered, and not the firm's
    assert HIGH_RISK[1].encode() not in kept[FIRM]
    assert not any(number.encode() in kept[CARRIER] for number in REGISTERED[:200])
    assert b"account-" not in kept[CARRIER]
    assert b"+86138" not in kept[OTHER]
    assert b"+86139" not in kept[OTHER]


def test_few_hits_are_the_firm_s_alone(federation: Federation, tmp_path: Path) -> None:
    """A carrier that offers one number must not learn whether it is registered."""
    file = write_lines(tmp_path / "one.txt", [COMMON[0]])
    own = write_lines(tmp_path / "own.txt", COMMON[:3])
    federation.do(OTHER, "match", "offer", str(file), "--with", FIRM)
    found = federation.do(FIRM, "match", "run", str(own), "--with", OTHER, "--json").document

    assert [one["value"] for one in found["hits"]] == [COMMON[0]]
    assert [one["found_count"] for one in federation.do(OTHER, "match", "list", "--json").rows] == [
        0
    ]
    assert "fewer than 5" in federation.do(OTHER, "match", "list").out


def test_without_an_offer_or_the_role_nothing_is_matched(
    federation: Federation, tmp_path: Path
) -> None:
    empty = write_lines(tmp_path / "empty.txt", [""])
    own = write_lines(tmp_path / "own.txt", COMMON[:3])
    federation.do(OTHER, "match", "offer", str(empty), "--with", FIRM)

    withdrawn = federation.run(FIRM, "match", "run", str(own), "--with", OTHER)
    carrier = federation.run(OTHER, "match", "run", str(own), "--with", CARRIER)
    firm = federation.run(FIRM, "match", "offer", str(own), "--with", CARRIER)

    assert "[MATCH_NOT_OFFERED]" in withdrawn.err
    assert "[ROLE_NOT_ALLOWED]" in carrier.err
    assert "[ROLE_NOT_ALLOWED]" in firm.err


@pytest.mark.slow
def test_ten_thousand_on_each_side_take_seconds(
    federation: Federation, registered: Path, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "many.txt", [f"+8613700{place:06d}" for place in range(10_000)])
    federation.do(CARRIER, "match", "offer", str(file), "--with", FIRM)
    started = time.monotonic()
    found = federation.do(
        FIRM, "match", "run", str(registered), "--with", CARRIER, *MAPPED, "--json"
    ).document
    seconds = time.monotonic() - started

    assert found["found"] == 0
    assert seconds < LONGEST_SECONDS, f"{seconds:.1f} s"
