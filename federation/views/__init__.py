"""Fold statements into tables: what a node knows is nothing but its logs, read again.

``fold`` is pure and writes only rows keyed with the member that speaks, so that

- logs of different members may be folded in any order and give the same tables;
- no member can touch what another has said;
- deleting every table and folding the logs again gives the same rows.

A caller writes, in the transaction that stores the entry::

    for change in fold(member, position, body_bytes, decode_statement(body_bytes)):
        ...  # Put: insert or replace the row; Drop: delete the row with that key, if any

Within one log the order is that of the log. Source: DESIGN §7.
"""

from federation.views.folding import fold
from federation.views.tables import (
    ALARM,
    BRIEF,
    CEREMONY,
    CORRECTION,
    CUTOFF,
    EVIDENCE,
    FARM,
    GRANT,
    LIFT,
    MARK,
    MATTER,
    OUTCOME,
    PROTECTION,
    RETRACTION,
    SUM,
    TABLES,
    Drop,
    Outcome,
    Put,
    Row,
    Table,
)

__all__ = (
    "ALARM",
    "BRIEF",
    "CEREMONY",
    "CORRECTION",
    "CUTOFF",
    "EVIDENCE",
    "FARM",
    "GRANT",
    "LIFT",
    "MARK",
    "MATTER",
    "OUTCOME",
    "PROTECTION",
    "RETRACTION",
    "SUM",
    "TABLES",
    "Drop",
    "Outcome",
    "Put",
    "Row",
    "Table",
    "fold",
)
