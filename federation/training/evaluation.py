"""Measure two models at every member and put the sums together: the app's ``evaluate``.

A member gives one vector of counts, which is only ever summed. It holds, for the federated model
and for the member's own, the blind scores by label, the confidence in rows that a network was
trained on and in rows it never saw, and the member's own gain as a mark in one of a few buckets.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from federation.training import metrics
from federation.training.metrics import SCORE_BUCKETS
from federation.training.worth import (
    ALERTS,
    FEDERATED,
    GAIN_STEP,
    GAIN_STEPS,
    GAINS,
    LOCAL,
    CalibrationBins,
    Curve,
    Evaluation,
    Gains,
    MemberMean,
    Worth,
)

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

MEMBERSHIP_BUCKETS: Final = 128
MEMBERSHIP_RANGES: Final = (12.8, 3.2)
"""Largest log-odds of the two attacks' statistics: confidence, and confidence beside others'."""
LEAST_REFERENCED: Final = 3  # networks: one that saw the row, one that did not, one beside them
GAIN_BUCKETS: Final = 2 * GAIN_STEPS + 2
MILLION: Final = 1_000_000
CURVE_POINTS: Final = 64  # of a curve in a card: more are not seen in a plot
DIGITS: Final = 6  # of every number in a card

_SCORES: Final = 2 * SCORE_BUCKETS
_MEMBERSHIP: Final = len(MEMBERSHIP_RANGES) * 2 * MEMBERSHIP_BUCKETS
_DECISIONS: Final = 4  # hits, false alarms, misses, rest
_MEANS: Final = len(GAINS)
_MODEL: Final = _SCORES + _MEMBERSHIP + _DECISIONS + _MEANS
_GAINS: Final = len(GAINS) * GAIN_BUCKETS
_MARKS: Final = 2  # compared, shortened
SUMMAND_LENGTH: Final = 2 * _MODEL + _GAINS + _MARKS


@dataclass(frozen=True)
class Part:
    """What is counted of one model, at one member or over all.

    Attributes:
        scores: Blind scores by label, (2, SCORE_BUCKETS).
        membership: For each attack, unseen and seen rows: (attacks, 2, MEMBERSHIP_BUCKETS).
        decisions: Hits, false alarms, misses and rest at each member's own best threshold.
        means: The member's own GAINS metrics in millionths.
    """

    scores: Integers
    membership: Integers
    decisions: Integers
    means: Integers

    @classmethod
    def count(cls, labels: Floats, folds: Places, scores: Floats) -> "Part":
        """Count one model at one member.

        Args:
            labels: 0.0 or 1.0.
            folds: For each row, the network that never saw it; -1 where all did.
            scores: Each network's probabilities, (rows, networks).
        """
        blind = folds >= 0
        wanted = labels[blind]
        chosen = scores[blind, folds[blind]]
        counts = metrics.count_scores(wanted, chosen)
        means, decisions = np.zeros(_MEANS, np.int64), np.zeros(_DECISIONS, np.int64)
        if counts.sum(axis=1).all():
            alarms = chosen >= metrics.best_threshold(wanted, chosen)
            decisions = _count_decisions(wanted > 0.5, alarms)
            found = (
                metrics.roc_auc(wanted, chosen),
                metrics.average_precision(wanted, chosen),
                metrics.macro_f1(wanted, alarms),
            )
            means = np.array([round(one * MILLION) for one in found], np.int64)
        return cls(counts, _count_membership(labels, folds, scores), decisions, means)

    @classmethod
    def nothing(cls) -> "Part":
        """Give the part of a member without a model of its own."""
        return cls.read(np.zeros(_MODEL, np.int64))

    @classmethod
    def read(cls, numbers: Integers) -> "Part":
        """Take a vector apart."""
        scores, membership, decisions, means = np.split(
            numbers, [_SCORES, _SCORES + _MEMBERSHIP, _SCORES + _MEMBERSHIP + _DECISIONS]
        )
        attacks = len(MEMBERSHIP_RANGES)
        shape = (attacks, 2, MEMBERSHIP_BUCKETS)
        return cls(scores.reshape(2, -1), membership.reshape(shape), decisions, means)

    def write(self) -> Integers:
        """Put it into one vector."""
        parts = (self.scores.ravel(), self.membership.ravel(), self.decisions, self.means)
        return np.concatenate(parts)

    @property
    def is_measurable(self) -> bool:
        """Whether both labels have a blind score."""
        return bool((self.scores.sum(axis=1) > 0).all())


@dataclass(frozen=True)
class Comparison:
    """What one member counts: the federated model beside its own.

    Attributes:
        federated: Of the federated model.
        local: Of the member's own; None for a member that could not train one.
        shortened: Whether its own was trained for fewer rounds than the plan's.
    """

    federated: Part
    local: Part | None = None
    shortened: bool = False

    @property
    def gains(self) -> tuple[float, ...] | None:
        """How much better the federated model is on the member's rows, for each of GAINS."""
        if self.local is None or not self.federated.is_measurable:
            return None
        return tuple(((self.federated.means - self.local.means) / MILLION).tolist())

    def summand(self) -> Integers:
        """Write the member's vector: all that leaves it."""
        compared = self.gains is not None
        local = self.local if compared and self.local else Part.nothing()
        # A mean over members has only those in it that measured both.
        federated = self.federated.write()
        if not compared:
            federated[-_MEANS:] = 0
        marks = np.array([compared, compared and self.shortened], np.int64)
        return np.concatenate([federated, local.write(), _mark_gains(self.gains), marks])

    def describe(self) -> dict[str, Any]:
        """Write what stays with the member: its own numbers, curves and counts of scores."""
        found: dict[str, Any] = {
            "rows": int(self.federated.scores.sum()),
            "positives": int(self.federated.scores[1].sum()),
            "shortened": self.shortened,
            "gains": None if self.gains is None else dict(zip(GAINS, self.gains, strict=True)),
        }
        for name, part in ((FEDERATED, self.federated), (LOCAL, self.local)):
            measurable = part is not None and part.is_measurable
            found[name] = asdict(_worth(part)) if part and measurable else None
            found[f"{name}_curve"] = asdict(_curve(name, part)) if part and measurable else None
        return found


def put_together(total: Integers, contributors: int) -> Evaluation:
    """Make the evaluation of the members' summed vectors.

    Raises:
        ValueError: It has another length, or a label does not occur.
    """
    if total.shape != (SUMMAND_LENGTH,):
        raise ValueError("the sum has another length")
    federated, local = Part.read(total[:_MODEL]), Part.read(total[_MODEL : 2 * _MODEL])
    gains = total[2 * _MODEL : -_MARKS].reshape(len(GAINS), -1)
    compared, shortened = (int(mark) for mark in total[-_MARKS:])
    both = ((FEDERATED, federated), (LOCAL, local)) if local.is_measurable else None
    models: Sequence[tuple[str, Part]] = both or ((FEDERATED, federated),)
    return Evaluation(
        contributors=contributors,
        compared=compared,
        shortened=shortened,
        rows=int(federated.scores.sum()),
        positives=int(federated.scores[1].sum()),
        federated=_worth(federated),
        local=_worth(local, own_thresholds=True) if both else None,
        federated_mean=_mean(federated, compared),
        local_mean=_mean(local, compared),
        gains=tuple(
            Gains(name, tuple(counts.tolist())) for name, counts in zip(GAINS, gains, strict=True)
        ),
        curves=tuple(_curve(name, part) for name, part in models),
        calibration=tuple(_calibration(name, part) for name, part in models),
    )


def _count_decisions(wanted: npt.NDArray[np.bool_], given: npt.NDArray[np.bool_]) -> Integers:
    parts = (wanted & given, ~wanted & given, wanted & ~given, ~wanted & ~given)
    return np.array([np.sum(part) for part in parts], np.int64)


def _count_membership(labels: Floats, folds: Places, scores: Floats) -> Integers:
    """Count two attacks' statistics for rows that a network never saw and for rows it saw.

    With several networks every row stands on both sides, so that nothing but having seen it tells
    them apart. The second attack asks how much surer the network is than others that saw the row.
    """
    sure = metrics.log_odds(scores) * (2 * labels[:, None] - 1)
    rows, networks = np.arange(len(labels)), scores.shape[1]
    if networks == 1:
        blind = folds >= 0
        plain = (sure[blind, 0], sure[~blind, 0])
        return _count_attacks(plain, None)
    other = (folds + 1) % networks
    plain = (sure[rows, folds], sure[rows, other])
    if networks < LEAST_REFERENCED:
        return _count_attacks(plain, None)
    beside = (sure.sum(axis=1) - plain[0] - plain[1]) / (networks - 2)
    return _count_attacks(plain, (plain[0] - beside, plain[1] - beside))


def _count_attacks(
    plain: tuple[Doubles, Doubles], referenced: tuple[Doubles, Doubles] | None
) -> Integers:
    empty = np.zeros(0)
    pairs = (plain, referenced or (empty, empty))
    counts = [
        [metrics.count_in_buckets(side, largest, MEMBERSHIP_BUCKETS) for side in pair]
        for pair, largest in zip(pairs, MEMBERSHIP_RANGES, strict=True)
    ]
    return np.array(counts, np.int64)


def _mark_gains(gains: Sequence[float] | None) -> Integers:
    marks = np.zeros((len(GAINS), GAIN_BUCKETS), np.int64)
    for place, gain in enumerate(gains or ()):
        bucket = int(np.floor(gain / GAIN_STEP)) + GAIN_STEPS + 1
        marks[place, min(max(bucket, 0), GAIN_BUCKETS - 1)] = 1
    return marks.ravel()


def _worth(part: Part, *, own_thresholds: bool = False) -> Worth:
    """Measure a model by its counts; ``own_thresholds`` takes the F1 of the members' decisions."""
    negatives, positives = part.scores
    place = metrics.best_cut_of_counts(negatives, positives)
    precision, recall = metrics.precision_of_counts(negatives, positives)
    macro_f1 = metrics.macro_f1_of_cut(negatives, positives, place)
    if own_thresholds:
        hit, false, missed, rest = (float(one) for one in part.decisions)
        macro_f1 = metrics.macro_f1_of_decisions(hit, false, missed, rest)
    found: dict[str, float | None] = {
        "roc_auc": metrics.roc_auc_of_counts(negatives, positives),
        "pr_auc": metrics.average_precision_of_counts(negatives, positives),
        "macro_f1": macro_f1,
        "recall_at_alerts": metrics.recall_at_alerts_of_counts(negatives, positives, ALERTS),
        "precision_at_fpr": precision,
        "recall_at_fpr": recall,
        "calibration_error": metrics.calibration_of_counts(negatives, positives).error,
    }
    found |= _membership(part.membership)
    rounded = {name: _round(value) for name, value in found.items()}
    action = metrics.action_cut_of_counts(negatives, positives)
    # Thresholds are used, not only read: they keep all their digits.
    return Worth(
        threshold=metrics.bucket_probability(place),
        action_threshold=metrics.bucket_probability(action) if action < SCORE_BUCKETS else 1.0,
        **rounded,  # type: ignore[arg-type]  # only the last two may be None
    )


def _membership(counts: Integers) -> dict[str, float | None]:
    measured = [
        (metrics.largest_advantage(unseen, seen), metrics.roc_auc_of_counts(unseen, seen))
        for unseen, seen in counts
        if unseen.sum() and seen.sum()
    ]
    advantage, area = max(measured, default=(None, None))
    return {"membership_auc": area, "membership_advantage": advantage}


def _mean(part: Part, compared: int) -> MemberMean | None:
    if not compared:
        return None
    area, precision, macro_f1 = (_round(one / MILLION / compared) or 0.0 for one in part.means)
    return MemberMean(area, precision, macro_f1)


def _curve(name: str, part: Part) -> Curve:
    recall, precision = metrics.precision_recall_of_counts(*part.scores)
    wanted = np.linspace(0, 1, CURVE_POINTS)
    places = np.unique(np.searchsorted(recall, wanted).clip(0, len(recall) - 1))
    return Curve(name, _rounded(recall[places]), _rounded(precision[places]))


def _calibration(name: str, part: Part) -> CalibrationBins:
    found = metrics.calibration_of_counts(*part.scores)
    return CalibrationBins(name, _rounded(found.promised), _rounded(found.found), found.rows)


def _rounded(numbers: Sequence[float] | Doubles) -> tuple[float, ...]:
    return tuple(round(float(one), DIGITS) for one in numbers)


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)
