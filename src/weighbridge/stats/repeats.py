"""The same sample several times: whether it passes at least once (pass@k), and whether always (pass^k)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats import clustered
from weighbridge.stats.estimate import Estimate, Floats, checked, same_length


def _per_item(passed: ArrayLike, trials: ArrayLike, k: int) -> tuple[Floats, Floats]:
    c, n = checked(passed, "passed"), checked(trials, "trials")
    same_length(passed=c, trials=n)
    if k < 1:
        raise ValueError("k must be at least 1")
    if (n < k).any():
        raise ValueError(f"every item needs at least k = {k} trials; one has {int(n.min())}")
    if ((c < 0) | (c > n)).any():
        raise ValueError("an item cannot pass more often than it was tried")
    return c, n


def pass_at_k(passed: ArrayLike, trials: ArrayLike, k: int) -> Floats:
    """For each item, (m,), the unbiased chance that one of k draws passes: 1 - C(n-c, k)/C(n, k) (Chen and others 2021,
    "Evaluating Large Language Models Trained on Code")."""
    c, n = _per_item(passed, trials, k)
    return np.array([1 - math.comb(int(t - s), k) / math.comb(int(t), k) for s, t in zip(c, n, strict=True)])


def pass_hat_k(passed: ArrayLike, trials: ArrayLike, k: int) -> Floats:
    """For each item, (m,), the unbiased chance that all of k draws pass: C(c, k)/C(n, k) (Yao and others 2024,
    τ-bench)."""
    c, n = _per_item(passed, trials, k)
    return np.array([math.comb(int(s), k) / math.comb(int(t), k) for s, t in zip(c, n, strict=True)])


def mean_over_items(per_item: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """Mean of either over items, with the (clustered) t interval cut to [0, 1]."""
    found = clustered.mean(per_item, clusters, None, level)
    return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))
