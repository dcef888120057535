"""Paired comparisons, against statsmodels and by simulation."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference

from weighbridge.stats import paired


@pytest.mark.parametrize(("broken", "fixed"), [(0, 0), (0, 5), (3, 9), (12, 12), (40, 61)])
def test_mcnemar_agrees_with_statsmodels(broken: int, fixed: int) -> None:
    before = np.array([1.0] * broken + [0.0] * fixed + [1.0] * 7)
    after = np.array([0.0] * broken + [1.0] * fixed + [1.0] * 7)
    found = paired.mcnemar(before, after)
    expected = reference([[7, broken], [fixed, 0]], exact=True).pvalue if broken + fixed else 1.0
    assert (found.broken, found.fixed) == (broken, fixed)
    assert found.p == pytest.approx(expected, abs=1e-12)


def test_mcnemar_holds_its_level() -> None:
    """inspect_ai#2176, #4206; lm-eval#3831: under no difference, p < .05 comes in at most 5 % of 4,000 experiments."""
    dice = np.random.default_rng(7)
    chance = dice.beta(2, 1, 200)
    hits = 0
    for _ in range(4000):
        before, after = dice.random(200) < chance, dice.random(200) < chance
        hits += paired.mcnemar_p(int((before & ~after).sum()), int((~before & after).sum())) < 0.05
    assert 0.025 < hits / 4000 <= 0.05 + 3 * 0.0035


def test_pairing_sees_what_an_unpaired_test_cannot() -> None:
    """Nine samples broken and none fixed is no luck, though 91 % against 82 % of 100 unpaired would be called so."""
    before = np.array([1.0] * 91 + [0.0] * 9)
    after = np.array([1.0] * 82 + [0.0] * 18)
    assert paired.mcnemar(before, after).p < 0.01


@pytest.mark.parametrize("truth", [0.0, 0.1])
def test_the_interval_of_a_paired_difference_covers(truth: float) -> None:
    """3,000 experiments of 120 pairs: Newcombe's and the clustered t interval cover about 95 %."""
    dice = np.random.default_rng(8)
    newcombe = t = 0
    for _ in range(3000):
        before = dice.random(120) < 0.6
        moved = dice.random(120)
        after = np.where(before, moved > 0.15, moved < (0.15 * 0.6 + truth) / 0.4)
        score = paired.proportion_difference(before, after)
        newcombe += score.low <= truth <= score.high
        plain = paired.difference(before, after)
        t += plain.low <= truth <= plain.high
    assert 0.935 <= newcombe / 3000 <= 0.975
    assert 0.93 <= t / 3000 <= 0.97


def test_newcombes_example_is_reproduced() -> None:
    """Newcombe 1998, table II, method 10 on 36/12/2/0 of 50 as (a, b, c, d) gives .2000 (.0569, .3404)."""
    before = np.array([1.0] * 48 + [0.0] * 2)
    after = np.array([1.0] * 36 + [0.0] * 12 + [1.0] * 2)
    found = paired.proportion_difference(after, before)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=0.0006)


def test_a_permutation_test_of_whole_clusters_holds_its_level() -> None:
    """Conversations of five that err together: McNemar calls luck a finding too often, flipping conversations does
    not."""
    dice = np.random.default_rng(9)
    labels = np.repeat(np.arange(12), 5)
    flips = plain = 0
    for _ in range(600):
        leaning = np.repeat(dice.normal(size=12), 5)
        before = (dice.normal(size=60) > 0).astype(float)
        after = (leaning + 0.3 * dice.normal(size=60) > 0).astype(float)
        flips += paired.sign_flip(before, after, labels) < 0.05
        plain += paired.mcnemar(before, after).p < 0.05
    assert flips / 600 <= 0.05 + 3 * 0.009
    assert plain / 600 > 0.1


def test_the_drawn_permutation_test_agrees_with_mcnemar_without_clusters() -> None:
    before = np.array([1.0] * 15 + [0.0] * 30 + [1.0] * 60)
    after = np.array([0.0] * 15 + [1.0] * 30 + [1.0] * 60)
    assert paired.sign_flip(before, after) == pytest.approx(paired.mcnemar(before, after).p, abs=0.01)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths differ: before has 2, after has 3"):
        paired.difference([1.0, 0.0], [1.0, 0.0, 1.0])
