"""The soak's verdict is about what was recorded, and about nothing else."""

import pytest

from tests.bench.soak import Record, judge
from tests.bench.soak_load import INGEST, SIZES, UNARY

MEGABYTE = 1_000_000
SECONDS = 1_440.0


def record(*, memory=lambda at: 100, seconds=lambda at: 0.01, errors=()):
    """Record a soak of 24 minutes, with memory in megabytes and seconds by when they were taken."""
    soaked = Record(0.0, SECONDS)
    times = [float(at) for at in range(0, int(SECONDS), 15)]
    for member in ("carrier-a", "bank-x", "net-p"):
        soaked.memory[member] = [(at, int(memory(at) * MEGABYTE)) for at in times]
    soaked.tallies[UNARY].samples.extend((at, seconds(at)) for at in times)
    soaked.tallies[INGEST].count = 10
    soaked.tallies[INGEST].errors.update(errors)
    return soaked


def missed(soaked, roots=1):
    return {one.name for one in judge(soaked, roots, 0) if one.met is False}


def test_a_soak_in_which_nothing_changes_misses_nothing():
    assert missed(record()) == set()


def test_memory_that_grows_after_the_warm_up_is_a_miss_at_every_node():
    growing = record(memory=lambda at: 100 + 20 * at / SECONDS)

    assert missed(growing) == {f"soak: memory of {one}" for one in ("carrier-a", "bank-x", "net-p")}


def test_memory_that_grows_during_the_warm_up_is_none():
    assert missed(record(memory=lambda at: min(100, 10 + at))) == set()


def test_answers_that_slow_down_are_a_miss():
    slowing = record(seconds=lambda at: 0.01 if at < SECONDS / 2 else 0.02)

    assert missed(slowing) == {"soak: p99, last third to first"}


def test_one_failed_call_is_a_miss():
    assert missed(record(errors=["UNAVAILABLE"])) == {"soak: errors"}


def test_nodes_that_show_different_roots_are_a_miss():
    assert missed(record(), roots=2) == {"soak: catalogue roots at the end"}


def test_disk_is_counted_for_each_value_said():
    rows = {one.name: one.value for one in judge(record(), 1, 10 * SIZES[INGEST] * 300)}

    assert rows["soak: disk of all nodes, a value said and ended"] == pytest.approx(300)
