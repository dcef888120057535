"""What the functions here give back, and what they refuse to be given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.float64] | NDArray[np.intp] | NDArray[np.bool_]


class Estimate(NamedTuple):
    """`value` with its two-sided interval [`low`, `high`] at confidence `level`, from `n` observations. An end that the
    observations do not bound is infinite."""

    value: float
    low: float
    high: float
    n: int
    level: float
    method: str


def checked(values: ArrayLike, name: str = "values", *, finite: bool = True) -> Floats:
    """A one-dimensional array. Raises ValueError where it is empty, of another shape, or holds NaN."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} is empty")
    if np.isnan(array).any():
        raise ValueError(f"{name} holds NaN: leave out what was not measured, and say how much that was")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} holds infinities")
    return array


def checked_shares(values: ArrayLike, name: str = "values") -> Floats:
    """As `checked`, and every value must lie in [0, 1]."""
    array = checked(values, name)
    if ((array < 0) | (array > 1)).any():
        raise ValueError(f"{name} must lie between 0 and 1")
    return array


def checked_passes(values: ArrayLike, name: str = "passes") -> NDArray[np.bool_]:
    """Pass or fail: 0, 1 or booleans, and nothing between."""
    array = checked(values, name)
    if not np.isin(array, (0.0, 1.0)).all():
        raise ValueError(f"{name} must be 0 or 1: this is for pass or fail, not for values between")
    passed: NDArray[np.bool_] = array == 1.0
    return passed


def same_length(**arrays: Numbers) -> None:
    """Raises ValueError where the arrays named differ in length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"lengths differ: {said}")


def checked_level(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise ValueError(f"a confidence level must lie between 0 and 1, not {level}")
    return level


def groups(labels: ArrayLike | None, n: int) -> NDArray[np.intp]:
    """Cluster labels as numbers 0…G-1; every observation its own cluster where there are none. Raises ValueError for
    another shape than (n,), and where a label is missing: whose cluster that is nobody knows."""
    if labels is None:
        return np.arange(n)
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"clusters must have the shape ({n},), not {array.shape}")
    if (array.dtype == object and any(label is None for label in array)) or (array != array).any():  # noqa: PLR0124 NaN
        raise ValueError("clusters hold a missing label: give each observation without one a label of its own")
    if array.dtype == object:
        array = array.astype(str)
    return np.unique(array, return_inverse=True)[1].reshape(n)


def checked_weights(weights: ArrayLike | None, n: int) -> Floats:
    """Weights of mean 1. Raises ValueError where any is negative or all are zero."""
    if weights is None:
        return np.ones(n)
    array = checked(weights, "weights")
    if array.shape != (n,):
        raise ValueError(f"weights must have the shape ({n},), not {array.shape}")
    if (array < 0).any() or array.sum() == 0:
        raise ValueError("weights must not be negative, nor all be zero")
    scaled: Floats = array * (n / array.sum())
    return scaled
