"""Calibration curves and their measures, against scipy and statsmodels, by definition, and by simulation."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression, minimize
from scipy.stats import mannwhitneyu

from weighbridge.stats import calibration, proportions
from weighbridge.stats.estimate import Floats
from weighbridge.stats.logistic import sigmoid

ROWS = st.lists(
    st.tuples(st.integers(-8, 8), st.sampled_from([0.0, 0.3, 1.0]), st.floats(0.1, 9)), min_size=1, max_size=60
)


@settings(deadline=None, max_examples=200)
@given(ROWS)
def test_isotonic_agrees_with_scipy(rows: list[tuple[int, float, float]]) -> None:
    """That of scipy takes one value a position, so equal scores are pooled for it by hand."""
    score, y, weight = np.array(rows, dtype=float).T
    values = np.unique(score)
    mass = np.array([weight[score == value].sum() for value in values])
    mean = np.array([(weight * y)[score == value].sum() for value in values]) / mass
    theirs = isotonic_regression(mean, weights=mass).x
    ours = calibration.isotonic(score, y, weight)
    assert calibration.apply(ours, values) == pytest.approx(theirs, abs=1e-9)
    assert (np.diff(ours.x) > 0).all()
    assert (np.diff(ours.y) >= 0).all()


def test_isotonic_by_hand() -> None:
    """2 and 3 violate and are pooled; between pools the line is straight, beyond the ends flat."""
    knots = calibration.isotonic([1, 2, 3, 5, 5], [0, 1, 0, 1, 0.8])
    assert knots.x.tolist() == [1, 2, 3, 5]
    assert knots.y == pytest.approx([0, 0.5, 0.5, 0.9])
    assert calibration.apply(knots, [-9, 1.5, 2.2, 4, np.inf]) == pytest.approx([0, 0.25, 0.5, 0.7, 0.9])


def test_isotonic_leaves_out_what_weighs_nothing() -> None:
    knots = calibration.isotonic([0, 1, 2], [0, 1, 0], [1, 1, 0])
    assert knots.x.tolist() == [0, 1]


def test_isotonic_mends_overconfidence() -> None:
    """Stated .5 + 1.5 times too far from .5: on fresh draws the error falls to what noise alone makes."""
    dice = np.random.default_rng(0)
    true = dice.uniform(0.2, 0.8, 20_000)
    stated, y = 0.5 + 1.5 * (true - 0.5), (dice.random(20_000) < true).astype(float)
    knots = calibration.isotonic(stated[:10_000], y[:10_000])
    mended = calibration.apply(knots, stated[10_000:])
    assert calibration.ece(stated[10_000:], y[10_000:]).low > 0.04
    assert calibration.ece(mended, y[10_000:]).value < 0.025


def test_platt_is_at_the_most_likely_of_its_smoothed_targets() -> None:
    dice = np.random.default_rng(1)
    score = dice.normal(size=200) * 50 + 1000
    y = dice.random(200) < sigmoid((score - 1000) / 40)
    target = np.where(y, (y.sum() + 1) / (y.sum() + 2), 1 / ((~y).sum() + 2))

    def loss(at: Floats) -> float:
        z = at[0] * (score - 1000) / 50 + at[1]
        return float((np.logaddexp(0, z) - target * z).sum())

    best = minimize(loss, [0.0, 0.0], tol=1e-12).x
    a, b = calibration.platt(score, y)
    assert (a * 50, a * 1000 + b) == pytest.approx(tuple(best), abs=1e-4)


def test_platt_is_finite_where_scores_separate_the_classes() -> None:
    """And says no more than the smoothing lets it: at the ends the targets, 5/6 and 1/6 of four each."""
    a, b = calibration.platt([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1])
    assert sigmoid([b, a + b]) == pytest.approx([1 / 6, 5 / 6])
    assert calibration.platt([3, 3, 3], [0, 1, 1])[0] == 0


def test_reliability_by_hand() -> None:
    """Two bins of four: equal probabilities stay together."""
    p = [0.1, 0.2, 0.2, 0.3, 0.6, 0.7, 0.8, 0.9]
    low, high = calibration.reliability(p, [0, 0, 1, 0, 1, 1, 0, 1], bins=2)
    assert (low.stated, high.stated) == pytest.approx((0.2, 0.75))
    assert low.right == proportions.wilson(1, 4)
    assert high.right == proportions.wilson(3, 4)
    found = calibration.ece(p, [0, 0, 1, 0, 1, 1, 0, 1], bins=2)
    assert found.value == pytest.approx(0.5 * 0.05 + 0.5 * 0.0)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.booleans()), min_size=1), st.integers(1, 12))
def test_bins_hold_everything_once_and_ece_is_their_mean_gap(rows: list[tuple[float, bool]], bins: int) -> None:
    p, y = np.array(rows, dtype=float).T
    found = calibration.reliability(p, y, bins)
    assert sum(one.right.n for one in found) == len(p)
    assert (np.diff([one.stated for one in found]) > 0).all()
    gap = sum(one.right.n * abs(one.stated - one.right.value) for one in found) / len(p)
    whole = calibration.ece(p, y, bins, draws=20)
    assert whole.value == pytest.approx(gap)
    assert 0 <= whole.low <= whole.value <= whole.high <= 1


def test_bins_are_of_equal_mass() -> None:
    p = np.random.default_rng(2).random(1003) ** 4
    assert {one.right.n for one in calibration.reliability(p, p > 0.5, 10)} <= {100, 101}


@pytest.mark.parametrize("too_far", [0.0, 0.02, 0.05, 0.15])
def test_intervals_of_ece_cover_the_true_error(too_far: float) -> None:
    """400 sets of 500 from forecasts that are off by so much everywhere; 90 % intervals, to
    within what 400 sets can tell."""
    dice = np.random.default_rng(3)
    covered = 0
    for seed in range(400):
        stated = dice.uniform(0.2, 0.8, 500)
        y = dice.random(500) < stated + too_far
        found = calibration.ece(stated, y, level=0.9, draws=500, seed=seed)
        covered += found.low <= too_far <= found.high
    assert covered / 400 >= 0.87


def test_a_bin_of_one_leaves_the_error_open() -> None:
    found = calibration.ece([0.2, 0.9], [0, 1], bins=2)
    assert found.value == pytest.approx(0.15)
    assert (found.low, found.high > 0.6) == (0, True)


def test_brier_by_hand() -> None:
    found = calibration.brier([0.8, 0.4], [1, 0])
    assert found.value == pytest.approx((0.04 + 0.16) / 2)
    assert found.low == 0
    assert calibration.brier([0.8], [1])[1:3] == (0, 1)
    wide = calibration.brier(np.tile([0.8, 0.4], 500), np.tile([1, 0], 500))
    theirs = sm.stats.DescrStatsW(np.tile([0.04, 0.16], 500)).zconfint_mean(0.05)
    assert wide[1:3] == pytest.approx(theirs)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=50))
def test_auroc_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    """Ties counting half; and it is Mann and Whitney's U over the number of pairs."""
    score, y = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if y.all() or not y.any():
        return
    right, wrong = score[y][:, None], score[~y][None, :]
    found = calibration.auroc(score, y)
    assert found.value == pytest.approx(float(((right > wrong) + 0.5 * (right == wrong)).mean()))
    assert found.value == pytest.approx(mannwhitneyu(score[y], score[~y]).statistic / right.size / wrong.size)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    flipped = calibration.auroc(-score, y)
    assert (flipped.value, flipped.low, flipped.high) == pytest.approx((1 - found.value, 1 - found.high, 1 - found.low))


def test_delongs_variance_is_that_of_its_definition() -> None:
    """Straight from the paper: the variance of each observation's share of pairs won, by the whole matrix of pairs."""
    dice = np.random.default_rng(4)
    score, y = dice.integers(0, 12, 80).astype(float), dice.random(80) < 0.4
    score[y] += 2
    right, wrong = score[y][:, None], score[~y][None, :]
    won = (right > wrong) + 0.5 * (right == wrong)
    spread = won.mean(axis=1).var(ddof=1) / y.sum() + won.mean(axis=0).var(ddof=1) / (~y).sum()
    area = won.mean()
    half = 1.959963984540054 * math.sqrt(spread) / (area * (1 - area))
    found = calibration.auroc(score, y)
    assert (found.low, found.high) == pytest.approx(
        tuple(sigmoid(math.log(area / (1 - area)) + np.array([-half, half])).tolist())
    )


@pytest.mark.parametrize(("apart", "n"), [(0.0, 60), (1.0, 60), (2.5, 60), (1.0, 400)])
def test_ninety_five_per_cent_intervals_of_auroc_cover_the_truth(apart: float, n: int) -> None:
    """1,500 sets; normal scores `apart` standard deviations, whose true area is known."""
    dice = np.random.default_rng(5)
    truth = 0.5 * math.erfc(-apart / 2)
    y = np.arange(n) % 3 == 0
    covered = 0
    for _ in range(1500):
        found = calibration.auroc(dice.normal(size=n) + apart * y, y)
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / 1500 <= 0.985


def test_scores_that_separate_perfectly_are_not_certain() -> None:
    """DeLong's variance is zero there; ten of each class are no proof."""
    found = calibration.auroc(np.arange(20), np.arange(20) >= 10)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(proportions.wilson(10, 10).low)
    same = calibration.auroc([1] * 20, np.arange(20) >= 10)
    assert same.value == 0.5
    assert same.low < 0.3
    assert same.high > 0.7


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1]])
def test_one_class_only_is_refused(y: list[int]) -> None:
    with pytest.raises(ValueError, match="one class only"):
        calibration.auroc([1, 2, 3], y)
    with pytest.raises(ValueError, match="one class only"):
        calibration.platt([1, 2, 3], y)


def test_other_wrong_calls_are_refused() -> None:
    for call in (calibration.isotonic, calibration.platt, calibration.auroc, calibration.ece, calibration.brier):
        with pytest.raises(ValueError, match="NaN"):
            call([0.1, np.nan, 0.3], [0, 1, 1])
        with pytest.raises(ValueError, match="lengths differ"):
            call([0.1, 0.2], [0, 1, 1])
    with pytest.raises(ValueError, match="p must lie between 0 and 1"):
        calibration.reliability([0.1, 1.2], [0, 1])
    with pytest.raises(ValueError, match="0 or 1"):
        calibration.auroc([0.1, 0.2], [0.5, 1])
    with pytest.raises(ValueError, match="number of bins"):
        calibration.ece([0.1, 0.2], [0, 1], bins=0)
    with pytest.raises(ValueError, match="rise in x"):
        calibration.apply(([1, 1], [0, 1]), [1])
    with pytest.raises(ValueError, match="lengths differ"):
        calibration.apply(([1, 2], [0]), [1])
    with pytest.raises(ValueError, match="NaN"):
        calibration.apply(([1, 2], [0, 1]), [np.nan])
