"""``tocsin conformance``: hold vector files and running nodes against the contract."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import click

from node.cli.option import json_option, pass_home, passphrase_options
from node.cli.output import data, json_object, say
from node.errors import EXIT_FAILED, RequestError
from node.home import Home

MAX_VECTOR_BYTES = 16 * 1024 * 1024
"""Bytes: the RFC's own file has 180 kB."""

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin conformance oprf tests/vectors/oprf_ristretto255.json
  tocsin conformance indicators tests/vectors/indicators.csv
  tocsin --home ./bank-x conformance node carrier-a.example:7443
"""
)
def conformance_command() -> None:
    """Test vectors and running nodes against the contract."""


@conformance_command.command(
    epilog="""\b
The file is in the form of RFC 9497's vectors. Suites of other groups are named and left out.

\b
EXAMPLES
  tocsin conformance oprf tests/vectors/oprf_ristretto255.json
  tocsin conformance oprf vectors.json --json
"""
)
@click.argument("file", type=_PATH)
@json_option
def oprf(file: Path, as_json: bool) -> int:
    """Run vectors of the oblivious function (RFC 9497)."""
    from keys.conformance import run_oprf_vectors

    try:
        document = json.loads(_read(file))
    except (ValueError, RecursionError) as error:
        raise RequestError("the file is not JSON", reason="VECTORS_UNREADABLE") from error
    results = run_oprf_vectors(document)
    for result in results:
        name = f"{result.identifier or 'unnamed'} mode {result.mode}"
        if as_json:
            json_object(
                {
                    "suite": result.identifier,
                    "mode": result.mode,
                    "passed": result.passed,
                    "failed": result.failed,
                    "ignored": result.ignored,
                }
            )
        elif result.ignored:
            data(f"ignored  {name}: not a suite of this project")
        else:
            mark = "failed" if result.failed else "passed"
            data(f"{mark:<7}  {name}: {result.passed} passed, {result.failed} failed")
    return _verdict(sum(r.passed for r in results), sum(r.failed for r in results))


@conformance_command.command(
    epilog="""\b
The file is CSV with a header: kind, value, canonical form (! for refused), region, note.

\b
EXAMPLES
  tocsin conformance indicators tests/vectors/indicators.csv
  tocsin conformance indicators vectors.csv --json
"""
)
@click.argument("file", type=_PATH)
@click.option(
    "--region",
    default="CN",
    show_default=True,
    help="Country of national telephone forms in rows that name none.",
)
@json_option
def indicators(file: Path, region: str, as_json: bool) -> int:
    """Run vectors of the canonical forms of indicators."""
    from federation.indicators.conformance import run_indicator_vectors

    results = run_indicator_vectors(_read_table(file), region or None)
    for result in results:
        if as_json:
            json_object(
                {
                    "row": result.row,
                    "kind": result.kind,
                    "passed": result.passed,
                    "outcome": result.outcome,
                }
            )
        elif not result.passed:
            data(f"failed   row {result.row}, {result.kind or 'no kind'}: {result.outcome}")
    passed = sum(result.passed for result in results)
    if not as_json:
        data(f"{passed} passed, {len(results) - passed} failed")
    return _verdict(passed, len(results) - passed)


@conformance_command.command(
    epilog="""\b
The checks call the node as your member; they change nothing and use up a few look-ups of the
day. Checks that your role may not make are named and left out.

\b
EXAMPLES
  tocsin --home ./bank-x conformance node carrier-a.example:7443
  tocsin --home ./bank-x conformance node 127.0.0.1:7443 --member carrier-a --json
"""
)
@click.argument("address")
@click.option("--member", help="Who answers there; default: whom the charter lists there.")
@passphrase_options
@json_option
@pass_home
def node(
    home: Home,
    address: str,
    member: str | None,
    passphrase_file: Path | None,
    passphrase_descriptor: int | None,
    as_json: bool,
) -> int:
    """Check a running node from outside."""
    from node.cli.charter_file import require_charter
    from node.cli.finding import write_finding
    from node.cli.node_check import check_node, find_member
    from node.cli.unlock import unlock_member

    charter = require_charter(home)
    name = find_member(charter, address, member)
    keys = unlock_member(home, passphrase_file, passphrase_descriptor)
    passed = failed = 0
    for finding in check_node(keys, charter, name, address):
        failed += finding.outcome == "failed"
        passed += finding.outcome == "passed"
        write_finding(finding, as_json=as_json)
    return _verdict(passed, failed)


def _verdict(passed: int, failed: int) -> int:
    """End with a failure where something failed, and where nothing was tested at all."""
    if passed == 0 and failed == 0:
        say("Nothing was tested.")
    return EXIT_FAILED if failed or not passed else 0


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_VECTOR_BYTES + 1)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise RequestError(message, reason="FILE_UNREADABLE") from error
    if len(content) > MAX_VECTOR_BYTES:
        raise RequestError("the file is too long for vectors", reason="FILE_UNREADABLE")
    return content


def _read_table(file: Path) -> list[Sequence[str]]:
    """Read the rows below the header."""
    try:
        text = _read(file).decode("utf-8-sig")
        rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError("the file is not CSV in UTF-8", reason="VECTORS_UNREADABLE") from error
    if not rows or [name.strip().lower() for name in rows[0][:3]] != ["kind", "value", "canonical"]:
        raise RequestError(
            "the header does not start with kind,value,canonical", reason="VECTORS_UNREADABLE"
        )
    return [row for row in rows[1:] if row]
