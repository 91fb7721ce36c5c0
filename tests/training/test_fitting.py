"""Members of hardly any rows can train, too."""

import numpy as np
import pytest

pytest.importorskip("torch")

from federation.training.fitting import Examples, fit_round
from federation.training.models import initial_model
from tests.training.small import small_plan


@pytest.mark.parametrize("labels", [[1], [0, 1], [0, 0, 0], [0, 0, 0, 0, 1]])
def test_a_member_with_hardly_any_rows_gives_a_finite_update(labels: list[int]) -> None:
    plan, schema = small_plan()
    width = schema.width(plan.model.bins)
    inputs = np.random.default_rng(1).normal(size=(len(labels), width)).astype(np.float32)
    examples = Examples.of(inputs, np.array(labels, np.float32), -1.0, plan.model.networks)
    start = initial_model(plan.model, width)
    fitted, loss = fit_round(plan, start, examples, 1, 7)

    assert np.isfinite(fitted).all()
    assert np.isfinite(loss)
    assert (fitted != start).any()
