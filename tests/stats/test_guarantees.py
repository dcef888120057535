"""Promises: each holds in at least 1 - delta of many simulated data sets, and is not needlessly timid."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from weighbridge.stats import guarantees
from weighbridge.stats.guarantees import (
    TooFewError,
    fixed_sequence,
    keep_threshold,
    least_samples,
    mean_at_most,
    most_losses,
    quantile_at_most,
    share_at_most,
    shared,
)

SETS = 2000
SLACK = 3 * math.sqrt(0.1 * 0.9 / SETS)  # three standard errors of a share of 0.1


@pytest.mark.parametrize(("alpha", "delta", "needed"), [(0.02, 0.1, 114), (0.05, 0.1, 45), (0.01, 0.05, 299)])
def test_the_fewest_samples_are_those_without_a_loss(alpha: float, delta: float, needed: int) -> None:
    """(1 - alpha)^n <= delta, and one fewer is not enough."""
    assert least_samples(alpha, delta) == needed
    assert (1 - alpha) ** needed <= delta < (1 - alpha) ** (needed - 1)


@settings(deadline=None)
@given(st.integers(1, 3000), st.floats(0.005, 0.6), st.floats(0.01, 0.5))
def test_the_most_losses_agree_with_scipy(n: int, alpha: float, delta: float) -> None:
    most = most_losses(n, alpha, delta)
    assert most == -1 or stats.binom.cdf(most, n, alpha) <= delta * (1 + 1e-9)
    assert stats.binom.cdf(most + 1, n, alpha) > delta * (1 - 1e-9)
    assert (most == -1) == (n < least_samples(alpha, delta))


def test_bonferroni_shares_what_may_fail() -> None:
    assert shared(0.1, 4) == pytest.approx(0.025)
    with pytest.raises(ValueError, match="at least one promise"):
        shared(0.1, 0)


def test_the_sequence_stops_at_the_first_threshold_that_fails() -> None:
    """And does not go on to one that would pass again."""
    losses = np.zeros((4, 100), dtype=int)
    losses[2, :30] = 1
    assert fixed_sequence(losses, 0.05, 0.1) == 1
    assert fixed_sequence(losses[:2], 0.05, 0.1) == 1
    assert fixed_sequence(losses[2:], 0.05, 0.1) is None


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_cascade_is_the_fixed_sequence_over_every_threshold(seed: int) -> None:
    """Ties and missing confidences too."""
    random = np.random.default_rng(seed)
    confidence = np.where(random.random(300) < 0.05, np.nan, np.round(random.random(300), 1))
    loss = random.random(300) < 0.2 * (1 - np.nan_to_num(confidence))
    thresholds = [math.inf, *np.unique(confidence[~np.isnan(confidence)])[::-1].tolist()]
    last = fixed_sequence([(confidence >= t) & loss for t in thresholds], 0.05, 0.1)
    assert last is not None
    kept = keep_threshold(confidence, loss, 0.05, 0.1)
    if kept is None:
        assert last == 0
        return
    assert kept.threshold == thresholds[last]
    assert kept.share == np.mean(confidence >= kept.threshold)
    assert kept.losses == np.sum((confidence >= kept.threshold) & loss)
    assert kept.risk <= 0.05


@pytest.mark.parametrize("digits", [1, 2, 9])
@pytest.mark.parametrize("alpha", [0.02, 0.05])
def test_the_true_risk_exceeds_alpha_in_at_most_delta_of_the_sets(alpha: float, digits: int) -> None:
    """With many ties and with none; and it is not far from using up what it is allowed to where there are none."""
    random = np.random.default_rng(7)
    grid = np.round((np.arange(100_000) + 0.5) / 100_000, digits)  # a population of confidences
    true_risk = np.concatenate(([0.0], np.cumsum(0.3 * (1 - grid[::-1])) / len(grid)))
    over = 0
    for _ in range(SETS):
        confidence = np.round(random.random(400), digits)
        loss = random.random(400) < 0.3 * (1 - confidence)
        kept = keep_threshold(confidence, loss, alpha, 0.1)
        threshold = kept.threshold if kept else math.inf
        over += int(true_risk[np.sum(grid >= threshold)] > alpha)
    assert over / SETS <= 0.1 + SLACK
    assert digits == 1 or over / SETS > 0.03


def test_all_is_kept_where_nothing_is_lost_and_nothing_where_all_is() -> None:
    confidence = np.linspace(0, 1, 200)
    everything = keep_threshold(confidence, np.zeros(200), 0.05, 0.1)
    assert everything is not None
    assert everything[:4] == (0.0, 1.0, 0, 200)
    assert everything.risk == pytest.approx(1 - 0.1 ** (1 / 200))
    assert keep_threshold(np.full(200, 0.5), np.ones(200), 0.05, 0.1) is None
    assert keep_threshold(np.full(200, np.nan), np.zeros(200), 0.05, 0.1) is None


def test_too_few_are_refused_with_the_number_needed() -> None:
    with pytest.raises(TooFewError, match="takes at least 114") as refused:
        keep_threshold(np.ones(113), np.zeros(113), 0.02, 0.1)
    assert (refused.value.n, refused.value.needed) == (113, 114)
    enough = keep_threshold(np.ones(114), np.zeros(114), 0.02, 0.1)
    assert enough is not None
    assert enough.share == 1.0
    with pytest.raises(TooFewError, match="takes at least 45"):
        fixed_sequence(np.zeros((2, 44)), 0.05, 0.1)


@pytest.mark.parametrize(("count", "n"), [(0, 50), (3, 200), (199, 200), (200, 200)])
def test_the_bound_of_a_share_is_one_sided_clopper_pearson(count: int, n: int) -> None:
    expected = 1.0 if count == n else stats.beta.ppf(0.9, count + 1, n - count)
    assert share_at_most(count, n, 0.1) == pytest.approx(expected)


@pytest.mark.parametrize(
    "law",
    [stats.beta(0.2, 5), stats.beta(5, 1), stats.bernoulli(0.02), stats.bernoulli(0.5), stats.uniform()],
    ids=["skewed", "high", "rare", "coin", "uniform"],
)
@pytest.mark.parametrize("n", [30, 300])
def test_the_bound_of_a_mean_covers_it(law: Any, n: int) -> None:
    random = np.random.default_rng(n)
    sets = law.rvs(size=(1000, n), random_state=random) * 3.0
    missed = np.mean([mean_at_most(one, 3.0, 0.9) < 3.0 * law.mean() for one in sets])
    assert missed <= 0.1 + 3 * math.sqrt(0.09 / 1000)


def test_the_bound_of_a_mean_beats_hoeffding_where_values_vary_little() -> None:
    values = np.random.default_rng(3).beta(0.5, 20, 500)
    hoeffding = values.mean() + math.sqrt(math.log(20) / (2 * 500))
    bound = mean_at_most(values, 1.0, 0.95)
    assert values.mean() < bound < values.mean() + (hoeffding - values.mean()) / 3


def test_the_bound_of_a_mean_scales_with_the_unit_and_does_not_mind_sorting() -> None:
    values = np.random.default_rng(4).random(400)
    assert mean_at_most(values * 7, 7.0) == pytest.approx(7 * mean_at_most(values, 1.0))
    assert mean_at_most(np.sort(values), 1.0) == pytest.approx(mean_at_most(values, 1.0), abs=0.03)
    assert mean_at_most([1.0] * 5, 1.0) == 1.0
    assert mean_at_most([0.2], 1.0) <= 1.0


def test_a_quantile_is_below_the_limit_only_where_the_exact_test_says_so() -> None:
    """Of 59 none over: P95 is below with confidence 95 %; of 58 it cannot be said. What never came is over."""
    assert quantile_at_most(np.full(59, 0.5), 0.95, 1.0, 0.05).holds
    assert not quantile_at_most(np.full(58, 0.5), 0.95, 1.0, 0.05).holds
    assert not quantile_at_most([*np.full(58, 0.5), math.inf], 0.95, 1.0, 0.05).holds
    found = quantile_at_most(np.arange(1, 101), 0.9, 96.0, 0.1)
    assert found.over == 4
    assert found.p == pytest.approx(stats.binom.cdf(4, 100, 0.1))
    assert found.holds


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_lowest_limit_that_holds_is_an_observation(seed: int, q: float) -> None:
    seconds = np.round(np.random.default_rng(seed).exponential(size=150), 1)
    upper = quantile_at_most(seconds, q, 1.0, 0.1).upper
    assert quantile_at_most(seconds, q, upper, 0.1).holds
    assert not quantile_at_most(seconds, q, upper - 1e-9, 0.1).holds


def test_a_quantile_above_the_limit_passes_in_at_most_delta_of_the_sets() -> None:
    random = np.random.default_rng(5)
    limit = stats.expon.ppf(0.9) * (1 - 1e-9)
    passed = [quantile_at_most(random.exponential(size=200), 0.9, limit, 0.1).holds for _ in range(SETS)]
    assert 0.03 < np.mean(passed) <= 0.1 + SLACK


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: least_samples(0.0, 0.1), "alpha must lie between"),
        (lambda: least_samples(0.1, 1.0), "delta must lie between"),
        (lambda: fixed_sequence(np.zeros(5), 0.1, 0.1), "must have the shape"),
        (lambda: fixed_sequence(np.full((2, 50), 0.5), 0.1, 0.1), "must be 0 or 1"),
        (lambda: keep_threshold(np.zeros(3), np.zeros(4), 0.1, 0.1), "must have the shape"),
        (lambda: keep_threshold(np.zeros(50), np.full(50, 2), 0.1, 0.1), "must be 0 or 1"),
        (lambda: mean_at_most([0.5, 2.0], 1.0), "between 0 and the bound"),
        (lambda: mean_at_most([0.5], math.inf), "positive and finite"),
        (lambda: mean_at_most([], 1.0), "empty"),
        (lambda: quantile_at_most([1.0, math.nan], 0.5, 1.0, 0.1), "NaN"),
        (lambda: quantile_at_most([1.0], 0.5, math.nan, 0.1), "limit is not a number"),
        (lambda: share_at_most(5, 4, 0.1), "cannot be"),
    ],
)
def test_what_makes_no_sense_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()


def test_a_refusal_is_a_value_error() -> None:
    assert issubclass(guarantees.TooFewError, ValueError)
