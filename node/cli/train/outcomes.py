"""``tocsin train label``: label own rows by what became of their subjects."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import click

from federation.labels import OutcomeRule, SubjectLabel
from federation.vocabulary import TrainingLabel
from node.cli.connection import InsideDoor
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say
from node.cli.train.digest import PLAN_DIGEST
from node.cli.word import Word
from node.errors import ConfigError, RequestError
from node.home import Home
from node.training.connector import Subject, subject_of
from node.training.policy import DataSource, load_policy
from tocsin.desk.v1 import learning_service_pb2, train_service_pb2

BATCH: Final = 2_048
"""Subjects of one call: one batch at the key holders."""

Labels = dict[str, SubjectLabel | None]

_OF_WIRE: Final[dict[int, SubjectLabel | None]] = {
    learning_service_pb2.SUBJECT_LABEL_UNKNOWN: SubjectLabel.UNKNOWN,
    learning_service_pb2.SUBJECT_LABEL_POSITIVE: SubjectLabel.POSITIVE,
    learning_service_pb2.SUBJECT_LABEL_CLEARED: SubjectLabel.CLEARED,
    learning_service_pb2.SUBJECT_LABEL_LEFT_OUT: SubjectLabel.LEFT_OUT,
}


@click.command(
    epilog="""\b
For [[data]] of training.toml with subject = COLUMN and subject_kind = KIND. Positive is what the
police nominated (designated), or that and what two members support (confirmed); negative what was
cleared and what nobody speaks about. What is in doubt or too young is left out. The rows are
written for training without the subjects; make them again at least weekly.

\b
EXAMPLES
  tocsin train label subscribers --plan 9f2c4b1a
  tocsin train label subscribers --definition designated --maturity-days 30
"""
)
@click.argument("name")
@click.option("--plan", "digest", type=PLAN_DIGEST, help="Take the rule of this plan.")
@click.option(
    "--definition",
    type=Word(TrainingLabel, "definition"),
    default="confirmed",
    show_default=True,
    help="Which outcomes make a positive: confirmed or designated.",
)
@click.option(
    "--maturity-days",
    type=click.IntRange(0, 36_500),
    default=30,
    show_default=True,
    help="How old an outcome must be.",
)
@json_option
@pass_home
def label(
    home: Home,
    name: str,
    digest: bytes | None,
    definition: TrainingLabel,
    maturity_days: int,
    as_json: bool,
) -> None:
    """Label own rows by the outcomes in the logs."""
    source, subject = _find(home.require().training, name)
    with InsideDoor(home) as door:
        rule = OutcomeRule(definition, maturity_days)
        if digest is not None:
            rule = _rule_of(door, digest)
        _label(home, door, source, subject, rule, as_json=as_json)


def _find(path: Path, name: str) -> tuple[DataSource, Subject]:
    source = next((one for one in load_policy(path).sources if one.name == name), None)
    if source is None:
        raise RequestError("training.toml describes no such data", reason="DATA_UNKNOWN")
    subject = subject_of(source)
    if subject is None:
        raise ConfigError(
            f"training.toml does not say whom the rows of {name} are about",
            reason="TRAINING_DATA_INCOMPLETE",
            hint='write subject = "COLUMN" and subject_kind = "phone" under its [[data]]',
        )
    return source, subject


def _rule_of(door: InsideDoor, digest: bytes) -> OutcomeRule:
    request = train_service_pb2.GetPlanRequest(plan_digest=digest)
    plan = door.call(door.train.GetPlan, request).plan
    return OutcomeRule(TrainingLabel(plan.label), plan.label_maturity_days)


def _label(
    home: Home,
    door: InsideDoor,
    source: DataSource,
    subject: Subject,
    rule: OutcomeRule,
    *,
    as_json: bool,
) -> None:
    from federation.training.table import open_table  # loads numpy
    from node.training.connector import locate, locate_labelled, require_schema
    from node.training.labelled import write_labelled

    place, schema = locate(source, home.root), require_schema(source)
    table = open_table(place.address, place.query, {subject.column})
    if subject.column not in table.columns:
        message = f"the rows of {source.name} have no column '{subject.column}'"
        raise RequestError(message, reason="TABLE_MISMATCH")
    cells = table.columns[subject.column]
    labels = _ask(door, sorted({cell for cell in cells if cell is not None}), subject, rule)
    path = locate_labelled(source, home.root, rule)
    written = write_labelled(path, table, schema, cells, labels)
    counts = Counter(_named(labels, cell) for cell in cells)
    _write(source.name, rule, counts, written, as_json=as_json)


def _ask(door: InsideDoor, values: list[str], subject: Subject, rule: OutcomeRule) -> Labels:
    found: Labels = {}
    for start in range(0, len(values), BATCH):
        batch = values[start : start + BATCH]
        request = learning_service_pb2.LabelSubjectsRequest(
            kind=subject.kind,
            values=batch,
            definition=rule.definition.value,  # type: ignore[arg-type]  # the mirrored number
            maturity_days=rule.maturity_days,
        )
        labels = door.call(door.learning.LabelSubjects, request).labels
        found.update(zip(batch, map(_OF_WIRE.get, labels), strict=True))
    return found


def _named(labels: Labels, cell: str | None) -> str:
    one = labels.get(cell) if cell is not None else None
    return "unreadable" if one is None else one.name.lower()


def _write(
    name: str, rule: OutcomeRule, counts: Counter[str], written: int, *, as_json: bool
) -> None:
    names = [*(one.name.lower() for one in SubjectLabel), "unreadable"]
    shown = {one: counts[one] for one in names}
    if as_json:
        given = {"definition": rule.definition.name.lower(), "maturity_days": rule.maturity_days}
        json_object({"name": name, **given, "rows": written, **shown})
        return
    for one in names:
        data(f"{one:12}{shown[one]}")
    say(f"{written} rows of {name} can be trained on. Unknown and cleared ones are negatives.")
