"""Each constraint held against a candidate: meets, fails, or not shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from weighbridge.errors import UsageError
from weighbridge.evaluation import intervals, measuring
from weighbridge.evaluation.estimate import Estimate
from weighbridge.evaluation.figures import CandidateFigures
from weighbridge.evaluation.outcomes import Floats, Outcomes
from weighbridge.evaluation.verdict import Assessment, Check, Outcome
from weighbridge.store.manifest import Constraint

_PERCENTILE = re.compile(r"(ttft|total)_p(\d{1,2}(?:\.\d+)?)")


def assess(
    outcomes: Outcomes, figures: CandidateFigures, constraints: Sequence[Constraint], timeout: float | None
) -> Assessment:
    """Raises UsageError for a constraint on a figure that nobody knows."""
    checks = tuple(check(outcomes, figures, constraint, timeout) for constraint in constraints)
    outcome: Outcome = "meets"
    if any(found.outcome == "not shown" for found in checks):
        outcome = "not shown"
    if any(found.outcome == "fails" for found in checks):
        outcome = "fails"
    return Assessment(candidate=outcomes.candidate, outcome=outcome, checks=checks)


def check(outcomes: Outcomes, figures: CandidateFigures, constraint: Constraint, timeout: float | None) -> Check:
    """A constraint is met where the whole interval at its confidence lies on the right side of the limit."""
    if constraint.figure == "quality":
        return _quality(outcomes, constraint)
    if constraint.figure == "error_rate":
        rate = intervals.share((~outcomes.ok).astype(float), outcomes, constraint.confidence)
        return _at_most(constraint, rate, intervals.more_for_share(rate, constraint.limit, constraint.confidence))
    if constraint.figure == "cost_per_success":
        cost = figures.cost_per_success
        if cost.confidence != constraint.confidence:
            cost = measuring.cost_per_success(outcomes, constraint.confidence)
        return _at_most(constraint, cost, _more_by_width(cost, constraint.limit))
    found = _PERCENTILE.fullmatch(constraint.figure)
    if found is None:
        raise UsageError(
            f"no figure is called {constraint.figure!r}",
            mend="There are quality, cost_per_success, error_rate, ttft_pNN and total_pNN.",
        )
    seconds = outcomes.ttft if found[1] == "ttft" else outcomes.total
    return _percentile(seconds, float(found[2]), constraint, timeout)


def _quality(outcomes: Outcomes, constraint: Constraint) -> Check:
    """Answers that could not be judged count against the candidate for "meets" and for it against "fails"."""
    estimate = measuring.quality(outcomes, constraint.confidence)
    worst, best = measuring.quality_bounds(outcomes, constraint.confidence)
    outcome: Outcome = "not shown"
    if worst.lower >= constraint.limit:
        outcome = "meets"
    elif best.upper < constraint.limit:
        outcome = "fails"
    more = intervals.more_for_share(estimate, constraint.limit, constraint.confidence)
    return _made(constraint, outcome, estimate, more)


def _at_most(constraint: Constraint, estimate: Estimate, more: int | None) -> Check:
    outcome: Outcome = "not shown"
    if estimate.known and estimate.upper <= constraint.limit:
        outcome = "meets"
    elif estimate.known and estimate.lower > constraint.limit:
        outcome = "fails"
    return _made(constraint, outcome, estimate, more)


def _percentile(seconds: Floats, percent: float, constraint: Constraint, timeout: float | None) -> Check:
    """P95 is at most the limit exactly where at most 5% of requests are slower; that share has an exact interval, even
    where there are too few results to put a number on P95 itself."""
    seen = seconds[~np.isnan(seconds)]
    if not len(seen) or (not np.isfinite(seen).any() and len(seen) < len(seconds)):
        return _made(constraint, "not shown", Estimate(why="it was not measured"), None)
    estimate = intervals.quantile(seen, percent, constraint.confidence, timeout)
    allowed = 1 - percent / 100
    slower = intervals.exact_share(int((seen > constraint.limit).sum()), len(seen), constraint.confidence)
    outcome: Outcome = "not shown"
    if slower.upper <= allowed:
        outcome = "meets"
    elif slower.lower > allowed:
        outcome = "fails"
    return _made(constraint, outcome, estimate, intervals.more_for_share(slower, allowed, constraint.confidence))


def _more_by_width(estimate: Estimate, limit: float) -> int | None:
    """More results until the interval leaves the limit, if it narrows with the root of their number."""
    if estimate.value is None or estimate.value == limit:
        return None
    side = estimate.lower if estimate.value > limit else estimate.upper
    ratio = abs(side - estimate.value) / abs(limit - estimate.value)
    return max(1, round(estimate.n * (ratio**2 - 1))) if np.isfinite(ratio) else None


def _made(constraint: Constraint, outcome: Outcome, estimate: Estimate, more: int | None) -> Check:
    return Check(
        figure=constraint.figure,
        limit=constraint.limit,
        outcome=outcome,
        estimate=estimate,
        more=more if outcome == "not shown" else None,
    )
