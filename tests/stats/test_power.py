"""Sample sizes: formulas, real models, and the power they promise by simulation."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from weighbridge.stats import paired, power


def test_on_gsm8k_pairing_needs_about_half_the_samples(shared_data: Path) -> None:
    """2 points at 80 % power, mean over all pairs of the 20 best models that answered every question: about 1,015
    paired, about 1,930 for each of two unpaired sets."""
    answers: dict[str, dict[str, float]] = defaultdict(dict)
    with gzip.open(shared_data / "routing" / "gsm8k_results.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            answers[row["model"]][row["id"]] = float(row["correct"])
    complete = {model: found for model, found in answers.items() if len(found) == 1319}
    best = sorted(complete, key=lambda model: -sum(complete[model].values()))[:20]
    table = {model: np.array([complete[model][item] for item in sorted(complete[model])]) for model in best}
    with_pairs = [power.paired(table[a], table[b], 0.02) for a, b in combinations(best, 2)]
    without = [power.unpaired(table[a].mean(), table[b].mean(), 0.02) for a, b in combinations(best, 2)]
    assert len(complete) == 43
    assert np.mean(with_pairs) == pytest.approx(1015, abs=5)
    assert np.mean(without) == pytest.approx(1930, abs=5)


def test_the_unpaired_size_agrees_with_statsmodels() -> None:
    """Cohen's h there, the plain variance here: near a half they are the same test."""
    expected = NormalIndPower().solve_power(proportion_effectsize(0.52, 0.48), alpha=0.05, power=0.8)
    assert power.unpaired(0.52, 0.48, 0.04) == pytest.approx(expected, rel=0.01)


def test_the_promised_power_is_delivered() -> None:
    """With the size for 80 %, McNemar's exact test finds a true difference in 75 to 85 % of 1,500 experiments."""
    dice = np.random.default_rng(18)
    broken, fixed = 0.06, 0.12
    n = round(power.paired_from_discordance(broken + fixed, fixed - broken))
    found = 0
    for _ in range(1500):
        drawn = dice.multinomial(n, [broken, fixed, 1 - broken - fixed])
        found += paired.mcnemar_p(int(drawn[0]), int(drawn[1])) < 0.05
    assert 0.74 <= found / 1500 <= 0.86


def test_size_power_and_detectable_difference_are_one_formula() -> None:
    n = power.samples_for(0.2, 0.05)
    assert power.achieved(0.2, 0.05, n) == pytest.approx(0.8, abs=1e-4)
    assert power.detectable(0.2, n) == pytest.approx(0.05)


def test_no_difference_and_impossible_discordance_are_refused() -> None:
    with pytest.raises(ValueError, match="difference of zero"):
        power.samples_for(0.2, 0.0)
    with pytest.raises(ValueError, match="at least the difference"):
        power.paired_from_discordance(0.01, 0.05)


def test_the_formulas_are_the_ones_that_are_written_down() -> None:
    """(1.960 + 0.842)² = 7.849 times the variance over the squared difference. Unpaired the variance is
    p(1 - p) + p'(1 - p'), for each of the two sets; paired it is that of after - before in the pilot."""
    constant = (1.959963984540054 + 0.8416212335729143) ** 2
    assert power.unpaired(0.9, 0.8, 0.02) == pytest.approx(constant * (0.09 + 0.16) / 0.0004)
    before, after = np.array([1.0] * 8 + [0.0] * 2), np.array([1.0] * 7 + [0.0, 1.0, 0.0])
    assert power.paired(before, after, 0.05) == pytest.approx(constant * 0.2 / 0.0025)
    assert power.samples_for(0.1, -0.05) == power.samples_for(0.1, 0.05)


def test_the_discordance_follows_from_the_correlation() -> None:
    """100,000 pairs drawn with a common cause: shares and correlation of the draws give the share that differs."""
    dice = np.random.default_rng(41)
    hard = dice.standard_normal(100_000)
    before, after = hard + dice.standard_normal(100_000) > -0.5, hard + dice.standard_normal(100_000) > -0.9
    r = float(np.corrcoef(before, after)[0, 1])
    found = power.discordance(float(before.mean()), float(after.mean()), r)
    assert found == pytest.approx(float((before != after).mean()), abs=1e-9)
    assert power.discordance(0.8, 0.9, 0.0) == pytest.approx(0.8 * 0.1 + 0.2 * 0.9)
    assert power.discordance(0.7, 0.7, 1.0) == 0.0


def test_independent_candidates_gain_nothing_by_pairing() -> None:
    """With no correlation Connor's paired size is the unpaired one, up to the variance under no difference."""
    size = power.paired_from_discordance(power.discordance(0.85, 0.87, 0.0), 0.02)
    assert size == pytest.approx(power.unpaired(0.85, 0.87, 0.02), rel=0.002)


@pytest.mark.parametrize("n", [100, 400, 900])
def test_the_power_is_how_often_the_difference_is_found(n: int) -> None:
    """4,000 z tests of a mean of n normal differences, spread 1, truly .1."""
    means = np.random.default_rng(42).normal(0.1, 1 / np.sqrt(n), 4000)
    found = (np.abs(means) * np.sqrt(n) > 1.959963984540054).mean()
    assert power.achieved(1.0, 0.1, n) == pytest.approx(found, abs=0.025)


def test_power_without_difference_is_the_level_and_without_variance_certain() -> None:
    assert power.achieved(0.2, 0.0, 100) == pytest.approx(0.05)
    assert power.achieved(0.0, 0.1, 3) == 1.0
    assert power.achieved(0.0, 0.0, 3) == 0.05


@settings(deadline=None)
@given(st.floats(0.01, 1), st.floats(0.01, 0.5), st.floats(0.55, 0.99))
def test_more_power_and_smaller_differences_need_more_samples(variance: float, gap: float, wanted: float) -> None:
    n = power.samples_for(variance, gap, power=wanted)
    assert power.samples_for(variance, gap / 2, power=wanted) == pytest.approx(4 * n)
    assert power.samples_for(variance, gap, power=wanted + 0.005) > n
    assert power.samples_for(variance, gap, alpha=0.01, power=wanted) > n
    assert power.achieved(variance, gap, n) >= wanted - 1e-9


def test_input_that_means_nothing_is_refused() -> None:
    calls: list[Callable[[], float]] = [
        lambda: power.samples_for(-0.1, 0.1),
        lambda: power.samples_for(float("nan"), 0.1),
        lambda: power.samples_for(0.1, float("nan")),
        lambda: power.samples_for(0.1, 0.1, alpha=0.0),
        lambda: power.samples_for(0.1, 0.1, power=1.0),
        lambda: power.unpaired(1.2, 0.5, 0.1),
        lambda: power.paired_from_discordance(0.2, 0.0),
        lambda: power.paired_from_discordance(0.2, 0.1, power=80),
        lambda: power.achieved(0.1, 0.1, 0),
        lambda: power.achieved(0.1, 0.1, 10, alpha=5),
        lambda: power.detectable(0.1, 0),
        lambda: power.discordance(0.9, 0.1, 0.9),
        lambda: power.discordance(0.5, 0.5, -1.5),
    ]
    for bad in calls:
        with pytest.raises(ValueError, match=r"cannot|must|shows a difference|lie between"):
            bad()


def test_connors_size_is_the_one_that_is_written_down() -> None:
    """(1.960·√.18 + .842·√(.18 - .06²))² / .06², a hair under (1.960 + .842)²·.18/.06²."""
    expected = (1.959963984540054 * 0.18**0.5 + 0.8416212335729143 * 0.1764**0.5) ** 2 / 0.0036
    assert power.paired_from_discordance(0.18, 0.06) == pytest.approx(expected)
    assert power.paired_from_discordance(0.18, -0.06) < power.samples_for(0.18, 0.06)
