"""The one place where figures ask `weighbridge.stats`: outcomes in, Estimates out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from weighbridge.evaluation.estimate import Estimate, censored
from weighbridge.evaluation.outcomes import Floats, Outcomes
from weighbridge.stats import clustered, multiple, paired, power, proportions, quantiles, repeats
from weighbridge.stats import ratio as ratios


@dataclass(frozen=True, slots=True)
class Pair:
    """Two candidates on shared samples: means before and after, their difference, and the test of it."""

    before: float
    after: float
    difference: Estimate
    p: float
    test: str


def share(values: Floats, outcomes: Outcomes, confidence: float) -> Estimate:
    """A share of 0/1 values that belong to these outcomes: Wilson's interval, or a clustered one."""
    if outcomes.clustered or not _equal_weights(outcomes):
        return mean(values, outcomes, confidence)
    found = proportions.wilson(int(values.sum()), len(values), confidence)
    return Estimate(
        value=float(values.mean()),
        low=found.low,
        high=found.high,
        n=len(values),
        confidence=confidence,
        method="Wilson",
    )


def exact_share(count: int, n: int, confidence: float) -> Estimate:
    """Clopper and Pearson's interval: never too narrow, however few the results."""
    found = proportions.clopper_pearson(count, n, confidence)
    return Estimate(
        value=count / n, low=found.low, high=found.high, n=n, confidence=confidence, method="Clopper-Pearson"
    )


def mean(values: Floats, outcomes: Outcomes, confidence: float) -> Estimate:
    """A weighted mean of values in [0, 1], clustered, its interval cut to [0, 1]."""
    found = clustered.mean(values, outcomes.cluster, weights=outcomes.weight, confidence=confidence)
    return Estimate(
        value=found.value,
        low=max(0.0, found.low),
        high=min(1.0, found.high),
        n=len(values),
        confidence=confidence,
        method="clustered",
    )


def _equal_weights(outcomes: Outcomes) -> bool:
    return bool((outcomes.weight == outcomes.weight[0]).all())
