"""The cluster bootstrap itself."""

import numpy as np
import pytest

from weighbridge.stats import bootstrap
from weighbridge.stats.estimate import Floats


def mean(sums: Floats) -> Floats:
    return sums[:, 0] / sums[:, 1]


def test_sums_are_taken_over_each_cluster() -> None:
    found = bootstrap.cluster_sums([[1, 1], [2, 1], [4, 1]], ["a", "b", "a"])
    assert found.tolist() == [[5, 2], [2, 1]]


@pytest.mark.parametrize("method", [bootstrap.percentile, bootstrap.bca])
def test_the_interval_of_a_mean_agrees_with_its_t_interval(method: object) -> None:
    """On 400 normal values both are within a few per cent of mean ± 1.96·s/√n."""
    values = np.random.default_rng(19).normal(5, 2, 400)
    sums = np.stack([values, np.ones(400)], axis=1)
    found = method(sums, mean, draws=4000)  # type: ignore[operator]  # both have one signature
    half = 1.96 * values.std(ddof=1) / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_infinite_replicates_are_not_averaged_away() -> None:
    """Where a fifth of the resamples has no success, the upper end is infinite."""
    sums = np.array([[1.0, 0.0]] * 9 + [[1.0, 1.0]])

    def cost(totals: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return totals[:, 0] / totals[:, 1]

    assert bootstrap.percentile(sums, cost).high == np.inf


@pytest.mark.parametrize("columns", [[], [1.0, 2.0], [[1.0, float("nan")]]])
def test_columns_of_another_shape_are_refused(columns: object) -> None:
    with pytest.raises(ValueError, match="columns"):
        bootstrap.cluster_sums(columns)  # type: ignore[arg-type]  # wrong on purpose
