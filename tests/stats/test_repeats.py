"""pass@k and pass^k, against enumeration and τ-bench."""

import gzip
import json
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.stats import clustered, repeats


@pytest.mark.parametrize(("passed", "trials", "k"), [(0, 5, 2), (3, 5, 2), (5, 5, 5), (2, 6, 4), (1, 3, 1)])
def test_both_are_the_share_of_all_draws(passed: int, trials: int, k: int) -> None:
    """Unbiased means: counted over every way to draw k of the trials."""
    outcomes = [True] * passed + [False] * (trials - passed)
    draws = list(combinations(outcomes, k))
    assert repeats.pass_at_k([passed], [trials], k)[0] == pytest.approx(sum(map(any, draws)) / len(draws))
    assert repeats.pass_hat_k([passed], [trials], k)[0] == pytest.approx(sum(map(all, draws)) / len(draws))


def test_on_tau_bench_pass_at_4_is_72_and_pass_hat_4_is_20_per_cent(shared_data: Path) -> None:
    """promptfoo#5947: one of four passes for 72 % of the tasks, all four only for 20 %."""
    tasks: dict[int, list[float]] = defaultdict(list)
    with gzip.open(shared_data / "clusters" / "tau_bench_airline_gpt4o.jsonl.gz", "rt") as file:
        for line in file:
            row = json.loads(line)
            tasks[row["task_id"]].append(row["reward"])
    passed, trials = [sum(runs) for runs in tasks.values()], [len(runs) for runs in tasks.values()]
    assert repeats.mean_over_items(repeats.pass_at_k(passed, trials, 4)).value == pytest.approx(0.72)
    assert repeats.mean_over_items(repeats.pass_hat_k(passed, trials, 4)).value == pytest.approx(0.20)


def test_fewer_trials_than_k_are_refused() -> None:
    with pytest.raises(ValueError, match="at least k = 4 trials"):
        repeats.pass_at_k([1], [3], 4)


def test_both_are_unbiased() -> None:
    """20,000 items that pass with chance .7, tried six times: the means are 1 - .3³ and .7³."""
    counts = np.random.default_rng(25).binomial(6, 0.7, 20_000)
    trials = np.full(20_000, 6)
    assert repeats.pass_at_k(counts, trials, 3).mean() == pytest.approx(1 - 0.3**3, abs=0.003)
    assert repeats.pass_hat_k(counts, trials, 3).mean() == pytest.approx(0.7**3, abs=0.006)


@settings(deadline=None)
@given(st.integers(1, 12), st.data())
def test_once_is_easier_than_always_and_more_draws_widen_the_gap(trials: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, trials))
    once = [repeats.pass_at_k([passed], [trials], k)[0] for k in range(1, trials + 1)]
    always = [repeats.pass_hat_k([passed], [trials], k)[0] for k in range(1, trials + 1)]
    assert once[0] == pytest.approx(passed / trials)
    assert always[0] == pytest.approx(passed / trials)
    assert once == sorted(once)
    assert always == sorted(always, reverse=True)


def test_the_mean_has_the_clustered_t_interval() -> None:
    """A cluster of items, such as one conversation, counts as one."""
    items = np.random.default_rng(26).uniform(0.2, 0.8, 60)
    labels = np.arange(60) // 3
    found, expected = repeats.mean_over_items(items, labels), clustered.mean(items, labels)
    assert (found.value, found.low, found.high) == (expected.value, expected.low, expected.high)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_twenty_items_that_agree_prove_no_certainty(value: float) -> None:
    found = repeats.mean_over_items([value] * 20)
    assert found.low <= value <= found.high
    assert 0.1 < found.high - found.low < 0.3


def test_a_single_rare_item_keeps_the_interval_inside_0_and_1() -> None:
    found = repeats.mean_over_items([0.0] * 49 + [1.0])
    assert 0.0 < found.low < 0.02 < found.high < 0.15


def test_the_interval_of_pass_hat_4_covers() -> None:
    """1,000 experiments of 50 items × 4 trials whose chances differ (the truth is E[p⁴])."""
    dice, covered = np.random.default_rng(27), 0
    truth = float(np.prod([(2 + j) / (3 + j) for j in range(4)]))  # the fourth moment of Beta(2, 1)
    for _ in range(1000):
        passed = dice.binomial(4, dice.beta(2, 1, 50))
        found = repeats.mean_over_items(repeats.pass_hat_k(passed, np.full(50, 4), 4))
        covered += found.low <= truth <= found.high
    assert 0.925 <= covered / 1000 <= 0.97


@pytest.mark.parametrize(
    ("passed", "trials", "k", "complaint"),
    [([1.5], [3], 1, "whole"), ([4], [3], 1, "more often"), ([1], [3], 0, "at least 1"), ([1, 2], [3], 1, "lengths")],
)
def test_counts_that_cannot_be_are_refused(passed: list[float], trials: list[int], k: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        repeats.pass_hat_k(passed, trials, k)
