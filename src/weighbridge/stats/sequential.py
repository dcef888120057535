"""A test that may be looked at after every observation, for ever: an e-process against "the rate is at most p0".

The wealth of a gambler who bets, on each observation in turn, that the rate is what the ones before it say. Under the
null it is a non-negative supermartingale that starts at 1, so it ever reaches 1/delta with probability delta at most
(Ville 1939; Ramdas, Grünwald, Vovk and Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference",
arXiv 2210.01948). Plug-in likelihood ratio: Wald 1947, section 10.9.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import Floats, checked_passes


class EProcess(NamedTuple):
    """State after `n` observations, `failed` of them broken: the promise is a rate of at most `p0`, and `log_wealth` is
    the evidence against it. `peak` is its highest so far: a test that has once rejected stays so.

    Few numbers, to be kept and picked up again after a restart."""

    p0: float
    n: int = 0
    failed: int = 0
    log_wealth: float = 0.0
    peak: float = 0.0

    @property
    def p_value(self) -> float:
        """Valid at whatever time it is read: 1/wealth at its highest."""
        return math.exp(-self.peak)

    def broken(self, delta: float) -> bool:
        """Whether the promise is refuted at delta: the wealth has reached 1/delta at some time."""
        if not 0.0 < delta < 1.0:
            raise ValueError(f"delta must lie between 0 and 1, not {delta}")
        return self.peak >= -math.log(delta)


def started(p0: float) -> EProcess:
    """Before any observation. Raises ValueError unless 0 < p0 < 1."""
    if not 0.0 < p0 < 1.0:
        raise ValueError(f"the promised rate must lie between 0 and 1, not {p0}")
    return EProcess(p0)


def updated(state: EProcess, broken: bool) -> EProcess:
    """After one more observation; `broken` where it is one of those whose rate is promised to be low."""
    p0, n, failed, log_wealth, peak = state
    guess = max(p0, (failed + 0.5) / (n + 1))
    log_wealth += math.log(guess / p0) if broken else math.log1p(-guess) - math.log1p(-p0)
    return EProcess(p0, n + 1, failed + broken, log_wealth, max(peak, log_wealth))


def log_wealth(observations: ArrayLike, p0: float) -> Floats:
    """(n,): the log wealth after each of (n,) observations of 0 and 1, as by `updated` from the start.

    The guess before the observation i is max(p0, (k + 1/2)/(i + 1)), where k of the i before it failed: at p0
    nothing is staked, so under the null little is lost. Raises ValueError for other values, or none, or a
    p0 outside (0, 1)."""
    started(p0)
    passes = checked_passes(observations, "observations")
    before = np.arange(len(passes))
    failed: Floats = np.cumsum(passes) - passes.astype(np.float64)
    guess = np.maximum(p0, (failed + 0.5) / (before + 1))
    steps = np.where(passes, np.log(guess / p0), np.log1p(-guess) - math.log1p(-p0))
    wealth: Floats = np.cumsum(steps)
    return wealth


def first_broken(observations: ArrayLike, p0: float, delta: float) -> int | None:
    """After how many observations the promise of a rate of at most p0 was refuted at delta; None where it was not."""
    if not 0.0 < delta < 1.0:
        raise ValueError(f"delta must lie between 0 and 1, not {delta}")
    crossed = np.flatnonzero(log_wealth(observations, p0) >= -math.log(delta))
    return int(crossed[0]) + 1 if crossed.size else None
