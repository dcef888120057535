"""The same sample several times: whether it passes at least once (pass@k), and whether always (pass^k)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats import clustered
from weighbridge.stats.estimate import Estimate, Floats, checked, checked_shares, same_length


def _per_item(passed: ArrayLike, trials: ArrayLike, k: int) -> list[tuple[int, int]]:
    c, n = checked(passed, "passed"), checked(trials, "trials")
    same_length(passed=c, trials=n)
    if (c != np.floor(c)).any() or (n != np.floor(n)).any():
        raise ValueError("passed and trials are counts, so they must be whole numbers")
    if k < 1:
        raise ValueError("k must be at least 1")
    if (n < k).any():
        raise ValueError(f"every item needs at least k = {k} trials; one has {int(n.min())}")
    if ((c < 0) | (c > n)).any():
        raise ValueError("an item cannot pass more often than it was tried")
    return [(int(s), int(t)) for s, t in zip(c, n, strict=True)]


def pass_at_k(passed: ArrayLike, trials: ArrayLike, k: int) -> Floats:
    """For each item, (m,), the unbiased chance that one of k draws passes: 1 - C(n-c, k)/C(n, k) (Chen and others 2021,
    "Evaluating Large Language Models Trained on Code")."""
    return np.array([1 - math.comb(n - c, k) / math.comb(n, k) for c, n in _per_item(passed, trials, k)])


def pass_hat_k(passed: ArrayLike, trials: ArrayLike, k: int) -> Floats:
    """For each item, (m,), the unbiased chance that all of k draws pass: C(c, k)/C(n, k) (Yao and others 2024,
    τ-bench)."""
    return np.array([math.comb(c, k) / math.comb(n, k) for c, n in _per_item(passed, trials, k)])


def mean_over_items(per_item: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """Mean of either over items, (m,), with the (clustered) t interval. Where that would leave [0, 1] or be a point, so
    near the edge that t is no guide, it is Wilson's at the effective number of items."""
    values = checked_shares(per_item, "per_item")
    found = clustered.mean(values, clusters, None, level)
    if 0.0 <= found.low < found.high <= 1.0:
        return found
    return clustered.proportion(values, clusters, None, level)
