"""What two models give together for their price: the frontier of a router, and how it is summed up.

The measures are RouteLLM's (Ong et al. 2024, arXiv 2406.18665, section 3): performance gap recovered, its average over
the share of strong calls (APGR), and the share that recovers a given part of the gap (CPT). They are taken exactly, on
the curve through every threshold, where the paper averages over ten shares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weighbridge.stats import bootstrap
from weighbridge.stats.estimate import (
    Estimate,
    Floats,
    checked,
    checked_shares,
    checked_weights,
    groups,
    same_length,
)

_CLOSE = 1e-12


class Pair(NamedTuple):
    """What a cheap and a strong model made of the same n samples, all (n,): their success in [0, 1], what each call
    costs (any unit, the same for both), and what a sample weighs (mean 1). `cascade`: the cheap call is made and paid
    for also where the strong one answers; else the choice is made before either."""

    cheap: Floats
    strong: Floats
    cheap_cost: Floats
    strong_cost: Floats
    weights: Floats
    cascade: bool


class Curve(NamedTuple):
    """One point a threshold, from always cheap to always strong, all (k,): the share of strong calls, mean success, and
    mean cost per request. Between two points lies the random mix of them. `strong_cost` is what asking the strong model
    straight away costs: in a cascade less than the curve's last point, which pays for the cheap call too."""

    share: Floats
    quality: Floats
    cost: Floats
    strong_cost: float


Measure = Callable[[Curve], float | None]


def pair(
    cheap: ArrayLike,
    strong: ArrayLike,
    *,
    cheap_cost: ArrayLike | None = None,
    strong_cost: ArrayLike | None = None,
    cascade: bool = False,
    weights: ArrayLike | None = None,
) -> Pair:
    """Checks what was measured. Without costs a strong call costs 1 and a cheap one nothing, so cost is the share of
    strong calls. Raises ValueError for NaN, unequal lengths, success outside [0, 1], a negative cost, and one cost
    without the other."""
    a, b = checked_shares(cheap, "cheap"), checked_shares(strong, "strong")
    same_length(cheap=a, strong=b)
    if (cheap_cost is None) != (strong_cost is None):
        raise ValueError("the cost of one model is missing: give both, or neither")
    n = len(a)
    low = np.zeros(n) if cheap_cost is None else checked(cheap_cost, "cheap_cost")
    high = np.ones(n) if strong_cost is None else checked(strong_cost, "strong_cost")
    same_length(cheap=a, cheap_cost=low, strong_cost=high)
    if (low < 0).any() or (high < 0).any():
        raise ValueError("a cost must not be negative")
    return Pair(a, b, low, high, checked_weights(weights, n), cascade)


def curve(models: Pair, gain: ArrayLike) -> Curve:
    """The curve of the router that sends a sample to the strong model where its `gain` (n,) exceeds a threshold, over
    all thresholds: highest gain first, equal gains together. Raises ValueError for NaN and another length."""
    ordered, _, ends = _ordered(models, gain)
    return _curve(ordered, ends, ordered.weights)


def random_mix(models: Pair) -> Curve:
    """The router that knows nothing: a straight line, with an APGR of one half."""
    return curve(models, np.zeros(len(models.cheap)))


def oracle(models: Pair) -> Curve:
    """The router that knows the outcome, the upper bound of every other in quality at a share: first to the strong
    model what it gains most by, and of equal gains what costs least more."""
    more = models.strong_cost if models.cascade else models.strong_cost - models.cheap_cost
    gain = models.strong - models.cheap
    order = np.lexsort((-more, gain))
    rise = (np.diff(gain[order]) > 0) | (np.diff(more[order]) < 0)
    rank = np.empty(len(gain))
    rank[order] = np.concatenate([[0], np.cumsum(rise)])
    return curve(models, rank)


def pgr(line: Curve) -> Floats:
    """Performance gap recovered at each point, (k,): (quality - cheap) / (strong - cheap); 0 at the first point, 1 at
    the last, and above 1 where together they beat the strong one. Raises ValueError where the strong model is not
    better: there is then no gap."""
    gap = float(line.quality[-1] - line.quality[0])
    if gap <= _CLOSE:
        raise ValueError(f"the strong model is not the better one here (by {gap:.3g}), so there is no gap to recover")
    found: Floats = (line.quality - line.quality[0]) / gap
    return found


def apgr(line: Curve) -> float:
    """The area under `pgr` over the share of strong calls: .5 by chance; above 1 is possible. Raises as `pgr`."""
    recovered = pgr(line)
    return float(np.diff(line.share) @ (recovered[1:] + recovered[:-1]) / 2)


def cpt(line: Curve, recovered: float = 0.5) -> float:
    """Call-performance threshold: the least share of strong calls that recovers so much of the gap. Raises ValueError
    outside [0, 1], and as `pgr`."""
    if not 0 <= recovered <= 1:
        raise ValueError(f"the part of the gap to recover must lie between 0 and 1, not {recovered:g}")
    found = _least(line.share, pgr(line), recovered)
    return 1.0 if found is None else found  # never None: the last point recovers all


def cost_at(line: Curve, quality: float) -> float | None:
    """The least cost that reaches `quality` times the strong model's quality, as a share of what always asking the
    strong model costs; None where no threshold reaches it. Raises ValueError where the strong model costs nothing, or
    for a negative quality."""
    if not 0 <= quality < np.inf:
        raise ValueError(f"the quality to reach must be a part of the strong model's, not {quality:g}")
    if line.strong_cost <= 0:
        raise ValueError("the strong model costs nothing, so there is nothing to save")
    found = _least(line.cost, line.quality, quality * float(line.quality[-1]))
    return None if found is None else found / line.strong_cost


def quality_at(line: Curve, share: float) -> float:
    """Mean success at a share of strong calls in [0, 1]. Raises ValueError outside."""
    if not 0 <= share <= 1:
        raise ValueError(f"a share of calls must lie between 0 and 1, not {share:g}")
    return float(np.interp(share, line.share, line.quality))


def hull(cost: ArrayLike, quality: ArrayLike) -> NDArray[np.intp]:
    """Which models are worth having: the indices of the upper concave envelope of (cost, quality), by rising cost, from
    the cheapest to the best. Every other model is matched or beaten by a mix of these (the ROC convex hull of Provost
    and Fawcett 2001, with cost for false positives). Raises ValueError for NaN and unequal lengths."""
    x, y = checked(cost, "cost"), checked(quality, "quality")
    same_length(cost=x, quality=y)
    kept: list[int] = []
    for index in np.lexsort((-y, x)).tolist():
        if kept and y[index] <= y[kept[-1]]:
            continue
        while len(kept) > 1 and _below(x, y, kept[-2], kept[-1], index):
            kept.pop()
        kept.append(index)
    return np.array(kept, dtype=np.intp)


def interval(
    models: Pair,
    gain: ArrayLike,
    measure: Measure,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Estimate:
    """`measure` (such as `apgr`, `cpt`, or a `cost_at`) of the router's curve, with the percentile bootstrap's interval
    over samples or `clusters` (n,) of them (Efron 1979). The scores are held fixed: it says how sure the measure is for
    this router, not for the training of it.

    A resample where the measure is None counts as infinite, one where it is not defined against both ends. `n` counts
    clusters. Raises ValueError as `measure` does on the whole sample.
    """
    if draws < 1:
        raise ValueError(f"the number of draws must be positive, not {draws}")
    ordered, order, ends = _ordered(models, gain)
    group = groups(clusters, len(models.cheap))[order]
    count = int(group.max()) + 1
    whole = measure(_curve(ordered, ends, ordered.weights))
    dice = np.random.default_rng(seed)
    found = np.empty(draws)
    for draw in range(draws):
        times = np.bincount(dice.integers(count, size=count), minlength=count)
        found[draw] = _measured(ordered, ends, ordered.weights * times[group], measure)
    return bootstrap.of_replicates(np.inf if whole is None else whole, found, count, level)


def _measured(models: Pair, ends: NDArray[np.intp], weight: Floats, measure: Measure) -> float:
    """The measure of a resample; NaN where it is not defined."""
    if not weight.any():
        return np.nan
    try:
        found = measure(_curve(models, ends, weight))
    except ValueError:
        return np.nan
    return np.inf if found is None else found


def _ordered(models: Pair, gain: ArrayLike) -> tuple[Pair, NDArray[np.intp], NDArray[np.intp]]:
    """The samples from the highest gain down, where each of them was, and how many are escalated at each point."""
    score = checked(gain, "gain", finite=False)
    same_length(cheap=models.cheap, gain=score)
    order = np.argsort(-score, kind="stable")
    ordered = Pair(
        models.cheap[order],
        models.strong[order],
        models.cheap_cost[order],
        models.strong_cost[order],
        models.weights[order],
        models.cascade,
    )
    falls = np.flatnonzero(score[order][1:] != score[order][:-1]) + 1
    return ordered, order, np.concatenate([[0], falls, [len(score)]])


def _curve(models: Pair, ends: NDArray[np.intp], weight: Floats) -> Curve:
    mass = weight / weight.sum()
    more = models.strong_cost if models.cascade else models.strong_cost - models.cheap_cost
    quality = float(models.cheap @ mass) + _summed(mass * (models.strong - models.cheap), ends)
    cost = float(models.cheap_cost @ mass) + _summed(mass * more, ends)
    share = np.minimum(_summed(mass, ends), 1.0)
    share[-1] = 1.0
    return Curve(share, quality, cost, float(models.strong_cost @ mass))


def _summed(values: Floats, ends: NDArray[np.intp]) -> Floats:
    """Sums of the first `ends` values."""
    found: Floats = np.concatenate([[0.0], np.cumsum(values)])[ends]
    return found


def _least(x: Floats, y: Floats, target: float) -> float | None:
    """The least x at which the line through the points reaches `target`. On a straight piece the part that does ends at
    its corners or where it crosses, so only these are looked at; costs need not rise along the line."""
    enough = y >= target - _CLOSE
    crosses = np.flatnonzero(enough[1:] != enough[:-1])
    part = (target - y[crosses]) / (y[crosses + 1] - y[crosses])
    met = x[crosses] + np.clip(part, 0.0, 1.0) * (x[crosses + 1] - x[crosses])
    found = np.concatenate([x[enough], met])
    return float(found.min()) if len(found) else None


def _below(x: Floats, y: Floats, left: int, middle: int, right: int) -> bool:
    """Whether the middle point lies on or under the line from left to right."""
    rise = (y[middle] - y[left]) * (x[right] - x[left])
    return bool(rise <= (y[right] - y[left]) * (x[middle] - x[left]))
