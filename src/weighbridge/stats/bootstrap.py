"""The cluster bootstrap: clusters are drawn, not observations, and all at once as counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import Estimate, Floats, checked_level, groups
from weighbridge.stats.special import normal_cdf, normal_ppf

_BLOCK = 500

Statistic = Callable[[Floats], Floats]
"""From cluster sums, (draws, columns), to the statistic of each draw, (draws,)."""


def cluster_sums(columns: ArrayLike, clusters: ArrayLike | None = None) -> Floats:
    """Sums over each cluster: (n, k) observations to (G, k)."""
    array = np.asarray(columns, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] == 0:
        raise ValueError(f"columns must be of shape (n, k) with n > 0, not {array.shape}")
    if np.isnan(array).any():
        raise ValueError("columns hold NaN")
    numbers = groups(clusters, len(array))
    return np.stack([np.bincount(numbers, weights=column) for column in array.T], axis=1)


def replicates(sums: Floats, statistic: Statistic, *, draws: int = 2000, seed: int = 0) -> Floats:
    """The statistic on `draws` resamples of the clusters, (draws,). A draw is a vector of multinomial counts, so that
    one matrix product makes a block of resamples."""
    dice = np.random.default_rng(seed)
    count = len(sums)
    shares = np.full(count, 1.0 / count)
    blocks = []
    for start in range(0, draws, _BLOCK):
        counts = dice.multinomial(count, shares, size=min(_BLOCK, draws - start))
        blocks.append(statistic(counts @ sums))
    return np.concatenate(blocks)


def percentile(
    sums: Floats, statistic: Statistic, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Estimate:
    """The plain percentile interval (Efron 1979). Infinite replicates count as such."""
    value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
    found = replicates(sums, statistic, draws=draws, seed=seed)
    low, high = _quantiles(found, (1 - checked_level(level)) / 2, 0.5 + level / 2)
    return Estimate(value, low, high, len(sums), level, "cluster bootstrap (percentile)")


def bca(sums: Floats, statistic: Statistic, *, level: float = 0.95, draws: int = 2000, seed: int = 0) -> Estimate:
    """Bias-corrected and accelerated (Efron 1987); falls back to the percentile interval where the jackknife cannot
    tell the acceleration (fewer than 3 clusters, or a statistic that is infinite for one left out)."""
    value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
    found = replicates(sums, statistic, draws=draws, seed=seed)
    tails = ((1 - checked_level(level)) / 2, 0.5 + level / 2)
    left_out = statistic(sums.sum(axis=0, keepdims=True) - sums)
    share = float(((found < value).sum() + 0.5 * (found == value).sum()) / len(found))
    if len(sums) < 3 or not np.isfinite(left_out).all() or not 0 < share < 1 or not np.isfinite(value):
        low, high = _quantiles(found, *tails)
        return Estimate(value, low, high, len(sums), level, "cluster bootstrap (percentile)")
    pull = left_out.mean() - left_out
    spread = float((pull**2).sum() ** 1.5)
    acceleration = float((pull**3).sum()) / (6 * spread) if spread > 0 else 0.0
    bias = normal_ppf(share)
    shifted = []
    for tail in tails:
        z = bias + normal_ppf(tail)
        shifted.append(normal_cdf(bias + z / (1 - acceleration * z)))
    low, high = _quantiles(found, *shifted)
    return Estimate(value, low, high, len(sums), level, "cluster bootstrap (BCa)")


def _quantiles(values: Floats, low: float, high: float) -> tuple[float, float]:
    """Quantiles that may be infinite: order statistics, no interpolation between a number and infinity."""
    ordered = np.sort(values)
    last = len(ordered) - 1
    return float(ordered[max(0, int(np.floor(low * last)))]), float(ordered[min(last, int(np.ceil(high * last)))])
