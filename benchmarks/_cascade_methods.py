"""What each way of using two models is worth on questions that nothing was tuned on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from _cascade_data import Floats, Pair, Rows
from _cascade_guarantee import DELTA, alpha_for, ladder
from weighbridge.stats import frontier
from weighbridge.stats.guarantees import TooFewError, keep_threshold

KEYS = ("apgr", "cpt50", "cpt80", "cost_at_95", "cost_at_99", "quality", "broken_promises")
TARGETS = {"cost_at_95": 0.95, "cost_at_99": 0.99}

Keys = dict[str, float | None]
Tuned = Callable[[Rows, float], float]


def blank() -> Keys:
    return dict.fromkeys(KEYS)


def naive(train: Rows, target: float) -> float:
    """The lowest threshold that just meets the target on the training split; infinite where only the strong model
    does."""
    rungs = ladder(train)
    met = np.flatnonzero(rungs.quality >= target * rungs.quality[0] - 1e-12)
    return _confidence_at(train, int(rungs.ends[met[-1]]))


def guaranteed(train: Rows, target: float) -> float:
    """The lowest threshold that is shown, on the training split, to keep the target with probability 1 - delta;
    infinite (always strong) where none is, or the split is too small."""
    alpha = alpha_for(float(train.strong.mean()), target)
    confidence = np.where(np.isfinite(train.confidence), train.confidence, np.nan)
    try:
        kept = keep_threshold(confidence, train.loss, alpha, DELTA)
    except TooFewError:
        return np.inf
    return np.inf if kept is None else kept.threshold


def _confidence_at(rows: Rows, kept: int) -> float:
    return float(np.sort(rows.confidence)[::-1][kept - 1]) if kept else np.inf


def served(rows: Rows, threshold: float) -> tuple[float, float]:
    """Mean success, and mean cost as a share of the strong model's, where answers of at least that confidence are kept.
    The cheap call is paid for also where it is escalated; at an infinite threshold it is never made."""
    if threshold == np.inf:
        return float(rows.strong.mean()), 1.0
    keep = rows.confidence >= threshold
    quality = np.where(keep, rows.cheap, rows.strong).mean()
    cost = rows.cheap_cost.sum() + rows.strong_cost[~keep].sum()
    return float(quality), float(cost / rows.strong_cost.sum())


def tuned(pair: Pair, tune: Tuned) -> Keys:
    """The costs are those on the test split of the thresholds tuned for 95 and for 99 % of the strong model's success
    on the training split, whether met or not; `quality` is that of the latter, `broken_promises` 1 where it missed."""
    found = blank()
    for key, target in TARGETS.items():
        threshold = tune(pair.train, target)
        if served(pair.train, threshold)[1] >= 1:
            threshold = np.inf  # the strong model alone is cheaper, and no worse
        quality, found[key] = served(pair.test, threshold)
        found["quality"] = quality
        found["broken_promises"] = float(quality < target * pair.test.strong.mean() - 1e-12)
    return found


def ranked(line: frontier.Curve) -> Keys:
    """The measures of a curve on the test split; `quality` is the mean success with half of the calls strong."""
    found = blank()
    if line.quality[-1] > line.quality[0]:
        found.update(apgr=frontier.apgr(line), cpt50=frontier.cpt(line, 0.5), cpt80=frontier.cpt(line, 0.8))
    for key, target in TARGETS.items():
        found[key] = frontier.cost_at(line, target)
    found["quality"] = frontier.quality_at(line, 0.5)
    return found


def by_gain(rows: Rows, gain: Floats) -> Keys:
    """A cascade that escalates by an expected gain, (n,)."""
    models = _models(rows, cascade=True)
    return ranked(frontier.curve(models, gain))


def doubt(rows: Rows) -> Floats:
    """Confidence negated; an answer that shows none is doubted most."""
    finite = np.isfinite(rows.confidence)
    found: Floats = -np.where(finite, rows.confidence, rows.confidence[finite].min(initial=0.0) - 1)
    return found


def single(rows: Rows, strong: bool) -> Keys:
    """One model for all; its cost where it reaches the target."""
    found = blank()
    quality, cost = (rows.strong.mean(), 1.0) if strong else (rows.cheap.mean(), _cheap_share(rows))
    found["quality"] = float(quality)
    found["apgr"] = 1.0 if strong else 0.0
    for key, target in TARGETS.items():
        found[key] = cost if quality >= target * rows.strong.mean() else None
    return found


def measured(pair: Pair) -> dict[str, Keys]:
    """Every method that needs nothing but confidence."""
    rows = pair.test
    before = _models(rows, cascade=False)
    return {
        "always_cheap": single(rows, strong=False),
        "always_strong": single(rows, strong=True),
        "random_mix": ranked(frontier.random_mix(before)),
        "oracle": ranked(frontier.oracle(before)),
        "confidence": by_gain(rows, doubt(rows)),
        "naive": tuned(pair, naive),
        "guaranteed": tuned(pair, guaranteed),
    }


def _cheap_share(rows: Rows) -> float:
    return float(rows.cheap_cost.sum() / rows.strong_cost.sum())


def _models(rows: Rows, cascade: bool) -> frontier.Pair:
    return frontier.pair(
        rows.cheap, rows.strong, cheap_cost=rows.cheap_cost, strong_cost=rows.strong_cost, cascade=cascade
    )
