"""Measure the hot paths: ``python -m tests.bench [NAME]... [--json]``.

Figures are CPU time unless they say otherwise, so that other programs disturb them little; ratios
are taken beside their baseline in one run, from a fixed seed, after a warm-up. Nothing here fails
because a machine is slow: the status is 3 where a bench lacks something, 1 where one broke.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.curve import Curve
from tests.bench.isolation import Bench, Failure, Figure, figures_of
from tests.bench.machine import describe_machine
from tests.bench.report import Report
from tests.bench.result import Result, table
from tests.bench.workshop import workshop

BENCHES: Final[dict[str, Bench]] = {
    "tokens": Bench("tests.bench.tokens", 60),
    "bulk": Bench("tests.bench.bulk", 90),
    "ingest": Bench("tests.bench.ingest", 45),
    "lookup": Bench("tests.bench.lookup", 180),
    "replication": Bench("tests.bench.replication", 270),
    "psi": Bench("tests.bench.psi", 240),
    "sums": Bench("tests.bench.sums", 45),
    "watchlist": Bench("tests.bench.watchlist", 120),
    "matters": Bench("tests.bench.matters", 30),
    "scoring": Bench("tests.bench.scoring", 45),
    "training": Bench("tests.bench.training", 180),
    "growth": Bench("tests.bench.growth", 360),
}
"""In the order of the README's table; seconds each may take on
quiet cores, all together below 28 minutes."""

BROKEN: Final = 1
MISSING: Final = 3


def main(arguments: list[str]) -> int:
    """Run the benches named, or all, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="print a list instead of a table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write a report there as well")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - BENCHES.keys():
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    begin, failures = time.monotonic(), dict[str, Failure]()
    with workshop():
        figures = [one for name in asked.names or BENCHES for one in _run(name, failures)]
    results = [one if isinstance(one, Result) else one.result() for one in figures]
    curves = [one for one in figures if isinstance(one, Curve)]
    report = Report(describe_machine(), time.monotonic() - begin, results, curves)
    if asked.output:
        asked.output.write_text(report.encode(), encoding="utf-8")
    print(_shown(report, as_json=asked.json))
    return _status(failures)


def _run(name: str, failures: dict[str, Failure]) -> Iterator[Figure]:
    """Yield the figures of one bench, and say on stderr how it goes."""
    begin, count = time.monotonic(), 0

    def fail(failure: Failure) -> None:
        failures[name] = failure
        _say(f"{name}: {'not measured' if failure.is_missing else 'BROKEN'}: {failure.reason}")

    _say(f"{name}: begins")
    for figure in figures_of(BENCHES[name], fail):
        count += 1
        yield figure
    seconds, budget = time.monotonic() - begin, BENCHES[name].budget
    over = ", OVER ITS BUDGET" if seconds > budget else ""
    _say(f"{name}: {count} figures in {seconds:.0f} of {budget:.0f} s{over}")


def _shown(report: Report, *, as_json: bool) -> str:
    if as_json:
        rows = [one.document() for one in report.results]
        return json.dumps(rows, indent=2, ensure_ascii=False)
    return f"{report.machine}\n\n{table(report.results)}"


def _status(failures: dict[str, Failure]) -> int:
    if any(not one.is_missing for one in failures.values()):
        return BROKEN
    return MISSING if failures else 0


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} bench {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
