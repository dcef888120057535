"""The special functions that intervals need, in plain Python: SciPy would make a plain install a third larger.

Tested against SciPy to ten digits in `tests/stats/test_special.py`. Tails are worked out as logarithms and from the
smaller side, so that neither a sum of a million trials nor a p-value of 1e-300 loses its digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_EPS = 4e-16
_TINY = 1e-300
_MOST_TERMS = 100_000
_normal = NormalDist()


def normal_ppf(p: float) -> float:
    """Quantile of the standard normal. Raises ValueError unless 0 < p < 1."""
    _check_probability(p, inside=True)
    return _normal.inv_cdf(p)


def normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b); 0 below x = 0, 1 above x = 1."""
    return _beta(x, 1.0 - x, a, b)


def _beta(x: float, y: float, a: float, b: float) -> float:
    """I_x(a, b) where y = 1 - x is known better than subtraction would tell."""
    if not (a > 0 and b > 0) or math.isnan(x):
        raise ValueError(f"the incomplete beta function needs positive a and b and a number x, not {a}, {b}, {x}")
    if x <= 0.0:
        return 0.0
    if y <= 0.0:
        return 1.0
    log, below = _log_smaller_side(x, y, a, b)
    return math.exp(log) if below else -math.expm1(log)


def _log_smaller_side(x: float, y: float, a: float, b: float) -> tuple[float, bool]:
    """Logarithm of I_x(a, b) and True, or log(1 - I_x(a, b)) and False, by the continued fraction DLMF 8.17.22,
    which converges fast below the mean; above it, 1 - I_x(a, b) = I_y(b, a)."""
    front = _log_front(x, y, a, b)
    if x < (a + 1.0) / (a + b + 2.0):
        return front + math.log(_beta_fraction(x, a, b) / a), True
    return front + math.log(_beta_fraction(y, b, a) / b), False


def _log_front(x: float, y: float, a: float, b: float) -> float:
    """log(x^a·y^b/B(a, b)), as a binomial probability by its saddle point (Loader 2000, "Fast and Accurate Computation
    of Binomial Probabilities"): differences of large logarithms of Γ would cost the last digits."""
    return 0.5 * math.log(a * b / (2.0 * math.pi * (a + b))) + _log_binomial(a, b, x, y)


def _log_binomial(a: float, b: float, x: float, y: float) -> float:
    """Logarithm of C(a+b, a)·x^a·y^b·√(2π·a·b/(a+b))."""
    n = a + b
    return _stirling_error(n) - _stirling_error(a) - _stirling_error(b) - _deviance(a, n * x) - _deviance(b, n * y)


def _stirling_error(n: float) -> float:
    """Logarithm of Γ(n+1) less Stirling's formula; the series is DLMF 5.11.1."""
    if n < 15:
        return math.lgamma(n + 1.0) - 0.5 * math.log(2.0 * math.pi * n) - n * math.log(n) + n
    r = 1.0 / (n * n)
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 * r) * r) * r) * r) / n


def _deviance(k: float, expected: float) -> float:
    """k·log(k/expected) + expected - k, without cancellation where the two are close."""
    gap = k - expected
    if abs(gap) > 0.1 * (k + expected):
        return k * math.log(k / expected) - gap
    # With v = gap/(k + expected), log(k/expected) = 2·atanh(v) and the leading terms cancel to gap·v.
    v = gap / (k + expected)
    total, term, power = gap * v, 0.0, 2.0 * k * v
    for j in range(3, 100, 2):
        power *= v * v
        term = power / j
        if total + term == total:
            break
        total += term
    return total


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method, as modified by Thompson and Barnett (1986)."""
    c, d = 1.0, _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    d = 1.0 / d
    result = d
    for m in range(1, _MOST_TERMS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away_from_zero(1.0 + numerator * d)
            c = _away_from_zero(1.0 + numerator / c)
            step = d * c
            result *= step
        if abs(step - 1.0) < _EPS:
            return result
    raise ValueError(f"the incomplete beta function does not converge for a = {a:g}, b = {b:g}")


def _away_from_zero(value: float) -> float:
    return _TINY if abs(value) < _TINY else value


@lru_cache(maxsize=4096)
def beta_ppf(p: float, a: float, b: float) -> float:
    """Quantile of the beta distribution, by bisection: 0 at p = 0, 1 at p = 1."""
    _check_probability(p)
    if p in {0.0, 1.0}:
        return p
    return _bisect(lambda x: beta_cdf(x, a, b) - p, 0.0, 1.0)


@lru_cache(maxsize=4096)
def _upper_beta_ppf(tail: float, a: float, b: float) -> float:
    """The x that a beta variable exceeds with probability `tail`, however small that is."""
    return _bisect(lambda x: tail - _beta(1.0 - x, x, b, a), 0.0, 1.0)


def t_cdf(t: float, df: float) -> float:
    """Student's t distribution function."""
    tail = 0.5 * t_two_sided_p(t, df)
    return tail if t < 0 else 1.0 - tail


def t_two_sided_p(t: float, df: float) -> float:
    """Probability of a |T| at least this large."""
    if not df > 0 or math.isnan(t):
        raise ValueError(f"Student's t needs a number and positive degrees of freedom, not {t} and {df}")
    if math.isinf(t):
        return 0.0
    if math.isinf(df):
        return math.erfc(abs(t) / math.sqrt(2.0))
    total = df + t * t
    return _beta(df / total, t * t / total, df / 2.0, 0.5)


def t_ppf(p: float, df: float) -> float:
    """Quantile of Student's t. Raises ValueError unless 0 < p < 1."""
    _check_probability(p, inside=True)
    if not df > 0:
        raise ValueError(f"degrees of freedom must be positive, not {df}")
    if math.isinf(df):
        return normal_ppf(p)
    if p == 0.5:
        return 0.0
    tail, centre = 2.0 * min(p, 1.0 - p), abs(2.0 * p - 1.0)
    x = beta_ppf(tail, df / 2.0, 0.5)  # df/(df + t²)
    if x <= 0.5:
        square = df * (1.0 - x) / x if x > 0 else math.inf
    else:  # 1 - x would lose digits, so solve for it: from the smaller of the two probabilities
        y = beta_ppf(centre, 0.5, df / 2.0) if centre < 0.5 else _upper_beta_ppf(tail, 0.5, df / 2.0)
        square = df * y / (1.0 - y)
    return math.copysign(math.sqrt(square), p - 0.5)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Probability of at most `k` successes in `n` trials."""
    _check_probability(p)
    if k < 0:
        return 0.0
    return 1.0 if k >= n else _beta(1.0 - p, p, n - k, k + 1.0)


def binomial_sf(k: int, n: int, p: float) -> float:
    """Probability of more than `k` successes in `n` trials; exact where it is small."""
    _check_probability(p)
    if k < 0:
        return 1.0
    return 0.0 if k >= n else _beta(p, 1.0 - p, k + 1.0, n - k)


def log_binomial_cdf(k: int, n: int, p: float) -> float:
    """Natural logarithm of `binomial_cdf`, also where that is under the smallest float."""
    _check_probability(p)
    if k < 0 or (p == 1.0 and k < n):
        return -math.inf
    if k >= n or p == 0.0:
        return 0.0
    log, below = _log_smaller_side(1.0 - p, p, n - k, k + 1.0)
    return log if below else math.log1p(-math.exp(log))


def binomial_pmf(k: int, n: int, p: float) -> float:
    """Probability of exactly `k` successes in `n` trials."""
    _check_probability(p)
    if not 0 <= k <= n:
        return 0.0
    if p in {0.0, 1.0}:
        return 1.0 if k == round(n * p) else 0.0
    if k == 0:
        return math.exp(n * math.log1p(-p))
    if k == n:
        return math.exp(n * math.log(p))
    log = _log_binomial(float(k), float(n - k), p, 1.0 - p)
    return math.exp(log) * math.sqrt(n / (2.0 * math.pi * k * (n - k)))


def _check_probability(p: float, *, inside: bool = False) -> None:
    if not (0.0 < p < 1.0 if inside else 0.0 <= p <= 1.0):
        raise ValueError(f"a probability must lie between 0 and 1, not {p}")


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a rising function, to the last bit that matters."""
    for _ in range(1100):
        middle = 0.5 * (low + high)
        if middle in (low, high) or high - low <= 1e-16 * high:
            break
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
