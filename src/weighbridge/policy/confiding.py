"""Confidence in a candidate's answers, fitted: signals put together by logistic regression, then calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from weighbridge.policy.evidence import Results
from weighbridge.routing import document
from weighbridge.routing.confidence import right
from weighbridge.stats import calibration, logistic

Floats = NDArray[np.float64]

LEAST: Final = 30
"""Answers from which a confidence is fitted."""
_ALWAYS: Final = 0.98
"""Share of the answers that must show a signal for it to be one of those that are always there."""
_OFTEN: Final = 0.5


def fit(results: Results, *, seed: int = 0) -> document.Confidence | None:
    """What the signals say of whether an answer is right; None where there are too few answers, they are all right or
    all wrong, or they show nothing.

    The signals most answers show are put together; where one of them is missing later, `without` speaks, which was
    fitted on those that all answers show. The weights' own fit is never calibrated on: the curve (isotonic) and
    the figures come from out-of-fold probabilities.
    """
    answered = results.ok == 1
    names = _shown(results, answered, _OFTEN)
    always = _shown(results, answered, _ALWAYS)
    made = _fitted(results, answered, names, seed)
    if made is None or names == always or not always:
        return made
    return msgspec.structs.replace(made, without=_fitted(results, answered, always, seed))


def probabilities(confidence: document.Confidence, results: Results) -> Floats:
    """P(right) of each answer, (n,): NaN where there is no answer or nothing to tell by. As the gateway would say."""
    rows = len(results.right)
    found = np.full(rows, np.nan)
    for row in range(rows):
        if results.ok[row]:
            said = {name: float(column[row]) for name, column in results.signals.items() if not np.isnan(column[row])}
            p = right(confidence, said)
            found[row] = np.nan if p is None else p
    return found


def _shown(results: Results, answered: NDArray[np.bool_], share: float) -> tuple[str, ...]:
    """Signals that so many answers show, and that are not the same in all of them."""
    kept = []
    for name, column in results.signals.items():
        seen = column[answered]
        there = np.isfinite(seen)
        if there.any() and there.mean() >= share and np.ptp(seen[there]) > 0:
            kept.append(name)
    return tuple(kept)


def _fitted(
    results: Results, answered: NDArray[np.bool_], names: Sequence[str], seed: int
) -> document.Confidence | None:
    if not names:
        return None
    columns = np.column_stack([results.signals[name] for name in names])
    rows = answered & np.isfinite(columns).all(axis=1)
    features, labels = columns[rows], results.right[rows]
    if len(labels) < LEAST or min(labels.sum(), len(labels) - labels.sum()) < 2:
        return None
    model = logistic.fit(features, labels)
    held_out = logistic.cross_fitted(features, labels, seed=seed)
    x, y = calibration.isotonic(held_out, labels)
    return document.Confidence(
        signals=tuple(names),
        center=_listed(model.center),
        scale=_listed(model.scale),
        weights=_listed(model.weights),
        bias=float(model.bias),
        curve=document.Curve(x=_listed(x), y=_listed(y)),
        auroc=round(calibration.auroc(held_out, labels).value, 4),
        ece=round(calibration.ece(held_out, labels).value, 4),
        n=len(labels),
    )


def _listed(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
