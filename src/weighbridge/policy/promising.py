"""What a policy would have done on a table's rows, and what of that can be promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from weighbridge.policy.evidence import Floats, Table
from weighbridge.policy.simulate import Asked, Recorded, paid, rightness, total, waited, walked
from weighbridge.routing import document
from weighbridge.stats import proportions, quantiles, ratio
from weighbridge.stats.estimate import Estimate
from weighbridge.stats.guarantees import mean_at_most


@dataclass(frozen=True, slots=True)
class Served:
    """Rows as a policy would have served them, arrays (n,): `right` 0 or 1, `cost` USD of every call that was made,
    `seconds` until the client had its answer (+inf: none), `escalated` 0 or 1. `lost`: a cheap answer was kept that is
    wrong where the strong model's is right."""

    right: Floats
    cost: Floats
    seconds: Floats
    escalated: Floats
    lost: Floats


def served(table: Table, way: document.Way, p: Mapping[str, Floats]) -> Served:
    """The table's rows by a way; `p` is P(right) of the answers of those whose answers are judged, by candidate, (n,):
    NaN where there is no answer, or nothing tells. Raises UsageError as `simulate` does."""
    recorded = {name: Recorded(one.cost, one.right, one.seconds, p.get(name)) for name, one in table.candidates.items()}
    walk = walked(recorded, way, Asked())
    right, seconds = rightness(recorded, walk), waited(recorded, walk)
    assert right is not None  # noqa: S101 - a table has both of every candidate
    assert seconds is not None  # noqa: S101
    first, last = (table.candidates[name] for name in (walk.names[0], walk.names[-1]))
    ok = np.choose(walk.answered, [table.candidates[name].ok for name in walk.names])
    return Served(
        right=right,
        cost=total(paid(recorded, walk)),
        seconds=np.where(ok == 1, seconds, np.inf),
        escalated=(walk.answered != 0).astype(np.float64),
        lost=((walk.answered == 0) & (first.right == 0) & (last.right == 1)).astype(np.float64),
    )


def promise(served: Served, *, delta: float, quantiles_at: Sequence[float], dearest: float) -> document.Promise:
    """What these rows, which decided nothing, show: each bound misses with probability `delta` at most. Rows are
    independent. `dearest` is the most that one request can cost, in USD: a mean is bounded only where its parts are.

    Quality, risk and the escalated share: Clopper-Pearson, exact. Cost per request: `mean_at_most`. Cost per success:
    bootstrap. Latency: order statistics, exact, and left out where there are too few rows for that quantile.
    """
    level = 1 - 2 * delta  # one-sided: each bound is one end of a two-sided interval
    dearest = max(dearest, float(served.cost.max()))
    mean = float(served.cost.mean())
    return document.Promise(
        confidence=1 - delta,
        risk=_share(served.lost, level),
        quality=_share(served.right, level),
        cost_per_request=document.Interval(value=mean, high=mean_at_most(served.cost, dearest, 1 - delta)),
        cost_per_success=_interval(ratio.cost_per_success(served.cost, served.right, level=level)),
        latency=_latency(served.seconds, quantiles_at, level),
        escalated=_share(served.escalated, level),
    )


def _share(values: Floats, level: float) -> document.Interval:
    return _interval(proportions.clopper_pearson(int(values.sum()), len(values), level))


def _latency(seconds: Floats, wanted: Sequence[float], level: float) -> dict[str, document.Interval]:
    made = {}
    for q in wanted:
        found = quantiles.quantile(seconds, q, level)
        if not found.why and np.isfinite(found.value):
            high = found.high if np.isfinite(found.high) else None
            made[f"total_p{q * 100:g}"] = document.Interval(value=found.value, low=found.low, high=high)
    return made


def unmet(made: document.Promise, limits: Mapping[str, float]) -> list[str]:
    """The limits that the promise does not keep, each in words. By figure: quality is a minimum, all else a maximum; a
    figure that is not promised keeps none."""
    bounds: dict[str, float | None] = {name: found.high for name, found in made.latency.items()}
    if made.cost_per_success is not None:
        bounds["cost_per_success"] = made.cost_per_success.high
    quality = made.quality.low if made.quality is not None else None
    missed = []
    for figure, limit in limits.items():
        bound = quality if figure == "quality" else bounds.get(figure)
        word = "at least" if figure == "quality" else "at most"
        if bound is None:
            missed.append(f"{figure} {word} {limit:g} (nothing is shown of it)")
        elif bound < limit if figure == "quality" else bound > limit:
            missed.append(f"{figure} {word} {limit:g} (shown: {word} {bound:.4g})")
    return missed


def _interval(found: Estimate) -> document.Interval:
    low, high = (float(end) if np.isfinite(end) else None for end in (found.low, found.high))
    return document.Interval(value=float(found.value), low=low, high=high)
