"""Plans and schemas that the training tests change one field of."""

from datetime import UTC, datetime
from typing import Any

from federation.training.plan import DataUse, LabelRule, TrainingPlan
from federation.training.schema import CATEGORICAL, Column, FeatureSchema

SCHEMA = FeatureSchema(
    (
        Column("calls", unit="count", low=0.0),
        Column("ratio", empty="refuse"),
        Column("plan", CATEGORICAL, categories=("post", "pre")),
    )
)


def plan(**changes: Any) -> TrainingPlan:
    """Make a valid plan with some fields changed."""
    fields: dict[str, Any] = {
        "task": "suspected subscribers",
        "schema_digest": SCHEMA.digest(),
        "label": LabelRule("designated by police", 14),
        "app_digest": bytes(32),
        "initial_model_digest": bytes(32),
        "data_use": DataUse("find fraud numbers", "article 1"),
        "expiry_time": datetime(2027, 1, 1, tzinfo=UTC),
    }
    return TrainingPlan(**(fields | changes))
