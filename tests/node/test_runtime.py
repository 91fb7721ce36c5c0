"""What keeps a node running: supervised tasks, the charter's file, workers, settings, batches."""

import asyncio
import os
import signal
import time

import pytest

from federation.charter import CharterError, set_quota
from federation.charter.quota import uniform_quota
from federation.roles import Role
from keys.library import describe_library
from node.charter_book import CharterBook
from node.config import encode_config, parse_config
from node.errors import ConfigError, UnavailableError
from node.log import batch
from node.log.batch import split_bodies
from node.running.tasks import supervised
from node.workers import Workers
from tests.federation.organisations import CARRIER, FOUNDERS, START, found, sign_by
from tests.node.log_samples import MEMBERS, nominations, open_ledger, origin_of

FIRST = found()


def following(charter, number: int, *signers) -> bytes:
    quota = uniform_quota(number, number, 8)
    later = set_quota(charter, Role.PARTNER, quota, time=START + number)
    return sign_by(later, *(signers or FOUNDERS))


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "charter.note"
    file.write_bytes(sign_by(FIRST, *FOUNDERS))
    return file


def test_an_adopted_charter_is_on_disk_and_told_before_it_is_answered(path) -> None:
    book, heard = CharterBook(path), []
    book.subscribe(heard.append)
    note = following(FIRST, 10)
    adopted = book.adopt(note)

    assert adopted.version == 2
    assert [one.version for one in heard] == [2]
    assert path.read_bytes() == book.note == note
    assert [one.version for one in CharterBook(path).versions] == [2, 1]


def test_the_same_version_again_changes_nothing(path) -> None:
    book, heard = CharterBook(path), []
    book.subscribe(heard.append)
    book.adopt(sign_by(FIRST, *FOUNDERS))

    assert heard == []
    assert book.charter.version == 1


def test_a_charter_without_a_majority_is_refused_and_nothing_is_written(path) -> None:
    book, before = CharterBook(path), path.read_bytes()

    with pytest.raises(CharterError):
        book.adopt(following(FIRST, 10, CARRIER))

    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_replaced_is_followed_and_a_bad_one_refused_once(path) -> None:
    book = CharterBook(path)
    path.write_bytes(following(FIRST, 10))
    book.reload()
    path.write_bytes(b"half a char")

    assert book.charter.version == 2
    with pytest.raises(ConfigError) as caught:
        book.reload()
    assert caught.value.reason == "CHARTER_INVALID"
    book.reload()  # the same bytes were refused already
    assert book.charter.version == 2


def test_a_charter_that_skips_a_version_is_refused(path) -> None:
    book = CharterBook(path)
    second = set_quota(FIRST, Role.PARTNER, uniform_quota(1, 1, 8), time=START + 1)
    third = following(second, 12)

    with pytest.raises(CharterError):
        book.adopt(third)


def test_a_listener_that_fails_keeps_the_charter_from_nobody(path) -> None:
    book, heard = CharterBook(path), []

    def broken(_charter) -> None:
        raise RuntimeError("secret")

    book.subscribe(broken)
    book.subscribe(heard.append)
    book.adopt(following(FIRST, 10))

    assert [one.version for one in heard] == [2]


def test_a_crash_between_the_two_files_leaves_one_history(path) -> None:
    (path.parent / "charter-1.note").write_bytes(path.read_bytes())

    assert [one.version for one in CharterBook(path).versions] == [1]


def test_a_home_without_charter_says_what_to_do(tmp_path) -> None:
    with pytest.raises(ConfigError) as caught:
        CharterBook(tmp_path / "charter.note")

    assert caught.value.reason == "CHARTER_MISSING"
    assert "charter adopt" in caught.value.hint


async def test_a_task_that_fails_is_started_again_and_its_text_is_not_logged(capsys) -> None:
    runs, again = [], asyncio.Event()

    async def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("secret +8613900000000")
        again.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(supervised("keys", work))
    await again.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    logged = capsys.readouterr().err

    assert '"task.failed"' in logged
    assert "RuntimeError" in logged
    assert "secret" not in logged


async def test_a_worker_that_is_killed_is_replaced() -> None:
    pool = Workers(1)
    await pool.warm_up()
    (worker,) = pool._pool._processes
    os.kill(worker, signal.SIGKILL)

    with pytest.raises(UnavailableError) as caught:
        await pool.run(time.sleep, 5)

    assert caught.value.reason == "WORKER_LOST"
    assert await pool.run(describe_library) == describe_library()
    pool.close()


@pytest.mark.parametrize(
    "text",
    [
        "workers = -1",
        "workers = 1000",
        "poll_seconds = 0",
        "poll_seconds = true",
        "leaf_hours = 100000",
        'country = "China"',
        'listen = "no port"',
        'evaluation_check = "none"',
        "nonsense = 1",
        "workers = ",
    ],
)
def test_settings_out_of_bounds_are_refused(text) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)

    assert caught.value.reason == "CONFIG_INVALID"
    assert caught.value.hint


def test_a_misspelt_setting_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("pol_seconds = 3")

    assert "poll_seconds" in caught.value.hint


def test_settings_read_back_what_was_written() -> None:
    values = {"listen": "127.0.0.1:7443", "capture": 'a "b" \\c', "workers": 3}
    config = parse_config(encode_config(values))

    assert (config.listen, config.capture, config.workers) == tuple(values.values())


def test_bodies_are_cut_into_batches_that_every_reader_takes(monkeypatch) -> None:
    monkeypatch.setattr(batch, "MAX_BATCH_ENTRIES", 4)
    monkeypatch.setattr(batch, "MAX_BATCH_BYTES", 10)
    bodies = [b"1", b"22", b"333", b"4444", b"x" * 25, b"", b"", b"", b"", b"", b"7"]
    parts = [list(part) for part in split_bodies(bodies)]

    assert [body for part in parts for body in part] == bodies
    assert parts == [
        [b"1", b"22", b"333", b"4444"],
        [b"x" * 25],
        [b"", b"", b"", b""],
        [b"", b"7"],
    ]
    assert list(split_bodies([])) == []


def test_a_large_append_is_one_step_under_several_checkpoints(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(batch, "MAX_BATCH_ENTRIES", 40)
    name, reader_name, _ = MEMBERS
    store, ledger = open_ledger(tmp_path / "a.db", name)
    other_store, other = open_ledger(tmp_path / "b.db", reader_name)
    heard = []
    ledger.subscribe(lambda _origin, size: heard.append(size))
    appended = ledger.append(nominations(name, 0, 100))
    sizes = []
    while (run := ledger.read(origin_of(name), other.size(origin_of(name)), 1)).bodies:
        taken = other.ingest(origin_of(name), run.bodies, run.compacted, run.checkpoint)
        sizes.append(taken.count)

    assert appended.first == 0
    assert len(appended.tokens) == 100
    assert appended.checkpoint == ledger.latest_checkpoint(origin_of(name))
    assert heard == [100]
    assert sizes == [40, 40, 20]
    assert other.views_digest() == ledger.views_digest()
    assert list(ledger.verify(origin_of(name)))
    store.close()
    other_store.close()
