"""Metrics are exact: against scikit-learn where it is installed, and against hand-made cases."""

import pytest

numpy = pytest.importorskip("numpy")

from hypothesis import given  # noqa: E402  # after the skip
from hypothesis import strategies as some  # noqa: E402

from federation.training import metrics  # noqa: E402


def _sample(seed: int, rows: int = 500, levels: int | None = None):
    source = numpy.random.default_rng(seed)
    labels = (source.uniform(size=rows) < 0.2).astype(float)
    scores = 1 / (1 + numpy.exp(-source.normal(labels * 1.5 - 1, 1)))
    return labels, (scores if levels is None else numpy.round(scores * levels) / levels)


@pytest.mark.parametrize("levels", [None, 10, 2])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_areas_and_f1_agree_with_scikit_learn(seed: int, levels: int | None) -> None:
    reference = pytest.importorskip("sklearn.metrics")
    labels, scores = _sample(seed, levels=levels)
    threshold = metrics.best_threshold(labels, scores)
    best = max(
        reference.f1_score(labels, scores >= cut, average="macro", zero_division=0)
        for cut in [*numpy.unique(scores), 2.0]
    )

    assert metrics.roc_auc(labels, scores) == pytest.approx(
        reference.roc_auc_score(labels, scores), abs=1e-12
    )
    assert metrics.average_precision(labels, scores) == pytest.approx(
        reference.average_precision_score(labels, scores), abs=1e-12
    )
    for cut in (0.2, 0.5, threshold):
        assert metrics.macro_f1(labels, scores >= cut) == pytest.approx(
            reference.f1_score(labels, scores >= cut, average="macro", zero_division=0), abs=1e-12
        )
    assert metrics.macro_f1(labels, scores >= threshold) == pytest.approx(best, abs=1e-12)


@given(some.lists(some.tuples(some.booleans(), some.integers(0, 5)), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    labels = numpy.array([label for label, _ in rows], float)
    scores = numpy.array([score for _, score in rows], float)
    low, high = scores[labels == 0], scores[labels == 1]
    if not len(low) or not len(high):
        with pytest.raises(ValueError, match="does not occur"):
            metrics.roc_auc(labels, scores)
        return
    pairs = high[:, None] - low[None, :]

    assert metrics.roc_auc(labels, scores) == pytest.approx(
        ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    )


def test_recall_at_alerts_counts_the_highest_scores() -> None:
    labels = numpy.zeros(10_000)
    scores = numpy.linspace(0, 1, 10_000)
    labels[-50:] = 1
    labels[:50] = 1

    assert metrics.recall_at_alerts(labels, scores, 50) == pytest.approx(0.5)
    assert metrics.recall_at_alerts(labels, scores, 25) == pytest.approx(0.25)
    assert metrics.recall_at_alerts(labels, scores, 10_000) == pytest.approx(1.0)


def test_rows_of_equal_score_share_the_alerts() -> None:
    labels = numpy.array([1.0, 0.0] * 5_000)

    assert metrics.recall_at_alerts(labels, numpy.zeros(10_000), 100) == pytest.approx(0.01)


def test_precision_is_taken_where_false_positives_are_rare_enough() -> None:
    labels = numpy.concatenate([numpy.zeros(20_000), numpy.ones(10)])
    scores = numpy.concatenate([numpy.linspace(0, 0.5, 20_000), numpy.full(10, 0.9)])
    scores[:3] = 0.95  # three innocent rows at the top: more than 2 of 20,000

    assert metrics.precision_at_false_positive_rate(labels, scores) == (1.0, 0.0)

    scores[0] = 0.0

    precision, recall = metrics.precision_at_false_positive_rate(labels, scores)
    assert precision == pytest.approx(10 / 12)
    assert recall == 1.0


def test_calibration_of_scores_that_keep_their_promise_is_near_zero() -> None:
    source = numpy.random.default_rng(4)
    promised = source.uniform(size=50_000)
    labels = (source.uniform(size=50_000) < promised).astype(float)
    honest = metrics.calibration(labels, promised)
    boasting = metrics.calibration(labels, numpy.minimum(promised + 0.3, 1.0))

    assert honest.error < 0.02
    assert boasting.error > 0.2
    assert sum(honest.rows) == 50_000
    assert len(honest.promised) == len(honest.found) == len(honest.rows) == 10


def test_histograms_of_members_add_up_to_the_metrics_of_all_rows() -> None:
    labels, scores = _sample(7, 4_000)
    parts = [metrics.count_scores(labels[rows::3], scores[rows::3]) for rows in range(3)]
    negatives, positives = sum(parts)
    place = metrics.best_cut_of_counts(negatives, positives)
    threshold = metrics.bucket_probability(place)
    best = metrics.macro_f1(labels, scores >= metrics.best_threshold(labels, scores))

    assert negatives.sum() + positives.sum() == 4_000
    assert metrics.roc_auc_of_counts(negatives, positives) == pytest.approx(
        metrics.roc_auc(labels, scores), abs=2e-3
    )
    assert metrics.average_precision_of_counts(negatives, positives) == pytest.approx(
        metrics.average_precision(labels, scores), abs=1e-2
    )
    assert metrics.macro_f1(labels, scores >= threshold) == pytest.approx(best, abs=5e-3)


def test_certain_scores_stay_in_the_outermost_buckets() -> None:
    counts = metrics.count_scores(numpy.array([0.0, 1.0]), numpy.array([0.0, 1.0]))

    assert counts[0, 0] == 1
    assert counts[1, -1] == 1
