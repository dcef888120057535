"""Intervals of a share: so many successes in so many trials."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import Estimate, checked_level, checked_shares, checked_weights
from weighbridge.stats.special import beta_ppf, normal_ppf


def _check(successes: float, n: float) -> None:
    if n <= 0:
        raise ValueError("a share of no trials is not defined")
    if not 0 <= successes <= n < math.inf:
        raise ValueError(f"{successes:g} successes in {n:g} trials cannot be")


def wilson(successes: float, n: float, level: float = 0.95) -> Estimate:
    """Wilson's score interval (1927), without continuity correction. Fractional counts are allowed, so that weighted
    shares can use an effective sample size."""
    _check(successes, n)
    z = normal_ppf(0.5 + checked_level(level) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if successes == n else min(1.0, (centre + half) / scale)
    return Estimate(share, low, high, round(n), level, "Wilson")


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Estimate:
    """The exact interval (Clopper and Pearson 1934): never covers less than `level`, often more. Counts are whole;
    there is no exact interval of a weighted share, for which see `weighted`."""
    _check(successes, n)
    if successes != int(successes) or n != int(n):
        raise ValueError(f"the exact interval is for whole counts, not {successes:g} of {n:g}")
    tail = (1 - checked_level(level)) / 2
    low = beta_ppf(tail, successes, n - successes + 1) if successes > 0 else 0.0
    high = beta_ppf(1 - tail, successes + 1, n - successes) if successes < n else 1.0
    return Estimate(successes / n, low, high, n, level, "Clopper-Pearson")


def weighted(passes: ArrayLike, weights: ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """Wilson's interval of a weighted share, at Kish's effective sample size (Σw)²/Σw² (Kish 1965, 11.7).

    Weights say how much traffic a sample stands for: they shift the share to the traffic's, and cost precision where
    they are uneven, since a few heavy samples then decide. `passes` is (n,) in [0, 1], `weights` (n,), of any scale.
    """
    array = checked_shares(passes, "passes")
    weight = checked_weights(weights, len(array))
    effective = float(weight.sum() ** 2 / np.square(weight).sum())
    share = min(1.0, float(np.average(array, weights=weight)))
    found = wilson(share * effective, effective, level)
    name = "Wilson" if weights is None else "Wilson at the effective sample size"
    return Estimate(share, found.low, found.high, len(array), level, name)
