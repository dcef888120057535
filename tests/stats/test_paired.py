"""Paired comparisons, against statsmodels and by simulation."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference

from weighbridge.stats import clustered, paired

pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


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
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=0.00005)


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


def test_half_of_what_was_seen_counts_in_the_mid_p() -> None:
    """3 of 12 discordant: twice P(B < 3), and P(B = 3) once where the exact test counts it twice."""
    chances = [comb(12, k) / 2**12 for k in range(13)]
    assert paired.mcnemar_p(3, 9, mid_p=True) == pytest.approx(2 * sum(chances[:3]) + chances[3])
    assert paired.mcnemar_p(3, 9) == pytest.approx(2 * sum(chances[:4]))


@settings(deadline=None)
@given(pairs)
def test_swapping_the_candidates_changes_signs_and_nothing_else(found: list[tuple[bool, bool]]) -> None:
    before, after = ([float(value) for value in column] for column in zip(*found, strict=True))
    there, back = paired.mcnemar(before, after), paired.mcnemar(after, before)
    assert (there.broken, there.fixed, there.p) == (back.fixed, back.broken, back.p)
    forth, swapped = paired.proportion_difference(before, after), paired.proportion_difference(after, before)
    assert (forth.value, forth.low, forth.high) == pytest.approx((-swapped.value, -swapped.high, -swapped.low))


@settings(deadline=None)
@given(pairs, st.integers(1, 9))
def test_the_interval_holds_the_difference_and_has_a_width(found: list[tuple[bool, bool]], clusters: int) -> None:
    before, after = ([float(value) for value in column] for column in zip(*found, strict=True))
    for labels in (None, np.arange(len(before)) % clusters):
        narrow, wide = (paired.proportion_difference(before, after, level, labels) for level in (0.8, 0.99))
        assert -1 <= wide.low <= narrow.low <= narrow.value + 1e-12
        assert narrow.value - 1e-12 <= narrow.high <= wide.high <= 1
        assert narrow.low < narrow.high


def test_twenty_pairs_that_all_agree_prove_no_equality() -> None:
    """The clustered t interval is a point there; the score interval is not, and with ten conversations it is wider."""
    same, labels = np.ones(20), np.arange(20) // 2
    alone = paired.proportion_difference(same, same)
    grouped = paired.proportion_difference(same, same, clusters=labels)
    assert paired.difference(same, same, labels).high == 0.0
    assert 0.1 < alone.high < grouped.high < 0.45


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_clustered_score_interval_covers_where_the_plain_one_does_not(spread: float) -> None:
    """800 experiments of 40 conversations × 6 turns; after is stricter in some conversations than in others."""
    dice = np.random.default_rng(32)
    labels = np.repeat(np.arange(40), 6)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        ease, taste = (np.repeat(spread * dice.standard_normal(count), 6) for _ in range(2))
        noise = dice.standard_normal(6 * count)
        again = np.where(dice.random(6 * count) < 0.5, noise, dice.standard_normal(6 * count))
        return noise + ease > -0.6, again + ease + taste > -0.5

    many = drawn(150_000)
    truth = float(many[1].mean() - many[0].mean())
    covered = plain = 0
    for _ in range(800):
        before, after = drawn(40)
        found = paired.proportion_difference(before, after, 0.95, labels)
        covered += found.low <= truth <= found.high
        alone = paired.proportion_difference(before, after)
        plain += alone.low <= truth <= alone.high
    assert 0.93 <= covered / 800 <= 0.985
    assert (plain / 800 < 0.9) == (spread > 0)


def test_hardly_any_pair_that_differs_makes_the_interval_too_wide_rather_than_too_narrow() -> None:
    """2,000 experiments of 240 pairs of which 1 % are broken and none fixed."""
    counts, covered = np.random.default_rng(43).binomial(240, 0.01, 2000), 0
    for broken in counts.tolist():
        after = np.r_[np.zeros(broken), np.ones(180 - broken), np.zeros(60)]
        found = paired.proportion_difference(np.r_[np.ones(180), np.zeros(60)], after)
        covered += found.low <= -0.01 <= found.high
    assert covered / 2000 >= 0.95


def test_one_conversation_bounds_no_difference() -> None:
    found = paired.proportion_difference([1.0, 0.0], [1.0, 1.0], clusters=["a", "a"])
    assert (found.value, found.low, found.high) == (0.5, -1.0, 1.0)


def test_the_difference_is_the_clustered_mean_of_differences() -> None:
    """lm-eval#3831: the comparison is of pairs, so what the two share cancels."""
    dice = np.random.default_rng(33)
    hard, labels = dice.normal(0, 5, 60), np.arange(60) // 3
    before, after = hard + dice.normal(0, 0.1, 60), hard + 0.2 + dice.normal(0, 0.1, 60)
    found = paired.difference(before, after, labels)
    assert found[:3] == clustered.mean(after - before, labels)[:3]
    assert 0.1 < found.low < found.high < 0.3
    assert paired.difference_p(before, after, labels) == clustered.p_value(after - before, labels)


def test_every_way_to_flip_is_counted() -> None:
    """Six clusters, 64 flips, against a loop over all of them."""
    dice = np.random.default_rng(34)
    before, after, labels = dice.random(18), dice.random(18) + 0.2, np.repeat(np.arange(6), 3)
    sums = [float((after - before)[labels == g].sum()) for g in range(6)]
    seen = abs(sum(sums))
    as_far = [
        abs(sum(s * x for s, x in zip(signs, sums, strict=True))) >= seen - 1e-9 for signs in product((1, -1), repeat=6)
    ]
    assert paired.sign_flip(before, after, labels) == pytest.approx(np.mean(as_far))


@pytest.mark.parametrize("size", [8, 40])
def test_the_unit_of_values_does_not_change_the_permutation_test(size: int) -> None:
    """Dollars or nanodollars: ties are ties in any unit, though their last bits differ."""
    change = np.random.default_rng(35).choice([0.1, 0.2, 0.3, -0.1, -0.2], size)
    found = [paired.sign_flip(np.zeros(size), change * unit) for unit in (1.0, 1e-13, 1e9)]
    assert found[0] == found[1] == found[2]


def test_no_difference_at_all_is_no_finding() -> None:
    assert paired.sign_flip([1.0, 0.0], [1.0, 0.0]) == 1.0
    assert paired.mcnemar([1.0, 0.0], [1.0, 0.0]).p == 1.0


def test_what_is_neither_pass_nor_fail_has_no_mcnemar() -> None:
    """A mean of repeats is not rounded into a verdict; `sign_flip` takes it as it is."""
    with pytest.raises(ValueError, match="after must be 0 or 1"):
        paired.mcnemar([1.0, 0.0], [0.5, 1.0])
    with pytest.raises(ValueError, match="before must be 0 or 1"):
        paired.proportion_difference([0.5, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="cannot be"):
        paired.mcnemar_p(-1, 2)
    with pytest.raises(ValueError, match="number of draws"):
        paired.sign_flip([0.0], [1.0], draws=0)
