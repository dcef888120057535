"""Clustered errors, against statsmodels, real trials and simulation."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from weighbridge.stats import clustered


def tau(folder: Path) -> tuple[list[float], list[int]]:
    with gzip.open(folder / "clusters" / "tau_bench_airline_gpt4o.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    return [row["reward"] for row in rows], [row["task_id"] for row in rows]


def test_on_tau_bench_the_clustered_error_is_1_49_times_the_naive_one(shared_data: Path) -> None:
    rewards, tasks = tau(shared_data)
    assert clustered.clustered_error(rewards, tasks) / clustered.naive_error(rewards) == pytest.approx(1.49, abs=0.005)
    assert clustered.design_effect(rewards, tasks) == pytest.approx(1.49**2, abs=0.02)


def test_the_error_agrees_with_statsmodels() -> None:
    """OLS on a constant with cov_type cluster; its correction is G/(G-1)·(n-1)/(n-k) with k = 1."""
    dice = np.random.default_rng(3)
    labels = dice.integers(0, 30, 400)
    values = dice.normal(size=30)[labels] + dice.normal(size=400)
    fitted = sm.OLS(values, np.ones(400)).fit(cov_type="cluster", cov_kwds={"groups": labels})
    assert clustered.clustered_error(values, labels) == pytest.approx(float(fitted.bse[0]), rel=1e-9)


def test_weights_agree_with_statsmodels() -> None:
    dice = np.random.default_rng(4)
    labels, weights = dice.integers(0, 25, 300), dice.uniform(0.2, 3.0, 300)
    values = dice.normal(size=25)[labels] + dice.normal(size=300)
    fitted = sm.WLS(values, np.ones(300), weights=weights).fit(cov_type="cluster", cov_kwds={"groups": labels})
    found = clustered.mean(values, labels, weights)
    assert found.value == pytest.approx(float(fitted.params[0]))
    assert clustered.clustered_error(values, labels, weights) == pytest.approx(float(fitted.bse[0]), rel=1e-9)


def test_without_clusters_it_is_the_naive_error() -> None:
    values = np.random.default_rng(5).normal(size=200)
    assert clustered.clustered_error(values) == pytest.approx(clustered.naive_error(values), rel=1e-12)


@pytest.mark.parametrize("spread", [0.0, 0.25])
def test_clustered_intervals_cover_where_naive_ones_do_not(spread: float) -> None:
    """1,000 experiments of 40 conversations × 5 turns: 95 % intervals cover about 95 % of the time, with and without
    correlation; naive ones far less once conversations differ."""
    dice = np.random.default_rng(6)
    labels = np.repeat(np.arange(40), 5)
    covered = share = naive = 0
    for _ in range(1000):
        chance = np.clip(0.6 + spread * dice.standard_normal(40), 0.02, 0.98)
        passes = (dice.random(200) < chance[labels]).astype(float)
        truth = 0.6 if spread == 0 else 0.594
        mean = clustered.mean(passes, labels)
        covered += mean.low <= truth <= mean.high
        found = clustered.proportion(passes, labels)
        share += found.low <= truth <= found.high
        error = clustered.naive_error(passes)
        naive += abs(passes.mean() - truth) <= 1.96 * error
    assert 0.925 <= covered / 1000 <= 0.975
    assert 0.925 <= share / 1000 <= 0.975
    if spread:
        assert naive / 1000 < 0.9


def test_a_share_of_zero_still_has_a_width() -> None:
    """Ten conversations without a success do not prove there is never one."""
    found = clustered.proportion(np.zeros(50), np.repeat(np.arange(10), 5))
    assert found.low == 0.0
    assert 0.2 < found.high < 0.5


def test_one_cluster_bounds_nothing() -> None:
    assert clustered.mean([0.0, 1.0], ["a", "a"]).high == float("inf")
    assert (clustered.proportion([0.0, 1.0], ["a", "a"]).low, clustered.proportion([0.0, 1.0], ["a", "a"]).high) == (
        0,
        1,
    )


@pytest.mark.parametrize("values", [[], [0.5, float("nan")], [[1.0]]])
def test_what_cannot_be_averaged_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"empty|NaN|one-dimensional"):
        clustered.mean(values)
