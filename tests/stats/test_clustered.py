"""Clustered errors, against statsmodels, real trials and simulation."""

import gzip
import json
import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.stats import clustered
from weighbridge.stats.proportions import wilson


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


def looped_error(values: list[float], labels: list[int], weights: list[float]) -> float:
    """CR1 as its formula is read aloud, with no array in sight."""
    total = sum(weights)
    mean = sum(w * x for w, x in zip(weights, values, strict=True)) / total
    pulls: dict[int, float] = {}
    for x, label, w in zip(values, labels, weights, strict=True):
        pulls[label] = pulls.get(label, 0.0) + w * (x - mean)
    count = len(pulls)
    return math.sqrt(count / (count - 1) * sum(pull**2 for pull in pulls.values())) / total


observations = st.lists(
    st.tuples(st.floats(-100, 100), st.integers(0, 5), st.floats(0.1, 10)), min_size=2, max_size=40
).filter(lambda rows: len({label for _, label, _ in rows}) > 1)


@settings(deadline=None)
@given(observations)
def test_the_error_is_what_its_formula_says(rows: list[tuple[float, int, float]]) -> None:
    values, labels, weights = (list(column) for column in zip(*rows, strict=True))
    expected = looped_error(values, labels, weights)
    assert clustered.clustered_error(values, labels, weights) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@settings(deadline=None)
@given(observations, st.randoms(use_true_random=False))
def test_order_names_and_scale_of_weights_do_not_matter(rows: list[tuple[float, int, float]], dice: Random) -> None:
    values, labels, weights = (list(column) for column in zip(*rows, strict=True))
    found = clustered.mean(values, labels, weights)
    dice.shuffle(rows)
    again = clustered.mean(
        [row[0] for row in rows], [f"talk {9 - row[1]}" for row in rows], [7 * row[2] for row in rows]
    )
    assert again[:3] == pytest.approx(found[:3], rel=1e-7, abs=1e-9)


@settings(deadline=None)
@given(observations)
def test_a_mean_lies_in_its_interval_and_a_higher_level_is_wider(rows: list[tuple[float, int, float]]) -> None:
    values, labels, weights = (list(column) for column in zip(*rows, strict=True))
    narrow, wide = (clustered.mean(values, labels, weights, level) for level in (0.8, 0.99))
    assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high


def test_a_weight_of_three_is_three_of_the_same_in_one_cluster() -> None:
    values, labels, weights = [0.2, 0.9, 0.4, 0.7], ["a", "a", "b", "c"], [3, 1, 2, 1]
    repeated = np.repeat(values, weights), np.repeat(labels, weights)
    assert clustered.clustered_error(values, labels, weights) == pytest.approx(clustered.clustered_error(*repeated))


def test_cr0_lacks_the_correction_for_few_clusters() -> None:
    """√(G/(G-1)) with G = 10; statsmodels' CR0 is `use_correction=False`."""
    dice = np.random.default_rng(20)
    labels, values = np.repeat(np.arange(10), 4), dice.normal(size=40)
    plain = clustered.clustered_error(values, labels, correction="CR0")
    kinds = {"groups": labels, "use_correction": False}
    assert plain == pytest.approx(float(sm.OLS(values, np.ones(40)).fit(cov_type="cluster", cov_kwds=kinds).bse[0]))
    assert clustered.clustered_error(values, labels) == pytest.approx(plain * math.sqrt(10 / 9))


def test_p_and_interval_agree_with_statsmodels() -> None:
    dice = np.random.default_rng(21)
    labels, values = np.repeat(np.arange(12), 5), 0.2 + dice.normal(size=60)
    fitted = sm.OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": labels}, use_t=True)
    assert clustered.p_value(values, labels) == pytest.approx(float(fitted.pvalues[0]), rel=1e-8)
    found = clustered.mean(values, labels)
    assert (found.low, found.high) == pytest.approx(tuple(fitted.conf_int()[0]), rel=1e-8)


def test_p_of_what_cannot_be_tested() -> None:
    """One conversation shows nothing; a difference that is the same everywhere, and none at all, need no test."""
    assert clustered.p_value([1.0, 2.0], ["a", "a"]) == 1.0
    assert clustered.p_value([0.0, 0.0, 0.0]) == 1.0
    assert clustered.p_value([1.0, 1.0, 1.0]) == 0.0


def test_a_cluster_without_weight_is_no_evidence() -> None:
    """Else it would buy degrees of freedom for nothing."""
    with_ghosts = clustered.mean([1.0, 2.0, 9.0, 9.0], ["a", "b", "c", "d"], [1, 1, 0, 0])
    assert with_ghosts[:3] == pytest.approx(clustered.mean([1.0, 2.0])[:3])


def test_design_effect_of_weights_alone_is_kishs() -> None:
    """1 + cv² of the weights, where values have nothing to do with them."""
    dice = np.random.default_rng(22)
    weights = dice.choice([1.0, 5.0], 20_000)
    kish = len(weights) * np.square(weights).sum() / weights.sum() ** 2
    assert clustered.design_effect(dice.normal(size=20_000), None, weights) == pytest.approx(kish, rel=0.03)


def test_design_effect_of_doubled_results_is_two() -> None:
    """Every result twice in its cluster tells nothing new (up to n - 1 in place of n)."""
    values = np.random.default_rng(23).normal(size=500)
    assert clustered.design_effect(np.repeat(values, 2), np.repeat(np.arange(500), 2)) == pytest.approx(2, rel=0.01)
    assert math.isnan(clustered.design_effect([1.0, 1.0], [0, 1]))


def test_uneven_clusters_without_a_success_are_worth_less() -> None:
    """Nine conversations of one turn and one of ninety-one are hardly ten conversations."""
    even = clustered.proportion(np.zeros(100), np.repeat(np.arange(10), 10))
    uneven = clustered.proportion(np.zeros(100), np.r_[np.zeros(91), np.arange(1, 10)])
    assert uneven.high > 1.5 * even.high


def test_without_clusters_a_share_is_about_wilsons() -> None:
    """That t with 199 degrees of freedom stands for z is all the difference."""
    passes = np.array([1.0] * 130 + [0.0] * 70)
    found, plain = clustered.proportion(passes), wilson(130, 200)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.002)


def test_a_value_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        clustered.proportion([0.5, 2.0])


def test_one_value_has_no_error() -> None:
    assert clustered.naive_error([3.0]) == math.inf
    assert clustered.clustered_error([3.0]) == math.inf
