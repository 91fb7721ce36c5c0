"""Measure how well scores tell fraud from the rest; numpy alone, exact.

Every function takes labels of 0 and 1 and scores where higher means more suspect. The functions
named ``…_of_counts`` work on histograms of scores by label, which can be summed over members.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

PER: Final = 10_000  # alerts are budgeted per this many subjects
ACTION_FALSE_POSITIVE_RATE: Final = 1e-4  # DOMAIN §8.3: needed before any restrictive measure
CALIBRATION_BINS: Final = 10
SCORE_BUCKETS: Final = 512
LARGEST_LOG_ODDS: Final = 12.8


def roc_auc(labels: Numbers, scores: Numbers) -> float:
    """Area under the receiver operating characteristic; ties count half.

    Raises:
        ValueError: A label does not occur.
    """
    _, negatives, positives = _count_distinct(labels, scores)
    return roc_auc_of_counts(negatives, positives)


def average_precision(labels: Numbers, scores: Numbers) -> float:
    """Area under the precision-recall curve as a sum of steps.

    Raises:
        ValueError: A label does not occur.
    """
    _, negatives, positives = _count_distinct(labels, scores)
    return average_precision_of_counts(negatives, positives)


def macro_f1(labels: Numbers, alarms: Numbers) -> float:
    """Mean of the F1 of both classes for decisions made."""
    wanted, given = np.asarray(labels) > 0.5, np.asarray(alarms).astype(bool)
    hit = float(np.sum(wanted & given))
    false, missed = float(np.sum(~wanted & given)), float(np.sum(wanted & ~given))
    rest = float(np.sum(~wanted & ~given))
    return float(_macro(np.array(hit), np.array(false), np.array(missed), np.array(rest)))


def best_threshold(labels: Numbers, scores: Numbers) -> float:
    """Choose the score from which an alarm gives the best macro F1 on these rows."""
    values, negatives, positives = _count_distinct(labels, scores)
    place = best_cut_of_counts(negatives, positives)
    below = values[place - 1] if place else values[0]
    return float((values[min(place, len(values) - 1)] + below) / 2)


def recall_at_alerts(labels: Numbers, scores: Numbers, alerts_per_10_000: int) -> float:
    """Share of the positives among the highest scores, so many of each 10,000 rows.

    Rows of equal score share what is left of the budget evenly.
    """
    _, negatives, positives = _count_distinct(labels, scores)
    return recall_at_alerts_of_counts(negatives, positives, alerts_per_10_000)


def precision_at_false_positive_rate(
    labels: Numbers, scores: Numbers, rate: float = ACTION_FALSE_POSITIVE_RATE
) -> tuple[float, float]:
    """Precision and recall at the lowest threshold that keeps false positives within the rate.

    Returns:
        (1.0, 0.0) where no threshold gives an alarm within the rate.
    """
    _, negatives, positives = _count_distinct(labels, scores)
    return precision_of_counts(negatives, positives, rate)


@dataclass(frozen=True)
class Calibration:
    """Promised against found shares of positives.

    Attributes:
        error: Expected calibration error, weighted by rows.
        promised: Mean score of each bin that has rows.
        found: Share of positives in it.
        rows: Rows in it.
    """

    error: float
    promised: tuple[float, ...]
    found: tuple[float, ...]
    rows: tuple[int, ...]


def calibration(
    labels: Numbers, probabilities: Numbers, bins: int = CALIBRATION_BINS
) -> Calibration:
    """Compare probabilities with outcomes in bins of equal width."""
    positives = np.asarray(labels, np.float64)
    return _calibrate(np.asarray(probabilities), 1 - positives, positives, bins)


def calibration_of_counts(
    negatives: Numbers, positives: Numbers, bins: int = CALIBRATION_BINS
) -> Calibration:
    """Give the same out of counts of ``count_scores``: each bucket promises what its middle is."""
    middles = np.array([bucket_probability(place + 0.5) for place in range(len(negatives))])
    return _calibrate(middles, negatives, positives, bins)


def _calibrate(
    probabilities: Numbers, negatives: Numbers, positives: Numbers, bins: int
) -> Calibration:
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    totals = negatives + positives
    rows = np.bincount(place, weights=totals, minlength=bins)
    promised = np.bincount(place, weights=probabilities * totals, minlength=bins)
    found = np.bincount(place, weights=positives, minlength=bins)
    used = rows > 0
    error = float(np.abs(promised - found)[used].sum() / rows.sum())
    means = (promised[used] / rows[used]).tolist(), (found[used] / rows[used]).tolist()
    counts = rows[used].astype(int).tolist()
    return Calibration(error, tuple(means[0]), tuple(means[1]), tuple(counts))


def count_scores(labels: Numbers, probabilities: Numbers) -> npt.NDArray[np.int64]:
    """Count scores by label in buckets of equal width in log-odds: shape (2, SCORE_BUCKETS)."""
    odds = log_odds(probabilities)
    positive = np.asarray(labels) > 0.5
    counts = [
        count_in_buckets(odds[part], LARGEST_LOG_ODDS, SCORE_BUCKETS)
        for part in (~positive, positive)
    ]
    return np.stack(counts)


def log_odds(probabilities: Numbers) -> Doubles:
    """Give the log-odds of probabilities, finite also for 0 and 1."""
    bounded = np.clip(np.asarray(probabilities, np.float64), 1e-9, 1 - 1e-9)
    odds: Doubles = np.log(bounded / (1 - bounded))
    return odds


def count_in_buckets(values: Doubles, largest: float, buckets: int) -> npt.NDArray[np.int64]:
    """Count numbers in buckets of equal width from -largest to largest; what is beyond, outside."""
    share = np.asarray(values) / (2 * largest) + 0.5
    place = np.clip((share * buckets).astype(int), 0, buckets - 1)
    return np.bincount(place, minlength=buckets).astype(np.int64)


def bucket_probability(place: float) -> float:
    """Give the probability at the lower edge of a bucket of ``count_scores``."""
    odds = (place / SCORE_BUCKETS - 0.5) * 2 * LARGEST_LOG_ODDS
    return float(1 / (1 + np.exp(-odds)))


def roc_auc_of_counts(negatives: Numbers, positives: Numbers) -> float:
    """Area under the ROC curve of counts by ascending score."""
    _require_both(negatives, positives)
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / positives.sum() / negatives.sum())


def average_precision_of_counts(negatives: Numbers, positives: Numbers) -> float:
    """Average precision of counts by ascending score."""
    _require_both(negatives, positives)
    hits = np.cumsum(positives[::-1].astype(np.float64))
    alarms = hits + np.cumsum(negatives[::-1])
    steps = positives[::-1] / hits[-1]
    return float((steps * hits / np.maximum(alarms, 1e-300)).sum())


def recall_at_alerts_of_counts(
    negatives: Numbers, positives: Numbers, alerts_per_10_000: int
) -> float:
    """Share of the positives among the highest counts; see ``recall_at_alerts``."""
    _require_both(negatives, positives)
    budget = (np.sum(negatives) + np.sum(positives)) * alerts_per_10_000 / PER
    alerts = np.concatenate([[0.0], np.cumsum((negatives + positives)[::-1])])
    hits = np.concatenate([[0.0], np.cumsum(positives[::-1])])
    return float(np.interp(budget, alerts, hits) / hits[-1])


def precision_of_counts(
    negatives: Numbers, positives: Numbers, rate: float = ACTION_FALSE_POSITIVE_RATE
) -> tuple[float, float]:
    """Precision and recall within a rate; see ``precision_at_false_positive_rate``."""
    _require_both(negatives, positives)
    false = np.cumsum(negatives[::-1])
    hits = np.cumsum(positives[::-1])
    allowed = np.flatnonzero(false <= rate * false[-1])
    if not len(allowed) or not hits[allowed[-1]]:
        return 1.0, 0.0
    place = allowed[-1]
    return float(hits[place] / (hits[place] + false[place])), float(hits[place] / hits[-1])


def action_cut_of_counts(
    negatives: Numbers, positives: Numbers, rate: float = ACTION_FALSE_POSITIVE_RATE
) -> int:
    """Choose the lowest place from which on, upward, false positives stay within the rate.

    Returns:
        The length of the counts where no place does that.
    """
    _require_both(negatives, positives)
    false = np.cumsum(negatives[::-1])[::-1]
    within = np.flatnonzero(false <= rate * false[0])
    return int(within[0]) if len(within) else len(negatives)


def precision_recall_of_counts(negatives: Numbers, positives: Numbers) -> tuple[Doubles, Doubles]:
    """Give recall and precision for every cut, from the highest score down, where alarms are."""
    _require_both(negatives, positives)
    hits = np.cumsum(positives[::-1].astype(np.float64))
    alarms = hits + np.cumsum(negatives[::-1])
    used = alarms > 0
    return hits[used] / hits[-1], hits[used] / alarms[used]


def macro_f1_of_cut(negatives: Numbers, positives: Numbers, place: int) -> float:
    """Mean of the F1 of both classes where counts from a place on, upward, are alarms."""
    hit, false = float(np.sum(positives[place:])), float(np.sum(negatives[place:]))
    return macro_f1_of_decisions(
        hit, false, float(np.sum(positives)) - hit, float(np.sum(negatives)) - false
    )


def macro_f1_of_decisions(hit: float, false: float, missed: float, rest: float) -> float:
    """Mean of the F1 of both classes for counted decisions."""
    return float(_macro(np.array(hit), np.array(false), np.array(missed), np.array(rest)))


def largest_advantage(unseen: Numbers, seen: Numbers) -> float:
    """Give the most by which a threshold tells seen from unseen: true less false positive rate."""
    _require_both(unseen, seen)
    rates = np.cumsum(seen[::-1]) / np.sum(seen) - np.cumsum(unseen[::-1]) / np.sum(unseen)
    return float(max(0.0, rates.max()))


def best_cut_of_counts(negatives: Numbers, positives: Numbers) -> int:
    """Choose the place from which on, upward, an alarm gives the best macro F1.

    Among equally good neighbouring places the middle one, which is farthest from the data.
    """
    hit = np.concatenate([np.cumsum(positives[::-1])[::-1], [0]]).astype(np.float64)
    false = np.concatenate([np.cumsum(negatives[::-1])[::-1], [0]]).astype(np.float64)
    value = _macro(hit, false, hit[0] - hit, false[0] - false)
    first = int(np.argmax(value))
    last = first
    while last + 1 < len(value) and value[last + 1] == value[first]:
        last += 1
    return (first + last) // 2


def _macro(hit: Doubles, false: Doubles, missed: Doubles, rest: Doubles) -> Doubles:
    positive = 2 * hit / np.maximum(2 * hit + false + missed, 1e-300)
    negative = 2 * rest / np.maximum(2 * rest + false + missed, 1e-300)
    return np.asarray((positive + negative) / 2)


def _count_distinct(labels: Numbers, scores: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    values, place = np.unique(np.asarray(scores), return_inverse=True)
    positives = np.bincount(place, weights=np.asarray(labels, np.float64), minlength=len(values))
    totals = np.bincount(place, minlength=len(values))
    _require_both(totals - positives, positives)
    return values, totals - positives, positives


def _require_both(negatives: Numbers, positives: Numbers) -> None:
    if not np.sum(negatives) or not np.sum(positives):
        raise ValueError("a label does not occur")
