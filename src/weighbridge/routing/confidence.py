"""From an answer's signals to the probability that it is right, as a policy's file says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from math import exp, isfinite, nan

from weighbridge.routing.document import Confidence, Curve


def right(confidence: Confidence, signals: Mapping[str, float]) -> float | None:
    """P(right); where a signal is missing, as `without` says. None where nothing fits: such an answer is never kept."""
    spoken: Confidence | None = confidence
    while spoken is not None:
        if all(isfinite(signals.get(name, nan)) for name in spoken.signals):
            return _calibrated(spoken, signals)
        spoken = spoken.without
    return None


def _calibrated(confidence: Confidence, signals: Mapping[str, float]) -> float:
    z = confidence.bias
    parts = zip(confidence.signals, confidence.center, confidence.scale, confidence.weights, strict=True)
    for name, center, scale, weight in parts:
        z += weight * (signals[name] - center) / scale
    p = sigmoid(z)
    return p if confidence.curve is None else on_curve(confidence.curve, p)


def sigmoid(z: float) -> float:
    """1 / (1 + e^-z), for any z."""
    if z >= 0:
        return 1.0 / (1.0 + exp(-min(z, 700.0)))
    e = exp(max(z, -700.0))
    return e / (1.0 + e)


def on_curve(curve: Curve, p: float) -> float:
    """Straight lines between the points, flat beyond them."""
    x, y = curve.x, curve.y
    if p <= x[0]:
        return y[0]
    if p >= x[-1]:
        return y[-1]
    place = bisect_right(x, p) - 1
    share = (p - x[place]) / (x[place + 1] - x[place])
    return y[place] + (y[place + 1] - y[place]) * share
