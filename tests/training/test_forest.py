"""Trees as one vector: read whoever wrote them, and walked as a plain loop would."""

import contextlib
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")

from federation.training.error import UpdateError  # noqa: E402
from federation.training.forest import (  # noqa: E402
    Trees,
    count_columns,
    encode_codes,
    forest_probabilities,
    tree_numbers,
)
from federation.training.plan import ModelChoice  # noqa: E402
from federation.training.scaling import Scaling  # noqa: E402
from federation.training.table import Rows  # noqa: E402
from tests.training.plans import SCHEMA  # noqa: E402

LEAVES = 8
COLUMNS = count_columns(SCHEMA)
NAN = float("nan")


def _scaling(ignored: tuple[int, ...] = ()) -> Scaling:
    edges = numpy.array([[0, 1, 2], [0.0, 0.5, 0.5]], numpy.float32)
    flags = numpy.zeros(3, bool)
    flags[list(ignored)] = True
    return Scaling(edges, flags, -0.5)


def _rows(values: list[list[float]]) -> Rows:
    cells = numpy.array(values, numpy.float32)
    empty = numpy.isnan(cells)
    return Rows(numpy.where(empty, 0, cells).astype(numpy.float32), empty, numpy.zeros(len(cells)))


def _random_trees(count: int, seed: int = 3) -> Trees:
    source = numpy.random.default_rng(seed)
    splits = source.integers(0, COLUMNS, (count, LEAVES - 1))
    cuts = source.integers(1, 5, (count, LEAVES - 1)).astype(numpy.uint8)
    return Trees(splits, cuts, source.normal(0, 1, (count, LEAVES)).astype(numpy.float32))


def _random_codes(rows: int) -> Any:
    half = numpy.random.default_rng(4).integers(1, 5, (rows, COLUMNS // 2))
    low = numpy.where(half == 4, 0, half)
    high = numpy.where(half == 4, 255, half)
    return numpy.concatenate([low, high], axis=1).astype(numpy.uint8)


def _walk(trees: Trees, tree: int, row: Any) -> float:
    node = 0
    while node < LEAVES - 1:
        right = row[trees.columns[tree, node]] >= trees.cuts[tree, node]
        node = 2 * node + 1 + int(right)
    return float(trees.values[tree, node - (LEAVES - 1)])


def test_codes_are_places_among_the_cuts_with_empty_cells_below_and_above() -> None:
    codes = encode_codes(_scaling(), SCHEMA, _rows([[-1, 0.4, 0], [1, 0.5, 1], [9, NAN, NAN]]))

    assert codes.tolist() == [
        [1, 2, 2, 1, 1, 2, 2, 1],
        [3, 4, 1, 2, 3, 4, 1, 2],
        [4, 0, 0, 0, 4, 255, 255, 255],
    ]


def test_an_ignored_column_is_empty_in_every_row() -> None:
    codes = encode_codes(_scaling(ignored=(0,)), SCHEMA, _rows([[-1, 0.4, 0], [9, 0.4, 1]]))

    assert codes[:, 0].tolist() == [0, 0]
    assert codes[:, COLUMNS // 2].tolist() == [255, 255]


def test_margins_are_those_of_a_plain_walk() -> None:
    trees, codes = _random_trees(6), _random_codes(50)
    found = trees.add_margins(codes, numpy.full((50, 2), 0.25))
    plain = [
        [0.25 + sum(_walk(trees, tree, row) for tree in range(forest, 6, 2)) for forest in (0, 1)]
        for row in codes
    ]

    assert found == pytest.approx(numpy.array(plain))


def test_margins_of_a_part_and_then_the_rest_are_the_same_to_the_bit() -> None:
    trees, codes = _random_trees(12), _random_codes(20_000)
    zeros = numpy.zeros((len(codes), 3))
    first, rest = (
        Trees(trees.columns[part], trees.cuts[part], trees.values[part])
        for part in (slice(0, 6), slice(6, 12))
    )

    assert (
        rest.add_margins(codes, first.add_margins(codes, zeros)) == trees.add_margins(codes, zeros)
    ).all()
    assert not zeros.any()


def test_trees_come_back_from_their_vector() -> None:
    trees = _random_trees(5)
    again = Trees.parse(trees.encode(), LEAVES, COLUMNS)

    assert len(again) == 5
    assert (again.columns == trees.columns).all()
    assert (again.cuts == trees.cuts).all()
    assert (again.values == trees.values).all()


@pytest.mark.parametrize(
    ("place", "number", "reason"),
    [
        (0, -1.0, "UPDATE_SHAPE"),
        (0, COLUMNS * 256.0, "UPDATE_SHAPE"),
        (0, 0.5, "UPDATE_SHAPE"),
        (0, 1e30, "UPDATE_SHAPE"),
        (0, float("inf"), "UPDATE_NOT_FINITE"),
        (LEAVES, NAN, "UPDATE_NOT_FINITE"),
        (LEAVES, -float("inf"), "UPDATE_NOT_FINITE"),
    ],
)
def test_a_number_that_no_tree_has_is_refused(place: int, number: float, reason: str) -> None:
    vector = _random_trees(2).encode()
    vector[place] = number

    with pytest.raises(UpdateError) as refusal:
        Trees.parse(vector, LEAVES, COLUMNS)

    assert refusal.value.reason == reason


def test_whatever_array_is_sent_is_trees_or_refused() -> None:
    source = numpy.random.default_rng(5)
    kinds = [numpy.float32, numpy.float64, numpy.int64, numpy.uint8, bool, object, "U3"]
    shapes = [(), (0,), (1,), (15,), (30,), (2, 15), (16,), (15, 1)]
    numbers = tree_numbers(LEAVES)
    read = 0
    for kind in kinds:
        for shape in shapes:
            array = numpy.array(source.normal(0, 300, shape) // 1).astype(kind)
            with contextlib.suppress(UpdateError):
                read += len(Trees.parse(array, LEAVES, COLUMNS)) * numbers == array.size

    assert read >= 1  # no tree at all is the first model


def test_every_random_vector_that_is_read_can_be_walked() -> None:
    source = numpy.random.default_rng(6)
    codes = _random_codes(40)
    for _ in range(200):
        table = source.normal(0, 1, (3, tree_numbers(LEAVES)))
        table[:, : LEAVES - 1] = source.integers(0, COLUMNS * 256, (3, LEAVES - 1))
        vector = table.astype(numpy.float32).ravel()
        trees = Trees.parse(vector, LEAVES, COLUMNS)

        assert numpy.isfinite(trees.add_margins(codes, numpy.zeros((40, 3)))).all()


def test_probabilities_stay_within_bounds_at_any_margin() -> None:
    trees = _random_trees(2)
    wild = Trees(trees.columns, trees.cuts, trees.values * numpy.float32(1e30))
    choice = ModelChoice("trees", width=LEAVES, blocks=0, networks=2)
    found = forest_probabilities(choice, wild.encode(), _random_codes(30), 0.0)

    assert found.shape == (30, 2)
    assert found.dtype == numpy.float32
    assert ((found >= 0) & (found <= 1)).all()
