"""Ten thousand numbers on each side are matched in seconds, nodes and command line included."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.end_to_end.match_steps import CARRIER, FIRM, MAPPED, write_registered
from tests.end_to_end.members import running_federation, write_lines

# Seconds for ten thousand numbers on each side, nodes and command line; it takes about six alone.
LONGEST_SECONDS = 90


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_on_each_side_take_seconds(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "many.txt", [f"+8613700{place:06d}" for place in range(10_000)])
    registered = write_registered(tmp_path)
    with running_federation(tmp_path / "f", (CARRIER, "carrier-b", FIRM)) as federation:
        federation.do(CARRIER, "match", "offer", str(file), "--with", FIRM)
        started = time.monotonic()
        found = federation.do(
            FIRM, "match", "run", str(registered), "--with", CARRIER, *MAPPED, "--json"
        ).document
        seconds = time.monotonic() - started

    assert found["found"] == 0
    assert seconds < LONGEST_SECONDS, f"{seconds:.1f} s"
