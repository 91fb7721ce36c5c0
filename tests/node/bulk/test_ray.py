"""The same job over processes of Ray."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from node.bulk.job import Files, run_job
from node.bulk.token_file import open_tokens, write_tokens
from node.cli.table_file import Layout
from node.errors import PolicyError
from tests.node.bulk.shares import FEDERATION, Here, make_source

pytest.importorskip("ray", reason="the extra 'ray' is not installed")

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.timeout(300)


# In a process of its own: Ray leaves threads and sockets behind in the one that starts it.
OVER_RAY = """
import json, pickle, sys
from pathlib import Path
from node.bulk.engine import open_engine
from node.bulk.job import run_job
from node.errors import PolicyError
from tests.node.bulk.test_ray import refuse
files, source = pickle.loads(Path(sys.argv[1]).read_bytes())
with open_engine("ray", 2) as engine:
    summary = run_job(files, source, engine, lambda *_: None)
    try:
        list(engine.each(refuse, [1]))
    except PolicyError as error:
        print(json.dumps([summary.rows, summary.matched, error.reason, error.hint]))
"""


def refuse(part: int) -> None:
    raise PolicyError(f"part {part}", reason="QUOTA_EXCEEDED", hint="tomorrow")


def test_ray_makes_the_same_file_as_one_process_and_passes_refusals_on(tmp_path) -> None:
    source = make_source()
    values = tmp_path / "values.txt"
    values.write_text("".join(f"+86139{place:08}\n" for place in range(150)), encoding="utf-8")
    write_tokens(tmp_path / "none", FEDERATION, 1, sorted(os.urandom(16) for _ in range(9)))
    layout = Layout(defaults={"kind": "phone"})
    catalogue = open_tokens(tmp_path / "none", FEDERATION, 1)
    alone = Files(values, layout, catalogue, tmp_path / "alone", 64)
    run_job(alone, source, Here(), lambda *_: None)
    parts = sorted((alone.directory / "parts").iterdir())
    tokens = {
        data[at : at + 16]
        for data in (path.read_bytes() for path in parts if not path.suffix)
        for at in range(0, len(data), 24)
    }
    write_tokens(tmp_path / "known", FEDERATION, 1, sorted(tokens)[::3])
    catalogue = open_tokens(tmp_path / "known", FEDERATION, 1)
    over_ray = Files(values, layout, catalogue, tmp_path / "ray", 64)
    job = tmp_path / "job"
    job.write_bytes(pickle.dumps((over_ray, source)))
    job.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-c", OVER_RAY, job], cwd=ROOT, capture_output=True, text=True, timeout=280
    )

    assert done.returncode == 0, done.stderr[-3_000:]
    assert json.loads(done.stdout) == [150, 50, "QUOTA_EXCEEDED", "tomorrow"]
    for path in parts:
        assert (over_ray.directory / "parts" / path.name).read_bytes() == path.read_bytes() or (
            path.suffix
        )
