"""Say in plain sentences what a model's protection holds against, and what it does not.

The sentences stand in every model card. What was measured is measured on the project's own tables
and is no promise for others.
"""

from federation.training.plan import SECRET, VISIBLE_STRATEGIES, TrainingPlan
from federation.training.poisoning import measured_limits


def protection_of(plan: TrainingPlan) -> tuple[str, ...]:
    """Give what the plan's protection does."""
    if plan.protection == SECRET:
        return (
            "Updates left a member only as shares for the key holders: the coordinator and fewer"
            " holders than open together saw nothing but sums over"
            f" {plan.minimum_members} or more members.",
            "Updates longer than the plan's bound, malformed ones and claims of more rows than"
            " signed were left out before a sum was opened, where enough key holders were there;"
            " rounds without them are named below.",
        )
    return (
        "Each member's update was visible to the coordinator, with the members' consent.",
        "Updates with numbers that are not finite, of another shape, longer than the plan's bound"
        " or claiming more rows than signed were left out, and the rest was combined by"
        f" {plan.strategy.name}.",
    )


def limits_of(plan: TrainingPlan) -> tuple[str, ...]:
    """Give what it does not hold against."""
    return (
        _poison(plan),
        *measured_limits(plan),
        _privacy(plan),
        "The statistics before the first round and the scores after the"
        " last are exact sums without noise.",
        *_exactness(plan),
    )


def _poison(plan: TrainingPlan) -> str:
    if plan.protection == SECRET:
        return (
            "An update within the bound is never refused: mild poisoning, wrong labels and a"
            " backdoor on a pattern of features go into the model."
        )
    if plan.strategy.name in VISIBLE_STRATEGIES:
        return (
            "Robust combination outvotes single wrong updates; a backdoor that looks like honest"
            " updates, and more offenders than the plan expects, go into the model."
        )
    return (
        f"{plan.strategy.name} outvotes nobody: an update that passes the checks goes into the"
        " model as it is, poisoned or not."
    )


def _privacy(plan: TrainingPlan) -> str:
    if plan.privacy is None:
        return (
            "Without differential privacy the model may betray single rows: see the membership"
            " test."
        )
    return (
        f"Differential privacy bounds what the model betrays of one row by epsilon"
        f" {plan.privacy.epsilon:g} and delta {plan.privacy.delta:g}, not what it betrays of a"
        " person with several rows or of a member."
    )


def _exactness(plan: TrainingPlan) -> tuple[str, ...]:
    if plan.protection == SECRET:
        return ("The holders learn the length and the row count of each update.",)
    return ("The coordinator can learn more from a visible update than from a sum.",)
