"""The numpy scorer gives what torch gives, and names the columns that raised a score."""

import math
from dataclasses import replace

import numpy as np
import pytest

from federation.training.error import TableError
from federation.training.network import count_numbers, model_digest, unpack
from federation.training.plan import ModelChoice
from federation.training.reasons import EMPTY, HIGH, VALUE, contributions, reasons
from federation.training.released import NO_ACTION, ReleasedModel
from federation.training.scaling import (
    CoarseSums,
    Scaling,
    count_coarsely,
    count_finely,
)
from federation.training.schema import CATEGORICAL, Column, FeatureSchema
from federation.training.scorer import ROWS_AT_ONCE, NetworkScorer, build_scorer
from federation.training.table import Rows, Table, check_table
from tests.training.plans import plan

CHOICES = (
    ModelChoice(),
    ModelChoice(width=6, blocks=3, networks=2, bins=3),
    ModelChoice(width=5, blocks=0, networks=1, bins=1),
    ModelChoice("logistic", networks=3),
)
SCHEMA = FeatureSchema(
    (
        Column("calls", low=0.0),
        Column("started", empty="refuse"),
        Column("plan", CATEGORICAL, categories=("post", "pre")),
        Column("leaky"),
        Column("steady"),
        Column("region", CATEGORICAL, empty="refuse", categories=("1", "2", "3")),
    )
)


def table(rows: int, seed: int = 3) -> Table:
    source = np.random.default_rng(seed)
    calls = np.exp(source.normal(3, 2, rows)).round()
    calls[source.uniform(0, 1, rows) < 0.2] = np.nan
    texts = np.array(["pre", "post", "other", None], dtype=object)
    leaky = np.where(source.uniform(0, 1, rows) < 0.3, np.nan, source.normal(0, 1, rows))
    return Table(
        {
            "calls": calls,
            "started": 1.7e9 + source.uniform(0, 1e8, rows).round(),
            "plan": texts[source.integers(0, 4, rows)],
            "leaky": leaky,
            "steady": np.full(rows, 7.0),
            "region": source.integers(0, 5, rows).astype(np.float64),
            "label": (source.uniform(0, 1, rows) < 0.3).astype(np.float64),
        }
    )


def scaling(schema: FeatureSchema, bins: int, rows: Rows) -> Scaling:
    coarse = CoarseSums.parse(schema, count_coarsely(schema, rows))
    fine = count_finely(schema, rows, coarse.edges)
    return Scaling.learn(schema, bins, coarse, fine, drop=True)


def released(choice: ModelChoice, schema: FeatureSchema = SCHEMA, seed: int = 1) -> ReleasedModel:
    learnt = scaling(schema, choice.bins, check_table(table(4_000), schema))
    ignored = np.array([column.name == "leaky" for column in schema.columns])
    learnt = replace(learnt, ignored=ignored)
    inputs = schema.width(choice.bins)
    spread = 1.5 / math.sqrt(inputs)
    numbers = np.random.default_rng(seed).normal(0, spread, count_numbers(choice, inputs))
    whole = plan(model=choice, schema_digest=schema.digest())
    return ReleasedModel(whole, schema, learnt.encode(), numbers.astype(np.float32), 0.5)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("rows", [1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 17])
def test_scores_equal_those_of_torch(choice: ModelChoice, rows: int) -> None:
    pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from federation.training.fitting import probabilities

    model = released(choice)
    checked = check_table(table(rows, seed=9), SCHEMA)
    learnt = Scaling.parse(SCHEMA, choice.bins, model.scaling)
    expected = probabilities(model.plan, model.vector, learnt.apply(SCHEMA, checked), learnt.prior)
    found = model.score_rows(checked)

    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-5
    assert rows == 1 or found.std() > 0.01


def test_no_rows_have_no_scores() -> None:
    checked = check_table(table(5), SCHEMA)
    none = checked.select(np.zeros(0, np.intp))

    assert build_scorer(released(ModelChoice())).score(none).shape == (0,)


def test_a_score_does_not_depend_on_the_rows_beside_it() -> None:
    scorer = build_scorer(released(ModelChoice()))
    checked = check_table(table(ROWS_AT_ONCE + 40, seed=4), SCHEMA)
    order = np.random.default_rng(1).permutation(len(checked))

    assert np.abs(scorer.score(checked)[order] - scorer.score(checked.select(order))).max() < 1e-6


@pytest.mark.parametrize("choice", CHOICES)
def test_a_model_survives_its_file(choice: ModelChoice) -> None:
    model = replace(released(choice), action_threshold=0.75)
    data = model.encode()
    again = ReleasedModel.parse(data)

    assert data == model.encode()
    assert (again.vector == model.vector).all()
    assert (again.digest(), again.threshold, again.action_threshold) == (
        model.digest(),
        0.5,
        0.75,
    )


def test_an_unmeasured_action_threshold_is_reached_by_no_score() -> None:
    model = released(ModelChoice())

    assert model.action_threshold == NO_ACTION == 1.0


def test_the_digest_names_parameters_and_scaling() -> None:
    model = released(ModelChoice())
    moved = replace(model, vector=model.vector + np.float32(0.1))
    other = Scaling.parse(SCHEMA, 8, model.scaling)
    shifted = replace(model, scaling=replace(other, prior=other.prior + 1).encode())

    assert len({model.digest(), moved.digest(), shifted.digest(), model_digest(model.vector)}) == 4


def test_any_changed_byte_of_a_file_is_another_model_or_none() -> None:
    model = released(CHOICES[1])
    data = model.encode()
    for place in range(0, len(data), 97):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            found = ReleasedModel.parse(changed)
        except TableError:
            continue
        # A file has a check sum of each part: only chance could hide a change of both.
        assert found.encode() == changed


def test_bytes_that_are_no_model_are_refused_by_name() -> None:
    data = released(CHOICES[1]).encode()
    for wrong in (b"", b"PK", data[:-30], data + b"x" * 5, b"\0" * 100):
        with pytest.raises(TableError) as caught:
            ReleasedModel.parse(wrong)

        assert caught.value.reason == "MODEL_MALFORMED"


def test_a_vector_of_another_length_or_without_numbers_is_no_model() -> None:
    choice = CHOICES[1]
    vector = released(choice).vector
    inputs = SCHEMA.width(choice.bins)
    for wrong in (vector[:-1], np.append(vector, vector[:1]), np.full_like(vector, np.nan)):
        with pytest.raises(ValueError, match="vector"):
            unpack(choice, inputs, wrong)


def _planted(columns: int, strong: int) -> tuple[ReleasedModel, Rows]:
    """Make a logistic model in which one column alone counts much, and rows of high values."""
    schema = FeatureSchema(
        (
            *(Column(f"number_{place}") for place in range(columns)),
            Column("plan", CATEGORICAL, categories=("post", "pre")),
        )
    )
    source = np.random.default_rng(2)
    numbers = source.normal(0, 1, (500, columns)).astype(np.float32)
    places = source.integers(0, 2, (500, 1)).astype(np.float32)
    values = np.concatenate([numbers, places], axis=1)
    rows = Rows(values, np.zeros(values.shape, bool), (numbers[:, 0] > 0).astype(np.float32))
    choice = ModelChoice("logistic", networks=1, bins=4)
    width = schema.width(4)
    vector = np.full(width + 1, 0.01, np.float32)
    vector[strong * 4 : strong * 4 + 4] = 1.0
    whole = plan(model=choice, schema_digest=schema.digest())
    model = ReleasedModel(whole, schema, scaling(schema, 4, rows).encode(), vector, 0.5)
    return model, rows


@pytest.mark.parametrize("strong", [0, 3, 5])
def test_the_planted_column_is_the_first_reason(strong: int) -> None:
    model, rows = _planted(6, strong)
    high = np.flatnonzero(rows.values[:, strong] > 0.5)
    found = reasons(build_scorer(model), rows.select(high))

    assert {each[0].column for each in found} == {f"number_{strong}"}
    assert {each[0].side for each in found} == {HIGH}
    assert all(each[0].weight > 0.5 for each in found)
    assert found == reasons(build_scorer(model), rows.select(high))


@pytest.mark.parametrize("choice", CHOICES)
def test_contributions_equal_a_scoring_without_each_cell(choice: ModelChoice) -> None:
    scorer = build_scorer(released(choice))
    checked = check_table(table(ROWS_AT_ONCE + 9, seed=6), SCHEMA)
    whole, found = scorer.log_odds(checked), contributions(scorer, checked)

    assert isinstance(scorer, NetworkScorer)

    for place in range(len(SCHEMA.columns)):
        values, empty = checked.values.copy(), checked.empty.copy()
        values[:, place], empty[:, place] = scorer.reference[place], False
        without = scorer.log_odds(replace(checked, values=values, empty=empty))

        assert np.abs(whole - without - found[:, place]).max() < 1e-4

    leaky = [column.name for column in SCHEMA.columns].index("leaky")

    assert np.abs(found[:, leaky]).max() < 1e-5  # an ignored column is no reason


def test_what_lowers_a_score_is_no_reason_for_it() -> None:
    model, rows = _planted(6, 2)
    low = rows.select(np.flatnonzero(rows.values[:, 2] < -0.5))
    scorer = build_scorer(model)

    assert (contributions(scorer, low)[:, 2] < -0.5).all()
    assert all(one.column != "number_2" for each in reasons(scorer, low) for one in each)


def test_an_empty_cell_and_a_category_are_reasons_by_their_own_words() -> None:
    model, rows = _planted(3, 0)
    width = model.schema.width(4)
    vector = np.zeros(width + 1, np.float32)
    vector[12:14] = (-1.0, 1.0)  # the categories post, pre
    vector[15] = 2.0  # the mask of number_1, after the masks begin at 14
    empty = np.zeros((1, 4), bool)
    empty[0, 1] = True
    row = Rows(np.array([[0, 0, 0, 1]], np.float32), empty, rows.labels[:0])
    (found,) = reasons(build_scorer(replace(model, vector=vector)), row)

    assert [(one.column, one.side) for one in found] == [("number_1", EMPTY), ("plan", VALUE)]
    assert [one.weight for one in found] == pytest.approx([2.0, 1.0], abs=1e-5)
