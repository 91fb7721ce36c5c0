"""What a bench says of its samples is what is in them."""

import sqlite3
from contextlib import closing

from federation.views import EVIDENCE, Put
from node.store.catalogue import Catalogue
from node.store.sqlite import SqliteStore
from tests.bench.large_nodes import fill_view
from tests.bench.nodes import percentile

ROW = (b"\xff" * 16, "bank-x", b"\xff" * 16, *([0] * (len(EVIDENCE.columns) - 3)))


def test_a_percentile_is_the_sample_that_so_many_do_not_exceed():
    samples = [float(number) for number in range(200, 0, -1)]

    assert percentile(samples, 0.5) == 101
    assert percentile(samples, 0.99) == 199
    assert percentile([3.0], 0.99) == 3


def test_rows_put_into_a_view_are_found_as_evidence(tmp_path):
    store = SqliteStore(tmp_path / "public.db")
    with store.write() as writer:
        writer.apply([Put("evidence", ROW)])
    store.close()

    fill_view(tmp_path / "public.db", "bank-x", 1_000)

    with closing(sqlite3.connect(tmp_path / "public.db")) as database:
        tokens = [row[0] for row in database.execute("SELECT token FROM view_evidence")]
    assert len(set(tokens)) == 1_001
    store = SqliteStore(tmp_path / "public.db")
    assert len(Catalogue(store).evidence(tokens)) == 1_001
    store.close()
