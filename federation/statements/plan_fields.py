"""Move a training plan between the statement that carries it and the value that training obeys.

The statement holds closed codes and whole numbers, so that it has one spelling and no room for a
raw identifier; the value (``federation.training.plan``) holds words and fractions, and its digest
is the plan's identity. One table says which field is which.
"""

import enum
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from federation.training import plan as value
from federation.training.error import PlanError
from federation.vocabulary import (
    LegalBasis,
    TrainingLabel,
    TrainingLeaks,
    TrainingModel,
    TrainingProtection,
    TrainingStrategy,
    TrainingTask,
    TrainingUse,
)


class _Unit(NamedTuple):
    """How a field is read from the statement, and written into it."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def _same(item: Any) -> Any:
    return item


def _fraction(digits: int) -> _Unit:
    # Dividing two whole numbers gives the float nearest to the decimal: what its literal gives.
    return _Unit(lambda number: number / 10**digits, lambda real: round(real * 10**digits))


def _words(kind: type[enum.IntEnum], **others: str) -> _Unit:
    """Name the items in lower case, except those given by name."""
    names = {item: others.get(item.name, item.name.lower()) for item in kind}
    items = {name: item for item, name in names.items()}
    return _Unit(names.__getitem__, items.__getitem__)


_SAME: Final = _Unit(_same, _same)
_TIME: Final = _Unit(lambda at: datetime.fromtimestamp(at, UTC), lambda at: int(at.timestamp()))
_STRATEGY: Final = _words(
    TrainingStrategy,
    FED_AVG="FedAvg",
    FED_PROX="FedProx",
    FED_ADAM="FedAdam",
    FED_TRIMMED_AVG="FedTrimmedAvg",
    MULTI_KRUM="MultiKrum",
    FED_XGB_BAGGING="FedXgbBagging",
)

# Field of the statement: (where it stands in the value, unit).
FIELDS: Final[Mapping[str, tuple[str, _Unit]]] = {
    "task": ("task", _words(TrainingTask)),
    "schema_digest": ("schema_digest", _SAME),
    "code_digest": ("app_digest", _SAME),
    "initial_model_digest": ("initial_model_digest", _SAME),
    "label": ("label.definition", _words(TrainingLabel)),
    "label_maturity_days": ("label.maturity_days", _SAME),
    "use": ("data_use.purpose", _words(TrainingUse)),
    "legal_basis": ("data_use.legal_basis", _words(LegalBasis)),
    "expiry_time": ("expiry_time", _TIME),
    "model": ("model.name", _words(TrainingModel)),
    "width": ("model.width", _SAME),
    "blocks": ("model.blocks", _SAME),
    "networks": ("model.networks", _SAME),
    "bins": ("model.bins", _SAME),
    "dropout_millionths": ("model.dropout", _fraction(6)),
    "seed": ("model.seed", _SAME),
    "learning_rate_billionths": ("optimiser.learning_rate", _fraction(9)),
    "weight_decay_billionths": ("optimiser.weight_decay", _fraction(9)),
    "batch_rows": ("optimiser.batch_rows", _SAME),
    "epochs": ("optimiser.epochs", _SAME),
    "least_steps": ("optimiser.least_steps", _SAME),
    "most_steps": ("optimiser.most_steps", _SAME),
    "input_dropout_millionths": ("optimiser.input_dropout", _fraction(6)),
    "strategy": ("strategy.name", _STRATEGY),
    "proximal_millionths": ("strategy.proximal", _fraction(6)),
    "server_rate_billionths": ("strategy.server_rate", _fraction(9)),
    "offenders": ("strategy.offenders", _SAME),
    "averaged_rounds_millionths": ("strategy.averaged_rounds", _fraction(6)),
    "rounds": ("rounds", _SAME),
    "protection": ("protection", _words(TrainingProtection)),
    "epsilon_millionths": ("privacy.epsilon", _fraction(6)),
    "delta_trillionths": ("privacy.delta", _fraction(12)),
    "clip_norm_millionths": ("privacy.clip_norm", _fraction(6)),
    "minimum_members": ("minimum_members", _SAME),
    "round_seconds": ("deadline_seconds", _SAME),
    "norm_bound_millionths": ("norm_bound", _fraction(6)),
    "weight_cap": ("weight_cap", _SAME),
    "leaks": ("leaks", _words(TrainingLeaks)),
}

_GROUPS: Final[Mapping[str, Callable[..., Any]]] = {
    "label": value.LabelRule,
    "data_use": value.DataUse,
    "model": value.ModelChoice,
    "optimiser": value.Optimiser,
    "strategy": value.StrategyChoice,
    "privacy": value.PrivacyTarget,
}
_PRIVACY: Final = ("epsilon_millionths", "delta_trillionths", "clip_norm_millionths")


def read_plan(body: object) -> value.TrainingPlan:
    """Return the plan that the training code obeys.

    Args:
        body: Whatever has the fields of the statement's ``TrainingPlan``.

    Raises:
        PlanError: PLAN_INVALID.
    """
    parts: dict[str, dict[str, Any]] = {group: {} for group in (*_GROUPS, "")}
    for name, (path, unit) in FIELDS.items():
        group, _, inner = path.rpartition(".")
        parts[group][inner] = unit.read(getattr(body, name))
    made: dict[str, Any] = {
        group: kind(**parts[group]) for group, kind in _GROUPS.items() if group != "privacy"
    }
    # All three are zero without differential privacy; one alone is neither.
    private = any(getattr(body, name) for name in _PRIVACY)
    made["privacy"] = value.PrivacyTarget(**parts["privacy"]) if private else None
    return value.TrainingPlan(**made, **parts[""])


def write_fields(plan: value.TrainingPlan) -> dict[str, Any]:
    """Return the fields of the statement's body for a plan.

    Raises:
        PlanError: PLAN_NOT_SHAREABLE; a word is in no closed list.
    """
    try:
        return {name: unit.write(_at(plan, path)) for name, (path, unit) in FIELDS.items()}
    except KeyError as error:
        raise not_shareable("a word of it is in no closed list") from error


def not_shareable(why: str) -> PlanError:
    """Return the error that says why a plan cannot be proposed."""
    return PlanError(
        f"the plan cannot be proposed: {why}",
        reason="PLAN_NOT_SHAREABLE",
        hint="see TrainingPlan in proto/tocsin/v1/training.proto",
    )


def _at(plan: value.TrainingPlan, path: str) -> Any:
    group, _, inner = path.rpartition(".")
    owner = getattr(plan, group) if group else plan
    return 0 if owner is None else getattr(owner, inner)
