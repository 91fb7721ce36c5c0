"""A finished model is measured on rows that came later, at its own thresholds."""

import pytest

numpy = pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("flwr")

from federation.training import metrics  # noqa: E402
from federation.training.error import TableError  # noqa: E402
from federation.training.fresh_rows import measure_on  # noqa: E402
from federation.training.local_engine import run_locally  # noqa: E402
from federation.training.released import ReleasedModel  # noqa: E402
from federation.training.table import check_table  # noqa: E402
from tests.training.planted import planted_members, planted_rows  # noqa: E402
from tests.training.small import small_plan  # noqa: E402


def test_fresh_rows_are_measured_at_the_model_s_thresholds_and_one_label_is_refused() -> None:
    plan, schema = small_plan(rounds=2)
    run = run_locally(plan, schema, planted_members(3, 150))
    model = ReleasedModel(plan, schema, run.scaling, run.model, run.threshold, 0.9)
    rows = check_table(planted_rows(500, 77), schema)
    found = measure_on(model, rows)
    scores = model.score_rows(rows)
    alarms = scores >= 0.9

    assert found.roc_auc == metrics.roc_auc(rows.labels, scores)
    assert found.macro_f1 == metrics.macro_f1(rows.labels, scores >= run.threshold)
    assert found.recall_at_fpr == pytest.approx(
        (alarms & (rows.labels > 0.5)).sum() / rows.labels.sum()
    )
    assert found.membership_advantage is None

    innocent = planted_rows(200, 78)
    innocent.columns["label"][:] = 0.0
    with pytest.raises(TableError) as refusal:
        measure_on(model, check_table(innocent, schema))

    assert refusal.value.reason == "LABEL_INVALID"
