"""Intervals of a share, against statsmodels and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from weighbridge.stats import proportions

CASES = [(0, 10), (1, 10), (10, 10), (45, 76), (3, 1000), (597, 600)]


@pytest.mark.parametrize(("k", "n"), CASES)
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(k: int, n: int, level: float) -> None:
    found = proportions.wilson(k, n, level)
    assert (found.low, found.high) == pytest.approx(proportion_confint(k, n, 1 - level, "wilson"), abs=1e-9)


@pytest.mark.parametrize(("k", "n"), CASES)
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_clopper_pearson_agrees_with_statsmodels(k: int, n: int, level: float) -> None:
    found = proportions.clopper_pearson(k, n, level)
    assert (found.low, found.high) == pytest.approx(proportion_confint(k, n, 1 - level, "beta"), abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 500), st.data())
def test_an_interval_holds_its_share_and_widens_with_the_level(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    for method in (proportions.wilson, proportions.clopper_pearson):
        narrow, wide = method(k, n, 0.8), method(k, n, 0.99)
        assert 0 <= wide.low <= narrow.low <= k / n <= narrow.high <= wide.high <= 1


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.92])
def test_ninety_five_per_cent_intervals_cover_ninety_five_per_cent(share: float) -> None:
    """20,000 samples of 100: Wilson covers near the level on average, Clopper-Pearson never less than it."""
    counts = np.random.default_rng(1).binomial(100, share, 20_000)
    for method, least in ((proportions.wilson, 0.93), (proportions.clopper_pearson, 0.947)):
        ends = {k: method(k, 100) for k in np.unique(counts).tolist()}
        covered = np.mean([ends[k].low <= share <= ends[k].high for k in counts.tolist()])
        assert least <= covered <= 0.985


def test_no_failure_in_n_bounds_the_rate_by_the_rule_of_three() -> None:
    """Of 300 with no failure, the exact upper bound at one-sided 95 % is near 3/300."""
    assert proportions.clopper_pearson(0, 300, 0.90).high == pytest.approx(3 / 300, rel=0.01)


def test_equal_weights_are_no_weights() -> None:
    passes = np.array([1.0, 0, 1, 1, 0, 1, 0, 0, 1, 1])
    assert proportions.weighted(passes, np.full(10, 7.0))[:3] == pytest.approx(proportions.wilson(6, 10)[:3])


def test_uneven_weights_widen_the_interval() -> None:
    """Kish: a few heavy samples carry the mean, so there are effectively fewer of them."""
    passes = np.tile([1.0, 0.0], 50)
    weights = np.tile([1.0, 1.0, 9.0, 9.0], 25)
    even, uneven = proportions.weighted(passes), proportions.weighted(passes, weights)
    assert uneven.high - uneven.low > 1.15 * (even.high - even.low)


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match=r"no trials|cannot be"):
        proportions.wilson(k, n)


@pytest.mark.parametrize("successes", [2.5, 1e-9])
def test_the_exact_interval_is_for_whole_counts(successes: float) -> None:
    with pytest.raises(ValueError, match="whole counts"):
        proportions.clopper_pearson(successes, 10)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("n", [1, 7, 60, 299])
def test_nothing_and_everything_mirror_each_other(n: int) -> None:
    """At 0 and n the exact ends are those of the closed form 1 - (α/2)^(1/n), and no interval is a point."""
    none, every = proportions.clopper_pearson(0, n), proportions.clopper_pearson(n, n)
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / n), rel=1e-12)
    assert every.low == pytest.approx(0.025 ** (1 / n), rel=1e-12)
    assert proportions.wilson(0, n).high == pytest.approx(1 - proportions.wilson(n, n).low)
    assert proportions.wilson(0, n).low == 0.0
    assert proportions.wilson(0, n).high > 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 100)), min_size=1, max_size=50), st.floats(0.5, 0.999))
def test_a_weighted_share_lies_in_its_interval(rows: list[tuple[bool, float]], level: float) -> None:
    passes, weights = [float(passed) for passed, _ in rows], [weight for _, weight in rows]
    found = proportions.weighted(passes, weights, level)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    assert found[:3] == pytest.approx(proportions.weighted(passes[::-1], [3 * w for w in weights[::-1]], level)[:3])


def test_weighted_intervals_cover_the_weighted_share() -> None:
    """4,000 samples of 150, of two tags that pass differently and weigh 1 and 4."""
    dice = np.random.default_rng(2)
    heavy = dice.random((4000, 150)) < 0.5
    passes = (dice.random((4000, 150)) < np.where(heavy, 0.9, 0.6)).astype(float)
    truth = (0.9 * 4 + 0.6) / 5
    ends = [proportions.weighted(p, np.where(h, 4.0, 1.0)) for p, h in zip(passes, heavy, strict=True)]
    assert 0.93 <= np.mean([found.low <= truth <= found.high for found in ends]) <= 0.975


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        proportions.weighted([0.5, 3.0])
