"""Cost per success: a ratio with an interval that covers."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as reference

from weighbridge.stats import clustered, ratio
from weighbridge.stats.estimate import Estimate


def draws(dice: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Costs that rise with difficulty, successes that fall with it. The true ratio is E[cost]/E[success] = 1.5/0.6."""
    hard = dice.random(n)
    cost = 1.0 + hard + 0.2 * dice.standard_normal(n)
    return cost, (dice.random(n) < 1.1 - hard).astype(float)


TRUTH = 1.5 / (0.5 + 0.1 - 0.005)  # P(success) = E[min(1, 1.1 - U)] = 0.595


@pytest.mark.parametrize("method", ["fieller", "bootstrap"])
def test_intervals_cover_the_true_ratio(method: str) -> None:
    """800 experiments of 120 samples."""
    dice = np.random.default_rng(11)
    covered = 0
    for seed in range(800):
        cost, success = draws(dice, 120)
        found = (
            ratio.fieller(cost, success)
            if method == "fieller"
            else ratio.cost_per_success(cost, success, draws=600, seed=seed)
        )
        covered += found.low <= TRUTH <= found.high
    assert 0.92 <= covered / 800 <= 0.975


def test_the_bootstrap_agrees_with_scipys_bca() -> None:
    cost, success = draws(np.random.default_rng(12), 300)
    found = ratio.cost_per_success(cost, success, draws=8000)
    expected = reference(
        (cost, success), lambda c, s, axis: c.sum(axis) / s.sum(axis), paired=True, vectorized=True, n_resamples=8000,
        random_state=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.01)


def test_clusters_widen_the_interval() -> None:
    cost, success = draws(np.random.default_rng(13), 50)
    cost, success = np.repeat(cost, 6), np.repeat(success, 6)
    alone = ratio.cost_per_success(cost, success)
    together = ratio.cost_per_success(cost, success, np.repeat(np.arange(50), 6))
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_without_a_success_only_a_floor_is_known() -> None:
    """Sixty dollars and no success of sixty: at the highest success rate that allows, the upper end of the share's
    interval, a success costs one dollar over that rate; nothing says how much more. Sixty dollars would be no 95 %
    bound: a rate of 1 in 30 gives no success of sixty in one such run of eight."""
    highest = clustered.proportion(np.zeros(60)).high
    for found in (ratio.cost_per_success(np.ones(60), np.zeros(60)), ratio.fieller(np.ones(60), np.zeros(60))):
        assert (found.value, found.low, found.high) == pytest.approx((math.inf, 1 / highest, math.inf))
        assert 12 < found.low < 20
        assert ratio.describe(found) == f"no success in 60: a success costs at least ${found.low:.3g}"


def test_hardly_any_success_leaves_fiellers_upper_end_open() -> None:
    found = ratio.fieller(np.ones(40), np.array([1.0] + [0.0] * 39))
    assert found.value == 40.0
    assert found.high == math.inf
    assert 0 < found.low < 40
    assert ratio.describe(found) == f"$40 [at least ${found.low:.3g}; too few successes to say at most]"


def test_an_unknown_cost_is_refused_and_counted() -> None:
    """An unknown price is unknown, never zero."""
    with pytest.raises(ValueError, match="the cost of 2 of 3 results is unknown"):
        ratio.cost_per_success([1.0, math.nan, math.nan], [1, 1, 0])
    with pytest.raises(ValueError, match="the cost of 1 of 2 results is unknown"):
        ratio.fieller(np.array([1.0, None]), [1, 1])


def test_two_candidates_are_compared_on_resamples_of_the_same_samples() -> None:
    """A candidate that costs exactly half and succeeds on the same samples is at half the cost per success: pairing
    takes the samples' spread out. What is left is that a hundred pairs that agree may hide a few that do not."""
    cost, success = draws(np.random.default_rng(14), 100)
    found = ratio.relative(cost, success, cost / 2, success)
    alone = ratio.cost_per_success(cost, success)
    assert found.value == pytest.approx(0.5)
    assert 0.47 < found.low < 0.5 < found.high < 0.53
    assert (found.high - found.low) / found.value < 0.4 * (alone.high - alone.low) / alone.value
    assert ratio.difference(cost, success, cost / 2, success).high < 0


def test_the_same_seed_gives_the_same_interval() -> None:
    cost, success = draws(np.random.default_rng(15), 60)
    assert ratio.cost_per_success(cost, success, seed=4) == ratio.cost_per_success(cost, success, seed=4)


@pytest.mark.parametrize(("rate", "n"), [(0.98, 60), (0.99, 300), (0.05, 60)])
@pytest.mark.parametrize("method", ["fieller", "bootstrap"])
def test_intervals_cover_where_nearly_all_or_nearly_none_succeed(method: str, rate: float, n: int) -> None:
    """At a dollar a call. Resampling alone covers 71 % at 59 of 60, since sixty of sixty leave it nothing to vary."""
    dice, covered = np.random.default_rng(37), 0
    for seed in range(300):
        success = (dice.random(n) < rate).astype(float)
        found = (
            ratio.fieller(np.ones(n), success)
            if method == "fieller"
            else ratio.cost_per_success(np.ones(n), success, draws=300, seed=seed)
        )
        covered += found.low <= 1 / rate <= found.high
    assert covered / 300 >= 0.92


def test_sixty_successes_of_sixty_do_not_prove_a_price() -> None:
    """As far up as the success rate may be down: for all the cost there is when every call costs the same."""
    lowest = clustered.proportion(np.ones(60)).low
    for found in (ratio.cost_per_success(np.full(60, 2.0), np.ones(60)), ratio.fieller(np.full(60, 2.0), np.ones(60))):
        assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0 / lowest))


def test_failures_that_cost_nothing_cannot_make_a_success_dearer() -> None:
    """Refused requests are free: then a success costs what it costs, however often that is."""
    success = (np.random.default_rng(38).random(200) < 0.9).astype(float)
    found = ratio.cost_per_success(0.5 * success, success)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_differences_cover_where_both_nearly_always_succeed() -> None:
    """300 experiments of 60 pairs at two dollars and one, 99 and 97 %."""
    dice, covered, relatively = np.random.default_rng(39), 0, 0
    for seed in range(300):
        chance = dice.random(60)
        before, after = (chance < 0.99).astype(float), (np.where(dice.random(60) < 0.7, chance, dice.random(60)) < 0.97)
        sides = (np.full(60, 2.0), before, np.ones(60), after.astype(float))
        gap = ratio.difference(*sides, draws=300, seed=seed)
        covered += gap.low <= 1 / 0.97 - 2 / 0.99 <= gap.high
        factor = ratio.relative(*sides, draws=300, seed=seed)
        relatively += factor.low <= (1 / 0.97) / (2 / 0.99) <= factor.high
    assert covered / 300 >= 0.92
    assert relatively / 300 >= 0.92


@pytest.mark.parametrize("successes", [1, 3, 10, 60])
def test_fiellers_ends_are_where_a_t_test_begins_to_refuse(successes: int) -> None:
    """Another way: for a price on a fine grid, SciPy's t test of E[cost - price·success] = 0; the interval is what it
    does not refuse at 5 %, which may have no upper end."""
    dice = np.random.default_rng(40)
    cost, success = dice.uniform(1, 3, 80), np.zeros(80)
    success[:successes] = 1
    low, high = ratio._fieller_ends(np.stack([cost, success], axis=1), 0.95)
    grid = np.geomspace(0.5, 5000, 2000)
    kept = grid[scipy.stats.ttest_1samp(cost - grid[:, None] * success, 0, axis=1).pvalue >= 0.05]
    assert low == pytest.approx(kept.min(), rel=0.01)
    assert min(high, 5000) == pytest.approx(kept.max(), rel=0.01)
    assert math.isinf(high) == (kept.max() == grid[-1])


@pytest.mark.parametrize("found", [ratio.cost_per_success, ratio.fieller])
def test_one_conversation_bounds_no_cost(found: Callable[..., Estimate]) -> None:
    estimate = found([1.0, 2.0, 1.0], [1, 0, 1], ["a", "a", "a"])
    assert (estimate.value, estimate.low, estimate.high) == (2.0, 0.0, math.inf)


def test_one_conversation_bounds_no_comparison() -> None:
    sides = ([2.0, 2.0], [1, 1], [1.0, 1.0], [1, 1])
    assert ratio.difference(*sides, ["a", "a"])[:3] == (-1.0, -math.inf, math.inf)
    assert ratio.relative(*sides, ["a", "a"])[:3] == (0.5, 0.0, math.inf)


def test_a_candidate_without_success_is_compared_by_its_floor() -> None:
    """Against one dollar a success: at least so much dearer, and nothing says how much more; the other way round it is
    at most so much cheaper."""
    cost, every, none = np.ones(60), np.ones(60), np.zeros(60)
    floor, most = ratio.cost_per_success(cost, none).low, ratio.cost_per_success(cost, every).high
    worse, better = ratio.difference(cost, every, cost, none), ratio.difference(cost, none, cost, every)
    assert worse[:3] == pytest.approx((math.inf, floor - most, math.inf))
    assert better[:3] == pytest.approx((-math.inf, -math.inf, most - floor))
    factor = ratio.relative(cost, every, cost, none)
    assert factor[:3] == pytest.approx((math.inf, floor / most, math.inf))
    factor = ratio.relative(cost, none, cost, every)
    assert factor[:3] == pytest.approx((0.0, 0.0, most / floor))


def test_comparisons_that_mean_nothing_are_refused() -> None:
    one, none = np.ones(4), np.zeros(4)
    for compare in (ratio.difference, ratio.relative):
        with pytest.raises(ValueError, match="neither side has a success"):
            compare(one, none, one, none)
        with pytest.raises(ValueError, match="lengths differ: before has 4, after has 3"):
            compare(one, one, np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="before cost nothing"):
        ratio.relative(none, one, one, one)


def test_a_free_candidate_costs_nothing_relative_to_a_paid_one() -> None:
    found = ratio.relative(np.ones(30), np.ones(30), np.zeros(30), np.ones(30))
    assert found.value == found.low == 0.0


@pytest.mark.parametrize(
    ("cost", "success", "complaint"),
    [([-1.0, 1.0], [1, 1], "negative"), ([1.0, 1.0], [1, 2], "between 0 and 1"), ([1.0], [1, 1], "lengths differ")],
)
def test_costs_and_successes_that_cannot_be_are_refused(cost: list[float], success: list[int], complaint: str) -> None:
    for method in (ratio.cost_per_success, ratio.fieller):
        with pytest.raises(ValueError, match=complaint):
            method(cost, success)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 10), st.booleans()), min_size=2, max_size=40), st.floats(0.001, 1000))
def test_a_ratio_lies_in_its_interval_whatever_the_currency(rows: list[tuple[float, bool]], rate: float) -> None:
    cost, success = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    found = ratio.fieller(cost, success)
    assert found.low <= found.value * (1 + 1e-9)
    assert found.value <= found.high * (1 + 1e-9)
    assert ratio.fieller(rate * cost, success)[:3] == pytest.approx([rate * end for end in found[:3]], rel=1e-6)


def test_a_bounded_cost_is_said_with_its_interval() -> None:
    assert ratio.describe(Estimate(0.00123, 0.001, 0.0015, 100, 0.95, "Fieller")) == "$0.00123 [0.001, 0.0015]"


def test_a_single_success_may_be_bad_luck() -> None:
    """One of forty: resamples hold five at most, but a rate that gives one of forty may be higher still."""
    success = np.r_[1.0, np.zeros(39)]
    found = ratio.cost_per_success(np.ones(40), success)
    assert found.low == pytest.approx(1 / clustered.proportion(success).high)
    assert found.high == math.inf
