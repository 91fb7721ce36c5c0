"""The measured figures that a model card quotes."""

from dataclasses import replace

import pytest

pytest.importorskip("numpy")

from federation.training.limits import limits_of
from federation.training.plan import StrategyChoice
from federation.training.poisoning import (
    FALSE_UPDATE,
    LABEL_FLIP,
    MEASURED,
    kind_of,
    measured_limits,
)
from federation.training.tree_plan import as_trees
from tests.training.plans import plan

SECRET = plan()
TRIMMED = plan(strategy=StrategyChoice("FedTrimmedAvg"), protection="robust")


def test_false_updates_cost_a_hundredth_at_most_where_they_are_measured() -> None:
    rows = [row for row in MEASURED if row.attack == FALSE_UPDATE]

    assert {row.members for row in rows} == {5, 7}
    assert all(row.ratio > 0.99 and row.named == 1.0 for row in rows)


def test_flipped_labels_cost_a_hundredth_at_most_where_updates_are_visible() -> None:
    rows = [row for row in MEASURED if row.attack == LABEL_FLIP and row.plan.startswith("robust")]

    assert rows
    assert all(row.ratio > 0.99 for row in rows)


@pytest.mark.parametrize("chosen", [SECRET, TRIMMED, as_trees(SECRET)], ids=kind_of)
def test_a_card_quotes_what_was_measured_for_its_kind_of_plan(chosen) -> None:
    text = " ".join(limits_of(chosen))

    assert any(row.plan == kind_of(chosen) for row in MEASURED)
    assert "of PR-AUC" in text
    assert "back door" in text


def test_a_strategy_that_was_not_measured_says_so() -> None:
    other = replace(TRIMMED, strategy=StrategyChoice("FedAdam"))

    assert "not measured" in measured_limits(other)[0]
