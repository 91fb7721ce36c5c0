import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.node.log_samples import MEMBERS, open_ledger, origin_of

ROOT = Path(__file__).parents[2]
KILLS = 12
# Seconds after the first acknowledgement; a batch takes about two milliseconds.
LONGEST_LIFE = 0.12


def write_until_killed(path: Path, life: float) -> int:
    """Start a writer, kill it after a while, and return the last size it acknowledged."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"}
    command = [sys.executable, "-m", "tests.node.crash_writer", str(path)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(life)
        writer.kill()
        # A line that was cut off was no acknowledgement.
        said = (first + writer.stdout.read()).split(b"\n")[:-1]
    return int(said[-1])


def test_nothing_acknowledged_is_lost_whenever_the_process_is_killed(tmp_path: Path) -> None:
    path, randomness = tmp_path / "public.db", random.Random(20_260)
    held = 0
    for _ in range(KILLS):
        acknowledged = write_until_killed(path, randomness.random() * LONGEST_LIFE)
        store, ledger = open_ledger(path)
        before, held = held, ledger.size(origin_of(MEMBERS[0]))
        steps = list(ledger.verify(origin_of(MEMBERS[0])))
        rebuilt = ledger.rebuild_views()
        store.close()

        assert held >= acknowledged > before
        assert steps[-1].checked == held == rebuilt.count
        assert rebuilt.before == rebuilt.after
