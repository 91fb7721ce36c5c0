"""Write model cards and risk assessments in Markdown, for people."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from federation.training.assessment import Assessment
from federation.training.card import CardRound, ModelCard
from federation.training.plan import TrainingPlan
from federation.training.worth import ALERTS, Gains, MemberMean, Worth

CHANCE_LEVEL: Final = 0.05  # of membership advantage: less is of no use to anybody
MUCH_ADVANTAGE: Final = 0.15

_METRICS: Final = (
    ("PR-AUC (average precision)", "pr_auc"),
    ("ROC-AUC", "roc_auc"),
    ("Macro F1 at the threshold", "macro_f1"),
    (f"Recall at {ALERTS} alerts per 10,000 subjects", "recall_at_alerts"),
    ("Precision at one false alarm in 10,000 innocent", "precision_at_fpr"),
    ("Recall at the same threshold", "recall_at_fpr"),
    ("Expected calibration error", "calibration_error"),
    ("Threshold", "threshold"),
    ("Threshold for measures (one false alarm in 10,000)", "action_threshold"),
    ("Membership attack, AUC (0.5 is a guess)", "membership_auc"),
    ("Membership attack, advantage (0 is a guess)", "membership_advantage"),
)
_MEANS: Final = (("PR-AUC", "pr_auc"), ("ROC-AUC", "roc_auc"), ("Macro F1", "macro_f1"))
_GAIN_NAMES: Final = {"auc": "ROC-AUC", "ap": "PR-AUC", "macro_f1": "Macro F1"}


def write_card(card: ModelCard, assessment: Assessment | None) -> str:
    """Give the Markdown of a card; the same card gives the same text."""
    sections = (
        _head(card),
        _use(card),
        _data(card),
        _model(card.plan, card),
        _worth(card),
        _gains(card),
        _membership(card),
        _protection(card),
        _rounds(card),
        _judgement(card, assessment),
        _checking(card),
    )
    return "\n\n".join(sections) + "\n"


def write_assessment(assessment: Assessment) -> str:
    """Give the Markdown of an assessment."""
    rows = [(one.risk, one.mitigation, one.remaining) for one in assessment.risks]
    parts = (
        f"**{assessment.decision.capitalize()}** by {_cell(assessment.reviewer)} on"
        f" {_time(assessment.reviewed_time)}, for: {_cell(assessment.purpose)}",
        _table(("Risk", "Mitigation", "What remains"), rows),
        f"Conditions: {_cell(assessment.conditions) or 'none'}",
        f"Record `{assessment.digest().hex()}`.",
    )
    return "\n\n".join(parts)


def _head(card: ModelCard) -> str:
    return "\n".join(
        (
            f"# Model card: {card.plan.task}",
            "",
            f"Model `{card.model_digest.hex()}` of plan `{card.plan_digest.hex()}`, proposed and"
            f" run by {card.coordinator}.",
        )
    )


def _use(card: ModelCard) -> str:
    plan = card.plan
    rows = (
        ("Task", plan.task),
        ("Purpose", plan.data_use.purpose),
        ("Legal basis", plan.data_use.legal_basis),
        ("The plan expired or expires", _time(plan.expiry_time)),
    )
    return (
        "## Use\n\n"
        + _facts(rows)
        + "\n\n"
        + (
            "The score is a reason to look, never a decision: what it opens goes to verification,"
            " and a measure needs what the federation's rules ask for."
        )
    )


def _data(card: ModelCard) -> str:
    found, plan = card.evaluation, card.plan
    share = found.positives / max(found.rows, 1)
    unused = [one.name for one in card.features if not one.used]
    rows = (
        ("Members", ", ".join(one.name for one in card.participants)),
        ("Rows measured", f"{found.rows:,}, of them fraud {found.positives:,} ({share:.2%})"),
        ("Rows were read", f"{_time(card.started_time)} to {_time(card.ended_time)}"),
        ("Label", f"{plan.label.definition}; counts {_days(plan.label.maturity_days)}"),
        ("Columns", _features(card)),
        ("Columns left out: their empty cells told the label", ", ".join(unused) or "none"),
    )
    return "## Data\n\n" + _facts(rows)


def _days(count: int) -> str:
    return f"after {count} days" if count else "at once"


def _features(card: ModelCard) -> str:
    named = [f"{one.name} ({one.unit})" if one.unit else one.name for one in card.features]
    return ", ".join(named)


def _model(plan: TrainingPlan, card: ModelCard) -> str:
    model, optimiser = plan.model, plan.optimiser
    passes = "pass" if optimiser.epochs == 1 else "passes"
    rows = (
        ("Model", f"{model.name}, {model.networks} side by side, width {model.width}"),
        ("Strategy", f"{plan.strategy.name}, {len(card.rounds)} of {plan.rounds} rounds"),
        (
            "Each round",
            f"{optimiser.epochs} {passes} over the rows, {optimiser.least_steps} to"
            f" {optimiser.most_steps} steps",
        ),
        ("Protection", plan.protection),
        ("Differential privacy", _privacy(plan)),
    )
    return "## Model\n\n" + _facts(rows)


def _privacy(plan: TrainingPlan) -> str:
    if plan.privacy is None:
        return "none"
    return f"ε = {plan.privacy.epsilon:g}, δ = {plan.privacy.delta:g} for one row, in all rounds"


def _worth(card: ModelCard) -> str:
    found = card.evaluation
    rows = [
        (name, _number(found.federated, field), _number(found.local, field))
        for name, field in _METRICS
    ]
    means = [
        (
            f"{name}, mean over members",
            _number(found.federated_mean, field),
            _number(found.local_mean, field),
        )
        for name, field in _MEANS
    ]
    note = (
        f"Sums over {found.contributors} members; every row is scored by a network that never saw"
        f" it. *Local* is each member's own model of the same kind on its own rows alone"
        f" ({found.compared} members could train one). Thresholds were chosen on the same scores,"
        " so that F1 is a little too good on both sides; local F1 is at each member's own."
    )
    shortened = (
        f"\n\nFor time, {found.shortened} of the local models had fewer rounds than the plan's."
        if found.shortened
        else ""
    )
    header = ("Measured", "Federated", "Local")
    return "## What it is worth\n\n" + _table(header, [*rows, *means]) + f"\n\n{note}{shortened}"


def _gains(card: ModelCard) -> str:
    lines = [_gain_line(one) for one in card.evaluation.gains if sum(one.counts)]
    if not lines:
        text = "Not measured: no member could train a model of its own."
    else:
        text = _table(("Metric", "Members by gain of the federated model over their own"), lines)
    return "## Members' gains\n\n" + text


def _gain_line(gains: Gains) -> tuple[str, str]:
    parts = [
        f"{count} × {_span(*gains.edges(place))}"
        for place, count in enumerate(gains.counts)
        if count
    ]
    return _GAIN_NAMES[gains.metric], ", ".join(parts)


def _span(least: float, most: float) -> str:
    if least == float("-inf"):
        return f"below {most:+.2f}"
    if most == float("inf"):
        return f"{least:+.2f} or more"
    return f"{least:+.2f} to {most:+.2f}"


def _membership(card: ModelCard) -> str:
    found = card.evaluation.federated.membership_advantage
    chance = _chance(card.evaluation.rows)
    if found is None:
        verdict = "It was not measured."
    elif found < max(CHANCE_LEVEL, chance):
        verdict = "No more can be told than that."
    elif found < MUCH_ADVANTAGE:
        verdict = "Something can be told: mind it where membership itself is sensitive."
    else:
        verdict = "Much can be told: the model remembers single rows."
    return (
        "## Membership test\n\n"
        "Two attacks with the model in hand try to tell rows that a network was trained on from"
        " rows that it never saw: by how sure it is, and by how much surer than its neighbours."
        f" The table has the stronger one. On so many rows, chance alone reaches an advantage of"
        f" {chance:.3f}. {verdict}"
    )


def _chance(rows: int) -> float:
    """Give the advantage that a guess reaches in one case of twenty: Kolmogorov and Smirnov's."""
    return min(1.0, 1.36 * math.sqrt(2 / max(rows, 1)))


def _protection(card: ModelCard) -> str:
    return (
        "## Protection\n\n"
        + _list(card.protection)
        + "\n\n## What the protection does not hold against\n\n"
        + _list(card.limits)
    )


def _rounds(card: ModelCard) -> str:
    members = [(one.name, f"{one.row_cap:,}", f"{one.good}") for one in card.participants]
    table = _table(("Member", "Rows claimed at most", "Rounds with its update"), members)
    losses = [one.loss for one in card.rounds if one.loss is not None]
    course = f"Training loss {losses[0]:.4f} to {losses[-1]:.4f}." if losses else ""
    missing = [line for one in card.rounds for line in _absences(one)]
    absent = (
        _list(missing)
        if missing
        else "Every enrolled member was in every round, within what is checked."
    )
    return "\n\n".join(part for part in ("## Rounds", table, course, absent) if part)


def _absences(one: CardRound) -> Iterable[str]:
    if one.unmeasured:
        yield (
            f"Round {one.number}: {one.unmeasured} updates that nobody measured, for want of key"
            " holders: only their members' own clipping held them to the bound"
        )
    for left in one.left_out:
        reason = left.reason.lower().replace("_", " ")
        yield f"Round {one.number}: {left.member} {left.outcome.lower()} ({reason})"


def _judgement(card: ModelCard, assessment: Assessment | None) -> str:
    if assessment is None or assessment.card_digest != card.digest():
        text = (
            "A record of its own names this card's digest; its own digest stands in the"
            " statements that take the model to its stages. Without one that approves, the model"
            " is neither tried in the shadow stage nor released."
        )
    else:
        text = write_assessment(assessment)
    return "## Risk assessment\n\n" + text


def _checking(card: ModelCard) -> str:
    plan = card.plan_digest.hex()[:16]
    rows = (
        ("Plan", f"`{card.plan_digest.hex()}`"),
        ("Model", f"`{card.model_digest.hex()}`"),
        ("Schema", f"`{card.plan.schema_digest.hex()}`"),
        ("Training code", f"`{card.plan.app_digest.hex()}`"),
        ("First model", f"`{card.plan.initial_model_digest.hex()}`"),
        ("Card", f"`{card.digest().hex()}`"),
    )
    steps = (
        "The card's digest is that of its file: `sha256sum card.json`.",
        f"`tocsin train show {plan}` shows plan, rounds, evaluation and stages as they stand in the"
        " signed logs; the digests there are the ones above.",
        f"`tocsin train rollback DIGEST` at {card.coordinator} brings an earlier released model"
        " back in force; `tocsin train release"
        f" {plan} --stage retired` takes this one out of force.",
    )
    return "## Checking and rolling back\n\n" + _facts(rows) + "\n\n" + _list(steps)


def _number(worth: Worth | MemberMean | None, field: str) -> str:
    value = getattr(worth, field) if worth is not None else None
    return "–" if value is None else f"{value:.4f}"


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    return _table(("", ""), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _cell(text: str) -> str:
    """Keep a text on one line of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
