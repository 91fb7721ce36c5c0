"""Trees of XGBoost over codes: taken over exactly, repeatable, blind to their own quarter."""

from dataclasses import replace
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")
xgboost = pytest.importorskip("xgboost")

from federation.training import metrics  # noqa: E402
from federation.training.fitting import (  # noqa: E402
    Examples,
    fit_alone,
    fit_round,
    network_scores,
    probabilities,
)
from federation.training.forest import Trees, encode_codes  # noqa: E402
from federation.training.scaling import (  # noqa: E402
    CoarseSums,
    Scaling,
    count_coarsely,
    count_finely,
)
from federation.training.table import check_table  # noqa: E402
from federation.training.trees import complete_tree  # noqa: E402
from tests.training.planted import planted_rows  # noqa: E402
from tests.training.small import small_trees  # noqa: E402

PLAN, SCHEMA = small_trees()


def _examples(rows: int = 800, seed: int = 3, scaling: Scaling | None = None) -> Examples:
    table = check_table(planted_rows(rows, seed), SCHEMA)
    if scaling is None:
        scaling = _scaling()
    codes = encode_codes(scaling, SCHEMA, table)
    return Examples.of(codes, table.labels, scaling.prior, PLAN.model.networks)


def _scaling() -> Scaling:
    table = check_table(planted_rows(800, 3), SCHEMA)
    coarse = CoarseSums.parse(SCHEMA, count_coarsely(SCHEMA, table))
    fine = count_finely(SCHEMA, table, coarse.edges)
    return Scaling.learn(SCHEMA, PLAN.model.bins, coarse, fine, drop=True)


EMPTY = numpy.zeros(0, numpy.float32)


def test_a_tree_gives_what_xgboost_gives_empty_cells_too() -> None:
    examples = _examples()
    codes = examples.inputs
    half = codes.shape[1] // 2
    values = codes[:, :half].astype(numpy.float32)
    values[values == 0] = numpy.nan
    rows = xgboost.DMatrix(values, examples.labels)
    settings = {"max_depth": 4, "objective": "binary:logistic", "base_score": 0.5, "nthread": 1}
    booster = xgboost.train(settings, rows, 5)
    import json

    document = json.loads(bytes(booster.save_raw("json")))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    vector = numpy.concatenate([complete_tree(tree, 16, half) for tree in trees])
    margins = Trees.parse(vector, 16, codes.shape[1]).add_margins(
        codes, numpy.zeros((len(codes), 1))
    )

    assert numpy.isnan(values).any()
    assert margins[:, 0] == pytest.approx(booster.predict(rows, output_margin=True), abs=1e-5)


def test_rounds_learn_and_only_add_to_the_model() -> None:
    examples = _examples()
    vector, losses = EMPTY, []
    for number in range(1, 9):
        longer, loss = fit_round(PLAN, vector, examples, number, number)
        losses.append(loss)

        assert (longer[: len(vector)] == vector).all()

        vector = longer
    fresh = _examples(2_000, 99)
    scores = probabilities(PLAN, vector, fresh.inputs, fresh.prior)

    assert losses[-1] < losses[0] - 0.1
    assert metrics.roc_auc(fresh.labels, scores) > 0.85


def test_a_round_repeats_to_the_bit_and_follows_its_seed() -> None:
    first, _ = fit_round(PLAN, EMPTY, _examples(), 1, 5)
    again, _ = fit_round(PLAN, EMPTY, _examples(), 1, 5)
    other, _ = fit_round(PLAN, EMPTY, _examples(), 1, 6)

    assert (first == again).all()
    assert (first != other).any()


def test_a_round_after_others_is_the_same_in_a_fresh_process() -> None:
    warm, vector = _examples(), EMPTY
    for number in (1, 2, 3):
        vector, _ = fit_round(PLAN, vector, warm, number, number)
    going_on, _ = fit_round(PLAN, vector, warm, 4, 4)
    fresh, _ = fit_round(PLAN, vector, _examples(), 4, 4)

    assert (going_on == fresh).all()


def test_a_forest_never_sees_its_own_quarter() -> None:
    examples = _examples()
    blind = examples.folds == 0
    labels = numpy.where(blind, 1 - examples.labels, examples.labels).astype(numpy.float32)
    changed = replace(examples, labels=labels)
    trees = [
        fit_round(PLAN, EMPTY, each, 1, 5)[0].reshape(PLAN.model.networks, -1)
        for each in (examples, changed)
    ]

    assert (trees[0][0] == trees[1][0]).all()
    assert (trees[0][1] != trees[1][1]).any()


def test_no_leaf_is_larger_than_the_bound() -> None:
    tight = replace(PLAN, norm_bound=0.01)
    vector, _ = fit_round(tight, EMPTY, _examples(), 1, 5)
    values = Trees.parse(vector, PLAN.model.width, 2 * 6).values

    assert numpy.abs(values).max() == pytest.approx(0.01, rel=1e-4)


def test_scores_of_every_forest_and_the_model_alone() -> None:
    examples = _examples()
    vector = fit_alone(PLAN, EMPTY, examples, 9)
    scores: Any = network_scores(PLAN, vector, examples)
    blind = scores[numpy.arange(len(examples)), examples.folds]

    assert scores.shape == (len(examples), PLAN.model.networks)
    assert metrics.roc_auc(examples.labels, scores.mean(axis=1)) > metrics.roc_auc(
        examples.labels, blind
    )
    assert metrics.roc_auc(examples.labels, blind) > 0.8
