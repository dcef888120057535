"""Sample sizes: formulas, real models, and the power they promise by simulation."""

import csv
import gzip
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
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
