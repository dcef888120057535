"""Means whose observations come in clusters: samples of one conversation, or repeats of one sample, err together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import Estimate, checked, checked_level, checked_weights, groups, same_length
from weighbridge.stats.proportions import wilson
from weighbridge.stats.special import normal_ppf, t_ppf, t_two_sided_p


def naive_error(values: ArrayLike) -> float:
    """Standard error of a mean as if all observations were independent; n - 1 in the variance."""
    array = checked(values)
    if len(array) < 2:
        return math.inf
    return float(array.std(ddof=1) / math.sqrt(len(array)))


def clustered_error(values: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None) -> float:
    """Cluster-robust standard error of a (weighted) mean: the square root of Σ_g (Σ_i∈g w_i·(x_i - mean))² / (Σ w)²,
    times √(G/(G-1)) for few clusters (CR1; Liang and Zeger 1986, Cameron and Miller 2015, II.B). inf for one cluster.
    """
    array = checked(values)
    numbers = groups(clusters, len(array))
    weight = checked_weights(weights, len(array))
    same_length(values=array, clusters=numbers)
    count = int(numbers.max()) + 1
    if count < 2:
        return math.inf
    residual = weight * (array - np.average(array, weights=weight))
    sums = np.bincount(numbers, weights=residual, minlength=count)
    return float(math.sqrt(np.square(sums).sum() * count / (count - 1)) / weight.sum())


def mean(
    values: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """A mean with the interval of its clustered error, t with G - 1 degrees of freedom. `values`, `clusters` and
    `weights` are (n,). One cluster gives an interval without ends."""
    array = checked(values)
    checked_level(level)
    centre = float(np.average(array, weights=checked_weights(weights, len(array))))
    error = clustered_error(array, clusters, weights)
    count = int(groups(clusters, len(array)).max()) + 1
    if math.isinf(error):
        return Estimate(centre, -math.inf, math.inf, len(array), level, "clustered t")
    half = t_ppf(0.5 + level / 2, count - 1) * error
    return Estimate(centre, centre - half, centre + half, len(array), level, "clustered t")


def design_effect(values: ArrayLike, clusters: ArrayLike) -> float:
    """Variance of the mean with clusters over that without: how many times more samples are needed. NaN where nothing
    varies."""
    plain = naive_error(values)
    return float((clustered_error(values, clusters) / plain) ** 2) if plain > 0 else math.nan


def proportion(
    passes: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """A share with clusters: Wilson's interval at the effective sample size n/deff (Dean and Pagano 2015), with t for
    few clusters. It stays inside [0, 1] and does not shrink to a point at 0 or 1, as a t interval does.
    """
    array = checked(passes, "passes")
    n = len(array)
    weight = checked_weights(weights, n)
    share = float(np.average(array, weights=weight))
    count = int(groups(clusters, n).max()) + 1
    if count < 2:
        return Estimate(share, 0.0, 1.0, n, level, "one cluster: no interval")
    variance = share * (1 - share)
    error = clustered_error(array, clusters, weights)
    # Where nothing varies the clusters are all the evidence there is.
    effective = min(float(n), variance / error**2) if error > 0 and variance > 0 else float(count)
    scale = (t_ppf(0.5 + checked_level(level) / 2, count - 1) / normal_ppf(0.5 + level / 2)) ** 2
    adjusted = effective / scale
    found = wilson(min(max(share, 0.0), 1.0) * adjusted, adjusted, level)
    return Estimate(share, found.low, found.high, n, level, "clustered Wilson")


def p_value(values: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None) -> float:
    """Two-sided p of the mean being zero, by the clustered t."""
    array = checked(values)
    error = clustered_error(array, clusters, weights)
    centre = float(np.average(array, weights=checked_weights(weights, len(array))))
    if math.isinf(error):
        return 1.0
    if error == 0:
        return 1.0 if centre == 0 else 0.0
    count = int(groups(clusters, len(array)).max()) + 1
    return t_two_sided_p(centre / error, count - 1)
