"""Special functions against SciPy, to ten digits."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.stats import special

# Under this SciPy itself has no ten digits.
UNTOLD = 1e-200
SHAPES = [0.5, 1.0, 2.5, 7.0, 40.0, 299.0, 5000.0, 1e6]


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_the_incomplete_beta_agrees_with_scipy(a: float, b: float) -> None:
    """Also next to its mean, and where it is as small as 1e-200."""
    centre = a / (a + b)
    for x in (1e-6, 0.01, 0.2, 0.5, 0.77, 0.99, 1 - 1e-6, centre, 0.99 * centre, centre + 0.01 * (1 - centre)):
        assert special.beta_cdf(x, a, b) == pytest.approx(scipy.special.betainc(a, b, x), rel=1e-10, abs=UNTOLD)


@settings(deadline=None)
@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(1e-9, 1 - 1e-9))
def test_the_incomplete_beta_agrees_with_scipy_anywhere(a: float, b: float, x: float) -> None:
    assert special.beta_cdf(x, a, b) == pytest.approx(scipy.special.betainc(a, b, x), rel=1e-10, abs=UNTOLD)


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_its_inverse_agrees_with_scipy(a: float, b: float) -> None:
    for p in (1e-4, 0.025, 0.5, 0.975, 0.9999):
        assert special.beta_ppf(p, a, b) == pytest.approx(scipy.special.betaincinv(a, b, p), rel=1e-10)


def test_the_inverse_covers_a_fine_grid() -> None:
    grid = np.linspace(0.001, 0.999, 199)
    found = [special.beta_cdf(special.beta_ppf(float(p), 3.0, 97.0), 3.0, 97.0) for p in grid]
    assert np.allclose(found, grid, rtol=1e-12)


@pytest.mark.parametrize("df", [1, 2, 3.5, 9, 49, 199, 4999, 1e6])
def test_students_t_agrees_with_scipy(df: float) -> None:
    """Far in the tails and next to the middle, where differences of probabilities lose their digits."""
    for p in (1e-12, 1e-4, 0.025, 0.3, 0.4999, 0.5, 0.500001, 0.9, 0.975, 0.9995, 1 - 1e-6):
        assert special.t_ppf(p, df) == pytest.approx(scipy.stats.t.ppf(p, df), rel=1e-10)
    for t in (-4.0, -0.3, 0.0, 1e-6, 1.0, 7.5, 30.0):
        assert special.t_cdf(t, df) == pytest.approx(scipy.stats.t.cdf(t, df), rel=1e-10)
        expected = 2 * scipy.stats.t.sf(abs(t), df)
        assert special.t_two_sided_p(t, df) == pytest.approx(expected, rel=1e-10, abs=UNTOLD)


def test_t_with_infinite_degrees_of_freedom_is_the_normal() -> None:
    assert special.t_ppf(0.975, math.inf) == pytest.approx(1.959963984540054, rel=1e-12)
    assert special.t_two_sided_p(1.96, math.inf) == pytest.approx(2 * scipy.stats.norm.sf(1.96), rel=1e-12)
    assert special.t_cdf(-1.96, math.inf) == pytest.approx(scipy.stats.norm.cdf(-1.96), rel=1e-12)


def test_an_infinite_t_leaves_no_probability() -> None:
    assert special.t_two_sided_p(math.inf, 5) == 0.0
    assert (special.t_cdf(-math.inf, 5), special.t_cdf(math.inf, 5)) == (0.0, 1.0)


@settings(deadline=None)
@given(st.integers(1, 2000), st.floats(0.001, 0.999), st.data())
def test_binomial_tails_agree_with_scipy(n: int, p: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert special.binomial_cdf(k, n, p) == pytest.approx(scipy.stats.binom.cdf(k, n, p), rel=1e-10, abs=UNTOLD)
    assert special.binomial_sf(k, n, p) == pytest.approx(scipy.stats.binom.sf(k, n, p), rel=1e-10, abs=UNTOLD)
    assert special.binomial_pmf(k, n, p) == pytest.approx(scipy.stats.binom.pmf(k, n, p), rel=1e-10, abs=UNTOLD)


def test_far_out_the_tail_is_nearer_to_the_truth_than_scipys() -> None:
    """2.1e-280: SciPy is off by 1.6e-10 of that, exact fractions say."""
    chance = Fraction(7, 16)
    exact = sum(math.comb(1250, j) * chance**j * (1 - chance) ** (1250 - j) for j in range(16))
    assert special.binomial_cdf(15, 1250, 7 / 16) == pytest.approx(float(exact), rel=1e-12, abs=0.0)


@pytest.mark.parametrize("p", [1e-6, 0.01, 0.5, 0.99])
def test_binomial_tails_of_a_million_trials_keep_their_digits(p: float) -> None:
    n = 10**6
    for k in (0, 1, int(n * p), n // 2, n - 1):
        assert special.binomial_cdf(k, n, p) == pytest.approx(scipy.stats.binom.cdf(k, n, p), rel=1e-10, abs=UNTOLD)
        assert special.binomial_pmf(k, n, p) == pytest.approx(scipy.stats.binom.pmf(k, n, p), rel=1e-10, abs=UNTOLD)


def test_tails_under_the_smallest_float_are_known_as_logarithms() -> None:
    """None of 5,000 coins: 2^-5000, which no float holds."""
    assert special.binomial_cdf(0, 5000, 0.5) == 0.0
    assert special.log_binomial_cdf(0, 5000, 0.5) == pytest.approx(-5000 * math.log(2), rel=1e-13)


@settings(deadline=None)
@given(st.integers(1, 150), st.floats(0.01, 0.99), st.data())
def test_the_logarithm_is_that_of_the_tail(n: int, p: float, data: st.DataObject) -> None:
    """Against exact fractions: SciPy's has no digits left where the tail is near one or under 1e-300."""
    k, chance = data.draw(st.integers(0, n - 1)), Fraction(p)
    terms = [math.comb(n, j) * chance**j * (1 - chance) ** (n - j) for j in range(n + 1)]
    below, above = sum(terms[: k + 1], Fraction()), sum(terms[k + 1 :], Fraction())
    near_one = above < Fraction(1, 2)
    expected = math.log1p(-float(above)) if near_one else math.log(below.numerator) - math.log(below.denominator)
    assert special.log_binomial_cdf(k, n, p) == pytest.approx(expected, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_certain_trials_have_certain_tails(p: float) -> None:
    for k in range(-1, 5):
        assert special.binomial_cdf(k, 4, p) == scipy.stats.binom.cdf(k, 4, p)
        assert special.binomial_sf(k, 4, p) == scipy.stats.binom.sf(k, 4, p)
        assert special.binomial_pmf(k, 4, p) == scipy.stats.binom.pmf(k, 4, p)
        assert special.log_binomial_cdf(k, 4, p) == scipy.stats.binom.logcdf(k, 4, p)


@settings(deadline=None)
@given(st.floats(-6, 6))
def test_the_normal_distribution_agrees_with_scipy(x: float) -> None:
    assert special.normal_cdf(x) == pytest.approx(float(scipy.stats.norm.cdf(x)), rel=1e-12)


@pytest.mark.parametrize("p", [1e-300, 1e-9, 0.025, 0.5, 0.975, 1 - 1e-9])
def test_its_quantiles_agree_with_scipy(p: float) -> None:
    assert special.normal_ppf(p) == pytest.approx(float(scipy.stats.norm.ppf(p)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("p", [-0.1, 0.0, 1.0, 1.1, math.nan])
def test_a_probability_outside_its_range_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        special.normal_ppf(p)
    with pytest.raises(ValueError, match="between 0 and 1"):
        special.t_ppf(p, 5)


def test_what_has_no_answer_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="positive a and b"):
        special.beta_cdf(0.5, 0.0, 1.0)
    with pytest.raises(ValueError, match="a number x"):
        special.beta_cdf(math.nan, 1.0, 1.0)
    with pytest.raises(ValueError, match="degrees of freedom"):
        special.t_ppf(0.9, 0)
    with pytest.raises(ValueError, match="degrees of freedom"):
        special.t_two_sided_p(1.0, math.nan)


def test_a_fraction_that_does_not_converge_says_so() -> None:
    """Rather than give the digits it has."""
    with pytest.raises(ValueError, match="does not converge"):
        special.beta_cdf(0.5, 1e14, 1e14)


def test_the_ends_of_the_beta_distribution_are_0_and_1() -> None:
    assert (special.beta_ppf(0.0, 2.0, 3.0), special.beta_ppf(1.0, 2.0, 3.0)) == (0.0, 1.0)
    assert (special.beta_cdf(-0.5, 2.0, 3.0), special.beta_cdf(1.5, 2.0, 3.0)) == (0.0, 1.0)


@pytest.mark.parametrize("n", [20, 32, 60, 400])
def test_a_binomial_probability_has_all_the_digits_a_float_holds(n: int) -> None:
    """Against exact fractions, on both sides of where the series for the factorial takes over."""
    exact = Fraction(math.comb(n, n // 2), 2**n)
    assert special.binomial_pmf(n // 2, n, 0.5) == pytest.approx(float(exact), rel=1e-14)
