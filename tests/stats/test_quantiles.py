"""Latency quantiles: exact intervals, failures at the top, refusals where nothing can be said."""

import json
import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.stats import proportions, quantiles


def test_p99_needs_299_results_and_p95_59() -> None:
    assert quantiles.least_n(0.99) == 299
    assert quantiles.least_n(0.95) == 59
    assert quantiles.least_n(0.5) == 6


def test_p99_of_sixty_results_is_refused_in_words() -> None:
    found = quantiles.quantile(np.arange(60.0), 0.99)
    assert math.isnan(found.value)
    assert found.describe() == "P99 not estimable from 60 results (needs 299)"
    assert not quantiles.quantile(np.arange(299.0), 0.99).why


def test_bedrock_with_49_failures_of_150_has_no_p99_from_the_survivors(shared_data: Path) -> None:
    """Failures stay in: the P95 is beyond the time-out, though the survivors' own would be a comfortable number."""
    rows = json.loads((shared_data / "latency" / "bedrock_70b.json").read_bytes())
    failed = [row.get("error_code") is not None for row in rows]
    times = np.array([math.inf if bad else row["end_to_end_latency_s"] for row, bad in zip(rows, failed, strict=True)])
    assert (len(rows), sum(failed)) == (150, 49)
    for q, name in ((0.95, "P95"), (0.99, "P99")):
        found = quantiles.quantile(times, q)
        assert found.describe(60.0) == f"{name} > the time-out (60 s)"
        assert (found.value, found.low, found.censored) == (math.inf, math.inf, 49)
    assert math.isfinite(float(np.quantile(times[np.isfinite(times)], 0.95)))
    median = quantiles.quantile(times, 0.5)
    assert math.isfinite(median.low)
    assert math.isfinite(median.value)


def test_failures_never_improve_a_quantile() -> None:
    """Turning slow answers into failures makes no quantile smaller."""
    times = np.random.default_rng(16).lognormal(size=400)
    for q in (0.5, 0.95, 0.99):
        whole = quantiles.quantile(times, q)
        failing = quantiles.quantile(np.where(times > np.quantile(times, 0.97), math.inf, times), q)
        assert failing.value >= whole.value
        assert failing.high >= whole.high


@pytest.mark.parametrize(("q", "n"), [(0.5, 80), (0.95, 400), (0.99, 900)])
def test_order_statistic_intervals_cover(q: float, n: int) -> None:
    """3,000 samples of a lognormal: the exact interval covers at least 95 %, and not absurdly more."""
    dice = np.random.default_rng(17)
    truth = math.exp(float(np.quantile(np.random.default_rng(0).standard_normal(4_000_000), q)))
    covered = 0
    for _ in range(3000):
        found = quantiles.quantile(dice.lognormal(size=n), q)
        covered += found.low <= truth <= found.high
    assert 0.94 <= covered / 3000 <= 0.99


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6) | st.just(math.inf), min_size=60, max_size=300), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_estimate_is_something_that_was_measured_and_lies_in_its_interval(values: list[float], q: float) -> None:
    found = quantiles.quantile(values, q)
    assert found.value in values
    assert found.low <= found.value <= found.high


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        quantiles.quantile([1.0, math.nan], 0.5)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("q", [0.01, 0.1, 0.5, 0.9, 0.95, 0.99])
def test_the_exact_coverage_is_never_under_the_level(q: float, level: float) -> None:
    """From the fewest results upward, by SciPy's binomial: the interval holds the quantile where at least `low` and
    fewer than `high` results lie below it."""
    least = quantiles.least_n(q, level)
    for n in (least, least + 1, least + 17, 2 * least, 5 * least):
        found = quantiles.quantile(np.arange(1.0, n + 1), q, level)
        covered = scipy.stats.binom.cdf(found.high - 1, n, q) - scipy.stats.binom.cdf(found.low - 1, n, q)
        assert covered >= level - 1e-9


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("q", [0.01, 0.1, 0.5, 0.9, 0.95, 0.99])
def test_one_result_fewer_and_no_interval_would_hold(q: float, level: float) -> None:
    """The widest there is, from the smallest to the largest, misses the quantile too often."""
    least = quantiles.least_n(q, level)
    assert 1 - q**least - (1 - q) ** least >= level - 1e-9
    assert least == 1 or 1 - q ** (least - 1) - (1 - q) ** (least - 1) < level
    assert quantiles.quantile(np.arange(least - 1.0), q, level).why if least > 1 else True


def test_differences_may_be_negative() -> None:
    """A median of six gains, all below zero, has a lower end below zero too."""
    found = quantiles.quantile([-3.0, -2.0, -1.0, -2.5, -1.5, -0.5], 0.5)
    assert (found.low, found.value, found.high) == (-3.0, -2.0, -0.5)


def test_a_low_quantile_mirrors_a_high_one() -> None:
    values = np.random.default_rng(36).normal(size=200)
    low, high = quantiles.quantile(values, 0.1), quantiles.quantile(-values, 0.9)
    assert (low.low, low.high) == (-high.high, -high.low)


def test_few_results_with_few_failures_are_still_refused() -> None:
    """Two failures of sixty may be under 1 %; ten hardly: then even the lower end lies among them."""
    assert quantiles.quantile([1.0] * 58 + [math.inf] * 2, 0.99).why == "not estimable from 60 results (needs 299)"
    assert quantiles.quantile([1.0] * 50 + [math.inf] * 10, 0.99).value == math.inf


@settings(deadline=None)
@given(st.integers(1, 298), st.data())
def test_surely_among_the_failures_means_that_the_failure_rate_is_surely_above_1_per_cent(
    n: int, data: st.DataObject
) -> None:
    """The lower Clopper-Pearson end of the share that failed says the same."""
    failures = data.draw(st.integers(0, n))
    found = quantiles.quantile([1.0] * (n - failures) + [math.inf] * failures, 0.99)
    assert (not found.why) == (proportions.clopper_pearson(failures, n).low > 0.01)


def test_it_is_said_which_end_lies_among_the_failures() -> None:
    """Two failures of forty: P90 is a number, but its upper end is not."""
    times = np.r_[np.arange(1.0, 39.0), [math.inf, math.inf]]
    assert quantiles.quantile(times, 0.9).describe(60.0) == "P90 36 s [32, > the time-out (60 s)]"
    assert quantiles.quantile(times, 0.9).describe() == "P90 36 s [32, > the time-out]"
    assert quantiles.quantile(np.arange(1.0, 101.0), 0.5).describe(unit="ms") == "P50 50 ms [40, 61]"
    assert quantiles.quantile([1.0], 0.5).describe() == "P50 not estimable from 1 result (needs 6)"


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=30, max_size=200), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_a_higher_level_is_wider(values: list[float], dice: Random) -> None:
    narrow, wide = quantiles.quantile(values, 0.5, 0.8), quantiles.quantile(values, 0.5, 0.99)
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    dice.shuffle(values)
    assert quantiles.quantile(values, 0.5, 0.8) == narrow


@pytest.mark.parametrize(
    ("values", "q", "level", "complaint"),
    [
        ([], 0.5, 0.95, "empty"),
        ([1.0, -math.inf], 0.5, 0.95, "-inf"),
        ([1.0], 1.0, 0.95, "a quantile must lie between 0 and 1"),
        ([1.0], 99, 0.95, "a quantile must lie between 0 and 1"),
        ([1.0], 0.5, 95, "confidence level"),
    ],
)
def test_what_has_no_quantile_is_refused(values: list[float], q: float, level: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        quantiles.quantile(values, q, level)
