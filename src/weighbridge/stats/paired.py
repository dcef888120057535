"""Two candidates on the same samples: their difference, and whether it could be luck."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats import clustered
from weighbridge.stats.estimate import Estimate, checked, checked_level, groups, same_length
from weighbridge.stats.special import binomial_cdf, binomial_pmf, normal_ppf


class McNemar(NamedTuple):
    """`broken` passed before and fail now, `fixed` the other way round; `p` is two-sided."""

    broken: int
    fixed: int
    p: float


def mcnemar(before: ArrayLike, after: ArrayLike, *, mid_p: bool = False) -> McNemar:
    """McNemar's exact test on pass/fail pairs, (n,) each: is a discordant pair as likely to go either way? (McNemar
    1947.) Pairs must be independent; with clusters use `sign_flip`. `mid_p` counts half of the observed outcome's own
    probability (Fagerland and others 2013): less conservative, level not guaranteed."""
    first, second = checked(before, "before"), checked(after, "after")
    same_length(before=first, after=second)
    broken = int(((first > 0.5) & (second <= 0.5)).sum())
    fixed = int(((first <= 0.5) & (second > 0.5)).sum())
    return McNemar(broken, fixed, mcnemar_p(broken, fixed, mid_p=mid_p))


def mcnemar_p(broken: int, fixed: int, *, mid_p: bool = False) -> float:
    """The two-sided p of so many discordant pairs."""
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
    """Mean of after - before with its clustered t interval; (n,) each."""
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


def proportion_difference(before: ArrayLike, after: ArrayLike, level: float = 0.95) -> Estimate:
    """After - before of paired pass/fail, with Newcombe's square-and-add score interval for paired data (Newcombe
    1998, Statistics in Medicine 17:2635, method 10). Never leaves [-1, 1], and has a width where no pair differs."""
    first, second = checked(before, "before") > 0.5, checked(after, "after") > 0.5
    same_length(before=first, after=second)  # type: ignore[arg-type]  # lengths are all that is looked at
    n = len(first)
    both, broken = int((first & second).sum()), int((first & ~second).sum())
    fixed = int((~first & second).sum())
    neither = n - both - broken - fixed
    z = normal_ppf(0.5 + checked_level(level) / 2)
    p2, low2, high2 = _score((both + broken) / n, n, z)
    p1, low1, high1 = _score((both + fixed) / n, n, z)
    phi = _phi(both, broken, fixed, neither)
    down = (p1 - low1) ** 2 - 2 * phi * (p1 - low1) * (high2 - p2) + (high2 - p2) ** 2
    up = (high1 - p1) ** 2 - 2 * phi * (high1 - p1) * (p2 - low2) + (p2 - low2) ** 2
    centre = p1 - p2
    return Estimate(
        centre,
        max(-1.0, centre - math.sqrt(max(0.0, down))),
        min(1.0, centre + math.sqrt(max(0.0, up))),
        n,
        level,
        "Newcombe paired score",
    )


def _score(share: float, n: int, z: float) -> tuple[float, float, float]:
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return share, max(0.0, centre - half), min(1.0, centre + half)


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
    observed = abs(sums.sum()) - 1e-12
    if len(sums) == 0:
        return 1.0
    if len(sums) <= 14:
        flips = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((np.abs(flips @ sums) >= observed).mean())
    dice = np.random.default_rng(seed)
    hits = 0
    for start in range(0, draws, 1000):
        size = min(1000, draws - start)
        flips = dice.integers(0, 2, (size, len(sums)), dtype=np.int8) * 2 - 1
        hits += int((np.abs(flips @ sums) >= observed).sum())
    return (1 + hits) / (1 + draws)
