"""Say why a store could not be used, in one error with a reason and a hint.

Reasons:
    STORE_LOCKED: Another process holds the file for longer than this one waits.
    STORE_FULL: There is no room for the change.
    STORE_CORRUPT: The file is damaged, half-written or not a database.
    STORE_FOREIGN: The file is a database, but not this one, or another member's.
    STORE_TOO_NEW: A newer version of the program has changed the file.
    PRIVATE_LEFT_BEHIND, PRIVATE_MOVED: The settings do not name where the private tables are.
    STORE_VALUE_REFUSED: The database cannot hold a value, such as a NUL character in a text.
    STORE_UNUSABLE: The file cannot be opened, read or written.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from node.errors import NodeError


class StoreError(NodeError):
    """The store could not do what was asked; nothing was changed."""

    reason = "STORE_UNUSABLE"
    public = "The node's storage is not usable now."


LOCKED: Final = (
    "STORE_LOCKED",
    "another process holds the database",
    "end the other process that uses this file, then try again",
)
FULL: Final = (
    "STORE_FULL",
    "there is no room left for the change",
    "free some disk space and try again",
)
_CORRUPT = (
    "STORE_CORRUPT",
    "the database file is damaged",
    "restore it from a backup, or remove it: replicas come back from the peers",
)
_UNUSABLE = (
    "STORE_UNUSABLE",
    "the database file cannot be opened or written",
    "look at the file's owner, mode and disk",
)
# Primary result codes; an extended code has its primary in the low byte.
_BY_CODE = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
    # A row stands where the log says there is none.
    sqlite3.SQLITE_CONSTRAINT: _CORRUPT,
    # A table or column that the applied migrations made is gone.
    sqlite3.SQLITE_ERROR: _CORRUPT,
}


def translate(error: sqlite3.Error) -> StoreError:
    """Turn an error of the database library into the one documented error."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    reason, message, hint = _BY_CODE.get(code & 0xFF, _UNUSABLE)
    return StoreError(message, reason=reason, hint=hint)


@contextmanager
def translated() -> Iterator[None]:
    """Raise ``StoreError`` for every error of the database library inside the block."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error) from error
