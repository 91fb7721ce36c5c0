"""An import whose node is killed again and again loses nothing and says nothing twice."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from tests.end_to_end.members import (
    Federation,
    eventually,
    running_federation,
    start_command,
    write_lines,
)

ROWS = 50_000
KILLS = 20
MEMBERS = ("carrier-a", "bank-x", "net-p", "net-q")
IMPORTER = "net-q"

_SUMS = re.compile(r"added (\d+), unchanged (\d+), refused (\d+)")

pytestmark = pytest.mark.timeout(600)


@pytest.mark.slow
def test_an_import_killed_twenty_times_is_whole_and_says_nothing_twice(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "rows.txt", [f"+861350{number:07}" for number in range(ROWS)])
    arguments = ("nominate", "--file", str(file), "--kind", "phone", "--fraud-type", "loan")
    moments = random.Random(20261123)
    with running_federation(tmp_path / "f", MEMBERS) as federation:
        before = _own_size(federation)
        acknowledged = 0
        for _ in range(KILLS):
            acknowledged = max(acknowledged, _import_and_kill(federation, arguments, moments))
            federation.sandbox.start(IMPORTER)

            assert before + acknowledged <= _own_size(federation) <= before + ROWS

        last = _sums(federation.do(IMPORTER, *arguments).out)

        assert (sum(last), last[2]) == (ROWS, 0)
        assert _own_size(federation) == before + ROWS
        assert _sums(federation.do(IMPORTER, *arguments).out) == (0, ROWS, 0)
        assert _own_size(federation) == before + ROWS

        _check_everyone(federation)


def _import_and_kill(
    federation: Federation, arguments: tuple[str, ...], moments: random.Random
) -> int:
    """Kill the node at a random moment of an import; return how many rows were acknowledged."""
    running = start_command(federation.home(IMPORTER), *arguments)
    time.sleep(moments.uniform(0.2, 1.6))
    federation.sandbox.kill(IMPORTER)
    out, err = running.communicate(timeout=60)
    if running.returncode == 0:  # the import was faster than its killer
        return sum(_sums(out))

    assert running.returncode == 1, err
    assert err.splitlines()[-2].startswith("tocsin: error: "), err

    return sum(_sums(out)) if out else 0


def _sums(out: str) -> tuple[int, int, int]:
    found = _SUMS.fullmatch(out.strip())

    assert found, out

    added, unchanged, refused = map(int, found.groups())
    return added, unchanged, refused


def _own_size(federation: Federation) -> int:
    logs = federation.status(IMPORTER)["logs"]
    return next(int(log["size"]) for log in logs if f"/{IMPORTER}/" in log["origin"])


def _check_everyone(federation: Federation) -> None:
    as_of = int(time.time())
    eventually(lambda: len(federation.roots(MEMBERS, as_of)) == 1, 60)
    for member in MEMBERS:
        checks = federation.do(member, "log", "verify", "--json").rows

        assert len(checks) == len(MEMBERS)
        assert all(check["sound"] for check in checks)
        assert federation.do(member, "log", "rebuild", "--json").document["agree"]
        assert federation.status(member)["token_count"] == ROWS
    assert len(federation.roots(MEMBERS, as_of)) == 1
