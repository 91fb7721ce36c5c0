"""A job of bulk work: the same tokens and matches whoever works, however often it is ended."""

from __future__ import annotations

import csv
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing import active_children

import pytest

from federation.indicators import parse_indicator
from keys.blinding import blind_batch, finish_batch
from keys.derivation import token_input
from keys.evaluation import CheckMode, evaluate_batch
from node.bulk.engine import LocalEngine, open_engine
from node.bulk.job import Files, refused_lines, run_job
from node.bulk.token_file import open_tokens, write_tokens
from node.bulk.tokenising import tokenise_part
from node.cli.table_file import Layout
from node.errors import ConfigError, PolicyError, RequestError, UnavailableError
from tests.node.bulk.shares import FEDERATION, NAMES, Here, make_source

ROWS, PART = 230, 64
SLOW_SECONDS = 300
KNOWN = range(0, ROWS, 7)


@pytest.fixture(scope="module")
def source():
    return make_source()


def token_of(source, value: str) -> bytes:
    """Make one token with the primitives alone."""
    found = parse_indicator("phone", value)
    inputs = [token_input(FEDERATION, found.kind.value, found.value.encode())]
    batch = blind_batch(inputs, CheckMode.SUM)
    shares = source.connect.shares
    answers = {
        index: evaluate_batch(
            shares[NAMES[index - 1]], index, (1, 3), batch.blinded, batch.check_point, batch.mode
        )
        for index in (1, 3)
    }
    (public,) = set(source.key_set.keys.values())
    return finish_batch(batch, public, (1, 3), answers)[0].token


def number(place: int) -> str:
    return f"+86139{place:08}"


@pytest.fixture(scope="module")
def catalogue_file(source, tmp_path_factory):
    tokens = sorted({token_of(source, number(place)) for place in KNOWN} | {os.urandom(16)})
    path = tmp_path_factory.mktemp("tokens") / "tokens.bin"

    assert write_tokens(path, FEDERATION, 1, tokens) == len(tokens)

    return path


@pytest.fixture
def files(tmp_path, catalogue_file):
    values = tmp_path / "values.csv"
    rows = [f"phone,{number(place)}" for place in range(ROWS)]
    rows[10], rows[150] = "phone,not a number", "phone,1,2"
    values.write_text("\n".join(["kind,value", *rows]) + "\n", encoding="utf-8")
    catalogue = open_tokens(catalogue_file, FEDERATION, 1)
    return Files(values, Layout(defaults={"region": ""}), catalogue, tmp_path / "job", PART)


def matches(files) -> dict[str, int]:
    with (files.directory / "matches.csv").open(newline="", encoding="ascii") as file:
        return {row["token"]: int(row["line"]) for row in csv.DictReader(file)}


def expected(source) -> dict[str, int]:
    return {token_of(source, number(place)).hex(): place + 2 for place in KNOWN}


def quiet(_rows, _position) -> None:
    """Watch no progress."""


def test_a_job_finds_the_lines_whose_tokens_are_known_and_names_those_refused(files, source):
    told = []
    summary = run_job(files, source, Here(), lambda rows, at: told.append((rows, at)))

    assert matches(files) == expected(source)
    assert list(matches(files)) == sorted(matches(files))
    assert (summary.rows, summary.refused, summary.matched) == (ROWS, 2, len(KNOWN))
    assert summary.parts == -(-ROWS // PART)
    assert [line for line, _ in refused_lines(files.directory)] == [12, 152]
    assert sum(rows for rows, _ in told) == ROWS


def test_a_job_that_is_done_does_nothing_and_says_the_same(files, source):
    first = run_job(files, source, Here(), quiet)
    before = (files.directory / "matches.csv").read_bytes()
    gone = replace(source, connect=replace(source.connect, error=UnavailableError("gone")))
    again = run_job(files, replace(gone, identity=b"two"), Here(), quiet)

    assert again.fresh_rows == 0
    assert (again.rows, again.matched) == (first.rows, first.matched)
    assert (files.directory / "matches.csv").read_bytes() == before


def test_a_job_whose_holders_refuse_keeps_what_is_done_and_goes_on_later(files, source):
    refusal = PolicyError("no more today", reason="QUOTA_EXCEEDED")
    done = []

    class Refusing(Here):
        def each(self, function, parts):
            for part in parts:
                if len(done) == 2 and isinstance(function, partial):
                    raise refusal
                done.append(part)
                yield function(part)

    with pytest.raises(PolicyError) as caught:
        run_job(files, source, Refusing(), quiet)

    assert caught.value.reason == "QUOTA_EXCEEDED"
    assert not (files.directory / "matches.csv").exists()

    summary = run_job(files, source, Here(), quiet)

    assert summary.fresh_rows == ROWS - 2 * PART
    assert matches(files) == expected(source)


def test_a_file_without_the_column_leaves_its_directory_free(files, source):
    wrong = replace(files, layout=Layout(mapping={"value": "number"}))
    with pytest.raises(RequestError) as caught:
        run_job(wrong, source, Here(), quiet)

    assert caught.value.reason == "COLUMN_MISSING"
    assert run_job(files, source, Here(), quiet).matched == len(KNOWN)


def test_a_directory_of_other_files_is_no_place_for_a_job(files, source):
    files.directory.mkdir()
    other = files.directory / "letter.txt"
    other.touch()
    with pytest.raises(ConfigError) as caught:
        run_job(files, source, Here(), quiet)

    assert caught.value.reason == "DIRECTORY_TAKEN"
    assert list(files.directory.iterdir()) == [other]


def test_processes_of_a_job_that_fails_are_not_waited_for():
    begin = time.monotonic()
    with suppress(ConfigError), open_engine("local", 1) as engine:
        next(engine.each(time.sleep, [0, SLOW_SECONDS]))
        raise ConfigError

    assert time.monotonic() - begin < SLOW_SECONDS
    assert not active_children()


def test_a_part_that_was_half_written_is_done_again(files, source):
    run_job(files, source, Here(), quiet)
    whole = (files.directory / "matches.csv").read_bytes()
    part = files.directory / "parts" / "0000001"
    part.with_suffix(".json").unlink()
    part.write_bytes(part.read_bytes()[:100])
    for path in (files.directory / "found").iterdir():
        path.unlink()
    summary = run_job(files, source, Here(), quiet)

    assert summary.fresh_rows == PART
    assert (files.directory / "matches.csv").read_bytes() == whole


@pytest.mark.parametrize("change", ["values", "part_rows", "epoch", "keys"])
def test_another_job_is_refused_in_the_same_directory(files, source, change):
    run_job(files, source, Here(), quiet)
    if change == "values":
        files.values.write_text("kind,value\n", encoding="utf-8")
    elif change == "part_rows":
        files = replace(files, part_rows=PART + 1)
    elif change == "keys":
        source = make_source()  # of a federation that was founded again under its name
    else:
        source = replace(source, key_set=replace(source.key_set, epoch=2))

    with pytest.raises(ConfigError) as caught:
        run_job(files, source, Here(), quiet)

    assert caught.value.reason == "JOB_DIFFERS"


def test_a_holder_that_lies_is_named_and_the_tokens_are_right(files, source):
    lying = replace(source, identity=b"lie", connect=replace(source.connect, liar=NAMES[1]))
    summary = run_job(files, lying, Here(), quiet)

    assert summary.blamed == (NAMES[1],)
    assert matches(files) == expected(source)


def test_processes_make_the_same_file_and_one_that_is_killed_costs_no_part(files, source):
    run_job(files, source, Here(), quiet)
    whole = (files.directory / "matches.csv").read_bytes()
    other = replace(files, directory=files.directory.with_name("processes"))
    engine = LocalEngine(2)
    killed = []

    def kill_one(_rows, _position):
        if not killed:
            killed.append(next(iter(engine._pool._processes)))
            os.kill(killed[0], signal.SIGKILL)

    try:
        with pytest.raises(UnavailableError) as caught:
            run_job(other, source, engine, kill_one)
    finally:
        engine.close()

    assert caught.value.reason == "WORKER_LOST"

    engine = LocalEngine(2)
    try:
        summary = run_job(other, source, engine, quiet)
    finally:
        engine.close()

    assert 0 < summary.fresh_rows < ROWS
    assert (other.directory / "matches.csv").read_bytes() == whole


def test_nothing_that_a_job_writes_holds_a_value(files, source):
    run_job(files, source, Here(), quiet)
    written = b"".join(path.read_bytes() for path in files.directory.rglob("*") if path.is_file())

    assert b"13900" not in written
    assert b"not a number" not in written
    assert "13900" not in repr(tokenise_part)
