"""The cluster bootstrap: clusters are drawn, not observations, and all at once as counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import Estimate, Floats, checked_level, groups
from weighbridge.stats.special import normal_cdf, normal_ppf

_BLOCK = 500

Statistic = Callable[[Floats], Floats]
"""From cluster sums, (draws, columns), to the statistic of each draw, (draws,); NaN where a draw defines none."""


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
    if draws < 1:
        raise ValueError(f"the number of draws must be positive, not {draws}")
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
    """The plain percentile interval (Efron 1979). Infinite replicates count as such, undefined ones against both ends.
    One cluster gives an interval without ends. `n` is the number of clusters."""
    value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
    found = replicates(sums, statistic, draws=draws, seed=seed)
    return of_replicates(value, found, len(sums), level)


def bca(sums: Floats, statistic: Statistic, *, level: float = 0.95, draws: int = 2000, seed: int = 0) -> Estimate:
    """Bias-corrected and accelerated (Efron 1987); falls back to the percentile interval where the correction cannot
    be told: fewer than 3 clusters, or a statistic that is infinite with one of them left out."""
    value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
    tails = _tails(level)
    found = replicates(sums, statistic, draws=draws, seed=seed)
    if len(sums) < 3:
        return of_replicates(value, found, len(sums), level)
    shifted = _corrected(value, found, statistic(sums.sum(axis=0, keepdims=True) - sums), tails)
    if shifted is None:
        return of_replicates(value, found, len(sums), level)
    low, high = _ends(found, *shifted)
    return Estimate(value, low, high, len(sums), level, "cluster bootstrap (BCa)")


def of_replicates(value: float, found: Floats, count: int, level: float = 0.95) -> Estimate:
    """The plain percentile interval from replicates, (draws,), of a statistic of `count` clusters: infinite ones count
    as such, NaN (undefined) against both ends."""
    low, high = _ends(found, *_tails(level)) if count > 1 else (-np.inf, np.inf)
    return Estimate(value, low, high, count, level, "cluster bootstrap (percentile)")


def _tails(level: float) -> tuple[float, float]:
    return (1 - checked_level(level)) / 2, 0.5 + level / 2


def _corrected(value: float, found: Floats, left_out: Floats, tails: tuple[float, float]) -> tuple[float, float] | None:
    """Where in the replicates the ends lie, from their bias and the jackknife's skew; None where that is not known."""
    share = float(((found < value).sum() + 0.5 * (found == value).sum()) / len(found))
    if not np.isfinite(left_out).all() or not 0 < share < 1 or not np.isfinite(value):
        return None
    pull = left_out.mean() - left_out
    spread = float((pull**2).sum() ** 1.5)
    acceleration = float((pull**3).sum()) / (6 * spread) if spread > 0 else 0.0
    bias = normal_ppf(share)
    moved = [bias + normal_ppf(tail) for tail in tails]
    if any(acceleration * z >= 1 for z in moved):
        return None
    low, high = (normal_cdf(bias + z / (1 - acceleration * z)) for z in moved)
    return low, high


def _ends(values: Floats, low: float, high: float) -> tuple[float, float]:
    """Quantiles that may be infinite: order statistics, no interpolation between a number and infinity."""
    undefined = np.isnan(values)
    last = len(values) - 1
    below = np.sort(np.where(undefined, -np.inf, values))[max(0, int(np.floor(low * last)))]
    above = np.sort(np.where(undefined, np.inf, values))[min(last, int(np.ceil(high * last)))]
    return float(below), float(above)
