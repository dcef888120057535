"""Cost per success: a ratio of two sums that vary together, so neither's interval alone will do."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats import bootstrap
from weighbridge.stats.estimate import Estimate, Floats, checked, checked_level, groups, same_length
from weighbridge.stats.special import t_ppf


def _ratios(sums: Floats) -> Floats:
    """Numerator over denominator of each row; inf where nothing succeeded."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.inf)


def _columns(cost: ArrayLike, success: ArrayLike) -> Floats:
    array = np.asarray(cost, dtype=np.float64)
    unknown = int(np.isnan(array).sum())
    if unknown:
        raise ValueError(f"the cost of {unknown} of {array.size} results is unknown, so cost per success is too")
    spent, passed = checked(cost, "cost"), checked(success, "success")
    same_length(cost=spent, success=passed)
    return np.stack([spent, passed], axis=1)


def fieller(cost: ArrayLike, success: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """Σ cost / Σ success with Fieller's interval (1954), cluster-robust, t with G - 1 degrees of freedom. Where the
    successes are too few to be told from none, the upper end is inf: no number bounds it. (n,) each."""
    columns = _columns(cost, success)
    sums = bootstrap.cluster_sums(columns, groups(clusters, len(columns)))
    count = len(sums)
    top, bottom = (float(total) for total in sums.sum(axis=0))
    method = "Fieller"
    if bottom <= 0:
        return Estimate(math.inf, top, math.inf, len(columns), level, method)
    value = top / bottom
    if count < 2:
        return Estimate(value, 0.0, math.inf, len(columns), level, method)
    t = t_ppf(0.5 + checked_level(level) / 2, count - 1)
    covariance = np.cov(sums.T, ddof=1) * count
    g = t * t * covariance[1, 1] / bottom**2
    middle = value - t * t * covariance[0, 1] / bottom**2
    inner = middle**2 - (1 - g) * (value**2 - t * t * covariance[0, 0] / bottom**2)
    if g >= 1 or inner < 0:
        return Estimate(value, 0.0, math.inf, len(columns), level, method)
    half = math.sqrt(inner)
    return Estimate(value, max(0.0, (middle - half) / (1 - g)), (middle + half) / (1 - g), len(columns), level, method)


def cost_per_success(
    cost: ArrayLike,
    success: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Σ cost / Σ success with a BCa cluster bootstrap interval; (n,) each. Without any success the value is inf and
    `low` is what was spent: a success costs at least that. Raises ValueError where a cost is NaN (unknown)."""
    columns = _columns(cost, success)
    sums = bootstrap.cluster_sums(columns, clusters)
    if columns[:, 1].sum() <= 0:
        return Estimate(math.inf, float(columns[:, 0].sum()), math.inf, len(columns), level, "no success")
    found = bootstrap.bca(sums, _ratios, level=level, draws=draws, seed=seed)
    return found._replace(n=len(columns))


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
    """Cost per success after over before, on the same samples: both are resampled together. (n,) each."""
    before, after = _columns(cost_before, success_before), _columns(cost_after, success_after)
    if len(before) != len(after):
        raise ValueError(f"lengths differ: before has {len(before)}, after has {len(after)}")
    sums = bootstrap.cluster_sums(np.concatenate([before, after], axis=1), clusters)

    def ratio_of_ratios(totals: Floats) -> Floats:
        first, second = _ratios(totals[:, :2]), _ratios(totals[:, 2:])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = second / first
        return np.where(np.isnan(ratio), np.inf, ratio)

    return bootstrap.percentile(sums, ratio_of_ratios, level=level, draws=draws, seed=seed)._replace(n=len(before))


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
    """Cost per success after less before, on the same samples, resampled together. (n,) each."""
    before, after = _columns(cost_before, success_before), _columns(cost_after, success_after)
    if len(before) != len(after):
        raise ValueError(f"lengths differ: before has {len(before)}, after has {len(after)}")
    sums = bootstrap.cluster_sums(np.concatenate([before, after], axis=1), clusters)

    def change(totals: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            gap = _ratios(totals[:, 2:]) - _ratios(totals[:, :2])
        return np.where(np.isnan(gap), np.inf, gap)

    return bootstrap.percentile(sums, change, level=level, draws=draws, seed=seed)._replace(n=len(before))
