"""Whether a threshold keeps its promise, where the truth is known: a pair's rows are the population, and calibration
sets are drawn from it with replacement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _cascade_data import Floats, Pair, Rows
from weighbridge.stats.guarantees import most_losses

ALPHAS = (0.02, 0.05)
DELTA = 0.1
SIZE = 500

Draws = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Ladder:
    """The population in the order of falling confidence, and where each threshold ends: `ends` (k,) counts the kept
    rows, from none to all. At each: the share lost, mean success, and mean cost as a share of the strong model's.
    Where nothing is kept, the strong model is asked at once."""

    order: Indices
    ends: Indices
    lost: Floats
    gain: Floats
    risk: Floats
    quality: Floats
    cost: Floats

    def at(self, per_row: Draws) -> Draws:
        """(sets, n) values in this order, summed up to each threshold: (sets, k)."""
        sums = np.cumsum(per_row, axis=1, dtype=np.float32)
        none = np.zeros((len(per_row), 1), dtype=np.float32)
        found: Draws = np.concatenate([none, sums[:, self.ends[1:] - 1]], axis=1)
        return found


def ladder(rows: Rows) -> Ladder:
    order = np.argsort(-rows.confidence, kind="stable")
    falling = rows.confidence[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    last = last[np.isfinite(falling[last])]  # an answer without confidence is never kept
    ends = np.concatenate(([0], last + 1))
    lost, gain = rows.loss[order].astype(np.float64), rows.gain[order]
    n = len(rows)
    escalated = rows.strong_cost.sum() - _upto(rows.strong_cost[order], ends)
    cost = (rows.cheap_cost.sum() + escalated) / rows.strong_cost.sum()
    cost[0] = 1.0
    quality = rows.strong.mean() - _upto(gain, ends) / n
    return Ladder(order, ends, lost, gain, _upto(lost, ends) / n, quality, cost)


def _upto(values: Floats, ends: Indices) -> Floats:
    found: Floats = np.concatenate(([0.0], np.cumsum(values)))[ends]
    return found


def draws(population: int, n: int, sets: int, seed: int) -> Draws:
    """(sets, population): how often each row was drawn into each set of n."""
    random = np.random.default_rng(seed)
    counts = [np.bincount(random.integers(population, size=n), minlength=population) for _ in range(sets)]
    return np.stack(counts).astype(np.float32)


def last_within(counts: Draws, most: NDArray[Any] | float) -> Indices:
    """(sets,): the last threshold whose rising count, of (sets, k), is within `most`."""
    within = counts <= np.reshape(np.asarray(most), (-1, 1))
    found: Indices = within.sum(axis=1) - 1
    return found


def risks(pair: Pair, drawn: Draws) -> dict[str, dict[str, Any]]:
    """For each alpha and way of tuning: the share of sets whose threshold has a true risk above alpha, and the mean
    cost saved against always asking the strong model. A `guaranteed` threshold that cannot be shown keeps nothing, and
    either way the strong model is asked straight away where the set says that this is cheaper."""
    rows = pair.everything
    rungs, n = ladder(rows), round(float(drawn[0].sum()))
    ordered = drawn[:, rungs.order]
    counts = rungs.at(ordered * rungs.lost.astype(np.float32))
    spared = rungs.at(ordered * rows.strong_cost[rungs.order].astype(np.float32))
    worth = spared > (ordered @ rows.cheap_cost[rungs.order].astype(np.float32))[:, None]
    found: dict[str, dict[str, Any]] = {}
    for alpha in ALPHAS:
        most = {"guaranteed": most_losses(n, alpha, DELTA), "naive": math.floor(alpha * n + 1e-9)}
        found[f"{alpha:g}"] = {
            way: _outcome(rungs, np.maximum(0, last_within(counts, limit)), worth, alpha) for way, limit in most.items()
        }
    return found


def _outcome(rungs: Ladder, chosen: Indices, worth: NDArray[np.bool_], alpha: float) -> dict[str, float]:
    broken = rungs.risk[chosen] > alpha + 1e-12
    used = np.where(worth[np.arange(len(chosen)), chosen], chosen, 0)
    return {"broken": float(broken.mean()), "saved": float(1 - rungs.cost[used].mean())}


def allowed(sets: int) -> float:
    """The most broken promises that delta explains: three binomial standard errors above it."""
    return DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / sets)


def broken_quality(pair: Pair, drawn: Draws, target: float) -> dict[str, float]:
    """The share of sets whose threshold, tuned for `target` times the strong model's quality, misses it in truth."""
    rows = pair.everything
    rungs = ladder(rows)
    ordered = drawn[:, rungs.order]
    strong = ordered @ rows.strong[rungs.order].astype(np.float32)
    n = round(float(drawn[0].sum()))
    lost = rungs.at(ordered * rungs.lost.astype(np.float32))
    gain = rungs.at(ordered * rungs.gain.astype(np.float32))
    meets = gain <= ((1 - target) * strong + 1e-3)[:, None]
    most = [most_losses(n, alpha_for(float(one) / n, target), DELTA) for one in strong]
    chosen = {
        "naive": meets.shape[1] - 1 - np.argmax(meets[:, ::-1], axis=1),
        "guaranteed": np.maximum(0, last_within(lost, np.array(most))),
    }
    wanted = target * rungs.quality[0] - 1e-12
    return {way: float((rungs.quality[index] < wanted).mean()) for way, index in chosen.items()}


def alpha_for(strong: float, target: float) -> float:
    """The risk that leaves `target` times the strong model's success: what the cheap one gains on top is a bonus."""
    return max((1 - target) * strong, 1e-6)
