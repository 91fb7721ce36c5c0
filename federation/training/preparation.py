"""Make of one table with a member column what a federation trains on, without asking anyone.

    prepared = prepare_tables(read_table(train), read_table(test), "member", "label")
    prepared.schema, prepared.members["bank-x"], prepared.test

What cannot be a feature is left out by name with its reason; what cannot be trained on at all is
an error that says what to do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from federation.training.error import TableError
from federation.training.reading import ColumnRefused, Reading, read_column, write_category
from federation.training.schema import MAX_COLUMNS, FeatureSchema
from federation.training.table import Cells, Table

MOST_MEMBERS: Final = 20
"""Members without being asked for more: each is a node of two processes on this machine."""
FEWEST_ROWS: Final = 20
"""Rows of all members together, below which nothing can be learnt."""

_POSITIVE: Final = frozenset({"true", "yes", "y", "t", "positive", "fraud", "fraudulent"})
_NEGATIVE: Final = frozenset({"false", "no", "n", "f", "negative", "normal", "legitimate"})
_SHOWN: Final = 5  # names in one message


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about a column or about rows."""

    subject: str
    text: str


@dataclass(frozen=True)
class Prepared:
    """A table made ready.

    Attributes:
        schema: The features, and the label's name.
        members: Each member's own rows, by the member's name in the table; labels are 0 and 1.
        test: The rows nobody trains on, in the same columns.
        positive: The text of label 1 as it stood in the table.
        left_out: Columns that are no features, each with the reason.
        notes: What else a person should know.
    """

    schema: FeatureSchema
    members: Mapping[str, Table]
    test: Table
    positive: str
    left_out: tuple[Note, ...]
    notes: tuple[Note, ...]

    @property
    def rows(self) -> int:
        """Count the training rows."""
        return sum(len(part) for part in self.members.values())


def prepare_tables(
    train: Table, test: Table, member_column: str, label: str, most_members: int = MOST_MEMBERS
) -> Prepared:
    """Read columns, labels and members, and split the training rows by member.

    Args:
        train: Rows of all members.
        test: Rows nobody trains on; a member column in it is not used.
        member_column: Names each row's member; no feature.
        label: Names the column of two values: 0 and 1, or two texts.
        most_members: More members are an error.

    Raises:
        TableError: TABLE_MISMATCH, LABEL_INVALID, COLUMN_REFUSED or MEMBERS_INVALID.
    """
    _require_columns(train, (member_column, label), "the table")
    if member_column == label:
        _refuse("the member column and the label are the same column")
    notes: list[Note] = []
    train, names = _drop_nameless(train, member_column, notes)
    _require_columns(test, (label,), "the test table")
    truth, tested, positive = read_labels(train.columns[label], test.columns[label])
    _check_split(names, ~np.isnan(truth), most_members, notes)
    readings, left_out = _read_columns(train, (member_column, label))
    notes += [Note(one.column.name, one.note) for one in readings if one.note]
    schema = FeatureSchema(tuple(one.column for one in readings), label)
    _require_columns(test, [column.name for column in schema.columns], "the test table")
    features = _convert(readings, train) | {label: truth}
    parts = _split(Table(features), names, truth, notes)
    known = ~np.isnan(tested)
    _note_unlabelled(notes, "test rows", int((~known).sum()))
    checked = Table(_convert(readings, test) | {label: tested}).select(known)
    _require_both(checked.columns[label], "the test table")
    return Prepared(schema, parts, checked, positive, tuple(left_out), tuple(notes))


def read_labels(train: Cells, test: Cells) -> tuple[Cells, Cells, str]:
    """Read labels as 0, 1 and NaN for empty, and give the text of label 1.

    1, true, yes and the like are positive; of two numbers the larger; of two other texts the rarer
    in the training rows, and of equally frequent ones the later in the order of characters.

    Raises:
        TableError: LABEL_INVALID, the column has not exactly two values, or the test table others.
    """
    texts = _label_texts(train)
    counts = Counter(text for text in texts if text is not None)
    if len(counts) != 2:
        raise TableError(
            f"the label has {len(counts)} different values instead of two",
            reason="LABEL_INVALID",
            hint="give a column of 0 and 1, or of two texts; none, null and na count as empty",
        )
    positive = _positive(counts)
    tested = _label_texts(test)
    if set(tested) - {None} - counts.keys():
        raise TableError(
            "the test table's label has values that the training rows have not",
            reason="LABEL_INVALID",
        )
    return _as_numbers(texts, positive), _as_numbers(tested, positive), positive


def _positive(counts: Counter[str]) -> str:
    first, second = sorted(counts)
    try:
        return max(first, second, key=float)
    except ValueError:
        pass
    for one, other in ((first, second), (second, first)):
        known = (one.lower() in _POSITIVE, other.lower() in _NEGATIVE)
        if any(known) and one.lower() not in _NEGATIVE and other.lower() not in _POSITIVE:
            return one
    return second if counts[second] <= counts[first] else first


def _label_texts(cells: Cells) -> list[str | None]:
    if cells.dtype == object:
        return [None if cell is None else write_category(cell) for cell in cells]
    return [None if np.isnan(cell) else write_category(str(cell)) for cell in cells]


def _as_numbers(texts: Sequence[str | None], positive: str) -> Cells:
    return np.array([np.nan if text is None else float(text == positive) for text in texts])


def _read_columns(train: Table, without: Sequence[str]) -> tuple[list[Reading], list[Note]]:
    readings: list[Reading] = []
    left_out: list[Note] = []
    for name, cells in train.columns.items():
        if name in without:
            continue
        try:
            readings.append(read_column(name, cells))
        except ColumnRefused as refusal:
            left_out.append(Note(name, str(refusal)))
    if not readings:
        raise TableError(
            f"no column is a feature: {_listed(f'{one.subject}: {one.text}' for one in left_out)}",
            reason="COLUMN_REFUSED",
            hint="give at least one column of numbers, dates or few categories",
        )
    if len(readings) > MAX_COLUMNS:
        raise TableError(f"more than {MAX_COLUMNS} columns", reason="COLUMN_REFUSED")
    return readings, left_out


def _convert(readings: Sequence[Reading], table: Table) -> dict[str, Cells]:
    return {one.column.name: one.convert(table.columns[one.column.name]) for one in readings}


def _drop_nameless(
    train: Table, member_column: str, notes: list[Note]
) -> tuple[Table, npt.NDArray[np.object_]]:
    """Leave out rows of nobody; return the rest with each row's member."""
    cells = train.columns[member_column]
    if cells.dtype == object:
        texts = list(cells)
    else:
        texts = [None if np.isnan(cell) else write_category(str(cell)) for cell in cells]
    named = np.array([text is not None for text in texts], bool)
    if not named.all():
        count = int((~named).sum())
        notes.append(Note(member_column, f"{count:,} rows without a member are left out"))
    return train.select(named), np.array(texts, dtype=object)[named]


def _check_split(
    names: npt.NDArray[np.object_], labelled: npt.NDArray[np.bool_], most: int, notes: list[Note]
) -> None:
    _note_unlabelled(notes, "training rows", int((~labelled).sum()))
    if int(labelled.sum()) < FEWEST_ROWS:
        _refuse(f"fewer than {FEWEST_ROWS} rows have a label")
    found = len(set(names[labelled].tolist()))
    if found > most:
        raise TableError(
            f"the member column names {found:,} members, more than {most}",
            reason="MEMBERS_INVALID",
            hint="each is a real node here: name another column, or allow it: --members-at-most",
        )


def _split(
    table: Table, names: npt.NDArray[np.object_], truth: Cells, notes: list[Note]
) -> dict[str, Table]:
    parts: dict[str, Table] = {}
    for name in sorted(set(names.tolist())):
        rows = (names == name) & ~np.isnan(truth)
        if not rows.any():
            continue
        parts[name] = table.select(rows)
        if len(np.unique(truth[rows])) < 2:
            notes.append(Note(name, "its rows have only one label, so it learns nothing alone"))
    return parts


def _note_unlabelled(notes: list[Note], what: str, count: int) -> None:
    if count:
        notes.append(Note(what, f"{count:,} without a label are left out"))


def _require_columns(table: Table, names: Sequence[str], what: str) -> None:
    missing = [name for name in names if name not in table.columns]
    if missing:
        have = _listed(table.columns)
        raise TableError(
            f"{what} has no column {_listed(repr(name) for name in missing)}",
            hint=f"its columns are {have}",
        )


def _require_both(labels: Cells, what: str) -> None:
    if len(set(labels.tolist())) < 2:
        raise TableError(
            f"{what} has only one of the two labels, so nothing can be measured on it",
            reason="LABEL_INVALID",
        )


def _listed(names: object) -> str:
    shown = list(names)  # type: ignore[call-overload]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _refuse(message: str) -> NoReturn:
    raise TableError(message)
