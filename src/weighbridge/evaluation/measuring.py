"""From one candidate's outcomes to its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from weighbridge.evaluation import intervals
from weighbridge.evaluation.estimate import Estimate
from weighbridge.evaluation.figures import CandidateFigures, ScorerFigure, TagFigure
from weighbridge.evaluation.outcomes import Floats, Outcomes

PERCENTILES = (50, 95, 99)


def measure(
    outcomes: Outcomes, *, confidence: float = 0.95, timeout: float | None = None, model: str = "", provider: str = ""
) -> CandidateFigures:
    """Every figure of one candidate; `timeout` in seconds is where failed requests' latencies are cut off."""
    cost, unpriced = priced(outcomes)
    scorers = {name: _scorer(outcomes, values, confidence) for name, values in outcomes.values.items()}
    return CandidateFigures(
        candidate=outcomes.candidate,
        model=model,
        provider=provider,
        results=len(outcomes),
        samples=len(set(outcomes.sample)),
        successes=int(np.nansum(outcomes.success)),
        quality=quality(outcomes, confidence),
        unscored=int(np.isnan(outcomes.success).sum()),
        pass_all=intervals.pass_all(outcomes, confidence),
        scorers=scorers,
        cost_per_success=cost_per_success(outcomes, confidence),
        total_cost=None if cost is None else float(cost.sum()),
        unpriced=unpriced,
        ttft=latencies(outcomes.ttft, confidence, timeout),
        total=latencies(outcomes.total, confidence, timeout),
        error_rate=intervals.share((~outcomes.ok).astype(float), outcomes, confidence),
        errors=_counted(name for name in outcomes.error_class if name),
        tokens=_tokens(outcomes.tokens),
        retries=int((outcomes.attempts - 1).clip(min=0).sum()),
        retried=_counted(name for names in outcomes.retried for name in names),
        tags=by_tag(outcomes, confidence),
    )


def quality(outcomes: Outcomes, confidence: float) -> Estimate:
    """The share of successes among results with a verdict; failed requests have one, and it is "no"."""
    judged = outcomes.only(~np.isnan(outcomes.success))
    if not len(judged):
        return Estimate(why="nothing was judged", confidence=confidence)
    return intervals.share(judged.success, judged, confidence)


def quality_bounds(outcomes: Outcomes, confidence: float) -> tuple[Estimate, Estimate]:
    """Quality if every answer that could not be judged were a failure, and if every one were a success."""
    unscored = np.isnan(outcomes.success)
    worst, best = (np.where(unscored, value, outcomes.success) for value in (0.0, 1.0))
    return intervals.share(worst, outcomes, confidence), intervals.share(best, outcomes, confidence)


def priced(outcomes: Outcomes) -> tuple[Floats | None, int]:
    """Costs with each unknown one counted at the dearest known, and how many were unknown.

    None where half of the answers or more are of unknown cost: then the price is unknown, and never guessed or 0 (a
    refused request costs nothing at any price, so only answers tell).
    """
    unknown = np.isnan(outcomes.cost)
    count = int(unknown.sum())
    answers = outcomes.ok if outcomes.ok.any() else np.ones(len(outcomes), dtype=bool)
    if count and 2 * int((unknown & answers).sum()) >= int(answers.sum()):
        return None, count
    return np.where(unknown, np.nanmax(outcomes.cost), outcomes.cost), count


def cost_per_success(outcomes: Outcomes, confidence: float) -> Estimate:
    """All that was spent over all successes: failures and retries are paid for by what succeeded."""
    cost, _ = priced(outcomes)
    if cost is None:
        return Estimate(why="the price is unknown", n=len(outcomes), confidence=confidence)
    success = np.nan_to_num(outcomes.success, nan=0.0)
    if not success.any():
        return Estimate(why="nothing succeeded", n=len(outcomes), confidence=confidence)
    return intervals.cost_per_success(cost, success, outcomes, confidence)


def latencies(seconds: Floats, confidence: float, timeout: float | None) -> dict[str, Estimate]:
    """P50, P95 and P99; nothing where no answer had such a time."""
    seen = seconds[~np.isnan(seconds)]
    if not np.isfinite(seen).any() and len(seen) < len(seconds):
        return {}
    return {f"p{percent}": intervals.quantile(seen, percent, confidence, timeout) for percent in PERCENTILES}


def by_tag(outcomes: Outcomes, confidence: float) -> dict[str, TagFigure]:
    """Quality on the samples of each tag; a sample of two tags counts in both."""
    found = {}
    for tag in sorted({tag for tags in outcomes.tags for tag in tags}):
        part = outcomes.only(np.asarray([tag in tags for tags in outcomes.tags], dtype=bool))
        found[tag] = TagFigure(quality=quality(part, confidence), results=len(part))
    return found


def _scorer(outcomes: Outcomes, values: Floats, confidence: float) -> ScorerFigure:
    scored = ~np.isnan(values)
    part = outcomes.only(scored)
    mean = intervals.mean(values[scored], part, confidence) if scored.any() else Estimate(why="nothing was scored")
    return ScorerFigure(mean=mean, scored=int(scored.sum()), unscorable=int((~scored).sum()))


def _tokens(tokens: Mapping[str, Floats]) -> dict[str, float]:
    """Means of what was counted; kinds that no answer reported are left out."""
    return {name: float(np.nanmean(column)) for name, column in tokens.items() if not np.isnan(column).all()}


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
