"""Latency quantiles: exact intervals, failures at the top, refusals where nothing can be said."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.stats import quantiles


def test_p99_needs_299_results_and_p95_59() -> None:
    assert quantiles.least_n(0.99) == 299
    assert quantiles.least_n(0.95) == 59
    assert quantiles.least_n(0.5) == 5


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
    found = quantiles.quantile(times, 0.95)
    assert found.describe(60.0) == "P95 > the time-out (60 s)"
    assert math.isfinite(float(np.quantile(times[np.isfinite(times)], 0.95)))
    assert math.isfinite(quantiles.quantile(times, 0.5).value)


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


@given(st.lists(st.floats(0, 1e6) | st.just(math.inf), min_size=60, max_size=300), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_estimate_is_something_that_was_measured_and_lies_in_its_interval(values: list[float], q: float) -> None:
    found = quantiles.quantile(values, q)
    assert found.value in values
    assert found.low <= found.value <= found.high


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        quantiles.quantile([1.0, math.nan], 0.5)
