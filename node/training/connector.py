"""Say where the rows of a data source lie, as its training process is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.indicators import IndicatorError, kind_by_name
from federation.labels import DAY_SECONDS, OutcomeRule
from federation.statements import TrainingPlan
from federation.training.query import POSTGRESQL, SQLITE, complete_address, options_of, with_options
from federation.training.schema import FeatureSchema
from federation.vocabulary import TrainingLabel
from node.errors import ConfigError
from node.training.policy import DataSource

DATA_KEYS: Final = frozenset({"table", "database", "query", "subject", "subject_kind"})
PASSFILE: Final = "passfile"
MAX_LABEL_DAYS: Final = 7
"""Days after which labels must be made again, so that who was lifted leaves the training rows."""

_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows are.

    Attributes:
        address: A file, ``sqlite:PATH`` or ``postgresql://…``; never with a password.
        query: Empty for a file.
    """

    address: str
    query: str = ""

    @property
    def needs_network(self) -> bool:
        """Whether a server has to be reached."""
        return self.address.startswith(POSTGRESQL)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the rows of a source are about.

    Attributes:
        column: Whose cells are the member's own identifiers; it never leaves the node.
        kind: Of indicator, as on the command line.
    """

    column: str
    kind: str


def subject_of(source: DataSource) -> Subject | None:
    """Return whom a source is about, or None where the table has labels of its own.

    Raises:
        ConfigError: TRAINING_DATA_INCOMPLETE.
    """
    column, kind = source.settings.get("subject"), source.settings.get("subject_kind")
    if column is None and kind is None:
        return None
    if not isinstance(column, str) or not isinstance(kind, str):
        raise _incomplete("subject names a column, and subject_kind what stands in it")
    try:
        return Subject(column, kind_by_name(kind).name.lower())
    except IndicatorError as error:
        raise _incomplete("subject_kind is no kind of indicator") from error


def locate_labelled(source: DataSource, home: Path, rule: OutcomeRule) -> Path:
    """Return where the rows of a source are, or will be, once they have labels by a rule."""
    days = f"{rule.maturity_days}d"
    name = f"{source.name}-{rule.definition.name.lower()}-{days}.csv"
    return home / "data" / "labelled" / name


def locate_for(source: DataSource, home: Path, plan: TrainingPlan, now: float) -> Place:
    """Return where the rows for a plan are: of a source about subjects, its labelled rows.

    Raises:
        ConfigError: As ``locate``, or LABELS_MISSING: there are none by the plan's rule, or older
            ones than MAX_LABEL_DAYS.
    """
    if subject_of(source) is None or plan.label is TrainingLabel.COLUMN:
        return locate(source, home)
    path = locate_labelled(source, home, OutcomeRule(plan.label, plan.label_maturity_days))
    try:
        age = now - path.stat().st_mtime
    except OSError:
        age = math.inf
    if age > MAX_LABEL_DAYS * DAY_SECONDS:
        raise ConfigError(
            f"the rows of {source.name} have no labels by the plan's rule, or old ones",
            reason="LABELS_MISSING",
            hint=f"tocsin train label {source.name} --plan {plan.digest().hex()[:16]}",
        )
    return Place(str(path))


def locate(source: DataSource, home: Path) -> Place:
    """Return where a source's rows are; relative paths start at ``home``.

    Raises:
        ConfigError: TRAINING_DATA_INCOMPLETE or PASSWORD_FILE_MODE.
        TableError: DATABASE_ADDRESS_INVALID.
    """
    settings = source.settings
    unknown = settings.keys() - DATA_KEYS
    if unknown:
        raise _incomplete(f"unknown key {sorted(unknown)[0]}")
    table, database = settings.get("table"), settings.get("database")
    query = settings.get("query", "")
    if isinstance(table, str) and database is None and not query:
        return Place(str(home / table))
    if table is None and isinstance(database, str) and isinstance(query, str) and query:
        return Place(_database(database, home), query)
    raise _incomplete("either table = FILE, or database and query")


def _database(address: str, home: Path) -> str:
    if address.startswith(SQLITE):
        return f"{SQLITE}{home / address.removeprefix(SQLITE)}"
    if not address.startswith(POSTGRESQL):
        raise _incomplete("database starts with sqlite: or postgresql://")
    complete = complete_address(address)
    options = options_of(complete)
    return with_options(complete, options | _passfile(options, home))


def _passfile(options: Mapping[str, str], home: Path) -> dict[str, str]:
    """Name the passfile by its full path: a training process has another home directory."""
    named = options.get(PASSFILE)
    path = home / named if named else Path.home() / ".pgpass"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if not named:
            return {}
        raise _incomplete("the passfile of the database address is not there") from error
    if mode & _OTHERS:
        raise ConfigError(
            "the passfile of the database can be read by others",
            reason="PASSWORD_FILE_MODE",
            hint=f"chmod 600 {path}",
        )
    return {PASSFILE: str(path)}


def require_schema(source: DataSource) -> FeatureSchema:
    """Return the schema that a source's rows fit.

    Raises:
        ConfigError: TRAINING_DATA_INCOMPLETE; only its digest is known.
    """
    if not source.schema_text:
        raise _incomplete("schema must name a file, so that rows can be read")
    return FeatureSchema.parse(source.schema_text)


def _incomplete(message: str) -> ConfigError:
    return ConfigError(
        f"training.toml: [[data]]: {message}",
        reason="TRAINING_DATA_INCOMPLETE",
        hint="tocsin train policy --help",
    )
