"""Two candidates on the samples both were judged on: differences and tests, paired by sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from weighbridge.evaluation import intervals, measuring
from weighbridge.evaluation.estimate import Estimate, censored
from weighbridge.evaluation.outcomes import Floats, Outcomes
from weighbridge.stats import clustered, paired, power, quantiles, ratio

# With more clusters the t distribution is as good as counting permutations, and far cheaper.
_PERMUTE_UP_TO = 500
_EARLIER_THAN_ANY = -1e300


@dataclass(frozen=True, slots=True)
class Pair:
    """Means before and after on shared samples, their difference, and the test of it."""

    before: float
    after: float
    difference: Estimate
    p: float
    test: str


@dataclass(frozen=True, slots=True)
class Shared:
    """One number for each shared sample on both sides (the mean of its repeats), (m,), and the samples' clusters."""

    before: Floats
    after: Floats
    clusters: tuple[str, ...]
    single: bool


def success(before: Outcomes, after: Outcomes, confidence: float) -> Pair | None:
    """None where no sample was judged on both sides."""
    return _tested(shared(before, after, before.success, after.success), confidence, binary=True)


def values(before: Outcomes, after: Outcomes, scorer: str, confidence: float) -> Pair | None:
    """One scorer's values, which both sides must have."""
    left, right = before.values[scorer], after.values[scorer]
    binary = bool(np.isin(left[~np.isnan(left)], (0, 1)).all() and np.isin(right[~np.isnan(right)], (0, 1)).all())
    return _tested(shared(before, after, left, right), confidence, binary=binary)


def errors(before: Outcomes, after: Outcomes, confidence: float) -> Pair | None:
    """Failed requests."""
    found = shared(before, after, (~before.ok).astype(float), (~after.ok).astype(float))
    return _tested(found, confidence, binary=True)


def shared(before: Outcomes, after: Outcomes, left: Floats, right: Floats) -> Shared:
    """Pairs two columns by sample; NaN is left out."""
    old, new = _by_sample(before, left), _by_sample(after, right)
    names = [name for name in old if name in new]
    cluster_of = dict(zip(before.sample, before.cluster, strict=True))
    return Shared(
        before=np.asarray([np.mean(old[name]) for name in names], dtype=np.float64),
        after=np.asarray([np.mean(new[name]) for name in names], dtype=np.float64),
        clusters=tuple(cluster_of[name] for name in names),
        single=all(len(old[name]) == len(new[name]) == 1 for name in names),
    )


def _by_sample(outcomes: Outcomes, column: Floats) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for sample, value in zip(outcomes.sample, column.tolist(), strict=True):
        if not math.isnan(value):
            found.setdefault(sample, []).append(value)
    return found


def _tested(found: Shared, confidence: float, *, binary: bool) -> Pair | None:
    """McNemar's exact test where pairs are pass/fail and independent; else whole clusters change sides."""
    if not len(found.before):
        return None
    if binary and found.single and len(set(found.clusters)) == len(found.clusters):
        p, test = paired.mcnemar(found.before, found.after).p, "exact McNemar"
        difference = paired.proportion_difference(found.before, found.after, confidence)
    else:
        p, test = _clustered_p(found)
        difference = paired.difference(found.before, found.after, found.clusters, None, confidence)
    return Pair(float(found.before.mean()), float(found.after.mean()), intervals.known(difference), p, test)


def _clustered_p(found: Shared) -> tuple[float, str]:
    if len(set(found.clusters)) <= _PERMUTE_UP_TO:
        return paired.sign_flip(found.before, found.after, found.clusters), "clustered permutation"
    return paired.difference_p(found.before, found.after, found.clusters), "clustered t"


def needed(before: Outcomes, after: Outcomes, confidence: float) -> int | None:
    """About how many samples would show a quality difference as large as the one seen (80% power); None where none was
    seen or nothing is shared."""
    found = shared(before, after, before.success, after.success)
    gap = float((found.after - found.before).mean()) if len(found.before) else 0.0
    if gap == 0:
        return None
    count = power.paired(found.before, found.after, gap, alpha=1 - confidence)
    widened = clustered.design_effect(found.after - found.before, found.clusters)
    return math.ceil(count * (widened if math.isfinite(widened) and widened > 1 else 1.0))


def typical_delay(before: Outcomes, after: Outcomes, which: str, confidence: float) -> Estimate:
    """The median of (after - before) of `ttft` or `total` over pairs of requests: seconds, and its exact interval. A
    request that failed on one side only is a difference beyond all others."""
    old, new = (dict(_keyed(side, getattr(side, which))) for side in (before, after))
    gaps = [_gap(old[key], new[key]) for key in old if key in new]
    gaps = [gap for gap in gaps if not math.isnan(gap)]
    if not gaps:
        return Estimate(why="not measured on both sides", confidence=confidence)
    found = quantiles.quantile(gaps, 0.5, confidence)
    if found.why:
        return Estimate(n=found.n, confidence=confidence, why=f"median {found.why}")
    value, low, high = (end if end > _EARLIER_THAN_ANY else -math.inf for end in (found.value, found.low, found.high))
    if math.isinf(value):
        return Estimate(n=found.n, confidence=confidence, why="most requests failed on one side")
    return censored(value, low, high, n=found.n, confidence=confidence, method="median of paired differences")


def _keyed(outcomes: Outcomes, column: Floats) -> zip[tuple[tuple[str, int], float]]:
    return zip(zip(outcomes.sample, outcomes.repeat, strict=True), column.tolist(), strict=True)


def _gap(old: float, new: float) -> float:
    if math.isinf(old) and math.isinf(new):
        return 0.0
    return _EARLIER_THAN_ANY if math.isinf(old) else new - old


def cost_difference(before: Outcomes, after: Outcomes, confidence: float) -> Estimate:
    """Cost per success, after less before, in USD, on the pairs of requests both sides made."""
    old_cost, new_cost = measuring.priced(before)[0], measuring.priced(after)[0]
    if old_cost is None or new_cost is None:
        return Estimate(why="a price is unknown", confidence=confidence)
    old = {key: row for row, (key, _) in enumerate(_keyed(before, before.cost))}
    new = {key: row for row, (key, _) in enumerate(_keyed(after, after.cost))}
    keys = [key for key in old if key in new]
    left, right = [old[key] for key in keys], [new[key] for key in keys]
    passed = np.nan_to_num(before.success[left]), np.nan_to_num(after.success[right])
    if not keys or not passed[0].any() or not passed[1].any():
        return Estimate(why="nothing succeeded on one side", confidence=confidence)
    clusters = [before.cluster[row] for row in left]
    return intervals.known(
        ratio.difference(old_cost[left], passed[0], new_cost[right], passed[1], clusters, confidence, draws=1000)
    )
