"""Flower's simulation engine on Ray gives the run that one process gives, and leaves nothing."""

import os
import pickle
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")
pytest.importorskip("ray", reason="the extra 'simulate' is not installed")

from federation.training.error import PlanError  # noqa: E402
from federation.training.local_engine import LocalRun, run_locally  # noqa: E402
from federation.training.table import Table  # noqa: E402
from tests.training.planted import planted_members  # noqa: E402
from tests.training.small import small_plan  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
ROBUST: dict[str, Any] = {"protection": "robust", "minimum_members": 2, "rounds": 3}
SECRET: dict[str, Any] = {"protection": "secret", "rounds": 2}
SIMULATE = """
import pickle, sys
from pathlib import Path
from federation.training.simulation_engine import run_simulated
from tests.training.test_simulation_engine import members
for file in Path(sys.argv[1]).iterdir():
    run = run_simulated(*pickle.loads(file.read_bytes()), members(broken=file.name == "robust"))
    file.write_bytes(pickle.dumps(run))
"""

pytestmark = pytest.mark.timeout(600)


def members(*, broken: bool) -> dict[str, Table]:
    tables = planted_members(3, 200)
    if broken:  # the third has not the agreed columns
        tables["carrier-c"] = Table({"label": tables["carrier-c"].columns["label"]})
    return tables


@pytest.fixture(scope="module")
def plans() -> dict[str, Any]:
    return {"robust": small_plan(**ROBUST), "secret": small_plan(**SECRET)}


@pytest.fixture(scope="module")
def mark() -> str:
    return f"TOCSIN_TEST_MARK={uuid.uuid4()}"


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, plans: dict[str, Any], mark: str
) -> dict[str, LocalRun]:
    directory = tmp_path_factory.mktemp("simulated")
    for kind, plan in plans.items():
        (directory / kind).write_bytes(pickle.dumps(plan))
    name, _, value = mark.partition("=")
    done = subprocess.run(
        [sys.executable, "-c", SIMULATE, str(directory)],
        cwd=ROOT,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )

    assert done.returncode == 0, done.stderr[-4_000:]

    return {file.name: pickle.loads(file.read_bytes()) for file in directory.iterdir()}


def test_it_gives_the_model_that_one_process_gives(runs: dict[str, LocalRun]) -> None:
    for name, choice in (("robust", ROBUST), ("secret", SECRET)):
        run, plain = (
            runs[name],
            run_locally(*small_plan(**choice), members(broken=name == "robust")),
        )

        assert run.scaling == plain.scaling
        assert numpy.abs(run.model - plain.model).max() < 1e-5
        assert run.threshold == pytest.approx(plain.threshold, abs=1e-3)
        assert [one.weight for one in run.reports] == [one.weight for one in plain.reports]


def test_sums_of_whole_numbers_give_it_to_the_bit(
    runs: dict[str, LocalRun], plans: dict[str, Any]
) -> None:
    plain = run_locally(*plans["secret"], members(broken=False))

    assert (runs["secret"].model == plain.model).all()
    assert runs["secret"].reports == plain.reports


def test_a_member_that_cannot_answer_is_named(runs: dict[str, LocalRun]) -> None:
    for report in runs["robust"].reports:
        assert report.outcomes["carrier-a"].status == "ok"
        assert report.outcomes["carrier-c"].status == "refused"
        assert "TABLE_MISMATCH" in report.outcomes["carrier-c"].reason


def test_no_process_of_it_stays(runs: dict[str, LocalRun], mark: str) -> None:
    until = time.monotonic() + 20
    while (left := _processes(mark.encode())) and time.monotonic() < until:
        time.sleep(0.2)

    assert runs
    assert left == []


def _processes(mark: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_without_ray_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from federation.training import ray_runtime, simulation_engine

    monkeypatch.setattr(ray_runtime.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(PlanError, match="Ray") as refusal:
        simulation_engine.run_simulated(*small_plan(), members(broken=False))

    assert refusal.value.reason == "ENGINE_MISSING"
    assert "simulate" in str(refusal.value.hint)
