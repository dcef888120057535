"""Latency distributions small enough to draw: a few points of each, failures as mass that never arrives."""

from __future__ import annotations

import msgspec
import numpy as np

from weighbridge.evaluation.outcomes import Floats, Outcomes

POINTS = 160


class Distribution(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An empirical distribution function of one candidate's latency.

    `points` are (seconds, share of all `n` requests done by then), rising in both; the last share is 1 less the
    share that failed, which is never reached.
    """

    candidate: str
    points: tuple[tuple[float, float], ...]
    n: int
    failed: int = 0


def distribution(outcomes: Outcomes, which: str) -> Distribution | None:
    """Of `ttft` or `total`; None where nothing was measured (not streamed, or all failed)."""
    seconds: Floats = getattr(outcomes, which)
    seen = np.sort(seconds[~np.isnan(seconds)])
    finite = seen[np.isfinite(seen)]
    if not finite.size:
        return None
    ranks = np.unique(np.linspace(0, finite.size - 1, min(POINTS, finite.size)).round().astype(int))
    points = tuple((round(float(finite[rank]), 6), round(float(rank + 1) / seen.size, 6)) for rank in ranks)
    return Distribution(
        candidate=outcomes.candidate, points=points, n=int(seen.size), failed=int(seen.size - finite.size)
    )
