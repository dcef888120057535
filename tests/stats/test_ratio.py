"""Cost per success: a ratio with an interval that covers."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap as reference

from weighbridge.stats import ratio


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
    """Three dollars and no success: a success costs at least three dollars, and nothing says how much more."""
    for found in (ratio.cost_per_success([1, 1, 1], [0, 0, 0]), ratio.fieller([1, 1, 1], [0, 0, 0])):
        assert (found.value, found.low, found.high) == (math.inf, 3.0, math.inf)


def test_hardly_any_success_leaves_fiellers_upper_end_open() -> None:
    found = ratio.fieller(np.ones(40), np.array([1.0] + [0.0] * 39))
    assert found.value == 40.0
    assert found.high == math.inf


def test_an_unknown_cost_is_refused_and_counted() -> None:
    """An unknown price is unknown, never zero."""
    with pytest.raises(ValueError, match="the cost of 2 of 3 results is unknown"):
        ratio.cost_per_success([1.0, math.nan, math.nan], [1, 1, 0])


def test_two_candidates_are_compared_on_resamples_of_the_same_samples() -> None:
    """A candidate that costs exactly half and succeeds on the same samples is at half the cost per success, without any
    doubt: pairing takes the samples' spread out."""
    cost, success = draws(np.random.default_rng(14), 100)
    found = ratio.relative(cost, success, cost / 2, success)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    assert ratio.difference(cost, success, cost / 2, success).high < 0


def test_the_same_seed_gives_the_same_interval() -> None:
    cost, success = draws(np.random.default_rng(15), 60)
    assert ratio.cost_per_success(cost, success, seed=4) == ratio.cost_per_success(cost, success, seed=4)
