"""Hold tables of this process by name, for engines that run members beside the coordinator."""

from federation.training.error import TableError
from federation.training.table import Table

_TABLES: dict[str, Table] = {}


def remember_table(name: str, table: Table) -> None:
    """Keep a table until ``forget_tables``."""
    _TABLES[name] = table


def recall_table(name: str) -> Table:
    """Give a table that is held.

    Raises:
        TableError: TABLE_UNREADABLE.
    """
    if name not in _TABLES:
        raise TableError("no table of this name is held", reason="TABLE_UNREADABLE")
    return _TABLES[name]


def forget_tables(prefix: str) -> None:
    """Let go of all tables whose names begin so."""
    for name in [name for name in _TABLES if name.startswith(prefix)]:
        del _TABLES[name]
