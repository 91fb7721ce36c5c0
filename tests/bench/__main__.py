"""Measure the hot paths: ``python -m tests.bench [tokens|matters|training]... [--json]``.

Figures are CPU time unless they say otherwise, so that other programs disturb them little; ratios
are taken beside their baseline in one run. Nothing here fails because a machine is slow.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import ingest, matters, replication, scoring, tokens, training
from tests.bench.machine import describe_machine
from tests.bench.result import Result, table

BENCHES: dict[str, Callable[[], Iterator[Result]]] = {
    "tokens": tokens.measure,
    "ingest": ingest.measure,
    "matters": matters.measure,
    "replication": replication.measure,
    "scoring": scoring.measure,
    "training": training.measure,
}


def main(arguments: list[str]) -> None:
    """Run the benches named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="print a list instead of a table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the list there as well")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - BENCHES.keys():
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    machine = describe_machine()
    results = [one for name in asked.names or BENCHES for one in BENCHES[name]()]
    document = json.dumps([{**one.document(), "machine": machine} for one in results], indent=2)
    if asked.output:
        asked.output.write_text(document + "\n", encoding="utf-8")
    print(document if asked.json else f"{machine}\n\n{table(results)}")


if __name__ == "__main__":
    main(sys.argv[1:])
