"""``tocsin train score``: score own rows with a model, and nominate its alarms."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from federation.errors import FederationError
from federation.vocabulary import FraudType
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS
from node.cli.option import KindName, json_option, pass_home
from node.cli.output import Progress, say
from node.cli.train.digest import MODEL_DIGEST
from node.cli.train.score_output import ScoreWriter, Tally, opened_output
from node.cli.word import Word
from node.errors import EXIT_FAILED, ConfigError, RequestError
from node.home import Home
from tocsin.desk.v1 import train_service_pb2 as wire

if TYPE_CHECKING:
    from collections import deque

    from federation.training.batches import Batch, Batches
    from node.cli.connection import PendingCall

BATCH_ROWS: Final = 8_192
"""Rows of a call: 4 MiB for sixty columns, and some hundredths of a second of work."""
CALLS_IN_FLIGHT: Final = 3
"""Calls: one at the node, one being read, one on its way; more only fill memory."""
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say."""

    table: Path | None
    database: str | None
    query: str
    identifier: str | None
    request: wire.ScoreRequest


@click.command(
    "score",
    epilog="""\b
The table is CSV (also .gz) or Parquet with the columns of the model's schema by their names;
or --database and --query name one. Without --model the model in force scores whose columns
the table has. Written are id, score, band, reasons and the model's digest, as CSV or with
--json an object a line. Bands: NONE below the threshold; VERIFY from it on; STRONG from the
score on where one false alarm in 10,000 was measured. Reasons are columns with EMPTY, HIGH,
LOW or VALUE, the strongest first. Rows and scores stay on this machine.

\b
With --nominate each alarm's --id is nominated as a phone, account or whatever --kind says,
weakly and with the model's digest, so that it is verified; nobody acts on it. Alarms are then
the STRONG ones, unless --threshold says otherwise.

\b
EXAMPLES
  tocsin train score --table lines.csv --id number --out scores.csv
  tocsin train score --database sqlite:lines.db --query 'select * from lines' --json
  tocsin train score --table lines.csv --id number --nominate --kind phone --fraud-type loan
  tocsin train score --table lines.csv --shadow
""",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Rows to score: CSV or Parquet.",
)
@click.option("--database", metavar="ADDRESS", help="sqlite:FILE or postgresql://... instead.")
@click.option("--query", default="", metavar="SQL", help="What to ask the database.")
@click.option("--model", type=MODEL_DIGEST, default=b"", help="Digest of the plan or model.")
@click.option("--id", "identifier", metavar="COLUMN", help="Column that names a row.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    help="Score from which a row is an alarm; default: the model's.",
)
@click.option(
    "--reasons",
    type=click.IntRange(1, 10),
    default=3,
    show_default=True,
    help="Most reasons for an alarm.",
)
@click.option("--shadow", is_flag=True, help="Try a model in the shadow stage: count, act on none.")
@click.option("--nominate", is_flag=True, help="Nominate the alarms, to be verified.")
@click.option(
    "--kind",
    type=KindName(),
    metavar="KIND",
    help="With --nominate: kind of the ids, such as phone.",
)
@click.option("--region", default="", metavar="CC", help="Country of national telephone numbers.")
@click.option(
    "--fraud-type",
    type=Word(FraudType, "fraud type"),
    help="With --nominate: for example loan or FT05.",
)
@click.option(
    "--confidence",
    type=click.IntRange(1, 29),
    default=20,
    show_default=True,
    help="With --nominate: how sure, in percent; others act on more only.",
)
@json_option
@pass_home
def score(
    home: Home,
    table: Path | None,
    database: str | None,
    query: str,
    model: bytes,
    identifier: str | None,
    out: Path | None,
    threshold: float | None,
    reasons: int,
    shadow: bool,
    nominate: bool,
    kind: str | None,
    region: str,
    fraud_type: FraudType | None,
    confidence: int,
    as_json: bool,
) -> int:
    """Score own rows with the model in force, and say what raised each score."""
    if (table is None) == (database is None) or bool(query) != (database is not None):
        raise click.UsageError("give either --table FILE or --database ADDRESS with --query SQL")
    request = wire.ScoreRequest(
        model_digest=model,
        shadow=shadow,
        threshold_millionths=round((threshold or 0) * MILLION),
        reasons=reasons,
    )
    if nominate:
        if identifier is None or kind is None or fraud_type is None:
            raise click.UsageError("--nominate needs --id COLUMN, --kind and --fraud-type")
        if shadow:
            raise click.UsageError("a model in the shadow stage nominates nobody")
        request.nomination.kind, request.nomination.region = kind, region
        request.nomination.fraud_type = fraud_type.value  # type: ignore[assignment]  # the mirrored number
        request.nomination.confidence = confidence
    asked = _Asked(table, database, query, identifier, request)
    tally = Tally()
    with InsideDoor(home) as door, opened_output(out) as file:
        _score_all(door, asked, ScoreWriter(file, tally, as_json=as_json))
    _say_sums(tally, nominate=nominate, shadow=shadow)
    return EXIT_FAILED if nominate and tally.refused else 0


def _score_all(door: InsideDoor, asked: _Asked, writer: ScoreWriter) -> None:
    from collections import deque

    pending: deque[tuple[list[str], int, PendingCall[wire.ScoreResponse]]] = deque()
    try:
        with ExitStack() as stack:
            batches = _open(asked, stack)
            model = _choose(door, asked, batches)
            writer.begin(model)
            numeric = [column.name for column in model.columns if not column.categorical]
            for batch in batches.read(numeric):
                names = _names(asked, batch)
                request = _request(asked, model, batch, names)
                call = door.start(door.train.Score, request)
                pending.append((names, batch.first, call))
                if len(pending) >= CALLS_IN_FLIGHT:
                    _write_one(pending, writer)
            while pending:
                _write_one(pending, writer)
    except FederationError as error:
        raise ConfigError(str(error), reason=error.reason, hint=error.hint) from error
    finally:
        for _, _, call in pending:
            call.cancel()


def _open(asked: _Asked, stack: ExitStack) -> Batches:
    """Open the table, with a bar where its length is known."""
    from federation.training.batches import query_batches, read_batches

    if asked.database is not None:
        return query_batches(asked.database, asked.query, BATCH_ROWS)
    table = asked.table or Path()
    length = table.stat().st_size if table.is_file() else 0
    bar = stack.enter_context(Progress("Scoring", length))
    seen = 0

    def move(position: int) -> None:
        nonlocal seen
        bar.advance(position - seen)
        seen = position

    return read_batches(table, BATCH_ROWS, move)


def _choose(door: InsideDoor, asked: _Asked, batches: Batches) -> wire.ScoredWith:
    """Ask which model it is; all batches are scored with that one."""
    if asked.identifier is not None and asked.identifier not in batches.names:
        raise RequestError(
            f"the table has no column '{asked.identifier}'", reason="COLUMN_MISSING", hint="--id"
        )
    probe = wire.ScoreRequest()
    probe.CopyFrom(asked.request)
    probe.column_names.extend(batches.names)
    return door.call(door.train.Score, probe).model


def _request(
    asked: _Asked, model: wire.ScoredWith, batch: Batch, names: list[str]
) -> wire.ScoreRequest:
    request = wire.ScoreRequest()
    request.CopyFrom(asked.request)
    request.model_digest = model.plan_digest
    request.first_row, request.rows = batch.first, len(batch)
    for column in model.columns:
        if column.categorical:
            request.columns.add(name=column.name, texts=batch.texts(column.name))
        else:
            numbers = batch.numbers(column.name).astype("<f8").tobytes()
            request.columns.add(name=column.name, numbers=numbers)
    if request.HasField("nomination"):
        request.values.extend(names)
    return request


def _names(asked: _Asked, batch: Batch) -> list[str]:
    """Return what each row is called: its id, or its number."""
    if asked.identifier is None:
        return [str(number) for number in range(batch.first, batch.first + len(batch))]
    return batch.texts(asked.identifier)


def _write_one(
    pending: deque[tuple[list[str], int, PendingCall[wire.ScoreResponse]]], writer: ScoreWriter
) -> None:
    names, first, call = pending.popleft()
    writer.write(names, first, call.wait())


def _say_sums(tally: Tally, *, nominate: bool, shadow: bool) -> None:
    per = 10_000 * tally.alarms / tally.rows if tally.rows else 0.0
    seconds = max(time.monotonic() - tally.started, 1e-9)
    say(
        f"Scored {tally.rows:,} rows, {tally.rows / seconds:,.0f} a second, with the model"
        f" {tally.model.hex()[:SHOWN_DIGITS]}: {tally.alarms:,} at or above"
        f" {tally.threshold:.6g} ({per:.1f} of 10,000)."
    )
    if nominate:
        say(
            f"Nominated, to be verified: added {tally.added}, unchanged {tally.unchanged},"
            f" refused {tally.refused}. Next: tocsin explain KIND VALUE"
        )
    if shadow:
        say("Counted, and nobody nominated. Next: tocsin train show DIGEST")
