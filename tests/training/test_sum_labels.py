"""Names of sums: what counts the same rows has one name, what is trained again another."""

import pytest

from federation.training.sum_labels import is_new_each_time, labels_digest, round_label

PLAN, OTHER = bytes(range(32)), bytes(32)


def test_both_sums_of_statistics_have_one_name_and_the_evaluation_another() -> None:
    coarse, fine = (labels_digest(PLAN, f"query.{which}") for which in ("coarse", "fine"))

    assert coarse == fine
    assert len(coarse) == 32
    assert labels_digest(PLAN, "evaluate") != coarse
    assert labels_digest(OTHER, "query.coarse") != coarse


def test_each_attempt_of_a_round_has_a_name_of_its_own() -> None:
    labels = [round_label(number, attempt) for number in (1, 11) for attempt in (0, 1, 100)]

    assert len({labels_digest(PLAN, label) for label in labels}) == len(labels)
    assert all(is_new_each_time(label) for label in labels)


@pytest.mark.parametrize("label", ["query.coarse", "query.fine", "evaluate"])
def test_what_is_counted_of_the_same_rows_is_not_new(label: str) -> None:
    assert not is_new_each_time(label)
