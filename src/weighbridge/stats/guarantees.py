"""Promises that hold with probability 1 - delta: of a share, of a bounded mean, of a quantile.

A promise is a null hypothesis refuted: "the risk is above alpha" is rejected by an exact test at delta, so that what is
accepted is wrong in at most delta of all data sets that could have been drawn. The data must be drawn independently
from the traffic the promise is for, and nothing that the promise is about may have been fitted on it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import Floats, checked, checked_level, checked_passes
from weighbridge.stats.special import beta_ppf, binomial_cdf

_MOST_OF_THE_WEALTH = 0.9
_SEED = 20_101_052  # any number that was chosen before the data


class TooFewError(ValueError):
    """With so few observations no outcome at all would refute the null: `needed` are the fewest that could."""

    def __init__(self, n: int, needed: int, alpha: float, delta: float) -> None:
        super().__init__(
            f"{n} observations cannot show a risk of at most {alpha:g} with confidence {1 - delta:g}: "
            f"it takes at least {needed}, even if none of them is a loss"
        )
        self.n = n
        self.needed = needed


class Kept(NamedTuple):
    """Answers of confidence >= `threshold` are kept: `share` of the `n` calibration samples, `losses` of them a loss.
    `risk` is what the risk is at most, with confidence 1 - delta: never above the alpha asked for."""

    threshold: float
    share: float
    losses: int
    n: int
    risk: float


class Limit(NamedTuple):
    """Whether a quantile is at most a limit: `p` is the exact test's p-value, `over` of the `n` observations lay above
    the limit, and `upper` is the lowest limit that would have held; infinite where none would."""

    holds: bool
    p: float
    over: int
    n: int
    upper: float


def least_samples(alpha: float, delta: float) -> int:
    """The fewest samples by which a risk of at most alpha can be shown: without a single loss, (1 - alpha)^n <= delta.
    Raises ValueError unless both lie between 0 and 1."""
    _check(alpha=alpha, delta=delta)
    n = max(1, math.ceil(math.log(1.0 / delta) / -math.log1p(-alpha)))
    # The logarithms may be off by the last bit just where n is whole.
    return n - 1 if n > 1 and binomial_cdf(0, n - 1, alpha) <= delta else n


@lru_cache(maxsize=4096)
def most_losses(n: int, alpha: float, delta: float) -> int:
    """The most losses in n with which "the risk is above alpha" is still rejected at delta: the largest count with
    P(Bin(n, alpha) <= count) <= delta; -1 where there is none."""
    _check(alpha=alpha, delta=delta)
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_cdf(middle, n, alpha) <= delta:
            low = middle
        else:
            high = middle
    return low


def shared(delta: float, k: int) -> float:
    """What each of k promises made together may fail with, so that all hold with probability 1 - delta (Bonferroni)."""
    if k < 1:
        raise ValueError(f"there must be at least one promise, not {k}")
    _check(delta=delta)
    return delta / k


def fixed_sequence(losses_at: ArrayLike, alpha: float, delta: float) -> int | None:
    """Which of k thresholds, the safest first, is the last that has a risk of at most alpha; None where not even the
    first can be shown to have.

    `losses_at` is (k, n) of 0 and 1: the loss of each sample at each threshold; neither the thresholds nor their order
    may come from these losses. Learn-then-Test by fixed sequence testing (Angelopoulos, Bates, Candès, Jordan and Lei
    2021, arXiv 2110.01052, section 3): each threshold is tested at the whole delta, by the exact binomial p-value
    P(Bin(n, alpha) <= losses), until the first that fails. Raises `TooFewError` where n is too small to show anything.
    """
    losses = np.asarray(losses_at, dtype=np.float64)
    if losses.ndim != 2 or losses.size == 0:
        raise ValueError(f"losses must have the shape (thresholds, samples), not {losses.shape}")
    if not np.isin(losses, (0.0, 1.0)).all():
        raise ValueError("losses must be 0 or 1")
    n = losses.shape[1]
    most = _most_or_refuse(n, alpha, delta)
    fails = np.flatnonzero(losses.sum(axis=1) > most)
    accepted = int(fails[0]) if fails.size else len(losses)
    return accepted - 1 if accepted else None


def keep_threshold(confidence: ArrayLike, loss: ArrayLike, alpha: float, delta: float) -> Kept | None:
    """The lowest confidence at which answers can be kept so that, with probability 1 - delta over the samples drawn,
    P(confidence >= threshold and loss) <= alpha for a new one; None where nothing can be kept.

    `confidence` is (n,): NaN where there is none, and such an answer is never kept. `loss` is (n,) of 0 and 1: the
    cheap answer was wrong and the strong one right, say. Equal confidences are kept or not kept together.

    Fixed sequence testing as in `fixed_sequence`, from infinity down, with every real number a candidate: so none is
    chosen by the data. That is sound without a grid because both the losses counted and the true risk only grow as the
    threshold falls. Let t be the highest threshold at which the risk reaches alpha; whatever is accepted below it
    implies that t was accepted too, which has probability <= delta. Raises `TooFewError` where n is too small.
    """
    losses = checked_passes(loss, "loss")
    scores = np.asarray(confidence, dtype=np.float64)
    if scores.shape != losses.shape:
        raise ValueError(f"confidence must have the shape {losses.shape}, not {scores.shape}")
    n = len(losses)
    most = _most_or_refuse(n, alpha, delta)
    known = ~np.isnan(scores)
    values, groups = np.unique(-scores[known], return_inverse=True)
    counts = np.cumsum(np.bincount(groups, losses[known], minlength=len(values)))
    accepted = int(np.searchsorted(counts, most, side="right"))
    if not accepted:
        return None
    threshold, lost = float(-values[accepted - 1]), round(float(counts[accepted - 1]))
    return Kept(threshold, float(np.mean(scores >= threshold)), lost, n, share_at_most(lost, n, delta))


def share_at_most(count: int, n: int, delta: float) -> float:
    """What a share is at most, with confidence 1 - delta: the one-sided exact bound (Clopper and Pearson 1934)."""
    if not 0 <= count <= n or n < 1:
        raise ValueError(f"{count} of {n} cannot be")
    return 1.0 if count == n else beta_ppf(checked_level(1.0 - delta), count + 1, n - count)


def mean_at_most(values: ArrayLike, bound: float, level: float = 0.95) -> float:
    """What the mean is at most, with confidence `level`, of values that lie in [0, bound].

    `values` is (n,), drawn independently; `bound` is known beforehand, in the same unit. Waudby-Smith and Ramdas 2024
    ("Estimating means of bounded random variables by betting", arXiv 2010.09686, section 4): a gambler bets against
    "the mean is at least m" on each value in turn, by what the values before it say; a fair game makes him 1/(1-level)
    times richer with probability 1 - level at most (Ville), so an m at which he gets that rich is ruled out. The order
    is drawn with a fixed seed, since values often come sorted. It adapts to the variance, as Hoeffding's bound does
    not. Raises ValueError where a value lies outside [0, bound].
    """
    array = checked(values)
    if not 0.0 < bound < math.inf:
        raise ValueError(f"the bound must be positive and finite, not {bound}")
    if array.min() < 0.0 or array.max() > bound:
        raise ValueError(f"values must lie between 0 and the bound {bound:g}, not {array.min():g} to {array.max():g}")
    log_needed = -math.log1p(-checked_level(level))
    scaled = np.random.default_rng(_SEED).permutation(array / bound)
    bets = _bets(scaled, log_needed)
    low, high = float(scaled.mean()), 1.0
    if not _ruled_out(scaled, bets, high, log_needed):
        return bound
    for _ in range(40):
        middle = 0.5 * (low + high)
        if _ruled_out(scaled, bets, middle, log_needed):
            high = middle
        else:
            low = middle
    return high * bound


def _bets(scaled: Floats, log_needed: float) -> Floats:
    """The stake on each value, from those before it: √(2·ln(1/delta)/(n·variance so far)), equation (26) of the paper
    for a fixed n, with its priors of mean 1/2 and variance 1/4."""
    n = len(scaled)
    seen = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(scaled)) / (seen + 1)
    variances = (0.25 + np.cumsum(np.square(scaled - means))) / (seen + 1)
    before = np.concatenate(([0.25], variances[:-1]))
    bets: Floats = np.sqrt(2.0 * log_needed / (n * before))
    return bets


def _ruled_out(scaled: Floats, bets: Floats, mean: float, log_needed: float) -> bool:
    """Whether the wealth ever reached what rules out "the mean is at least `mean`". It only grows with `mean`."""
    most = _MOST_OF_THE_WEALTH / max(1.0 - mean, 1e-300)
    wealth = np.cumsum(np.log1p(np.minimum(bets, most) * (mean - scaled)))
    return bool(wealth.max() >= log_needed)


def quantile_at_most(seconds: ArrayLike, q: float, limit: float, delta: float) -> Limit:
    """Whether the q-quantile is at most `limit`, wrongly said with probability delta at most.

    `seconds` is (n,), drawn independently; what never came is infinite. Exact: the quantile is above the limit only
    where P(above the limit) > 1 - q, which is rejected by the binomial test P(Bin(n, 1 - q) <= over) <= delta (David
    and Nagaraja, Order Statistics, 2003, section 7.1). Too few observations never hold, whatever they are.
    """
    array = checked(seconds, "seconds", finite=False)
    if math.isnan(limit):
        raise ValueError("the limit is not a number")
    alpha = 1.0 - q
    _check(alpha=alpha, delta=delta)
    n, over = len(array), int((array > limit).sum())
    most = most_losses(n, alpha, delta)
    upper = float(np.sort(array)[n - 1 - most]) if most >= 0 else math.inf
    return Limit(over <= most, binomial_cdf(over, n, alpha), over, n, upper)


def _most_or_refuse(n: int, alpha: float, delta: float) -> int:
    most = most_losses(n, alpha, delta)
    if most < 0:
        raise TooFewError(n, least_samples(alpha, delta), alpha, delta)
    return most


def _check(**shares: float) -> None:
    for name, value in shares.items():
        if not 0.0 < value < 1.0:
            raise ValueError(f"{name} must lie between 0 and 1, not {value}")
