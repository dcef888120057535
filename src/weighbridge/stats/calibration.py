"""Whether a stated probability is kept, and how to mend it: isotonic and Platt calibration, reliability, AUROC."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weighbridge.stats import logistic
from weighbridge.stats.estimate import (
    Estimate,
    Floats,
    checked,
    checked_level,
    checked_passes,
    checked_shares,
    checked_weights,
    same_length,
)
from weighbridge.stats.proportions import wilson
from weighbridge.stats.special import normal_ppf


class Knots(NamedTuple):
    """A calibration curve: straight lines between the points, `x` (k,) rising, `y` (k,) never falling; flat beyond."""

    x: Floats
    y: Floats


class Bin(NamedTuple):
    """Of the answers whose stated probability falls here: its mean, and the share that was right. `right.n` of them."""

    stated: float
    right: Estimate


def isotonic(scores: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> Knots:
    """The rising curve nearest to `y` in (weighted) squares, by pooling adjacent violators (Ayer et al. 1955; as a
    calibration: Zadrozny and Elkan 2002). `scores` (n,) and `y` (n,) in [0, 1]; equal scores are pooled first. Each
    pool gives its two ends as knots. Observations of weight 0 are left out."""
    score, right = checked(scores, "scores"), checked_shares(y, "y")
    same_length(scores=score, y=right)
    weight = checked_weights(weights, len(score))
    score, right, weight = score[weight > 0], right[weight > 0], weight[weight > 0]
    x, where = np.unique(score, return_inverse=True)
    mass = np.bincount(where, weights=weight)
    ends, level = _pools(np.bincount(where, weights=weight * right).tolist(), mass.tolist())
    starts = np.concatenate([[0], ends[:-1] + 1])
    knots = np.column_stack([starts, ends]).ravel()
    values = np.repeat(np.clip(level, 0.0, 1.0), 2)
    kept = np.concatenate([[True], knots[1:] != knots[:-1]])
    return Knots(x[knots[kept]], values[kept])


def _pools(sums: list[float], mass: list[float]) -> tuple[NDArray[np.intp], Floats]:
    """Last index and mean of each pool: a stack, where a new value falls in with those before it that are no less."""
    ends: list[int] = []
    tops: list[float] = []
    masses: list[float] = []
    for index, top in enumerate(sums):
        total, heavy = top, mass[index]
        while ends and tops[-1] * heavy >= total * masses[-1]:
            ends.pop()
            total += tops.pop()
            heavy += masses.pop()
        ends.append(index)
        tops.append(total)
        masses.append(heavy)
    return np.array(ends, dtype=np.intp), np.array(tops) / np.array(masses)


def apply(knots: tuple[ArrayLike, ArrayLike], scores: ArrayLike) -> Floats:
    """The curve at each of `scores` (n,). Raises ValueError for NaN, and for knots that do not rise in x."""
    x, y = checked(knots[0], "x of the knots"), checked(knots[1], "y of the knots")
    same_length(x=x, y=y)
    if (np.diff(x) <= 0).any():
        raise ValueError("the knots must rise in x")
    found: Floats = np.interp(checked(scores, "scores", finite=False), x, y)
    return found


def platt(scores: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """(a, b) with P(right) = sigmoid(a · score + b), by maximum likelihood on Platt's smoothed targets
    (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2) (Platt 1999, "Probabilistic outputs for support vector machines"), which keep it
    finite where scores separate the classes. `y` is 0 or 1. Raises ValueError for one class only."""
    score, right = checked(scores, "scores"), checked_passes(y, "y")
    same_length(scores=score, y=right)
    above, below = _both(right)
    target = np.where(right, (above + 1) / (above + 2), 1 / (below + 2))
    model = logistic.fit(score[:, None], target, penalty=1e-9)
    a = float(model.weights[0] / model.scale[0])
    return a, model.bias - a * float(model.center[0])


def reliability(p: ArrayLike, y: ArrayLike, bins: int = 10, level: float = 0.95) -> list[Bin]:
    """The reliability diagram: up to `bins` bins of equal mass, from the lowest stated probability up, each with
    Wilson's interval. `p` and `y` are (n,) in [0, 1]. Equal probabilities share a bin, so there may be fewer."""
    stated, right = _stated(p, y)
    where = _binned(stated, bins)
    found = []
    for number in np.unique(where).tolist():
        inside = where == number
        count = int(inside.sum())
        hits = min(float(count), float(right[inside].sum()))
        found.append(Bin(float(stated[inside].mean()), wilson(hits, count, level)))
    return found


def ece(
    p: ArrayLike, y: ArrayLike, bins: int = 10, *, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Estimate:
    """Expected calibration error over bins of equal mass: Σ (n_b / n) · |mean p − mean y| (Naeini et al. 2015, with the
    bins of Nguyen and O'Connor 2015).

    Noise alone makes it positive, by about a third of √(bins / n). By the triangle inequality it is never farther from
    the true error over these bins than the mean size of the noise in them, Σ (n_b / n) · |noise_b|; so the interval
    goes either way by the quantile at `level` of that, by the multiplier bootstrap (normal multipliers, so that a bin's
    noise is one normal draw): about exact for a true error of 0, wide of it for others.
    """
    stated, right = _stated(p, y)
    where = _binned(stated, bins)
    apart = stated - right
    count = np.bincount(where, minlength=bins)
    gap = np.bincount(where, weights=apart, minlength=bins)
    squares = np.bincount(where, weights=np.square(apart - (gap / np.maximum(count, 1))[where]), minlength=bins)
    # One observation shows no spread: the widest that a value in [0, 1] can have stands in for it.
    spread = np.where(count > 1, squares / np.maximum(count - 1, 1), 0.25 * (count > 0))
    noise = np.abs(np.random.default_rng(seed).normal(size=(draws, bins))) @ np.sqrt(count * spread) / len(stated)
    value, reach = float(np.abs(gap).sum() / len(stated)), float(np.quantile(noise, checked_level(level)))
    low, high = max(0.0, value - reach), min(1.0, value + reach)
    return Estimate(value, low, high, len(stated), level, "multiplier bootstrap")


def brier(p: ArrayLike, y: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of (p − y)² (Brier 1950), with the normal interval of a mean, kept inside [0, 1]. One observation gives an
    interval without bounds but these."""
    stated, right = _stated(p, y)
    squares = np.square(stated - right)
    value, n = float(squares.mean()), len(squares)
    if n == 1:
        return Estimate(value, 0.0, 1.0, n, level, "normal")
    half = normal_ppf(0.5 + checked_level(level) / 2) * float(squares.std(ddof=1)) / math.sqrt(n)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), n, level, "normal")


def auroc(scores: ArrayLike, y: ArrayLike, level: float = 0.95) -> Estimate:
    """P(a right answer scores higher than a wrong one), ties counting half, with DeLong's variance (DeLong, DeLong and
    Clarke-Pearson 1988) by mid-ranks in O(n log n) (Sun and Xu 2014); the interval is taken on the logit scale (Pepe
    2003), where it stays inside (0, 1).

    `scores` (n,), `y` (n,) 0 or 1. Raises ValueError for one class only. Where the variance cannot be told (no overlap,
    all scores equal, one observation of a class) the interval is Wilson's of as many pairs as the smaller class has.
    """
    score, right = checked(scores, "scores", finite=False), checked_passes(y, "y")
    same_length(scores=score, y=right)
    above, below = _both(right)
    over = _midranks(score)
    # How much of the other class each observation stands above (or, for the wrong ones, below).
    beats = (over[right] - _midranks(score[right])) / below
    loses = 1 - (over[~right] - _midranks(score[~right])) / above
    value = float(beats.mean())
    smaller = min(above, below)
    spread = float(beats.var(ddof=1) / above + loses.var(ddof=1) / below) if smaller > 1 else 0.0
    if spread < 1e-20 or not 0 < value < 1:
        found = wilson(min(1.0, value) * smaller, smaller, level)
        return Estimate(value, found.low, found.high, len(score), level, "Wilson on pairs")
    half = normal_ppf(0.5 + checked_level(level) / 2) * math.sqrt(spread) / (value * (1 - value))
    centre = math.log(value) - math.log1p(-value)
    low, high = logistic.sigmoid([centre - half, centre + half]).tolist()
    return Estimate(value, low, high, len(score), level, "DeLong (logit)")


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing their mean rank."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[where]
    return ranks


def _binned(stated: Floats, bins: int) -> NDArray[np.intp]:
    """The bin 0…bins-1 of each, by its mid-rank: of equal mass as far as equal values, which stay together, allow."""
    if bins < 1:
        raise ValueError(f"the number of bins must be positive, not {bins}")
    return ((_midranks(stated) - 0.5) * bins / len(stated)).astype(np.intp)


def _stated(p: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    stated, right = checked_shares(p, "p"), checked_shares(y, "y")
    same_length(p=stated, y=right)
    return stated, right


def _both(right: NDArray[np.bool_]) -> tuple[int, int]:
    """How many are right and how many wrong. Raises ValueError where there are none of either."""
    above = int(right.sum())
    if above in {0, len(right)}:
        raise ValueError(f"y holds one class only (all {int(above > 0)}): there is nothing to tell apart")
    return above, len(right) - above
