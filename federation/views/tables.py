"""The tables of what a node knows, and what an entry may change in them."""

import enum
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

Row = tuple[Any, ...]


class Outcome(enum.IntEnum):
    """Say how a member's own statement ended; only OVERTURNED counts against its reliability."""

    OVERTURNED = 1
    OVER = 2
    ERASED = 3


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the views.

    Attributes:
        columns: Name and SQLite type of each, in the order of a row.
        key: Columns that identify a row.
        indexes: Further columns to find rows by.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()


class Put(NamedTuple):
    """Insert a row, or replace the one with its key."""

    table: str
    row: Row


class Drop(NamedTuple):
    """Delete the row with a key, if there is one."""

    table: str
    key: Row


Changes = list[Put | Drop]


def _columns(text: str) -> tuple[tuple[str, str], ...]:
    """Read ``name:type`` pairs, where B, T and I stand for BLOB, TEXT and INTEGER."""
    types = {"B": "BLOB", "T": "TEXT", "I": "INTEGER"}
    pairs = (word.split(":") for word in text.split())
    return tuple((name, types[letter]) for name, letter in pairs)


# ``body`` is the field number of the body in ``Statement``; ``detail`` the origin of a nomination,
# the value of an opinion, the kind of a sighting, the second of a designation's review or the
# result of a clue; a time of 0 in ``expires`` is none. Enumerations are their numbers.
EVIDENCE: Final = Table(
    "evidence",
    _columns(
        "token:B member:T statement:B kind:I body:I confidence:I detail:I fraud_type:I stage:I"
        " subject_role:I count:I issued:I seen:I expires:I epoch:I position:I"
    ),
    key=("token", "member", "statement"),
)
CUTOFF: Final = Table(
    "cutoff",
    _columns("token:B member:T statement:B kind:I effective:I expires:I"),
    key=("token", "member", "statement"),
)
PROTECTION: Final = Table(
    "protection",
    _columns("token:B member:T statement:B kind:I ground:I expires:I"),
    key=("token", "member", "statement"),
)
RETRACTION: Final = Table(
    "retraction",
    _columns("member:T statement:B reason:I issued:I"),
    key=("member", "statement"),
)
OUTCOME: Final = Table(
    "outcome",
    _columns("member:T statement:B outcome:I"),
    key=("member", "statement"),
)
# What a retraction took back is gone; that the member cleared the token stays, for who learns from
# outcomes. A retraction for erasure leaves nothing that has the token.
LIFT: Final = Table(
    "lift",
    _columns("token:B member:T statement:B reason:I issued:I"),
    key=("token", "member", "statement"),
)
# The place in the log is part of the key: the first statement of a member and body counts, and
# none replaces it.
CEREMONY: Final = Table(
    "ceremony",
    _columns("ceremony:B member:T body:I statement:B bytes:B position:I"),
    key=("ceremony", "member", "position"),
)
# All that holders must say alike is the key, so that a changed grant is another row.
GRANT: Final = Table(
    "grant",
    _columns("grant_id:B holder:T member:T kind_class:I amount:I issued:I"),
    key=("grant_id", "holder", "member", "kind_class", "amount"),
    indexes=(("member", "kind_class"),),
)
ALARM: Final = Table(
    "alarm",
    _columns("member:T statement:B issued:I bytes:B"),
    key=("member", "statement"),
    indexes=(("issued",),),
)
# A matter's state rests on what several members say, so it is not kept: only the statements are,
# each under its speaker, and federation/matters folds them when they are read. The opener is part
# of the key, so that a copied plan or id is another matter.
MATTER: Final = Table(
    "matter",
    _columns("kind:T matter:B opener:T member:T body:I statement:B bytes:B position:I"),
    key=("kind", "matter", "opener", "member", "position"),
    indexes=(("kind", "matter", "opener"),),  # to count without reading the statements
)
# Where each statement of a sum stands: shares are too long to be kept twice.
SUM: Final = Table(
    "sum",
    _columns("sum_id:B member:T body:I statement:B issued:I position:I"),
    key=("sum_id", "member", "position"),
)
# What customers together mark a number as, and up to when such marks do not count.
MARK: Final = Table(
    "mark",
    _columns("token:B member:T statement:B kind:I label:I band:I counted:I expires:I sum_id:B"),
    key=("token", "member", "statement"),
)
CORRECTION: Final = Table(
    "correction",
    _columns("token:B member:T statement:B kind:I effective:I expires:I"),
    key=("token", "member", "statement"),
)
FARM: Final = Table(
    "farm",
    _columns("token:B member:T statement:B window:I total:I issued:I epoch:I expires:I"),
    key=("token", "member", "statement"),
    indexes=(("issued",),),
)
# Whole: a brief is read seldom, and nothing is found by what is in it.
BRIEF: Final = Table(
    "brief",
    _columns("member:T statement:B issued:I bytes:B"),
    key=("member", "statement"),
    indexes=(("issued",),),
)
TABLES: Final = (
    EVIDENCE,
    CUTOFF,
    PROTECTION,
    RETRACTION,
    OUTCOME,
    LIFT,
    CEREMONY,
    GRANT,
    ALARM,
    MATTER,
    SUM,
    MARK,
    CORRECTION,
    FARM,
    BRIEF,
)
