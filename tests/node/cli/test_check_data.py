"""A member checks its own tables before any round: each column, with what does not fit."""

from __future__ import annotations

import json

import pytest

from federation.training.schema import CATEGORICAL, Column, FeatureSchema
from tests.postgresql import running_server

SCHEMA = FeatureSchema(
    (
        Column("calls", unit="a day", low=0.0, high=100.0),
        Column("plan", CATEGORICAL, categories=("pre", "post")),
    )
)
FILE_SOURCE = '[[data]]\nname = "good"\nschema = "s"\ntable = "good.csv"\n'


@pytest.fixture
def member(tocsin, tmp_path):
    home = tmp_path / "home"
    secret = tmp_path / "secret"
    secret.write_text("a passphrase of some length\n")
    secret.chmod(0o600)
    made = tocsin(
        *("--home", str(home), "init", "--federation", "f", "--member", "carrier-a"),
        *("--role", "carrier", "--address", "a.example:7443", "--passphrase-file", str(secret)),
    )
    assert made.code == 0, made.err
    (home / "s").write_bytes(SCHEMA.encode())
    (home / "good.csv").write_text("calls,plan,label\n3,pre,1\n,post,0\n500,gift,0\n-1,pre,0\n")
    (home / "bad.csv").write_text("calls,label\n3,1\nx13800138000,7\n")
    return home


def check(tocsin, home, text, *words):
    (home / "training.toml").write_text(text)
    return tocsin("--home", str(home), "train", "check-data", *words)


def test_a_table_that_fits_is_described_column_by_column(tocsin, member):
    done = check(tocsin, member, FILE_SOURCE, "good", "--json")

    assert done.code == 0
    found = json.loads(done.out)
    assert (found["rows"], found["positives"], found["problems"]) == (4, 1, [])
    assert found["columns"] == [
        {"name": "calls", "kind": "numeric", "unit": "a day", "empty": 0.25, "outside": 0.5},
        {"name": "plan", "kind": "categorical", "unit": "", "empty": 0.0, "outside": 0.25},
    ]
    assert "good  fits: 4 rows, 1 positive" in check(tocsin, member, FILE_SOURCE).out


def test_every_misfit_is_told_at_once_and_no_cell_is_repeated(tocsin, member):
    bad = FILE_SOURCE + '[[data]]\nname = "bad"\nschema = "s"\ntable = "bad.csv"\n'
    done = check(tocsin, member, bad)

    assert done.code == 1
    assert "bad  does not fit: 2 rows" in done.out
    for problem in (
        "column 'calls', row 2: not a number",
        "column 'plan' is missing",
        "column 'label', row 2: a label is neither 0 nor 1",
        "[TABLE_MISMATCH]",
    ):
        assert problem in done.err
    assert "13800138000" not in done.out + done.err


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("", (), "DATA_UNKNOWN"),
        (FILE_SOURCE, ("other",), "DATA_UNKNOWN"),
        (FILE_SOURCE.replace("good.csv", "none.csv"), (), "TABLE_UNREADABLE"),
        (FILE_SOURCE.replace("table", "tabel"), (), "TRAINING_DATA_INCOMPLETE"),
        (FILE_SOURCE.replace('"s"', f'"{"0" * 64}"'), (), "TRAINING_DATA_INCOMPLETE"),
    ],
)
def test_what_cannot_be_checked_is_refused(tocsin, member, text, words, reason):
    done = check(tocsin, member, text, *words)

    assert done.code == 1
    assert f"[{reason}]" in done.err


def test_rows_of_a_server_are_checked_with_the_password_of_a_private_file_alone(tocsin, member):
    pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")
    with running_server() as server:
        server.do("create table r as select 3 as calls, 'pre' as plan, true as label")
        server.passfile(member / "passfile")
        text = (
            f'[[data]]\nname = "served"\nschema = "s"\nquery = "select * from r"\n'
            f'database = "{server.address(passfile="passfile")}"\n'
        )
        good = check(tocsin, member, text)
        (member / "passfile").chmod(0o644)
        refused = check(tocsin, member, text)
        (member / "passfile").unlink()
        missing = check(tocsin, member, text)
        told = check(tocsin, member, text.replace("owner@", f"owner:{server.password}@"))

    assert "served  fits: 1 rows, 1 positive" in good.out, good.err
    assert (good.code, refused.code, missing.code, told.code) == (0, 1, 1, 1)
    assert "[PASSWORD_FILE_MODE] chmod 600" in refused.err
    assert "[TRAINING_DATA_INCOMPLETE]" in missing.err
    assert "[DATABASE_ADDRESS_INVALID]" in told.err
    assert server.password not in told.err + told.out
