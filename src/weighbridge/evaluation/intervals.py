"""The one place where figures ask `weighbridge.stats`: outcomes in, Estimates out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from weighbridge.evaluation.estimate import Estimate, censored
from weighbridge.evaluation.outcomes import Floats, Outcomes
from weighbridge.stats import clustered, multiple, proportions, quantiles, ratio, repeats
from weighbridge.stats import estimate as stats

# Above this many clusters the bootstrap only costs time: it and Fieller's interval agree.
_BOOTSTRAP_UP_TO = 2_000
_MOST_SAMPLES = 10**9


def share(values: Floats, outcomes: Outcomes, confidence: float) -> Estimate:
    """A share of 0/1 values that belong to these outcomes: Wilson's interval, at the effective sample size where there
    are weights or clusters."""
    if outcomes.clustered:
        return known(clustered.proportion(values, outcomes.cluster, outcomes.weight, confidence))
    if (outcomes.weight != outcomes.weight[0]).any():
        return known(proportions.weighted(values, outcomes.weight, confidence))
    return known(proportions.wilson(int(values.sum()), len(values), confidence))


def exact_share(count: int, n: int, confidence: float) -> Estimate:
    """Clopper and Pearson's interval: never too narrow, however few the results."""
    return known(proportions.clopper_pearson(count, n, confidence))


def mean(values: Floats, outcomes: Outcomes, confidence: float) -> Estimate:
    """A weighted mean of values in [0, 1], its interval clustered and cut to [0, 1]."""
    found = clustered.mean(values, outcomes.cluster, outcomes.weight, confidence)
    return known(found._replace(low=max(0.0, found.low), high=min(1.0, found.high)))


def cost_per_success(cost: Floats, success: Floats, outcomes: Outcomes, confidence: float) -> Estimate:
    """USD. Needs at least one success."""
    clusters = set(outcomes.cluster)
    made = ratio.cost_per_success if len(clusters) <= _BOOTSTRAP_UP_TO else ratio.fieller
    return known(made(cost, success, outcomes.cluster, confidence))


def quantile(seconds: Floats, percent: float, confidence: float, timeout: float | None) -> Estimate:
    """A percentile of latencies, +inf where a request failed; refused with a reason where there are too few."""
    found = quantiles.quantile(seconds, percent / 100, confidence)
    if found.why and not _surely_failed(found, confidence):
        return Estimate(n=found.n, confidence=confidence, why=f"P{percent:g} {found.why}")
    if found.why:
        return Estimate(n=found.n, confidence=confidence, beyond="low", limit=timeout, method="share of failures")
    return censored(
        found.value,
        found.low,
        found.high,
        n=found.n,
        confidence=confidence,
        method="order statistics",
        limit=timeout if found.censored else None,
    )


def _surely_failed(found: quantiles.Quantile, confidence: float) -> bool:
    """Too few results for a number, but so many failures that the percentile is surely one of them."""
    return proportions.clopper_pearson(found.censored, found.n, confidence).low > 1 - found.q


def pass_all(outcomes: Outcomes, confidence: float) -> Estimate | None:
    """pass^k: the share of samples expected to succeed in every repeat; None without repeats. An answer that could not
    be judged is no success here."""
    passed: dict[str, list[bool]] = {}
    cluster_of = dict(zip(outcomes.sample, outcomes.cluster, strict=True))
    for sample, success in zip(outcomes.sample, outcomes.success.tolist(), strict=True):
        passed.setdefault(sample, []).append(success == 1.0)
    least = min(map(len, passed.values()), default=0)
    if least < 2:
        return None
    counts, trials = [sum(values) for values in passed.values()], [len(values) for values in passed.values()]
    chances = repeats.pass_hat_k(counts, trials, least)
    found = repeats.mean_over_items(chances, [cluster_of[sample] for sample in passed], confidence)
    return known(found._replace(method=f"pass^{least}"))


def more_for_share(estimate: Estimate, limit: float, confidence: float) -> int | None:
    """About how many more results until the interval of a share leaves the limit, if the share stays what it is."""
    if estimate.value is None or estimate.value == limit or estimate.low is None or estimate.high is None:
        return None
    # How much wider clusters make the interval than the same results alone would.
    alone = proportions.wilson(estimate.value * estimate.n, estimate.n, confidence)
    widened = max(1.0, ((estimate.high - estimate.low) / (alone.high - alone.low)) ** 2)
    low, high = 1, 2
    while not _leaves(estimate.value, high, limit, confidence):
        low, high = high, 2 * high
        if high > _MOST_SAMPLES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _leaves(estimate.value, middle, limit, confidence) else (middle, high)
    return max(1, math.ceil(high * widened) - estimate.n)


def _leaves(value: float, n: int, limit: float, confidence: float) -> bool:
    found = proportions.wilson(value * n, n, confidence)
    return found.low > limit or found.high < limit


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for their number; none for none."""
    return [float(p) for p in multiple.holm(p_values)] if p_values else []


def known(found: stats.Estimate) -> Estimate:
    """A figure from `stats`; ends that nothing bounds are None."""
    low, high = (end if math.isfinite(end) else None for end in (found.low, found.high))
    return Estimate(value=found.value, low=low, high=high, n=found.n, confidence=found.level, method=found.method)
