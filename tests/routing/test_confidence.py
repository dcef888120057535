"""P(right) as a policy's file says, whatever signals there are."""

from __future__ import annotations

from math import exp, inf, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.routing.confidence import on_curve, right, sigmoid
from weighbridge.routing.document import Confidence, Curve

BLIND = Confidence(signals=("length",), center=(2.0,), scale=(1.0,), weights=(-1.0,), bias=0.0)
SEEING = Confidence(
    signals=("min_logprob", "length"),
    center=(-1.0, 2.0),
    scale=(0.5, 1.0),
    weights=(1.5, -0.2),
    bias=0.3,
    curve=Curve(x=(0.2, 0.5, 0.9), y=(0.1, 0.4, 1.0)),
    without=BLIND,
)


def test_signals_are_put_together_and_calibrated() -> None:
    """By hand: 0.3 + 1.5 * (-0.5 + 1) / 0.5 - 0.2 * (3 - 2) = 1.6, then the curve."""
    p = 1 / (1 + exp(-1.6))
    assert right(SEEING, {"min_logprob": -0.5, "length": 3.0}) == pytest.approx(0.4 + 0.6 * (p - 0.5) / 0.4)


def test_where_a_signal_is_missing_the_other_fit_speaks() -> None:
    """Without log-probabilities the estimate is a poorer one, and still one."""
    assert right(SEEING, {"length": 2.0}) == pytest.approx(0.5)


@pytest.mark.parametrize("broken", [nan, inf, -inf])
def test_a_signal_that_is_no_number_is_a_missing_one(broken: float) -> None:
    """It is neither certainty nor NaN that comes out: the other fit speaks, and where there is none, nobody."""
    assert right(SEEING, {"min_logprob": broken, "length": 2.0}) == pytest.approx(0.5)
    assert right(BLIND, {"length": broken}) is None


def test_where_nothing_fits_there_is_no_estimate() -> None:
    """So the answer is never kept."""
    assert right(SEEING, {"min_logprob": -0.5}) is None
    assert right(BLIND, {}) is None


@given(st.floats(allow_nan=False))
def test_no_number_of_signals_is_too_large(z: float) -> None:
    """A probability comes out, whatever the weights add up to."""
    assert 0.0 <= sigmoid(z) <= 1.0


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_curve_never_falls(one: float, other: float) -> None:
    """A surer answer is not less likely to be right, and beyond its ends the curve is flat."""
    curve = Curve(x=(0.2, 0.5, 0.9), y=(0.1, 0.4, 1.0))
    low, high = sorted((one, other))
    assert on_curve(curve, low) <= on_curve(curve, high)
    assert isfinite(on_curve(curve, low))
    assert on_curve(curve, 0.0) == 0.1
    assert on_curve(curve, 1.0) == 1.0
