"""Measure bulk work: values tokenised and matched by one process, by two, and by two of Ray.

Holders answer inside each process, so a value costs the client's part and both holders': what a
federation pays for it in all, wherever the processes are. The job is the real one, with its files.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Final

from node.bulk.engine import Engine, open_engine
from node.bulk.job import Files, run_job
from node.bulk.token_file import open_tokens, write_tokens
from node.bulk.tokenising import TokenSource
from node.cli.table_file import Layout
from tests.bench.clock import ROUNDS
from tests.bench.result import NotMeasuredError, Result
from tests.node.bulk.shares import FEDERATION, make_source

ROWS: Final = 8_192
PART_ROWS: Final = 1_024
"""Rows of a part: eight parts, so that two processes end together."""

ENGINES: Final = (("local", 1), ("local", 2), ("ray", 2))


def measure() -> Iterator[Result]:
    """Yield values a second of each engine, and the bytes that a value leaves behind."""
    source = make_source()
    with tempfile.TemporaryDirectory() as directory:
        files = _files(Path(directory))
        taken = {}
        for name, processes in ENGINES:
            if name == "ray" and find_spec("ray") is None:
                continue
            with open_engine(name, processes) as engine:
                taken[name, processes] = _rounds(files, source, engine)
        size = sum(path.stat().st_size for path in (files.directory / "parts").iterdir())
    (cpu, one), (_, two) = taken["local", 1], taken["local", 2]
    yield Result("bulk: client and holders", 1e6 * cpu / ROWS, "us CPU/value")
    yield Result("bulk: one process", one, "values/s wall")
    yield Result("bulk: two processes", two, "values/s wall", 1.7, one, at_least=True)
    yield Result("bulk: a value kept", size / ROWS, "bytes")
    if ("ray", 2) not in taken:
        raise NotMeasuredError("Ray is not installed")
    over_ray = taken["ray", 2][1]
    yield Result("bulk: two of Ray", over_ray, "values/s wall", 0.8, two, at_least=True)


def _files(directory: Path) -> Files:
    values = directory / "values.txt"
    values.write_text("".join(f"+86139{place:08}\n" for place in range(ROWS)), encoding="utf-8")
    write_tokens(directory / "tokens", FEDERATION, 1, sorted(map(os.urandom, [16] * ROWS)))
    catalogue = open_tokens(directory / "tokens", FEDERATION, 1)
    layout = Layout(defaults={"kind": "phone"})
    return Files(values, layout, catalogue, directory / "job", PART_ROWS)


def _rounds(files: Files, source: TokenSource, engine: Engine) -> tuple[float, float]:
    """Return the CPU seconds of a job and the values a second, medians after a warm-up."""
    taken = [_job(files, source, engine) for _ in range(ROUNDS + 1)][1:]
    return median(cpu for cpu, _ in taken), ROWS / median(wall for _, wall in taken)


def _job(files: Files, source: TokenSource, engine: Engine) -> tuple[float, float]:
    shutil.rmtree(files.directory, ignore_errors=True)
    begin = time.perf_counter()
    fresh = replace(source, identity=os.urandom(16))  # a client remembers tokens asked lately
    summary = run_job(files, fresh, engine, lambda _rows, _position: None)
    if summary.fresh_rows != ROWS:
        raise RuntimeError(f"{summary.fresh_rows} rows were tokenised")
    return summary.cpu_seconds, time.perf_counter() - begin
