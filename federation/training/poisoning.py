"""What one poisoner did to a model, as measured: the model card quotes it.

The rows are 80 % of the project's carrier table (3,907 of three real carriers), cut into five and
seven members; the areas are on the other 20 %. ``python -m tests.bench.poisoning`` measures again.
"""

from dataclasses import dataclass
from typing import Final

from federation.training.plan import TREES, TrainingPlan

HONEST: Final = "honest"
FALSE_UPDATE: Final = "false update"
"""An update times -10 or -5, of NaN or of another shape, or a claim of 10^9 rows: each is rejected
in every round, so that all five give one model."""
LABEL_FLIP: Final = "label flip"
BACKDOOR: Final = "backdoor"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run with one poisoner.

    Attributes:
        members: Of the run, the poisoner among them.
        plan: Protection, and strategy or model.
        attack: What the poisoner did.
        precision: PR-AUC on rows that nobody trained on.
        ratio: To the same run without a poisoner.
        backdoor: Share of the model's alarms that fall silent where the poisoner's pattern stands.
        named: Share of the rounds whose report rejects the poisoner.
    """

    members: int
    plan: str
    attack: str
    precision: float
    ratio: float
    backdoor: float
    named: float


def kind_of(plan: TrainingPlan) -> str:
    """Name a plan as MEASURED does."""
    return f"{plan.protection} {TREES if plan.model.name == TREES else plan.strategy.name}"


def measured_limits(plan: TrainingPlan) -> tuple[str, ...]:
    """Say in sentences what was measured for plans of this kind."""
    rows = [row for row in MEASURED if row.plan == kind_of(plan)]
    if not rows:
        return ("How far one poisoner gets was not measured for this strategy.",)
    crude = [row for row in rows if row.attack == FALSE_UPDATE]
    flips = [row for row in rows if row.attack == LABEL_FLIP]
    doors = [row for row in rows if row.attack == BACKDOOR]
    counts = sorted({str(row.members) for row in rows})
    unseen = all(row.named == 0 for row in flips)
    hidden = " (whose sender no report names)" if unseen else ""
    found = (
        f"Measured with one poisoner of {' and of '.join(counts)} on real carriers' rows:"
        " false updates and"
        f" false claims are named and cost at most {_loss(crude)} of PR-AUC, flipped labels"
        f"{hidden} {_loss(flips)}.",
    )
    if not doors:
        return found
    return (
        *found,
        "A back door on a pattern of two features silenced"
        f" {max(row.backdoor for row in doors):.0%} of the alarms in which the pattern stood"
        f" ({max(row.backdoor for row in rows if row.attack == HONEST):.0%} without a poisoner),"
        " and no report names the member.",
    )


def _loss(rows: list[Measured]) -> str:
    return f"{max(0.0, 1 - min(row.ratio for row in rows)):.1%}"


MEASURED: Final = (
    Measured(5, "secret FedAvg", HONEST, 0.9684, 1.000, 0.02, 0.00),
    Measured(5, "secret FedAvg", FALSE_UPDATE, 0.9665, 0.998, 0.02, 1.00),
    Measured(5, "secret FedAvg", LABEL_FLIP, 0.9579, 0.989, 0.02, 0.00),
    Measured(5, "secret FedAvg", BACKDOOR, 0.9656, 0.997, 0.45, 0.00),
    Measured(5, "robust FedTrimmedAvg", HONEST, 0.9683, 1.000, 0.03, 0.00),
    Measured(5, "robust FedTrimmedAvg", FALSE_UPDATE, 0.9661, 0.998, 0.02, 1.00),
    Measured(5, "robust FedTrimmedAvg", LABEL_FLIP, 0.9661, 0.998, 0.02, 0.50),
    Measured(5, "robust FedTrimmedAvg", BACKDOOR, 0.9660, 0.998, 0.34, 0.00),
    Measured(5, "robust MultiKrum", HONEST, 0.9590, 1.000, 0.00, 0.00),
    Measured(5, "robust MultiKrum", FALSE_UPDATE, 0.9665, 1.008, 0.03, 1.00),
    Measured(5, "robust MultiKrum", LABEL_FLIP, 0.9579, 0.999, 0.02, 0.03),
    Measured(5, "robust MultiKrum", BACKDOOR, 0.9567, 0.998, 0.03, 0.00),
    Measured(5, "robust trees", HONEST, 0.9603, 1.000, 0.00, 0.00),
    Measured(5, "robust trees", FALSE_UPDATE, 0.9559, 0.995, 0.00, 1.00),
    Measured(5, "robust trees", LABEL_FLIP, 0.9577, 0.997, 0.00, 0.85),
    Measured(5, "robust trees", BACKDOOR, 0.9595, 0.999, 0.06, 0.00),
    Measured(7, "secret FedAvg", HONEST, 0.9688, 1.000, 0.01, 0.00),
    Measured(7, "secret FedAvg", FALSE_UPDATE, 0.9665, 0.998, 0.02, 1.00),
    Measured(7, "secret FedAvg", LABEL_FLIP, 0.9643, 0.995, 0.01, 0.00),
    Measured(7, "secret FedAvg", BACKDOOR, 0.9672, 0.998, 0.27, 0.00),
    Measured(7, "robust FedTrimmedAvg", HONEST, 0.9687, 1.000, 0.01, 0.00),
    Measured(7, "robust FedTrimmedAvg", FALSE_UPDATE, 0.9663, 0.998, 0.02, 1.00),
    Measured(7, "robust FedTrimmedAvg", LABEL_FLIP, 0.9671, 0.998, 0.02, 0.47),
    Measured(7, "robust FedTrimmedAvg", BACKDOOR, 0.9671, 0.998, 0.21, 0.00),
    Measured(7, "robust MultiKrum", HONEST, 0.9667, 1.000, 0.02, 0.00),
    Measured(7, "robust MultiKrum", FALSE_UPDATE, 0.9667, 1.000, 0.01, 1.00),
    Measured(7, "robust MultiKrum", LABEL_FLIP, 0.9665, 1.000, 0.02, 0.05),
    Measured(7, "robust MultiKrum", BACKDOOR, 0.9665, 1.000, 0.02, 0.00),
    Measured(7, "robust trees", HONEST, 0.9580, 1.000, 0.00, 0.00),
    Measured(7, "robust trees", FALSE_UPDATE, 0.9564, 0.998, 0.01, 1.00),
    Measured(7, "robust trees", LABEL_FLIP, 0.9570, 0.999, 0.01, 0.90),
    Measured(7, "robust trees", BACKDOOR, 0.9585, 1.001, 0.04, 0.00),
)
