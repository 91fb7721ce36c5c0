"""Match an internet firm's accounts with a carrier's high-risk numbers, over real nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.end_to_end.members import Federation, files_of, write_lines

CARRIER, OTHER, FIRM = "carrier-a", "carrier-b", "net-p"
HIGH_RISK = [f"+8613877{place:06d}" for place in range(100)]
COMMON = HIGH_RISK[::2][:37]
REGISTERED = [f"+8613922{place:06d}" for place in range(10_000 - len(COMMON))] + COMMON
MAPPED = ("--map", "value=number,reference=account")


def write_registered(directory: Path, more: Sequence[str] = ()) -> Path:
    """Write the firm's 10,000 accounts with their numbers, and more of them."""
    lines = [f"{number},account-{place}" for place, number in enumerate([*REGISTERED, *more])]
    return write_lines(directory / "registered.csv", ["number,account", *lines])


def find_37_of_37(federation: Federation, registered: Path, directory: Path) -> None:
    """Offer 100 numbers of which the firm has 37, and let it look among its 10,000."""
    file = write_lines(directory / "high-risk.txt", HIGH_RISK)
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
    assert at_carrier["other_elements"] == 10_240  # how many the firm has is not told
    assert at_carrier["uncounted"] is False
    assert at_firm["found_count"] == 37
    assert federation.do(OTHER, "match", "list", "--json").out == ""


def keep_numbers_apart(federation: Federation) -> None:
    """Search every disk, and every message that the three recorded."""
    kept = {member: files_of(federation, member) for member in (CARRIER, OTHER, FIRM)}

    assert HIGH_RISK[1].encode() in kept[CARRIER]  # offered, and not the firm's
    assert HIGH_RISK[1].encode() not in kept[FIRM]
    assert not any(number.encode() in kept[CARRIER] for number in REGISTERED[:200])
    assert b"account-" not in kept[CARRIER]
    assert b"+8613877" not in kept[OTHER]
    assert b"+8613922" not in kept[OTHER]


def tell_no_small_count(federation: Federation, directory: Path) -> None:
    """Offer one number: the carrier must not learn whether it is registered."""
    file = write_lines(directory / "one.txt", [COMMON[0]])
    own = write_lines(directory / "own.txt", COMMON[:3])
    federation.do(OTHER, "match", "offer", str(file), "--with", FIRM)
    found = federation.do(FIRM, "match", "run", str(own), "--with", OTHER, "--json").document

    assert [one["value"] for one in found["hits"]] == [COMMON[0]]
    (at_carrier,) = federation.do(OTHER, "match", "list", "--json").rows

    assert at_carrier["found_count"] is None
    assert "fewer than 5" in federation.do(OTHER, "match", "list").out


def match_nothing_unoffered(federation: Federation, directory: Path) -> None:
    """Match without an offer, and offer or match without the role."""
    empty = write_lines(directory / "empty.txt", [""])
    own = write_lines(directory / "own.txt", COMMON[:3])
    federation.do(OTHER, "match", "offer", str(empty), "--with", FIRM)

    withdrawn = federation.run(FIRM, "match", "run", str(own), "--with", OTHER)
    carrier = federation.run(OTHER, "match", "run", str(own), "--with", CARRIER)
    firm = federation.run(FIRM, "match", "offer", str(own), "--with", CARRIER)

    assert "[MATCH_NOT_OFFERED]" in withdrawn.err
    assert "tocsin: hint: it has to offer this member numbers" in withdrawn.err
    assert "[ROLE_NOT_ALLOWED]" in carrier.err
    assert "[ROLE_NOT_ALLOWED]" in firm.err
