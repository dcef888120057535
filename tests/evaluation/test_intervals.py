"""What stats computes reaches people as Estimates: refusals in words, infinities as beyond the time-out."""

import math

import numpy as np
import pytest

from weighbridge.evaluation import intervals
from weighbridge.evaluation.estimate import Estimate
from weighbridge.stats import proportions


def test_a_quantile_among_failures_is_beyond_the_time_out() -> None:
    seconds = np.asarray([1.0] * 90 + [math.inf] * 10)
    p95 = intervals.quantile(seconds, 95, 0.95, 60.0)
    assert (p95.value, p95.high, p95.limit) == (None, None, 60.0)
    assert p95.beyond in ("value", "low")
    p50 = intervals.quantile(seconds, 50, 0.95, 60.0)
    assert (p50.value, p50.beyond) == (1.0, "")


def test_adding_failures_never_lowers_a_percentile() -> None:
    """Issue 2: P99 can never improve by failing."""
    dice = np.random.default_rng(3)
    fine = dice.lognormal(0, 0.5, 300)
    clean = intervals.quantile(fine, 99, 0.95, 60.0)
    for failures in (1, 3, 10, 100):
        worse = intervals.quantile(np.append(fine, [math.inf] * failures), 99, 0.95, 60.0)
        assert worse.upper >= clean.upper
        assert worse.value is None or clean.value is None or worse.value >= clean.value


def test_too_few_results_say_how_many_there_were() -> None:
    found = intervals.quantile(np.ones(60), 99, 0.95, None)
    assert found.why.startswith("P99 not estimable from 60 results")


@pytest.mark.parametrize(("value", "n", "limit"), [(0.78, 120, 0.7), (0.62, 120, 0.7), (0.0, 40, 0.05), (1.0, 10, 0.9)])
def test_more_results_as_many_as_said_would_settle_it(value: float, n: int, limit: float) -> None:
    found = intervals.known(proportions.wilson(value * n, n))
    more = intervals.more_for_share(found, limit, 0.95)
    assert more is not None
    after = proportions.wilson(value * (n + more), n + more)
    assert after.low > limit or after.high < limit
    before = proportions.wilson(value * (n + more - 1), n + more - 1)
    assert before.low <= limit <= before.high or more == 1


def test_a_share_exactly_on_its_limit_is_never_settled() -> None:
    on_the_limit = Estimate(value=0.7, low=0.6, high=0.8, n=100)
    assert intervals.more_for_share(on_the_limit, 0.7, 0.95) is None


def test_no_p_values_are_no_error() -> None:
    assert intervals.holm([]) == []
    assert intervals.holm([0.01, 0.04]) == [0.02, 0.04]
