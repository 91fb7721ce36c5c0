"""Hold what the members measured together: plain numbers, readable without numpy.

Two candidates stand beside one another: the federated model, and each member's own, trained on its
own rows alone. Every score is *blind*: of a network that never saw the row.
"""

from dataclasses import dataclass
from typing import Final

from federation.training import canonical
from federation.training.error import DocumentError

FEDERATED: Final = "federated"
LOCAL: Final = "local"
GAINS: Final = ("auc", "ap", "macro_f1")
"""The metrics whose difference between the candidates each member counts for itself."""
GAIN_STEP: Final = 0.01
GAIN_STEPS: Final = 10
"""Steps on each side of no gain; what is beyond counts in the outermost."""
ALERTS: Final = 100
"""Of 10,000 subjects: what the analysts of a member can look at."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What one candidate is worth on all members' rows.

    Attributes:
        roc_auc: Area under the ROC curve.
        pr_auc: Average precision.
        macro_f1: Mean of the F1 of both classes, at the threshold (``local``: each member's own).
        recall_at_alerts: Share of the fraud in the highest ALERTS of 10,000 rows.
        precision_at_fpr: Precision where at most one innocent row in 10,000 is an alarm.
        recall_at_fpr: Recall at the same threshold.
        calibration_error: Mean distance between promised and found shares of fraud.
        threshold: Probability from which a row is an alarm.
        action_threshold: Probability from which at most one innocent row in 10,000 is an alarm;
            1.0 where no threshold keeps that.
        membership_auc: How well the stronger of two attacks tells rows that a network was trained
            on from rows that it never saw; 0.5 is a guess; None where that was not measured.
        membership_advantage: The same as the largest difference between the rates of right and
            wrong accusations; 0 is a guess.
    """

    roc_auc: float
    pr_auc: float
    macro_f1: float
    recall_at_alerts: float
    precision_at_fpr: float
    recall_at_fpr: float
    calibration_error: float
    threshold: float
    action_threshold: float
    membership_auc: float | None = None
    membership_advantage: float | None = None


@dataclass(frozen=True, slots=True)
class MemberMean:
    """The mean over members of what each measured on its own rows."""

    roc_auc: float
    pr_auc: float
    macro_f1: float


@dataclass(frozen=True, slots=True)
class Gains:
    """How many members gained how much by the federated model over their own.

    Attributes:
        metric: One of GAINS.
        counts: Members by gain, in steps of GAIN_STEP; the first half of the list is a loss.
    """

    metric: str
    counts: tuple[int, ...]

    def edges(self, place: int) -> tuple[float, float]:
        """Give the least and the largest gain of a count; infinite at both ends."""
        low, high = place - GAIN_STEPS - 1, place - GAIN_STEPS
        least = float("-inf") if place == 0 else round(low * GAIN_STEP, 6)
        most = float("inf") if place == len(self.counts) - 1 else round(high * GAIN_STEP, 6)
        return least, most


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision over recall of one candidate, from few alarms to many."""

    candidate: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CalibrationBins:
    """Promised and found shares of fraud of one candidate, for each bin that has rows."""

    candidate: str
    promised: tuple[float, ...]
    found: tuple[float, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything the members measured together.

    Attributes:
        contributors: Members in the sums.
        compared: Those of them that have both labels and so trained a model of their own.
        shortened: Those of them that trained it for fewer rounds than the plan's, for time.
        rows: Rows with a blind score.
        positives: Those of them that are fraud.
        federated: Of the model.
        local: Of the members' own models, each on its own rows.
    """

    contributors: int
    compared: int
    shortened: int
    rows: int
    positives: int
    federated: Worth
    local: Worth | None
    federated_mean: MemberMean | None
    local_mean: MemberMean | None
    gains: tuple[Gains, ...]
    curves: tuple[Curve, ...]
    calibration: tuple[CalibrationBins, ...]

    def encode(self) -> bytes:
        """Write it in its canonical bytes."""
        return canonical.encode(self)

    @classmethod
    def parse(cls, data: bytes) -> "Evaluation":
        """Read what ``encode`` wrote.

        Raises:
            DocumentError: EVALUATION_MALFORMED.
        """
        try:
            return canonical.parse(cls, data)
        except canonical.CanonicalError as error:
            raise DocumentError("no evaluation", reason="EVALUATION_MALFORMED") from error
