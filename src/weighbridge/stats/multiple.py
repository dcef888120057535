"""Many tests at once: what is still a finding when you looked so often."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import Floats, checked


def holm(p_values: ArrayLike) -> Floats:
    """Adjusted p-values, (m,), in the order given; calling those under α keeps the chance of any false finding under α
    whatever the dependence (Holm 1979)."""
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Adjusted p-values, (m,); calling those under q keeps the expected share of false findings under q for independent
    or positively dependent tests (Benjamini and Hochberg 1995)."""
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")[::-1]
    steps = p[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps))
    return adjusted


def _probabilities(p_values: ArrayLike) -> Floats:
    p = checked(p_values, "p-values")
    if ((p < 0) | (p > 1)).any():
        raise ValueError("p-values must lie between 0 and 1")
    return p
