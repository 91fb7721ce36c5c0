"""Rows come from a real PostgreSQL server: read-only, timed, bounded, and without its password."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.training import query as fetching
from federation.training.error import TableError
from federation.training.query import complete_address
from federation.training.table import check_table, query_table, read_table
from tests.postgresql import Server, running_server
from tests.training.plans import SCHEMA

TEXT = "calls,ratio,plan,label\n3,0.5,pre,1\n,0.25,post,0\n-4,1,gift,0\n"
READER, READER_PASSWORD = "reader", "the-reader-has-its-own"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")
    with running_server() as found:
        found.do(
            "create table rows (calls integer, ratio numeric, plan text, label boolean)",
            "insert into rows values (3, 0.5, 'pre', true), (null, 0.25, 'post', false), "
            "(-4, 1, 'gift', false)",
            "create table hidden (msisdn text)",
            "insert into hidden values ('+8613800138000')",
            f"create role {READER} login password '{READER_PASSWORD}'",
            f"grant select on rows to {READER}",
        )
        yield found


@pytest.fixture
def address(server: Server, tmp_path: Path) -> str:
    file = server.passfile(tmp_path / "passfile", READER, READER_PASSWORD)
    return server.address(READER, passfile=str(file))


def refusal_of(address: str, query: str) -> TableError:
    with pytest.raises(TableError) as refusal:
        query_table(address, query)
    return refusal.value


def test_a_server_and_a_file_give_the_same_rows(address: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(TEXT)
    wanted = check_table(read_table(tmp_path / "rows.csv"), SCHEMA)
    found = check_table(query_table(address, "select * from rows"), SCHEMA)

    assert (found.values == wanted.values).all()
    assert (found.empty == wanted.empty).all()
    assert (found.labels == wanted.labels).all()


@pytest.mark.parametrize(
    "query",
    [
        "insert into rows values (1, 1, 'x', true) returning calls",
        "with stolen as (delete from rows returning calls) select * from stolen",
        "select 1; drop table rows",
        "drop table rows",
        "select set_config('transaction_read_only', 'off', false), 1 from rows; delete from rows",
    ],
)
def test_a_query_never_writes(server: Server, tmp_path: Path, query: str) -> None:
    owner = server.address(passfile=str(server.passfile(tmp_path / "owner")))
    refusal = refusal_of(owner, query)

    assert refusal.reason in ("TABLE_UNREADABLE", "QUERY_WRITES")
    assert server.ask("select count(*) from rows") == [(3,)]


def test_a_function_that_writes_is_stopped_by_the_transaction(
    server: Server, tmp_path: Path
) -> None:
    server.do(
        "create or replace function sneak() returns integer language sql as "
        "'insert into rows values (9, 9, ''sneak'', true) returning calls'"
    )
    owner = server.address(passfile=str(server.passfile(tmp_path / "owner")))

    assert refusal_of(owner, "select sneak()").reason == "QUERY_WRITES"
    assert server.ask("select count(*) from rows") == [(3,)]


def test_a_slow_query_ends_at_its_deadline(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "QUERY_SECONDS", 1)

    assert refusal_of(address, "select pg_sleep(30)").reason == "QUERY_TIMEOUT"


def test_rows_that_trickle_end_at_the_deadline_too(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "QUERY_SECONDS", 1)
    monkeypatch.setattr(fetching, "CHUNK_ROWS", 1)
    query = "select n, pg_sleep(0.4) is null as slow from generate_series(1, 100) n"

    assert refusal_of(address, query).reason == "QUERY_TIMEOUT"


def test_rows_are_fetched_in_chunks_and_not_held_twice(address: str) -> None:
    query = "select n as a, n * 0.5 as b, 'pre' as c, 0 as d from generate_series(1, {}) n"
    query_table(address, query.format(10))  # loads the driver
    tracemalloc.start()
    table = query_table(address, query.format(200_000))
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(table) == 200_000
    assert held < 60 * len(table)
    assert peak < 4 * held  # all rows as Python objects take eight times as much


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select missing from rows", 'column "missing" does not exist'),
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("select * from hidden", "permission denied for table hidden"),
        ("selct 1", "syntax error"),
    ],
)
def test_a_mistake_in_the_query_is_named(address: str, query: str, words: str) -> None:
    refusal = refusal_of(address, query)

    assert refusal.reason == "TABLE_UNREADABLE"
    assert words in str(refusal)


def test_a_cell_never_gets_into_an_error(server: Server, tmp_path: Path) -> None:
    owner = server.address(passfile=str(server.passfile(tmp_path / "owner")))
    refusal = refusal_of(owner, "select msisdn::date from hidden")

    assert "8613800138000" not in f"{refusal!r} {refusal} {refusal.__cause__!r}"
    assert refusal.__suppress_context__
    assert str(refusal).startswith("the query failed (22")


def test_a_password_comes_from_the_passfile_alone(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", READER_PASSWORD)
    monkeypatch.setenv("HOME", str(tmp_path))
    wrong = server.passfile(tmp_path / "wrong", READER, "wrong")
    refused = [
        refusal_of(server.address(READER), "select 1"),
        refusal_of(server.address(READER, passfile=str(wrong)), "select 1"),
    ]

    assert [one.reason for one in refused] == ["DATABASE_LOGIN_REFUSED"] * 2
    assert all("the-reader" not in f"{one} {one.hint}" for one in refused)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hush-hush@127.0.0.1/rows",
        "postgresql://me@127.0.0.1/rows?password=hush-hush",
        "postgresql://[::1/rows",
    ],
)
def test_an_address_with_a_password_or_none_is_refused(address: str) -> None:
    refusal = refusal_of(address, "select 1")

    assert refusal.reason == "DATABASE_ADDRESS_INVALID"
    assert "hush" not in f"{refusal} {refusal.hint}"


def test_another_machine_must_prove_its_name_unless_the_address_says_otherwise() -> None:
    far = "postgresql://me@db.example/rows"

    assert complete_address(far) == f"{far}?sslmode=verify-full&sslrootcert=system"
    assert complete_address(f"{far}?sslmode=require") == f"{far}?sslmode=require"
    assert complete_address(f"{far}?sslrootcert=/ca.pem").endswith("&sslrootcert=%2Fca.pem")
    assert complete_address("postgresql://me@localhost/rows") == "postgresql://me@localhost/rows"
    assert complete_address("postgresql:///rows?host=/run/pg").endswith("host=/run/pg")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me@localhost:1,db.example:2/rows",
        "postgresql://me@db.example,localhost/rows",
        "postgresql://me@localhost/rows?hostaddr=192.0.2.7",
        "postgresql://me@localhost/rows?host=db.example",
        "postgresql://me@/rows?host=/run/pg,db.example",
        "postgresql://me@[2001:db8::1]:5432/rows",
        "postgresql://me@localhost/rows?host=localhost&host=db.example",
    ],
)
def test_no_other_machine_is_taken_for_this_one(address: str) -> None:
    assert "sslmode=verify-full" in complete_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me@localhost:1,127.0.0.1:2/rows",
        "postgresql://me@[::1]:5432/rows",
        "postgresql://me@localhost/rows?hostaddr=127.0.0.1",
        "postgresql://me@db.example/rows?host=/run/pg,localhost",
    ],
)
def test_this_machine_alone_needs_no_certificate(address: str) -> None:
    assert complete_address(address) == address


@pytest.mark.parametrize("name", ["password", "sslpassword", "oauth_client_secret", "pass%77ord"])
def test_no_secret_stands_in_an_address(name: str) -> None:
    with pytest.raises(TableError) as refusal:
        complete_address(f"postgresql://me@db.example/rows?{name}=hunter2")

    assert refusal.value.reason == "DATABASE_ADDRESS_INVALID"
    assert "hunter2" not in str(refusal.value)


def test_options_reach_the_driver_as_they_were_written() -> None:
    conninfo = pytest.importorskip("psycopg.conninfo", reason="psycopg is not installed")
    written = "postgresql://me@db.example/rows?passfile=/a+b/of%20me"
    given = conninfo.conninfo_to_dict(complete_address(written))

    assert given["passfile"] == conninfo.conninfo_to_dict(written)["passfile"] == "/a+b/of me"


def test_a_server_that_is_not_there_is_named_as_such() -> None:
    pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")

    assert refusal_of("postgresql://me@127.0.0.1:1/r", "select 1").reason == "DATABASE_UNREACHABLE"
