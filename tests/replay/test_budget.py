"""Budgets: reserved before, settled after, never exceeded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.replay.budget import Budget, BudgetSpent


def test_what_is_reserved_cannot_be_reserved_again() -> None:
    """Ten concurrent requests against money for three: three get it."""
    budget = Budget(3.0)
    granted = 0
    for _ in range(10):
        try:
            budget.reserve(1.0)
        except BudgetSpent:
            continue
        granted += 1
    assert granted == 3


def test_what_was_not_used_comes_back() -> None:
    budget = Budget(1.0)
    budget.settle(budget.reserve(1.0), 0.25)
    assert (budget.spent, budget.reserved) == (0.25, 0.0)
    budget.reserve(0.75)


def test_a_cost_nobody_knows_counts_as_all_that_was_reserved() -> None:
    budget = Budget(1.0)
    budget.settle(budget.reserve(0.4), None)
    assert budget.spent == 0.4


def test_the_error_says_what_is_left() -> None:
    budget = Budget(1.0, spent=0.9)
    with pytest.raises(BudgetSpent, match=r"up to \$0\.200000, and \$0\.100000 of \$1 is left"):
        budget.reserve(0.2)


@given(st.lists(st.tuples(st.floats(0.001, 1.0), st.floats(0.0, 1.0)), max_size=60))
def test_whatever_is_reserved_and_settled_the_limit_holds(calls: list[tuple[float, float]]) -> None:
    """As long as no request costs more than was reserved for it, spending stays within the limit at every moment."""
    budget = Budget(2.0)
    for most, share in calls:
        try:
            budget.reserve(most)
        except BudgetSpent:
            continue
        budget.settle(most, most * share)
        assert budget.spent + budget.reserved <= 2.0 + 1e-9
