"""The special functions that intervals need, in plain Python: SciPy would make a plain install a third larger.

Tested against SciPy to ten digits in `tests/stats/test_special.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

_EPS = 1e-16
_TINY = 1e-300
_normal = NormalDist()


def normal_ppf(p: float) -> float:
    """Quantile of the standard normal. Raises ValueError unless 0 < p < 1."""
    if not 0.0 < p < 1.0:
        raise ValueError(f"a probability must lie between 0 and 1, not {p}")
    return _normal.inv_cdf(p)


def normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if a <= 0 or b <= 0:
        raise ValueError("a and b must be positive")
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    # The fraction converges fast below the mean; above it, use I_x(a, b) = 1 - I_{1-x}(b, a).
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(1.0 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method, as modified by Thompson and Barnett (1986)."""
    c, d = 1.0, _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    d = 1.0 / d
    result = d
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away_from_zero(1.0 + numerator * d)
            c = _away_from_zero(1.0 + numerator / c)
            step = d * c
            result *= step
        if abs(step - 1.0) < _EPS * 4:
            break
    return result


def _away_from_zero(value: float) -> float:
    return _TINY if abs(value) < _TINY else value


def beta_ppf(p: float, a: float, b: float) -> float:
    """Quantile of the beta distribution, by bisection: 0 at p = 0, 1 at p = 1."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"a probability must lie between 0 and 1, not {p}")
    if p in {0.0, 1.0}:
        return p
    return _bisect(lambda x: beta_cdf(x, a, b) - p, 0.0, 1.0)


def t_cdf(t: float, df: float) -> float:
    """Student's t distribution function."""
    if df <= 0:
        raise ValueError("degrees of freedom must be positive")
    if math.isinf(df):
        return normal_cdf(t)
    tail = 0.5 * beta_cdf(df / (df + t * t), df / 2.0, 0.5)
    return tail if t < 0 else 1.0 - tail


def t_two_sided_p(t: float, df: float) -> float:
    """Probability of a |T| at least this large."""
    if math.isinf(t):
        return 0.0
    if math.isinf(df):
        return math.erfc(abs(t) / math.sqrt(2.0))
    return beta_cdf(df / (df + t * t), df / 2.0, 0.5)


def t_ppf(p: float, df: float) -> float:
    """Quantile of Student's t."""
    if not 0.0 < p < 1.0:
        raise ValueError(f"a probability must lie between 0 and 1, not {p}")
    if math.isinf(df):
        return normal_ppf(p)
    if p == 0.5:
        return 0.0
    # t² = df·(1 - x)/x, where x is a beta quantile of the two-sided tail.
    tail = 2.0 * min(p, 1.0 - p)
    x = beta_ppf(tail, df / 2.0, 0.5)
    size = math.sqrt(df * (1.0 - x) / x) if x > 0 else math.inf
    return -size if p < 0.5 else size


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Probability of at most `k` successes in `n` trials."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    return beta_cdf(1.0 - p, n - k, k + 1.0)


def binomial_pmf(k: int, n: int, p: float) -> float:
    if not 0 <= k <= n:
        return 0.0
    if p in {0.0, 1.0}:
        return 1.0 if k == round(n * p) else 0.0
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a rising function, to the last bit that matters."""
    for _ in range(1100):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if function(middle) < 0:
            low = middle
        else:
            high = middle
        if high - low <= 1e-15 * high:
            break
    return 0.5 * (low + high)
