"""Where a test's private tables are: a file, or a schema of the tests' PostgreSQL server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.store.opening import open_private_database
from node.store.private import PrivateStore
from tests.postgresql import Server

# The schema stays for the next test; making it takes longer than most tests.
EMPTIED = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables
    WHERE schemaname = 'tocsin_private' AND tablename <> 'migration'
  LOOP EXECUTE format('DELETE FROM tocsin_private.%I', name); END LOOP;
END $$
"""


@dataclass(frozen=True)
class PrivatePlace:
    """A file's path, or an address."""

    where: Path | str

    def open(self) -> PrivateStore:
        """Open the tables, as one more process would."""
        if isinstance(self.where, Path):
            return PrivateStore(self.where)
        return open_private_database(self.where)


def place_on(server: Server, directory: Path) -> PrivatePlace:
    server.do(EMPTIED)
    return PrivatePlace(server.address(passfile=str(server.passfile(directory / "passfile"))))
