"""Where rows lie: said once, by full paths, and a server's password only by its private file."""

from __future__ import annotations

import time

import pytest

from federation.names import MemberId
from federation.training.error import TableError
from federation.vocabulary import TrainingLabel
from node.clock import system_clock
from node.errors import ConfigError
from node.store.private import PrivateStore
from node.training.connector import Place, locate, locate_for, subject_of
from node.training.policy import DataSource
from node.training.worker import TrainingWorkers
from tests.federation.said import plan
from tests.postgresql import running_server
from tests.training.planted import planted_rows

SERVED = {"database": "postgresql://me@127.0.0.1/rows", "query": "select 1"}


def source(**settings):
    return DataSource("rows", bytes(range(32)), 1_000, settings)


def test_paths_start_at_the_member_s_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))

    assert locate(source(table="a.csv"), tmp_path) == Place(str(tmp_path / "a.csv"))
    assert locate(source(database="sqlite:a.db", query="q"), tmp_path) == Place(
        f"sqlite:{tmp_path / 'a.db'}", "q"
    )
    assert locate(source(**SERVED), tmp_path) == Place(SERVED["database"], "select 1")
    assert [locate(source(**one), tmp_path).needs_network for one in ({"table": "a"}, SERVED)] == [
        False,
        True,
    ]


def test_the_member_s_own_passfile_is_named_for_a_process_with_another_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    passfile = tmp_path / ".pgpass"
    passfile.write_text("*:*:*:*:hush\n")
    passfile.chmod(0o640)
    with pytest.raises(ConfigError) as refusal:
        locate(source(**SERVED), tmp_path / "home")
    passfile.chmod(0o600)
    place = locate(source(**SERVED), tmp_path / "home")

    assert refusal.value.reason == "PASSWORD_FILE_MODE"
    assert "hush" not in f"{refusal.value} {refusal.value.hint} {place}"
    assert place.address.endswith(f"?passfile={str(passfile).replace('/', '%2F')}")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tabel": "rows.csv"},
        {"table": "rows.csv", "query": "select 1"},
        {"table": "rows.csv", "database": "sqlite:a.db"},
        {"database": "sqlite:a.db"},
        {"database": "mysql://me@127.0.0.1/rows", "query": "select 1"},
        {"database": "postgresql://me@127.0.0.1/rows?passfile=none", "query": "select 1"},
    ],
)
def test_rows_that_are_not_described_are_refused(settings, tmp_path):
    with pytest.raises(ConfigError) as refusal:
        locate(source(**settings), tmp_path)

    assert refusal.value.reason == "TRAINING_DATA_INCOMPLETE"


def test_a_password_in_the_address_is_refused(tmp_path):
    told = {"database": "postgresql://me:hush@127.0.0.1/rows", "query": "select 1"}
    with pytest.raises(TableError) as refusal:
        locate(source(**told), tmp_path)

    assert refusal.value.reason == "DATABASE_ADDRESS_INVALID"
    assert "hush" not in f"{refusal.value} {refusal.value.hint}"


def about(name="subscribers", **others):
    settings = {"table": "rows.csv", "subject": "number", "subject_kind": "phone"}
    return DataSource(name, bytes(range(32)), 1_000, settings | others)


def test_rows_about_subjects_are_trained_on_with_fresh_labels_by_the_plan_s_rule_alone(tmp_path):
    rule = plan(label=TrainingLabel.CONFIRMED, label_maturity_days=30)
    path = tmp_path / "data" / "labelled" / "subscribers-confirmed-30d.csv"
    path.parent.mkdir(parents=True)
    other = path.with_name("subscribers-designated-30d.csv")
    for wrong in (None, other):
        if wrong is not None:
            wrong.write_text("calls,label\n")
        with pytest.raises(ConfigError) as refusal:
            locate_for(about(), tmp_path, rule, time.time())

        assert refusal.value.reason == "LABELS_MISSING"
        assert f"tocsin train label subscribers --plan {rule.digest().hex()[:16]}" in str(
            refusal.value.hint
        )
    path.write_text("calls,label\n")

    assert locate_for(about(), tmp_path, rule, time.time()) == Place(str(path))

    with pytest.raises(ConfigError) as refusal:
        locate_for(about(), tmp_path, rule, time.time() + 8 * 86_400)

    assert refusal.value.reason == "LABELS_MISSING"

    # A table that has labels of its own, or a plan that asks for a column, needs none.
    column = plan(label=TrainingLabel.COLUMN, label_maturity_days=0)

    assert locate_for(about(), tmp_path, column, 0.0) == Place(str(tmp_path / "rows.csv"))
    assert locate_for(source(table="rows.csv"), tmp_path, rule, 0.0).address.endswith("rows.csv")


@pytest.mark.parametrize(
    "others", [{"subject": 7}, {"subject_kind": None}, {"subject_kind": "telefax"}]
)
def test_whom_rows_are_about_is_said_wholly(others):
    with pytest.raises(ConfigError) as refusal:
        subject_of(about(**others))

    assert refusal.value.reason == "TRAINING_DATA_INCOMPLETE"


async def test_a_training_process_reads_its_rows_from_a_server(tmp_path):
    pytest.importorskip("flwr", reason="the extra 'train' is not installed")
    pytest.importorskip("torch", reason="the extra 'train' is not installed")
    pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")
    from federation.training.adapter import parse_message
    from federation.training.records import SUMMAND, read_array
    from tests.node.training.test_worker import ask, environment_of, permit, question

    table = planted_rows(200, 3)
    private = PrivateStore(tmp_path / "private.db")
    workers = TrainingWorkers(
        MemberId("carrier-a"), tmp_path, tmp_path / "worker", private, system_clock
    )
    try:
        with running_server() as server:
            served = {"database": serve(server, table, tmp_path), "query": "select * from rows"}
            permission = permit(served)
            answer = parse_message(await ask(workers, permission, question(permission)))
            (worker,) = workers._workers.values()
            seen = environment_of(worker.process.process_id)
            await workers.close()

        assert read_array(answer.content, SUMMAND).sum() > 200
        assert server.password.encode() not in seen
        assert server.password not in (tmp_path / "worker" / "process.log").read_text()
    finally:
        await workers.close()
        private.close()


def serve(server, table, home):
    names = list(table.columns)
    columns = ", ".join(
        f"{name} {'text' if table.columns[name].dtype == object else 'double precision'}"
        for name in names
    )
    with server.connect() as connection:
        connection.execute(f"create table rows ({columns})")
        with connection.cursor().copy("copy rows from stdin") as copy:
            for row in zip(*table.columns.values(), strict=True):
                copy.write_row([None if cell != cell else cell for cell in row])
    server.passfile(home / "passfile")
    return server.address(passfile="passfile")
