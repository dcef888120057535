"""Latency quantiles: order statistics with exact intervals, failures at +inf, and no P99 from sixty results."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import checked, checked_level
from weighbridge.stats.special import binomial_cdf, binomial_sf


class Quantile(NamedTuple):
    """`value` of the `q`-quantile within [`low`, `high`] at `level`; any of them is +inf where it lies among the
    `censored`. Where `why` is not empty, the quantile was refused and the numbers are NaN."""

    q: float
    value: float
    low: float
    high: float
    n: int
    censored: int
    level: float
    why: str = ""

    def describe(self, limit: float | None = None, unit: str = "s") -> str:
        """In words, with `limit` the time-out: "P99 > the time-out (60 s)" where it lies among the failures."""
        name = f"P{self.q * 100:g}"
        beyond = "> the time-out" if limit is None else f"> the time-out ({limit:g} {unit})"
        if self.why:
            return f"{name} {self.why}"
        if math.isinf(self.value):
            return f"{name} {beyond}"
        high = beyond if math.isinf(self.high) else f"{self.high:.4g}"
        return f"{name} {self.value:.4g} {unit} [{self.low:.4g}, {high}]"


def least_n(q: float, level: float = 0.95) -> int:
    """The fewest results from which the `q`-quantile has an interval: they all miss it on one side with probability
    q^n + (1 - q)^n, which must not exceed 1 - level. For a high quantile that is n ≥ ln(1 - level)/ln q: 299 for P99
    and 59 for P95 at 95 %."""
    if not 0 < q < 1:
        raise ValueError(f"a quantile must lie between 0 and 1, not {q}")
    missed = 1 - checked_level(level)
    n = max(1, math.ceil(math.log(missed) / math.log(max(q, 1 - q)) - 1e-9))
    while q**n + (1 - q) ** n > missed * (1 + 1e-9):
        n += 1
    return n


def quantile(values: ArrayLike, q: float, level: float = 0.95) -> Quantile:
    """The `q`-quantile of `values`, (n,), +inf where a request failed.

    The value is the order statistic ⌈qn⌉ (type 1 of Hyndman and Fan 1996: always something that was measured). The
    interval is exact and distribution-free: from order statistics whose ranks are binomial (David and Nagaraja 2003,
    7.1). Each end misses with probability (1 - level)/2 at most; where n is too small for that at one end, that end is
    the extreme value, and the other may miss only as often as is left. Fewer than `least_n` results are refused,
    unless so many failed that even the lower end lies among them: then it is beyond the time-out, whatever n is.
    Clusters are ignored: with few conversations the truth is wider.
    """
    array = checked(values, finite=False)
    if (array == -math.inf).any():
        raise ValueError("values hold -inf")
    n, least = len(array), least_n(q, level)
    censored = int(np.isinf(array).sum())
    if n < least:
        if _surely_censored(n, censored, q, level):
            return Quantile(q, math.inf, math.inf, math.inf, n, censored, level)
        why = f"not estimable from {n} result{'s' if n != 1 else ''} (needs {least})"
        return Quantile(q, math.nan, math.nan, math.nan, n, censored, level, why)
    ordered = np.sort(array)
    rank = min(n, max(1, math.ceil(q * n - 1e-9)))
    low, high = (float(ordered[end - 1]) for end in _ranks(n, q, level))
    return Quantile(q, float(ordered[rank - 1]), low, high, n, censored, level)


def _surely_censored(n: int, censored: int, q: float, level: float) -> bool:
    """Whether so many failures would hardly ever come if failures were a share 1 - q or less."""
    return censored > 0 and binomial_sf(censored - 1, n, 1 - q) <= (1 - level) / 2


def _ranks(n: int, q: float, level: float) -> tuple[int, int]:
    """Ranks, 1 to n, of the order statistics that bound the quantile and together miss it with at most 1 - level."""
    missed = 1 - level
    # Rank 1 lies above the quantile with probability (1 - q)^n, rank n below it with q^n.
    below, above = (max(missed / 2, (1 - q) ** n), max(missed / 2, q**n))
    return _lower(n, q, min(below, missed - q**n)), n + 1 - _lower(n, 1 - q, min(above, missed - (1 - q) ** n))


def _lower(n: int, q: float, tail: float) -> int:
    """The largest rank k, at least 1, with P(B ≤ k - 1) ≤ tail, where B of n lie below the quantile."""
    left, right = 1, n
    while left < right:
        middle = (left + right + 1) // 2
        if binomial_cdf(middle - 1, n, q) <= tail * (1 + 1e-12):
            left = middle
        else:
            right = middle - 1
    return left
