"""Means whose observations come in clusters: samples of one conversation, or repeats of one sample, err together."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import (
    Estimate,
    Floats,
    checked,
    checked_level,
    checked_shares,
    checked_weights,
    groups,
)
from weighbridge.stats.proportions import wilson
from weighbridge.stats.special import normal_ppf, t_ppf, t_two_sided_p

Correction = Literal["CR0", "CR1"]


class _Clusters(NamedTuple):
    """A weighted mean with what each cluster adds to its error, (G,), and the clusters' weights, (G,), which sum to
    the number of observations."""

    mean: float
    pulls: Floats
    weights: Floats

    @property
    def total(self) -> int:
        return len(self.pulls)

    def error(self, correction: Correction = "CR1") -> float:
        if self.total < 2:
            return math.inf
        scale = self.total / (self.total - 1) if correction == "CR1" else 1.0
        return float(math.sqrt(np.square(self.pulls).sum() * scale) / self.weights.sum())


def _clustered(values: Floats, clusters: ArrayLike | None, weights: ArrayLike | None) -> _Clusters:
    """A cluster without weight is no evidence, so it is no cluster either."""
    weight = checked_weights(weights, len(values))
    numbers = groups(clusters, len(values))
    mean = float(np.average(values, weights=weight))
    pulls: Floats = np.bincount(numbers, weights=weight * (values - mean)).astype(np.float64)
    totals: Floats = np.bincount(numbers, weights=weight).astype(np.float64)
    return _Clusters(mean, pulls[totals > 0], totals[totals > 0])


def naive_error(values: ArrayLike) -> float:
    """Standard error of a mean as if all observations were independent; n - 1 in the variance."""
    array = checked(values)
    if len(array) < 2:
        return math.inf
    return float(array.std(ddof=1) / math.sqrt(len(array)))


def clustered_error(
    values: ArrayLike,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    correction: Correction = "CR1",
) -> float:
    """Cluster-robust standard error of a (weighted) mean, inf for one cluster.

    CR0 is the square root of Σ_g (Σ_i∈g w_i·(x_i - mean))² / (Σ w)² (Liang and Zeger 1986); CR1, the default, is that
    times √(G/(G-1)), since with few clusters CR0 is too small (Cameron and Miller 2015, II.B). Everything is (n,).
    """
    return _clustered(checked(values), clusters, weights).error(correction)


def mean(
    values: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """A mean with the interval of its clustered error, t with G - 1 degrees of freedom. `values`, `clusters` and
    `weights` are (n,). One cluster gives an interval without ends. Where no value differs from another the interval
    is a point; for values known to lie in [0, 1] `proportion` does better."""
    array = checked(values)
    found = _clustered(array, clusters, weights)
    error = found.error()
    half = math.inf
    if math.isfinite(error):
        half = t_ppf(0.5 + checked_level(level) / 2, found.total - 1) * error
    return Estimate(found.mean, found.mean - half, found.mean + half, len(array), checked_level(level), "clustered t")


def design_effect(values: ArrayLike, clusters: ArrayLike | None, weights: ArrayLike | None = None) -> float:
    """Variance of the (weighted, clustered) mean over that of as many independent samples of equal weight: how many
    times more samples are needed (Kish 1965). NaN where nothing varies."""
    array = checked(values)
    n = len(array)
    weight = checked_weights(weights, n)
    spread = float(np.average((array - np.average(array, weights=weight)) ** 2, weights=weight))
    if n < 2 or spread <= 0:
        return math.nan
    return clustered_error(array, clusters, weights) ** 2 / (spread / (n - 1))


def proportion(
    passes: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """A share, or a mean of values in [0, 1], with clusters: Wilson's interval at the effective sample size n/deff
    (Dean and Pagano 2015), with t for few clusters. It stays inside [0, 1] and does not shrink to a point at 0 or 1,
    as a t interval does. Everything is (n,). One cluster bounds nothing.
    """
    array = checked_shares(passes, "passes")
    n = len(array)
    found = _clustered(array, clusters, weights)
    share = min(1.0, max(0.0, found.mean))
    if found.total < 2:
        return Estimate(share, 0.0, 1.0, n, checked_level(level), "one cluster: no interval")
    adjusted = _effective(share, found, n) * (normal_ppf(0.5 + checked_level(level) / 2)) ** 2
    adjusted /= t_ppf(0.5 + level / 2, found.total - 1) ** 2
    ends = wilson(share * adjusted, adjusted, level)
    return Estimate(share, ends.low, ends.high, n, level, "clustered Wilson")


def _effective(share: float, found: _Clusters, n: int) -> float:
    """How many independent trials would tell the share as well. Where nothing varies the clusters are all the evidence
    there is, fewer still where they weigh unevenly (Kish)."""
    variance, error = share * (1 - share), found.error()
    if variance > 1e-12 and error > 0:
        return min(float(n), variance / error**2)
    return float(found.weights.sum() ** 2 / np.square(found.weights).sum())


def p_value(values: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None) -> float:
    """Two-sided p of the mean being zero, by the clustered t; 1 for one cluster, which can show nothing."""
    found = _clustered(checked(values), clusters, weights)
    error = found.error()
    if math.isinf(error):
        return 1.0
    if error == 0:
        return 1.0 if found.mean == 0 else 0.0
    return t_two_sided_p(found.mean / error, found.total - 1)
