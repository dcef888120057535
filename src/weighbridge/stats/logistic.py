"""Logistic regression with a ridge penalty: from what is seen of an answer to the chance that it is right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weighbridge.stats.estimate import Floats, checked_shares, checked_weights, same_length
from weighbridge.stats.estimate import groups as numbered

_ITERATIONS = 100


class Logistic(NamedTuple):
    """P(y = 1) = sigmoid(bias + Σ weights · (x − center) / scale): `weights`, `center` and `scale` are (d,), weights in
    units of a column's standard deviation. A column that never changed has weight 0 and scale 1."""

    weights: Floats
    bias: float
    center: Floats
    scale: Floats


def sigmoid(z: ArrayLike) -> Floats:
    """1 / (1 + e⁻ᶻ), to full relative precision at both ends and never overflowing."""
    found: Floats = np.exp(-np.logaddexp(0.0, -np.asarray(z, dtype=np.float64)))
    return found


def fit(X: ArrayLike, y: ArrayLike, *, penalty: float = 1.0, weights: ArrayLike | None = None) -> Logistic:  # noqa: N803
    """Minimises Σ wᵢ · logloss(yᵢ, pᵢ) + penalty/2 · ‖weights‖² by Newton's method (iteratively reweighted least
    squares; Hastie, Tibshirani and Friedman, Elements of Statistical Learning, 4.4 and 18.4), the bias unpenalised.

    `X` is (n, d), finite, on any scale: its columns are standardised here. `y` is (n,) in [0, 1]: labels, or shares of
    repeats that were right. `weights` (n,) are scaled to mean 1, so the penalty counts against n observations. As the
    penalty is positive, separable labels have a finite answer too. Raises ValueError for NaN and infinities, unequal
    lengths, labels of one class only, and a penalty that is not positive.
    """
    right = checked_shares(y, "y")
    columns = checked_columns(X)
    same_length(X=columns, y=right)
    weight = checked_weights(weights, len(right))
    if not 0 < penalty < np.inf:
        raise ValueError(f"the penalty must be positive and finite, not {penalty:g}")
    mean = float(np.average(right, weights=weight))
    if not (right[weight > 0] > 0).any() or not (right[weight > 0] < 1).any():
        raise ValueError(f"y holds one class only (all {mean:g}): there is nothing to tell apart")
    center, scale, varies = _scales(columns, weight)
    standard = (columns[:, varies] - center[varies]) / scale[varies]
    found = np.zeros(columns.shape[1])
    found[varies], bias = _wide(standard, right, weight, penalty)
    return Logistic(found, bias, center, scale)


def predict(model: Logistic, X: ArrayLike) -> Floats:  # noqa: N803
    """P(y = 1) of each row of `X` (n, d), as (n,). Raises ValueError for NaN, infinities and another number of
    columns."""
    columns = checked_columns(X)
    if columns.shape[1] != len(model.weights):
        raise ValueError(f"X has {columns.shape[1]} columns, but the model was fitted on {len(model.weights)}")
    return sigmoid(model.bias + ((columns - model.center) / model.scale) @ model.weights)


def cross_fitted(
    X: ArrayLike,  # noqa: N803
    y: ArrayLike,
    *,
    folds: int = 5,
    seed: int = 0,
    groups: ArrayLike | None = None,
    penalty: float = 1.0,
    weights: ArrayLike | None = None,
) -> Floats:
    """P(y = 1) of each row, (n,), from a model that saw neither this row nor any of its group. Raises ValueError as
    `fit` and `assign_folds` do, and where a fold leaves one class only to learn from."""
    right = checked_shares(y, "y")
    columns = checked_columns(X)
    same_length(X=columns, y=right)
    weight = checked_weights(weights, len(right))
    fold = assign_folds(right, folds=folds, seed=seed, groups=groups)
    out = np.empty(len(right))
    for number in range(folds):
        held = fold == number
        model = fit(columns[~held], right[~held], penalty=penalty, weights=weight[~held])
        out[held] = predict(model, columns[held])
    return out


def assign_folds(y: ArrayLike, *, folds: int = 5, seed: int = 0, groups: ArrayLike | None = None) -> NDArray[np.intp]:
    """The fold 0…folds-1 of each observation, (n,). Groups stay together; in the order of their mean `y`, equal ones
    shuffled, they are dealt out in turn, so that each fold has its part of each class. Raises ValueError for fewer
    than 2 folds, or fewer groups than folds."""
    right = checked_shares(y, "y")
    group = numbered(groups, len(right))
    sizes = np.bincount(group)
    if folds < 2:
        raise ValueError(f"cross-fitting needs 2 folds or more, not {folds}")
    if len(sizes) < folds:
        raise ValueError(f"{len(sizes)} groups cannot be dealt out to {folds} folds")
    share = np.bincount(group, weights=right) / sizes
    order = np.lexsort((np.random.default_rng(seed).random(len(sizes)), share))
    dealt = np.empty(len(sizes), dtype=np.intp)
    dealt[order] = np.arange(len(sizes)) % folds
    return dealt[group]


def checked_columns(X: ArrayLike) -> Floats:  # noqa: N803
    """(n, d) floats with n > 0. Raises ValueError for another shape, NaN and infinities."""
    columns = np.asarray(X, dtype=np.float64)
    if columns.ndim != 2 or len(columns) == 0:
        raise ValueError(f"X must be of shape (n, d) with n > 0, not {columns.shape}")
    if not np.isfinite(columns).all():
        raise ValueError("X holds NaN or infinities: leave out or fill in what was not measured")
    return columns


def _scales(columns: Floats, weight: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Weighted mean and standard deviation of each column, and which columns vary at all."""
    center = np.average(columns, axis=0, weights=weight)
    apart = columns - center
    peak = np.abs(apart[weight > 0]).max(axis=0, initial=0.0)
    # Rounding leaves a constant column a spread of some ulps; dividing by the peak keeps squares from overflowing.
    varies = peak > 1e-12 * np.abs(columns).max(axis=0, initial=0.0)
    unit = np.where(varies, peak, 1.0)
    scale = np.where(varies, unit * np.sqrt(np.average(np.square(apart / unit), axis=0, weights=weight)), 1.0)
    return center, scale, varies


def _wide(standard: Floats, y: Floats, weight: Floats, penalty: float) -> tuple[Floats, float]:
    """With more columns than rows the answer lies in the span of the rows (the representer theorem), where the same
    ridge is solved in n unknowns instead of d."""
    n, d = standard.shape
    if d <= n:
        return _newton(standard, y, weight, penalty)
    basis, rows = np.linalg.qr(standard.T)
    inner, bias = _newton(rows.T, y, weight, penalty)
    return basis @ inner, bias


def _newton(rows: Floats, y: Floats, weight: Floats, penalty: float) -> tuple[Floats, float]:
    n, d = rows.shape
    design = np.column_stack([rows, np.ones(n)])
    ridge = np.full(d + 1, penalty)
    ridge[d] = 0.0
    mean = float(np.average(y, weights=weight))
    at = np.zeros(d + 1)
    at[d] = np.log(mean) - np.log1p(-mean)
    loss = _loss(design @ at, y, weight) + 0.5 * float(ridge @ at**2)
    for _ in range(_ITERATIONS):
        p = sigmoid(design @ at)
        slope = design.T @ (weight * (p - y)) + ridge * at
        curved = weight * p * (1 - p)
        bend = (design.T * curved) @ design
        bend[np.diag_indices(d + 1)] += ridge + 1e-12
        step = np.linalg.solve(bend, slope)
        if float(slope @ step) < 1e-14 * (1.0 + loss):
            break
        before = loss
        at, loss = _descend(design, y, weight, ridge, at, step, loss)
        if loss == before:
            break
    return at[:d], float(at[d])


def _descend(
    design: Floats, y: Floats, weight: Floats, ridge: Floats, at: Floats, step: Floats, loss: float
) -> tuple[Floats, float]:
    """The Newton step, halved until the loss no longer rises: far from the answer a whole step may overshoot."""
    size = 1.0
    while size > 1e-8:
        tried = at - size * step
        found = _loss(design @ tried, y, weight) + 0.5 * float(ridge @ tried**2)
        if found <= loss:
            return tried, found
        size /= 2
    return at, loss


def _loss(z: Floats, y: Floats, weight: Floats) -> float:
    return float(weight @ (np.logaddexp(0.0, z) - y * z))
