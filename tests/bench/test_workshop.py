"""What one bench of a run has made, the next one finds; a run leaves nothing behind."""

import os
from pathlib import Path

import pytest

from tests.bench.held_tokens import HeldTokens
from tests.bench.workshop import VARIABLE, kept_file, workshop


def test_a_file_of_a_run_is_made_once_and_is_gone_at_its_end():
    made = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"rows")

    with workshop() as directory:
        first, second = kept_file("rows.db", make), kept_file("rows.db", make)

        assert first == second == directory / "rows.db"
        assert first.read_bytes() == b"rows"
        assert len(made) == 1
    assert not directory.exists()
    assert VARIABLE not in os.environ


def test_a_file_that_was_not_finished_is_made_again():
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError

    with workshop():
        with pytest.raises(OSError, match=r"^$"):
            kept_file("rows.db", fail)
        path = kept_file("rows.db", lambda path: path.write_bytes(b"whole") and None)

        assert path.read_bytes() == b"whole"


def test_a_store_holds_a_nomination_of_each_token_by_each_member(tmp_path):
    tokens = HeldTokens(300, members=("bank-x", "net-p"))

    with workshop():
        store = tokens.fill(tmp_path / "public.db")
    with store.file.read() as connection:
        rows = connection.execute("SELECT token, member FROM view_evidence").fetchall()
    store.close()

    assert rows == [(token, member) for token in tokens for member in ("bank-x", "net-p")]
