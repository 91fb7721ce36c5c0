"""Scaling from sums alone is near what all rows in one place would give."""

import pytest

numpy = pytest.importorskip("numpy")

from federation.training.scaling import (  # noqa: E402
    CoarseSums,
    Scaling,
    coarse_length,
    count_coarsely,
    count_finely,
    summarise,
)
from federation.training.schema import Column, FeatureSchema  # noqa: E402
from federation.training.table import Rows, check_table, infer_schema  # noqa: E402
from tests.training.planted import planted_rows  # noqa: E402

BINS = 8


def _column(values, empty=None, labels=None) -> Rows:
    values = numpy.asarray(values, numpy.float32)[:, None]
    empty = numpy.zeros(values.shape, bool) if empty is None else numpy.asarray(empty)[:, None]
    labels = numpy.arange(len(values)) % 2 if labels is None else labels
    return Rows(values, empty, numpy.asarray(labels, numpy.float32))


def _learn(schema: FeatureSchema, parts: list[Rows], *, drop: bool = True):
    coarse = CoarseSums.parse(schema, sum(count_coarsely(schema, rows) for rows in parts))
    fine = sum(count_finely(schema, rows, coarse.edges) for rows in parts)
    return Scaling.learn(schema, BINS, coarse, fine, drop=drop), coarse, fine


ONE = FeatureSchema((Column("x"),))
SHAPES = {
    "normal": lambda source: source.normal(0, 1, 6_000),
    "long tail": lambda source: numpy.exp(source.normal(3, 2, 6_000)),
    "years": lambda source: source.integers(1990, 2026, 6_000),
    "unix times": lambda source: source.integers(1_700_000_000, 1_760_000_000, 6_000),
    "small shares": lambda source: source.uniform(0, 1e-3, 6_000),
    "negative": lambda source: -numpy.exp(source.normal(3, 1, 6_000)),
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_each_piece_holds_about_its_share_of_the_rows(shape: str) -> None:
    values = SHAPES[shape](numpy.random.default_rng(3))
    parts = [_column(values[part::3]) for part in range(3)]
    scaling, _, _ = _learn(ONE, parts)
    counts, _ = numpy.histogram(values.astype(numpy.float32), scaling.edges[0].astype(float))

    assert (numpy.diff(scaling.edges[0]) > 0).all()
    assert counts / len(values) == pytest.approx(1 / BINS, abs=0.04)


def test_a_frequent_value_does_not_take_all_cuts() -> None:
    source = numpy.random.default_rng(3)
    counts = numpy.where(source.uniform(size=8_000) < 0.9, 0, source.integers(1, 50, 8_000))
    scaling, _, _ = _learn(ONE, [_column(counts)])

    assert len(numpy.unique(scaling.edges[0])) >= BINS
    assert scaling.edges[0][0] == pytest.approx(0, abs=1e-3)
    assert scaling.edges[0][-1] > 40


def test_members_sums_give_the_scaling_of_all_rows_in_one_place() -> None:
    table = planted_rows(3_000, 1)
    schema = infer_schema(table, "label")
    rows = check_table(table, schema)
    places = numpy.arange(len(rows))
    together, _, fine = _learn(schema, [rows])
    apart, coarse, apart_fine = _learn(schema, [rows.select(places[part::4]) for part in range(4)])
    mean, deviation = summarise(coarse.edges, apart_fine)
    ratio = rows.values[:, 1]

    assert together.encode() == apart.encode()
    assert numpy.abs(fine - apart_fine).max() <= 4  # each member rounds its own moments
    assert mean[1] == pytest.approx(ratio.mean(), abs=2e-3)
    assert deviation[1] == pytest.approx(ratio.std(), abs=2e-3)


def test_a_leaking_column_is_found_and_encoded_as_nothing() -> None:
    labels = numpy.array([1.0] * 300 + [0.0] * 700)
    empty = numpy.arange(1_000) < 100
    rows = _column(numpy.arange(1_000), empty, labels)
    dropped, coarse, _ = _learn(ONE, [rows])
    kept, _, _ = _learn(ONE, [rows], drop=False)

    assert coarse.leaking == (0,)
    assert dropped.ignored.tolist() == [True]
    assert not dropped.apply(ONE, rows).any()
    assert kept.apply(ONE, rows)[:100, -1].all()


def test_rows_are_encoded_between_minus_one_and_one() -> None:
    table = planted_rows(500, 1)
    schema = infer_schema(table, "label")
    rows = check_table(table, schema)
    scaling, _, _ = _learn(schema, [rows])
    wild = Rows(rows.values * numpy.float32(1e6), rows.empty, rows.labels)

    for encoded in (scaling.apply(schema, rows), scaling.apply(schema, wild)):
        assert encoded.shape == (500, schema.width(BINS))
        assert encoded.dtype == numpy.float32
        assert numpy.abs(encoded).max() <= 1
    assert not scaling.apply(schema, rows)[rows.empty[:, 0], :BINS].any()


def test_a_scaling_reads_back_and_refuses_other_bytes() -> None:
    scaling, _, _ = _learn(ONE, [_column(numpy.arange(100))])
    data = scaling.encode()

    assert Scaling.parse(ONE, BINS, data).encode() == data
    backwards = numpy.frombuffer(data, "<f4")[::-1].tobytes()
    nothing = numpy.full(len(data) // 4, numpy.nan, "<f4").tobytes()
    for wrong in (data[:-1], data + b"\0", b"", backwards, nothing):
        with pytest.raises(ValueError, match="scaling"):
            Scaling.parse(ONE, BINS, wrong)


def test_rows_of_one_label_and_sums_of_another_length_are_refused() -> None:
    only = count_coarsely(ONE, _column([1, 2, 3], labels=[1, 1, 1]))

    assert len(only) == coarse_length(ONE)
    with pytest.raises(ValueError, match="only one label"):
        CoarseSums.parse(ONE, only)
    with pytest.raises(ValueError, match="another length"):
        CoarseSums.parse(ONE, only[:-1])


def test_a_column_without_any_value_is_encoded_as_nothing() -> None:
    rows = _column(numpy.zeros(10), numpy.ones(10, bool))
    scaling, _, _ = _learn(ONE, [rows])

    assert not scaling.apply(ONE, rows)[:, :BINS].any()
