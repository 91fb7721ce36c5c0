"""``tocsin bulk``: tokenise and match very many values, over processes or a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import click

from federation.vocabulary import Purpose
from node.cli.charter_file import require_charter
from node.cli.connection import InsideDoor
from node.cli.option import KindName, json_option, pass_home, passphrase_options
from node.cli.output import Progress, data, json_object, say
from node.cli.table_file import Layout, parse_mapping
from node.cli.unlock import unlock_member
from node.errors import NodeError, UnavailableError
from node.home import Home
from tocsin.desk.v1 import operation_service_pb2 as wire

REFUSED_SHOWN: Final = 20
"""Refused rows named on stderr; all of them stand in the job's directory."""

EXPORT_BITS: Final = 13
"""Bits of a prefix whose tokens are read together: 122,000 of 10⁹, 2 MB."""

_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin bulk export tokens.bin
  tocsin bulk match --file customers.csv.gz --against tokens.bin --output job
"""
)
def bulk_command() -> None:
    """Tokenise and match very many values, over processes or a cluster."""


@bulk_command.command(
    epilog="""\b
Every token that there is evidence about in this node's replica, whatever became of it since: ask
`tocsin check` about the values that match. The node has to run.

\b
EXAMPLES
  tocsin bulk export tokens.bin
  tocsin bulk export /shared/tokens.bin --json
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_home
def export(home: Home, file: Path, as_json: bool) -> None:
    """Write the tokens of the own replica into a file, sorted."""
    from node.bulk.token_file import write_tokens
    from node.config import load_config
    from node.store.catalogue import Catalogue
    from node.store.opening import open_public

    if not file.absolute().parent.is_dir():
        raise click.BadParameter("its directory is not there", param_hint="FILE")
    with InsideDoor(home) as door:
        epoch = door.call(door.operation.GetStatus, wire.GetStatusRequest()).epoch
    if not epoch:
        raise UnavailableError(
            "the federation has no token keys yet",
            reason="KEYS_MISSING",
            hint="tocsin key ceremony (at one of the key holders)",
        )
    buckets = 1 << EXPORT_BITS
    with (
        closing(open_public(load_config(home.config), home.data)) as store,
        Progress("Exporting", buckets) as bar,
    ):
        catalogue = Catalogue(store)

        def tokens() -> Iterator[bytes]:
            for prefix in range(buckets):
                yield from catalogue.bucket(prefix, EXPORT_BITS)
                bar.advance(1)

        count = write_tokens(file, require_charter(home).federation, epoch, tokens())
    if as_json:
        json_object({"tokens": count, "epoch": epoch})
    else:
        data(f"tokens {count}, epoch {epoch}")
    if count == 0:
        say("Nothing can match this file: this node's replica is empty, a query partner's always.")


@bulk_command.command(
    epilog="""\b
The values are blinded here, or in processes of the cluster, and evaluated by the key holders
through their doors, as the member whose home this is: they are charged to its quota, and a grant
is needed for more than a day's (`tocsin key grant`). The directory keeps tokens and line numbers,
never values; run again after whatever ended it, the job goes on with what is missing, and once
done it only says so. What was under way, up to 65,536 rows in each process, is asked and charged
again. matches.csv there has token and line of each match, ascending by token; lines count from 1,
the header among them. Refused rows are named on stderr, by line and reason.

\b
Engine local: processes of this machine. Engine ray (extra `ray`): processes of Ray, started here
or, with --address, on a cluster that runs already. The values, and a certificate of a day, travel
to the machines of that cluster: it has to be yours alone. All its machines need this directory
and the file of tokens at the same path.

\b
FILES
  CSV with a header, UTF-8, columns kind and value (others by --map), or, where the name ends
  in .txt, one value a line with --kind. Either may be compressed (.gz).

\b
EXAMPLES
  tocsin bulk match --file numbers.txt.gz --kind phone --against tokens.bin --output job
  tocsin bulk match --file a.csv --against tokens.bin --output job --engine ray --json
"""
)
@click.option("--file", type=_file, required=True, help="The values.")
@click.option("--against", type=_file, required=True, help="Tokens, from `tocsin bulk export`.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the job keeps its files; made where it is missing.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where the processes run.",
)
@click.option("--processes", type=click.IntRange(1), help="Processes.  [default: processors]")
@click.option("--address", default="", help="Of a Ray cluster that runs; default: start Ray here.")
@click.option("--map", "mapping", default="", metavar="NAME=COLUMN,...", help="Names of columns.")
@click.option(
    "--kind", type=KindName(), default="", metavar="KIND", help="Kind where a row names none."
)
@click.option("--region", default="", metavar="CC", help="Country of national telephone forms.")
@passphrase_options
@json_option
@pass_home
def match(
    home: Home,
    file: Path,
    against: Path,
    output: Path,
    engine: str,
    processes: int | None,
    address: str,
    mapping: str,
    kind: str,
    region: str,
    passphrase_file: Path | None,
    passphrase_descriptor: int | None,
    as_json: bool,
) -> None:
    """Find out which values of a file a catalogue of tokens knows."""
    if address and engine != "ray":
        raise click.UsageError("--address goes with --engine ray")
    from federation.training.ray_runtime import LOCAL
    from node.bulk.engine import open_engine
    from node.bulk.home_source import source_of
    from node.bulk.job import Files, run_job
    from node.bulk.part import PART_ROWS
    from node.bulk.token_file import open_tokens
    from node.config import load_config

    keys = unlock_member(home, passphrase_file, passphrase_descriptor)
    source = source_of(home, keys, Purpose.CHECK)
    catalogue = open_tokens(against.resolve(), source.federation, source.key_set.epoch)
    files = Files(file, _layout(mapping, kind, region), catalogue, output.resolve())
    library, count = load_config(home.config).libsodium, processes or os.cpu_count() or 1
    begin = time.monotonic()
    with (
        _stoppable(),
        open_engine(engine, count, library, address or LOCAL) as chosen,
        Progress(
            f"Tokenising, {PART_ROWS:,} values a step", file.stat().st_size, in_percent=True
        ) as bar,
    ):
        reached = 0

        def move(_rows: int, position: int) -> None:
            nonlocal reached
            bar.advance(max(0, position - reached))
            reached = max(reached, position)

        summary = run_job(files, source, chosen, move)
    seconds = time.monotonic() - begin
    _say_refused(output)
    for holder in summary.blamed:
        say(f"{holder} answered wrongly; others were asked instead")
    document = {
        "rows": summary.rows,
        "matched": summary.matched,
        "refused": summary.refused,
        "fresh_rows": summary.fresh_rows,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(summary.cpu_seconds, 3),
        "blamed": list(summary.blamed),
        "output": str(output / "matches.csv"),
    }
    _write(document, as_json=as_json)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Say at Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise NodeError(
            "stopped",
            reason="JOB_STOPPED",
            hint="the same command goes on with what is missing",
        ) from None


def _layout(mapping: str, kind: str, region: str) -> Layout:
    from node.bulk.part import COLUMNS

    defaults = {name: text for name, text in (("kind", kind), ("region", region)) if text}
    return Layout(parse_mapping(mapping), defaults, ("kind", "value"), COLUMNS)


def _say_refused(output: Path) -> None:
    from node.bulk.job import refused_lines

    count = 0
    for count, (line, reason) in enumerate(refused_lines(output), start=1):
        if count <= REFUSED_SHOWN:
            say(f"line {line}: {reason}")
    if count > REFUSED_SHOWN:
        say(f"and {count - REFUSED_SHOWN} more refused rows")


def _write(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        json_object(document)
        return
    data(f"rows {document['rows']}, matched {document['matched']}, refused {document['refused']}")
    fresh = f"{document['fresh_rows']} of them new, in {document['seconds']} s"
    say(f"{fresh}; see {document['output']}")
