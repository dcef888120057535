"""Ridge-penalised logistic regression, against a general optimiser and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from weighbridge.stats import logistic
from weighbridge.stats.estimate import Floats


def _drawn(n: int = 600, seed: int = 0) -> tuple[Floats, Floats]:
    """Columns on very different scales, and labels by a known model of them."""
    dice = np.random.default_rng(seed)
    columns = dice.normal(size=(n, 3)) * [1.0, 200.0, 0.01] + [3.0, -50.0, 0.0]
    chance = logistic.sigmoid(columns[:, 0] - 3 + 0.01 * (columns[:, 1] + 50))
    return columns, (dice.random(n) < chance).astype(float)


def test_without_much_penalty_it_agrees_with_statsmodels() -> None:
    columns, y = _drawn()
    theirs = sm.Logit(y, sm.add_constant(columns)).fit(disp=0)
    ours = logistic.fit(columns, y, penalty=1e-9)
    assert logistic.predict(ours, columns) == pytest.approx(theirs.predict(), abs=1e-7)
    assert ours.weights / ours.scale == pytest.approx(theirs.params[1:], rel=1e-5)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_the_penalised_loss_is_at_its_least(penalty: float) -> None:
    """A quasi-Newton method started elsewhere finds the same weights, with soft labels and uneven weights too."""
    columns, _ = _drawn(80)
    dice = np.random.default_rng(1)
    y, weights = dice.random(80), dice.random(80) + 0.1
    weights *= 80 / weights.sum()
    model = logistic.fit(columns, y, penalty=penalty, weights=weights)
    standard = (columns - model.center) / model.scale

    def loss(at: Floats) -> float:
        z = standard @ at[:3] + at[3]
        return float(weights @ (np.logaddexp(0, z) - y * z) + penalty / 2 * (at[:3] ** 2).sum())

    best = minimize(loss, np.ones(4), tol=1e-10).x
    assert [*model.weights, model.bias] == pytest.approx(best, abs=1e-5)


def test_more_columns_than_rows_give_what_the_same_columns_give_one_by_one() -> None:
    """The short cut through the rows' span: the gradient is zero there, in every one of 200 columns."""
    dice = np.random.default_rng(2)
    columns, y = dice.normal(size=(40, 200)), (np.arange(40) % 2).astype(float)
    model = logistic.fit(columns, y, penalty=2.0)
    standard = (columns - model.center) / model.scale
    slope = standard.T @ (logistic.predict(model, columns) - y) + 2.0 * model.weights
    assert np.abs(slope).max() < 1e-6


def test_separable_labels_stay_finite_and_in_order() -> None:
    x = np.arange(20.0)[:, None]
    for penalty in (1.0, 1e-6):
        model = logistic.fit(x, x[:, 0] >= 10, penalty=penalty)
        p = logistic.predict(model, x)
        assert np.isfinite(model.weights).all()
        assert (np.diff(p) >= 0).all()
        assert p[9] < 0.5 < p[10]


def test_a_constant_column_has_no_weight() -> None:
    columns, y = _drawn()
    model = logistic.fit(np.column_stack([columns, np.full(len(y), 0.1)]), y)
    assert model.weights[3] == 0
    assert model.weights[:3] == pytest.approx(logistic.fit(columns, y).weights)
    only = logistic.fit(np.full((len(y), 1), 7.0), y)
    assert logistic.predict(only, [[7.0], [9.0]]) == pytest.approx([y.mean()] * 2)


def test_no_columns_give_the_mean() -> None:
    model = logistic.fit(np.empty((4, 0)), [1, 0, 0, 0])
    assert logistic.predict(model, np.empty((1, 0))) == pytest.approx([0.25])


def test_a_weight_of_two_is_a_row_twice() -> None:
    """Up to the penalty, which counts against the number of rows."""
    columns, y = _drawn(100)
    times = np.arange(100) % 3
    weighted = logistic.fit(columns, y, weights=times, penalty=1.0)
    repeated = logistic.fit(columns.repeat(times, axis=0), y.repeat(times), penalty=times.sum() / 100)
    assert weighted.weights == pytest.approx(repeated.weights)
    assert weighted.bias == pytest.approx(repeated.bias)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
def test_scale_and_shift_of_a_column_do_not_matter(seed: int, scale: float, shift: float) -> None:
    dice = np.random.default_rng(seed)
    columns = dice.normal(size=(30, 2))
    y = (np.arange(30) % 2).astype(float)
    moved = columns * [scale, 1.0] + [shift * scale, 0.0]
    here, there = logistic.fit(columns, y), logistic.fit(moved, y)
    assert logistic.predict(there, moved) == pytest.approx(logistic.predict(here, columns), abs=1e-6)


def test_sigmoid_is_exact_at_both_ends() -> None:
    assert logistic.sigmoid([-800.0, -700.0, 0.0, 40.0, 800.0]) == pytest.approx([0, np.exp(-700), 0.5, 1, 1], rel=1e-9)


def test_cross_fitting_learns_nothing_from_noise_where_fitting_does() -> None:
    """100 columns of noise on 200 rows: in sample the fit looks good, out of fold it is chance."""
    dice = np.random.default_rng(3)
    columns, y = dice.normal(size=(200, 100)), (np.arange(200) % 2).astype(float)
    inside = logistic.predict(logistic.fit(columns, y), columns)
    outside = logistic.cross_fitted(columns, y)
    assert ((inside > 0.5) == y).mean() > 0.75
    assert 0.38 < ((outside > 0.5) == y).mean() < 0.62


def test_cross_fitted_rows_are_predicted_by_a_model_without_their_fold() -> None:
    columns, y = _drawn(100)
    fold = logistic.assign_folds(y, folds=4, seed=5)
    found = logistic.cross_fitted(columns, y, folds=4, seed=5, penalty=3.0)
    for number in range(4):
        model = logistic.fit(columns[fold != number], y[fold != number], penalty=3.0)
        assert found[fold == number] == pytest.approx(logistic.predict(model, columns[fold == number]))


def test_a_group_that_gives_its_label_away_does_not_when_kept_together() -> None:
    """Each group has a column of its own and one label: it helps only where others of the group were seen."""
    group = np.repeat(np.arange(20), 5)
    columns, y = np.eye(20)[group], (group % 2).astype(float)
    split, together = logistic.cross_fitted(columns, y), logistic.cross_fitted(columns, y, groups=group)
    assert ((split > 0.5) == y).all()
    assert ((together > 0.5) == y).mean() <= 0.5


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=20, max_size=80), st.integers(0, 99))
def test_folds_keep_groups_and_classes(rows: list[tuple[int, bool]], seed: int) -> None:
    """No group is in two folds; without groups each fold has its part of each class, to within one."""
    label, y = [row[0] for row in rows], [float(row[1]) for row in rows]
    alone = logistic.assign_folds(y, folds=4, seed=seed)
    for folds_of in (np.bincount(alone[np.array(y) == side], minlength=4) for side in (0.0, 1.0)):
        assert folds_of.max() - folds_of.min() <= 1
    if len(set(label)) >= 4:
        fold = logistic.assign_folds(y, folds=4, seed=seed, groups=label)
        assert set(fold.tolist()) == {0, 1, 2, 3}
        assert len({(a, b) for a, b in zip(label, fold.tolist(), strict=True)}) == len(set(label))


@pytest.mark.parametrize(
    ("columns", "y", "said"),
    [
        ([[1.0], [np.nan]], [0, 1], "NaN"),
        ([[1.0], [np.inf]], [0, 1], "infinities"),
        ([[1.0], [2.0]], [0, np.nan], "NaN"),
        ([[1.0], [2.0]], [1, 1], "one class only"),
        ([[1.0], [2.0]], [0, 0], "one class only"),
        ([[1.0], [2.0], [3.0]], [0, 1], "lengths differ"),
        ([1.0, 2.0], [0, 1], "shape"),
        ([[1.0], [2.0]], [0, 2], "between 0 and 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(columns: list[list[float]], y: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        logistic.fit(columns, y)


def test_other_wrong_calls_are_refused() -> None:
    columns, y = _drawn(20)
    for penalty in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="penalty"):
            logistic.fit(columns, y, penalty=penalty)
    with pytest.raises(ValueError, match="one class only"):
        logistic.fit(columns, y, weights=y)
    with pytest.raises(ValueError, match="2 columns"):
        logistic.predict(logistic.fit(columns, y), columns[:, :2])
    with pytest.raises(ValueError, match="2 folds or more"):
        logistic.cross_fitted(columns, y, folds=1)
    with pytest.raises(ValueError, match="cannot be dealt out"):
        logistic.cross_fitted(columns, y, groups=np.arange(20) % 3)
    with pytest.raises(ValueError, match="one class only"):
        logistic.cross_fitted(columns, np.eye(20)[0])
