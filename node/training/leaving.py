"""Say in plain sentences what of a member's data a plan lets out of its node."""

from __future__ import annotations

from federation.statements import TrainingPlan
from federation.vocabulary import TrainingProtection

MILLION = 1_000_000


def describe_leaving(plan: TrainingPlan) -> tuple[str, ...]:
    """Return one sentence for each thing that leaves, and for what does not."""
    return (
        "Rows, labels and identifiers never leave the member's machine.",
        *_updates(plan),
        _privacy(plan),
        *_statistics(plan),
        "In the log, for all members to read: the decision, the row cap, and each round's outcome.",
    )


def _updates(plan: TrainingPlan) -> tuple[str, ...]:
    bound = plan.norm_bound_millionths / MILLION
    if plan.protection is TrainingProtection.SECRET:
        return (
            f"Each of {plan.rounds} rounds: a model update of length at most {bound:g} and the row"
            " count, as shares sealed to the key holders; the coordinator sees only the sum.",
            f"A sum is opened over {plan.minimum_members} or more members; the holders and the"
            " coordinator also learn each update's length and row count.",
        )
    return (
        f"Each of {plan.rounds} rounds: a model update of length at most {bound:g} and the row"
        " count, visible to the coordinator.",
    )


def _statistics(plan: TrainingPlan) -> tuple[str, ...]:
    if plan.protection is TrainingProtection.SECRET:
        return (
            "Before the first round: counts and sums of each column, as private sums only.",
            "After the last: counts of own rows by score and label, of the model and of one that"
            " the member trains alone, and by how much the model is better here, over"
            f" {plan.minimum_members} or more members, as private sums only.",
        )
    return (
        "Before the first round: counts and sums of each column, visible to the coordinator.",
        "After the last: counts of own rows by score and label, of the model and of one that the"
        " member trains alone, and by how much the model is better here, visible to the"
        " coordinator.",
    )


def _privacy(plan: TrainingPlan) -> str:
    if not plan.epsilon_millionths:
        return "No differential privacy: the model may betray single rows."
    epsilon, delta = plan.epsilon_millionths / MILLION, plan.delta_trillionths / MILLION**2
    return f"Differential privacy of single rows in all: epsilon {epsilon:g}, delta {delta:g}."
