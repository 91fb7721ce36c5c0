"""The privacy that plans may spend on a member's rows: counted once, never beyond the budget."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from node.training.ledger import BudgetError, EpsilonLedger

ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))
BUDGET = 10_000_000


def test_epsilons_of_plans_over_the_same_rows_add_up_to_the_budget(private):
    ledger = EpsilonLedger(private)
    ledger.reserve("rows", ONE, 6_000_000, BUDGET)
    with pytest.raises(BudgetError) as caught:
        ledger.reserve("rows", TWO, 4_000_001, BUDGET)
    ledger.reserve("rows", THREE, 4_000_000, BUDGET)

    assert caught.value.reason == "PRIVACY_BUDGET_SPENT"
    assert "4 is left" in str(caught.value)
    assert ledger.spent("rows") == BUDGET
    assert not ledger.is_reserved("rows", TWO, 1)


def test_other_rows_have_a_budget_of_their_own(private):
    ledger = EpsilonLedger(private)
    ledger.reserve("rows", ONE, BUDGET, BUDGET)
    ledger.reserve("more-rows", ONE, BUDGET, BUDGET)

    assert ledger.spent("more-rows") == BUDGET
    assert ledger.spent("row") == 0


def test_a_plan_is_counted_once_however_often_it_is_approved(private):
    ledger = EpsilonLedger(private)
    for _ in range(3):
        ledger.reserve("rows", ONE, 6_000_000, BUDGET)

    assert ledger.spent("rows") == 6_000_000


def test_what_was_set_aside_outlives_the_node(private, private_place):
    EpsilonLedger(private).reserve("rows", ONE, 6_000_000, BUDGET)
    with closing(private_place.open()) as again:
        ledger = EpsilonLedger(again)

        assert ledger.is_reserved("rows", ONE, 6_000_000)
        assert not ledger.is_reserved("rows", ONE, 6_000_001)
        with pytest.raises(BudgetError):
            ledger.reserve("rows", TWO, 6_000_000, BUDGET)


def test_a_plan_that_never_ran_gives_its_epsilon_back(private):
    ledger = EpsilonLedger(private)
    ledger.reserve("rows", ONE, 6_000_000, BUDGET)
    ledger.release("rows", ONE)
    ledger.reserve("rows", TWO, BUDGET, BUDGET)

    assert ledger.spent("rows") == BUDGET


def test_plans_that_come_at_once_do_not_slip_through_together(private, private_place):
    """Half of them come to another process of the member."""

    def reserve(number):
        try:
            ledgers[number % 2].reserve("rows", bytes([number]) * 32, 3_000_000, BUDGET)
        except BudgetError:
            return False
        return True

    with closing(private_place.open()) as other, ThreadPoolExecutor(8) as threads:
        ledgers = [EpsilonLedger(private), EpsilonLedger(other)]
        went_well = list(threads.map(reserve, range(8)))

    assert sum(went_well) == 3
    assert ledgers[0].spent("rows") == 9_000_000
