"""Cost per success: a ratio of two sums that vary together, so neither's interval alone will do.

Resampling cannot see failures that have not happened yet: sixty successes of sixty at a dollar each give a dollar every
time, though one in thirty may fail. So every interval here reaches at least as far as the success rate's own score
interval says: a success costs c_s + c_f·(1 - p)/p, where c_s and c_f are what a success and a failure cost on average.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats import bootstrap, clustered
from weighbridge.stats.estimate import Estimate, Floats, checked, checked_level, checked_shares, groups, same_length
from weighbridge.stats.special import t_ppf


class _Side(NamedTuple):
    """One candidate: (cost, success) of each result, (n, 2), its ratio, and the ratio at both ends of the success
    rate's interval."""

    columns: Floats
    value: float
    low: float
    high: float


def fieller(cost: ArrayLike, success: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """Σ cost / Σ success with Fieller's interval (1954), cluster-robust, t with G - 1 degrees of freedom; (n,) each.
    Where the successes are too few to be told from none the upper end is inf: no number bounds it. Refusals are those
    of `cost_per_success`."""
    side = _side(cost, success, clusters, level)
    if math.isinf(side.value):
        return _no_success(side, level)
    sums = bootstrap.cluster_sums(side.columns, clusters)
    low, high = _fieller_ends(sums, level) if len(sums) > 1 else (0.0, math.inf)
    return Estimate(side.value, min(low, side.low), max(high, side.high), len(side.columns), level, "Fieller")


def cost_per_success(
    cost: ArrayLike,
    success: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Σ cost / Σ success with a BCa cluster bootstrap interval; (n,) each, `success` in [0, 1].

    Without any success the value and the upper end are inf, and `low` is what a success costs at least, at the
    highest success rate that so many failures allow. One cluster bounds nothing. Raises ValueError where a cost is
    NaN or None (unknown), naming how many, or negative.
    """
    side = _side(cost, success, clusters, level)
    if math.isinf(side.value):
        return _no_success(side, level)
    sums = bootstrap.cluster_sums(side.columns, clusters)
    found = bootstrap.bca(sums, _ratios, level=level, draws=draws, seed=seed)
    low, high = max(0.0, min(found.low, side.low)), max(found.high, side.high)
    return found._replace(low=low, high=high, n=len(side.columns))


def relative(
    cost_before: ArrayLike,
    success_before: ArrayLike,
    cost_after: ArrayLike,
    success_after: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Cost per success after over before, on the same samples: both are resampled together. (n,) each. Raises
    ValueError where neither side has a success, or before cost nothing: there is no such ratio."""
    before, after = _sides((cost_before, success_before), (cost_after, success_after), clusters, level)
    if before.value == 0:
        raise ValueError("before cost nothing, so there is no cost relative to it")
    if math.isinf(before.value) or math.isinf(after.value):
        low, high = after.low / before.high, after.high / before.low if before.low > 0 else math.inf
        return Estimate(after.value / before.value, low, high, len(before.columns), level, "no success on one side")

    def ratio_of_ratios(totals: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(_ratios(totals[:, 2:]) / _ratios(totals[:, :2]))

    sums = bootstrap.cluster_sums(np.concatenate([before.columns, after.columns], axis=1), clusters)
    found = bootstrap.percentile(sums, ratio_of_ratios, level=level, draws=draws, seed=seed)
    down, up = _together(_log(before), _log(after), sums)
    low, high = max(0.0, min(found.low, found.value * math.exp(-down))), max(found.high, found.value * _exp(up))
    return found._replace(low=low, high=high, n=len(before.columns))


def difference(
    cost_before: ArrayLike,
    success_before: ArrayLike,
    cost_after: ArrayLike,
    success_after: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Cost per success after less before, on the same samples, resampled together. (n,) each. Raises ValueError where
    neither side has a success."""
    before, after = _sides((cost_before, success_before), (cost_after, success_after), clusters, level)
    if math.isinf(before.value) or math.isinf(after.value):
        low, high = after.low - before.high, after.high - before.low
        return Estimate(after.value - before.value, low, high, len(before.columns), level, "no success on one side")

    def change(totals: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.asarray(_ratios(totals[:, 2:]) - _ratios(totals[:, :2]))

    sums = bootstrap.cluster_sums(np.concatenate([before.columns, after.columns], axis=1), clusters)
    found = bootstrap.percentile(sums, change, level=level, draws=draws, seed=seed)
    down, up = _together(before, after, sums)
    low, high = min(found.low, found.value - down), max(found.high, found.value + up)
    return found._replace(low=low, high=high, n=len(before.columns))


def describe(found: Estimate, unit: str = "$") -> str:
    """In words: what is unbounded is said to be so."""
    if math.isinf(found.value):
        return f"no success in {found.n}: a success costs at least {unit}{found.low:.3g}"
    if math.isinf(found.high):
        return f"{unit}{found.value:.3g} [at least {unit}{found.low:.3g}; too few successes to say at most]"
    return f"{unit}{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _ratios(sums: Floats) -> Floats:
    """Numerator over denominator of each row; inf where nothing succeeded."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.inf)


def _side(cost: ArrayLike, success: ArrayLike, clusters: ArrayLike | None, level: float) -> _Side:
    checked_level(level)
    array = np.asarray(cost, dtype=np.float64)
    unknown = int(np.isnan(array).sum())
    if unknown:
        raise ValueError(f"the cost of {unknown} of {array.size} results is unknown, so cost per success is too")
    spent, passed = checked(cost, "cost"), checked_shares(success, "success")
    same_length(cost=spent, success=passed)
    if (spent < 0).any():
        raise ValueError("a cost cannot be negative")
    rate = clustered.proportion(passed, clusters, None, level)
    columns = np.stack([spent, passed], axis=1)
    successes = float(passed.sum())
    if successes == 0:
        return _Side(columns, math.inf, float(spent.mean()) / rate.high, math.inf)
    when_passed, failures = float((spent * passed).sum()) / successes, len(passed) - successes
    # What a failure costs is not known before one is seen: as much as a success, then.
    when_failed = float((spent * (1 - passed)).sum()) / failures if failures > 0 else when_passed
    low = when_passed + when_failed * (1 - rate.high) / rate.high
    high = when_passed + when_failed * (1 - rate.low) / rate.low if rate.low > 0 else math.inf
    if len(np.unique(groups(clusters, len(passed)))) < 2:
        low, high = 0.0, math.inf
    return _Side(columns, float(spent.sum()) / successes, low, high)


def _sides(
    before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike], clusters: ArrayLike | None, level: float
) -> tuple[_Side, _Side]:
    first, second = _side(*before, clusters, level), _side(*after, clusters, level)
    if len(first.columns) != len(second.columns):
        raise ValueError(f"lengths differ: before has {len(first.columns)}, after has {len(second.columns)}")
    if math.isinf(first.value) and math.isinf(second.value):
        raise ValueError("neither side has a success, so their costs per success cannot be compared")
    return first, second


def _no_success(side: _Side, level: float) -> Estimate:
    return Estimate(math.inf, side.low, math.inf, len(side.columns), level, "no success")


def _fieller_ends(sums: Floats, level: float) -> tuple[float, float]:
    """The θ for which a t test does not refuse E[cost - θ·success] = 0: between the roots of a parabola, or, where the
    successes may be none (g ≥ 1), outside them."""
    top, bottom = (float(total) for total in sums.sum(axis=0))
    t = t_ppf(0.5 + level / 2, len(sums) - 1)
    (c_c, c_s), (_, s_s) = (t * t * len(sums) / bottom**2 * np.cov(sums.T, ddof=1)).tolist()
    value, middle, lead = top / bottom, top / bottom - c_s, 1 - s_s
    at_zero = value**2 - c_c
    inner = middle**2 - lead * at_zero
    if lead > 0:
        half = math.sqrt(max(0.0, inner))
        return max(0.0, (middle - half) / lead), (middle + half) / lead
    # Where a cost of zero is refused it lies between the roots, and what is not refused starts at the upper one.
    if lead < 0 < at_zero:
        return max(0.0, (middle - math.sqrt(inner)) / lead), math.inf
    return 0.0, math.inf


def _together(before: _Side, after: _Side, sums: Floats) -> tuple[float, float]:
    """How far down and up after - before reaches when each side moves to the ends of its success rate's interval,
    as far as the two do not move together (MOVER: Zou and Donner 2008). As in Newcombe's method 10 the correlation is
    corrected for continuity: that no pair differs yet does not prove that none will."""
    deviation = sums[:, [1, 3]] - sums[:, [1, 3]].mean(axis=0)
    (a, b), (_, d) = (deviation.T @ deviation).tolist()
    if b > 0:
        b = max(0.0, b - 0.5 * len(before.columns) / len(sums))
    rho = max(-1.0, min(1.0, b / math.sqrt(a * d))) if a > 0 and d > 0 else 0.0
    down = _added(after.value - after.low, before.high - before.value, rho)
    return down, _added(after.high - after.value, before.value - before.low, rho)


def _added(one: float, other: float, rho: float) -> float:
    if math.isinf(one) or math.isinf(other):
        return math.inf
    return math.sqrt(max(0.0, one * one - 2 * rho * one * other + other * other))


def _log(side: _Side) -> _Side:
    value, low, high = (math.log(end) if end > 0 else -math.inf for end in (side.value, side.low, side.high))
    return side._replace(value=value, low=low, high=high)


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf
