"""Many numbers are matched in seconds, nodes and command line included."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.end_to_end.match_steps import CARRIER, FIRM, MAPPED, write_registered
from tests.end_to_end.members import running_federation, write_lines

# Seconds for 10,000 numbers among 300,000 offered ones; it takes about thirty alone.
LONGEST_SECONDS = 200
OFFERED = 300_000  # more than one message takes


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_among_three_hundred_thousand_take_seconds(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "many.txt", [f"+8613700{place:06d}" for place in range(OFFERED)])
    registered = write_registered(tmp_path, ["+8613700299999", "+8613700000000"])
    with running_federation(tmp_path / "f", (CARRIER, "carrier-b", FIRM)) as federation:
        federation.do(CARRIER, "match", "offer", str(file), "--with", FIRM)
        started = time.monotonic()
        found = federation.do(
            FIRM, "match", "run", str(registered), "--with", CARRIER, *MAPPED, "--json"
        ).document
        seconds = time.monotonic() - started

    assert found["found"] == 2
    assert found["offered_elements"] == 311_296
    assert seconds < LONGEST_SECONDS, f"{seconds:.1f} s"
