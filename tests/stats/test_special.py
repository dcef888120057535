"""Special functions against SciPy."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.stats import special

SHAPES = [0.5, 1.0, 2.5, 7.0, 40.0, 299.0, 5000.0]


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_the_incomplete_beta_agrees_with_scipy(a: float, b: float) -> None:
    for x in (1e-6, 0.01, 0.2, 0.5, 0.77, 0.99, 1 - 1e-6):
        assert special.beta_cdf(x, a, b) == pytest.approx(scipy.special.betainc(a, b, x), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_its_inverse_agrees_with_scipy(a: float, b: float) -> None:
    for p in (1e-4, 0.025, 0.5, 0.975, 0.9999):
        assert special.beta_ppf(p, a, b) == pytest.approx(scipy.special.betaincinv(a, b, p), rel=1e-8)


@pytest.mark.parametrize("df", [1, 2, 3.5, 9, 49, 199, 4999])
def test_students_t_agrees_with_scipy(df: float) -> None:
    for p in (0.001, 0.025, 0.3, 0.5, 0.9, 0.975, 0.9995):
        assert special.t_ppf(p, df) == pytest.approx(scipy.stats.t.ppf(p, df), rel=1e-8, abs=1e-12)
    for t in (-4.0, -0.3, 0.0, 1.0, 7.5):
        assert special.t_cdf(t, df) == pytest.approx(scipy.stats.t.cdf(t, df), rel=1e-9)
        assert special.t_two_sided_p(t, df) == pytest.approx(2 * scipy.stats.t.sf(abs(t), df), rel=1e-9)


def test_t_with_infinite_degrees_of_freedom_is_the_normal() -> None:
    assert special.t_ppf(0.975, float("inf")) == pytest.approx(1.959963984540054)
    assert special.t_two_sided_p(1.96, float("inf")) == pytest.approx(2 * scipy.stats.norm.sf(1.96))


@given(st.integers(1, 400), st.floats(0.001, 0.999), st.data())
def test_binomial_tails_agree_with_scipy(n: int, p: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert special.binomial_cdf(k, n, p) == pytest.approx(scipy.stats.binom.cdf(k, n, p), rel=1e-8, abs=1e-12)
    assert special.binomial_pmf(k, n, p) == pytest.approx(scipy.stats.binom.pmf(k, n, p), rel=1e-8, abs=1e-12)


@given(st.floats(-6, 6))
def test_the_normal_distribution_agrees_with_scipy(x: float) -> None:
    assert special.normal_cdf(x) == pytest.approx(float(scipy.stats.norm.cdf(x)), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("p", [-0.1, 0.0, 1.0, 1.1])
def test_a_probability_outside_its_range_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        special.normal_ppf(p)
    with pytest.raises(ValueError, match="between 0 and 1"):
        special.t_ppf(p, 5)


def test_the_inverse_covers_a_fine_grid() -> None:
    grid = np.linspace(0.001, 0.999, 199)
    found = [special.beta_cdf(special.beta_ppf(float(p), 3.0, 97.0), 3.0, 97.0) for p in grid]
    assert np.allclose(found, grid, rtol=1e-9)
