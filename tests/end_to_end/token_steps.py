"""Spell indicators, hash a block of numbers, and look for what nodes know, over real nodes."""

from __future__ import annotations

import csv
import hashlib
import sqlite3
import time
from pathlib import Path

from tests.end_to_end.cast import COORDINATOR, INDUSTRY, WAIT_SECONDS
from tests.end_to_end.members import Federation, eventually, write_lines

VECTORS = Path(__file__).parents[1] / "vectors" / "indicators.csv"
BLOCK = 10_000
"""Numbers in one block, as a carrier is given them."""


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


def spellings() -> dict[str, tuple[str, str]]:
    """Return for each kind a text as people write it, and its canonical form."""
    found: dict[str, tuple[str, str]] = {}
    with VECTORS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kind, value, canonical = row["kind"], row["value"], row["canonical"]
            if canonical not in ("!", value) and not row["region"] and "\n" not in value:
                found.setdefault(kind, (value, canonical))
    return found


def spell_everything(federation: Federation, directory: Path) -> None:
    """Nominate canonical forms of every kind, and find them as people write them."""
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
    canonical = table(directory / "canonical.csv", 1)
    written = table(directory / "written.csv", 0)
    federation.do("carrier-a", "nominate", "--file", canonical, *facts)

    def unknown(member: str) -> set[str]:
        rows = federation.do(member, "check", "--file", written, "--json").rows
        return {row["kind"] for row in rows if row["band"] == "NONE"}

    for member in (*INDUSTRY, COORDINATOR):
        eventually(lambda member=member: not unknown(member), WAIT_SECONDS)


def reverse_hashes_and_no_tokens(federation: Federation, directory: Path) -> None:
    """Reverse the hashes of a block of numbers in seconds, and no token by any common hash."""
    block = [f"+99912{number:07}" for number in range(BLOCK)]
    members = block[::500]
    file = write_lines(directory / "block.txt", members)
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
