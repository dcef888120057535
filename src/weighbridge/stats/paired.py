"""Two candidates on the same samples: their difference, and whether it could be luck."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weighbridge.stats import clustered
from weighbridge.stats.estimate import Estimate, checked, checked_level, checked_passes, groups, same_length
from weighbridge.stats.proportions import wilson
from weighbridge.stats.special import binomial_cdf, binomial_pmf, normal_ppf, t_ppf

_ALL_FLIPS_UP_TO = 14


class McNemar(NamedTuple):
    """`broken` passed before and fail now, `fixed` the other way round; `p` is two-sided."""

    broken: int
    fixed: int
    p: float


def mcnemar(before: ArrayLike, after: ArrayLike, *, mid_p: bool = False) -> McNemar:
    """McNemar's exact test on pass/fail pairs, (n,) each: is a discordant pair as likely to go either way? (McNemar
    1947.) Pairs must be independent; with clusters use `sign_flip`. `mid_p` counts half of the observed outcome's own
    probability (Fagerland and others 2013): less conservative, level not guaranteed."""
    first, second = checked_passes(before, "before"), checked_passes(after, "after")
    same_length(before=first, after=second)
    broken, fixed = int((first & ~second).sum()), int((~first & second).sum())
    return McNemar(broken, fixed, mcnemar_p(broken, fixed, mid_p=mid_p))


def mcnemar_p(broken: int, fixed: int, *, mid_p: bool = False) -> float:
    """The two-sided p of so many discordant pairs; 1 where none is."""
    if broken < 0 or fixed < 0:
        raise ValueError(f"{broken} broken and {fixed} fixed cannot be")
    n, fewer = broken + fixed, min(broken, fixed)
    if n == 0:
        return 1.0
    p = 2.0 * binomial_cdf(fewer, n, 0.5)
    if mid_p:
        p -= binomial_pmf(fewer, n, 0.5)
    return min(1.0, p)


def difference(
    before: ArrayLike,
    after: ArrayLike,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Mean of after - before with its clustered t interval; (n,) each. For pass/fail `proportion_difference` does
    better: where no pair differs, this is a point."""
    first, second = checked(before, "before"), checked(after, "after")
    same_length(before=first, after=second)
    found = clustered.mean(second - first, clusters, weights, level)
    return found._replace(method="paired clustered t")


def difference_p(
    before: ArrayLike, after: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None
) -> float:
    """Two-sided p of no difference, by the clustered t."""
    first, second = checked(before, "before"), checked(after, "after")
    same_length(before=first, after=second)
    return clustered.p_value(second - first, clusters, weights)


def proportion_difference(
    before: ArrayLike, after: ArrayLike, level: float = 0.95, clusters: ArrayLike | None = None
) -> Estimate:
    """After - before of paired pass/fail, with Newcombe's square-and-add score interval for paired data (Newcombe
    1998, Statistics in Medicine 17:2635, method 10). Never leaves [-1, 1], has a width where no pair differs, and
    covers more than `level` where hardly any does. With `clusters` it is taken at the effective number of pairs, as
    `clustered.proportion` does. (n,) each."""
    first, second = checked_passes(before, "before"), checked_passes(after, "after")
    same_length(before=first, after=second)
    n, size = len(first), _effective_pairs(first, second, clusters, checked_level(level))
    both, broken = int((first & second).sum()), int((first & ~second).sum())
    fixed = int((~first & second).sum())
    if size == 0:
        return Estimate((fixed - broken) / n, -1.0, 1.0, n, level, "one cluster: no interval")
    old = wilson(size * ((both + broken) / n), size, level)
    new = wilson(size * ((both + fixed) / n), size, level)
    phi = _phi(both, broken, fixed, n - both - broken - fixed)
    down = _added(new.value - new.low, old.high - old.value, phi)
    up = _added(new.high - new.value, old.value - old.low, phi)
    centre = (fixed - broken) / n
    method = "Newcombe paired score" if clusters is None else "clustered Newcombe paired score"
    return Estimate(centre, max(-1.0, centre - down), min(1.0, centre + up), n, level, method)


def _effective_pairs(
    first: NDArray[np.bool_], second: NDArray[np.bool_], clusters: ArrayLike | None, level: float
) -> float:
    """How many independent pairs would tell the difference as well; 0 for one cluster. t in place of z is worth fewer
    pairs too."""
    n = len(first)
    if clusters is None:
        return float(n)
    sizes = np.bincount(groups(clusters, n))
    if len(sizes) < 2:
        return 0.0
    change = second.astype(np.float64) - first
    error, variance = clustered.clustered_error(change, clusters), float(change.var())
    # Where nothing differs the clusters are all the evidence there is.
    found = min(float(n), variance / error**2) if error > 0 and variance > 0 else float(n * n / np.square(sizes).sum())
    return found * (normal_ppf(0.5 + level / 2) / t_ppf(0.5 + level / 2, len(sizes) - 1)) ** 2


def _added(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def _phi(both: int, broken: int, fixed: int, neither: int) -> float:
    """Correlation of the two margins, with Newcombe's continuity correction where it is positive."""
    margins = (both + broken) * (fixed + neither) * (both + fixed) * (broken + neither)
    if margins == 0:
        return 0.0
    product = float(both * neither - broken * fixed)
    if product > 0:
        product = max(product - (both + broken + fixed + neither) / 2, 0.0)
    return product / math.sqrt(margins)


def sign_flip(
    before: ArrayLike, after: ArrayLike, clusters: ArrayLike | None = None, *, draws: int = 10_000, seed: int = 0
) -> float:
    """Two-sided permutation p of no difference: whole clusters change sides. Valid for pass/fail and for values,
    whatever the correlation within clusters. All 2^G flips are counted up to G = 14, else `draws` are drawn
    (Davison and Hinkley 1997, 4.3: (1 + hits)/(1 + draws))."""
    first, second = checked(before, "before"), checked(after, "after")
    same_length(before=first, after=second)
    numbers = groups(clusters, len(first))
    sums = np.bincount(numbers, weights=second - first)
    sums = sums[sums != 0]
    if draws < 1:
        raise ValueError(f"the number of draws must be positive, not {draws}")
    if len(sums) == 0:
        return 1.0
    # Flips that tie with what was seen count, though their sums may differ in the last bits.
    observed = abs(sums.sum()) - 1e-12 * np.abs(sums).sum()
    if len(sums) <= _ALL_FLIPS_UP_TO:
        flips = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((np.abs(flips @ sums) >= observed).mean())
    dice = np.random.default_rng(seed)
    hits = 0
    for start in range(0, draws, 1000):
        size = min(1000, draws - start)
        flips = dice.integers(0, 2, (size, len(sums)), dtype=np.int8) * 2 - 1
        hits += int((np.abs(flips @ sums) >= observed).sum())
    return (1 + hits) / (1 + draws)
