"""``tocsin train evaluate``: measure a model on own labelled rows."""

from __future__ import annotations

from dataclasses import asdict

import click

from node.cli.option import json_option, pass_home
from node.cli.output import json_object, say, table
from node.cli.train.digest import files_argument
from node.cli.train.model_files import find_directory, read_model_card
from node.errors import RequestError
from node.home import Home
from node.training.bundle import ModelFile


@click.command(
    epilog="""\b
The rows have the columns of the model's schema and its label; they and the scores stay on this
machine. Take rows that came after the training: those that the model has seen score too well.

\b
EXAMPLES
  tocsin train evaluate 9f2c4b1a --table october.csv
  tocsin train evaluate 9f2c4b1a --table sqlite:rows.db --query "select * from matured" --json
"""
)
@files_argument
@click.option("--table", "rows", required=True, metavar="FILE", help="CSV, Parquet or a database.")
@click.option("--query", default="", metavar="SQL", help="What to ask a database.")
@json_option
@pass_home
def evaluate(home: Home, digest: bytes, rows: str, query: str, as_json: bool) -> None:
    """Measure a model on own rows whose labels are known, beside what its card promises."""
    from federation.training.fresh_rows import measure_on
    from federation.training.released import ReleasedModel
    from federation.training.table import check_table, open_table

    directory = find_directory(home, digest)
    card = read_model_card(directory)
    file = directory / ModelFile.MODEL.file_name
    if not file.exists():
        raise RequestError("the model itself has not arrived yet", reason="MODEL_UNKNOWN")
    model = ReleasedModel.load(file)
    found = check_table(open_table(rows, query), model.schema)
    here, promised = asdict(measure_on(model, found)), asdict(card.evaluation.federated)
    if as_json:
        counts = {"rows": len(found.labels), "positives": int(found.labels.sum())}
        json_object(counts | {"measured": here, "card": promised})
        return
    names = [name for name, value in here.items() if value is not None]
    lines = [
        (name.replace("_", " "), f"{here[name]:.4f}", f"{promised[name]:.4f}") for name in names
    ]
    table(("measured", "these rows", "card"), lines)
    say(f"{len(found.labels):,} rows, of them {int(found.labels.sum()):,} positive.")
