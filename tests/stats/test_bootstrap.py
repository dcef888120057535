"""The cluster bootstrap itself."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import bootstrap as reference

from weighbridge.stats import bootstrap
from weighbridge.stats.estimate import Estimate, Floats

Method = Callable[..., Estimate]
METHODS: list[Method] = [bootstrap.percentile, bootstrap.bca]


def mean(sums: Floats) -> Floats:
    return sums[:, 0] / sums[:, 1]


def test_sums_are_taken_over_each_cluster() -> None:
    found = bootstrap.cluster_sums([[1, 1], [2, 1], [4, 1]], ["a", "b", "a"])
    assert found.tolist() == [[5, 2], [2, 1]]


@pytest.mark.parametrize("method", METHODS)
def test_the_interval_of_a_mean_agrees_with_its_t_interval(method: Method) -> None:
    """On 400 normal values both are within a few per cent of mean ± 1.96·s/√n."""
    values = np.random.default_rng(19).normal(5, 2, 400)
    sums = np.stack([values, np.ones(400)], axis=1)
    found = method(sums, mean, draws=4000)
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


def test_replicates_are_those_of_a_loop_that_draws_clusters() -> None:
    """Another way: choose cluster labels with replacement, one resample at a time; mean and spread agree."""
    dice = np.random.default_rng(28)
    sums = np.stack([dice.gamma(2, 3, 25), dice.integers(1, 9, 25).astype(float)], axis=1)
    found = bootstrap.replicates(sums, mean, draws=4000)
    looped = [mean(sums[dice.integers(0, 25, 25)].sum(axis=0, keepdims=True))[0] for _ in range(4000)]
    assert found.mean() == pytest.approx(np.mean(looped), rel=0.02)
    assert found.std() == pytest.approx(np.std(looped), rel=0.06)


def test_the_number_of_draws_is_kept_and_the_seed_decides() -> None:
    sums = np.random.default_rng(29).random((8, 2)) + 1
    assert len(bootstrap.replicates(sums, mean, draws=1234)) == 1234
    assert (bootstrap.replicates(sums, mean, seed=3) == bootstrap.replicates(sums, mean, seed=3)).all()
    assert (bootstrap.replicates(sums, mean, seed=3) != bootstrap.replicates(sums, mean, seed=4)).any()


@pytest.mark.parametrize("method", METHODS)
def test_one_cluster_bounds_nothing(method: Method) -> None:
    """Resamples of one conversation are all that conversation; that is no certainty."""
    found = method(np.array([[3.0, 2.0]]), mean)
    assert (found.value, found.low, found.high) == (1.5, -np.inf, np.inf)


def test_undefined_replicates_count_against_both_ends() -> None:
    """0/0 in a tenth of the resamples or more: neither end is known."""
    sums = np.array([[0.0, 0.0]] * 9 + [[1.0, 1.0]])

    def share(totals: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return totals[:, 0] / totals[:, 1]

    found = bootstrap.percentile(sums, share)
    assert (found.value, found.low, found.high) == (1.0, -np.inf, np.inf)


def test_a_skewed_mean_is_corrected_upward() -> None:
    """BCa moves both ends of an exponential's mean toward its long tail."""
    values = np.random.default_rng(30).exponential(1, 40)
    sums = np.stack([values, np.ones(40)], axis=1)
    plain, corrected = bootstrap.percentile(sums, mean), bootstrap.bca(sums, mean)
    assert corrected.low > plain.low
    assert corrected.high > plain.high


@pytest.mark.parametrize("method", METHODS)
def test_a_higher_level_is_wider(method: Method) -> None:
    sums = np.stack([np.random.default_rng(31).random(60), np.ones(60)], axis=1)
    narrow, wide = method(sums, mean, level=0.8), method(sums, mean, level=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


@pytest.mark.parametrize("method", METHODS)
def test_no_draws_and_impossible_levels_are_refused(method: Method) -> None:
    sums = np.ones((4, 2))
    with pytest.raises(ValueError, match="number of draws"):
        method(sums, mean, draws=0)
    with pytest.raises(ValueError, match="confidence level"):
        method(sums, mean, level=1.0)


def test_where_skew_defies_the_correction_the_percentile_interval_stands() -> None:
    """The acceleration is 1/6 at most, where one cluster of a thousand holds everything; far enough out that is beyond
    what BCa is defined for."""
    sums = np.stack([np.r_[np.zeros(999), 1.0], np.ones(1000)], axis=1)
    found, plain = (method(sums, mean, level=1 - 1e-12) for method in (bootstrap.bca, bootstrap.percentile))
    assert (found.low, found.high) == (plain.low, plain.high)
    assert "percentile" in found.method


def test_few_and_skewed_values_agree_with_scipys_bca() -> None:
    """Twenty-five exponential values: there bias and acceleration matter, by a tenth of the width."""
    values = np.random.default_rng(44).exponential(1, 25)
    found = bootstrap.bca(np.stack([values, np.ones(25)], axis=1), mean, draws=100_000)
    resampled = reference((values,), np.mean, n_resamples=100_000, batch=10_000, rng=np.random.default_rng(1))
    expected = resampled.confidence_interval
    half = (expected.high - expected.low) / 2
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.03 * half)
    assert found.high - bootstrap.percentile(np.stack([values, np.ones(25)], axis=1), mean).high > 0.06 * half


def test_ends_are_replicates_and_lean_outward() -> None:
    values = np.arange(2000.0)
    assert bootstrap._ends(values, 0.025, 0.975) == (49.0, 1950.0)
    assert bootstrap._ends(values[::-1], 0.0, 1.0) == (0.0, 1999.0)
