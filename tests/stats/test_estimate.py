"""What every function here refuses to be given, in one line that says what is wrong."""

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike

from weighbridge.stats import estimate


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([], "values is empty"),
        ([[1.0, 2.0]], "one-dimensional"),
        ([1.0, math.nan], "holds NaN"),
        ([1.0, None], "holds NaN"),
        ([1.0, math.inf], "holds infinities"),
        (3.0, "one-dimensional"),
    ],
)
def test_values_that_are_no_sample_are_refused(values: ArrayLike, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        estimate.checked(values)


def test_infinities_may_be_asked_for() -> None:
    assert estimate.checked([1.0, math.inf], finite=False).tolist() == [1.0, math.inf]


@pytest.mark.parametrize("values", [[0.0, 1.5], [-0.1]])
def test_a_share_lies_between_0_and_1(values: list[float]) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        estimate.checked_shares(values)


def test_a_half_pass_is_no_pass_and_no_failure() -> None:
    """Means of repeats must not be rounded into pass or fail without a word."""
    assert estimate.checked_passes([True, False]).tolist() == [True, False]
    with pytest.raises(ValueError, match="must be 0 or 1"):
        estimate.checked_passes([0.0, 0.5, 1.0])


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 95.0, math.nan])
def test_a_level_is_a_probability(level: float) -> None:
    with pytest.raises(ValueError, match="confidence level"):
        estimate.checked_level(level)


def test_lengths_that_differ_are_named() -> None:
    with pytest.raises(ValueError, match="lengths differ: cost has 3, success has 2"):
        estimate.same_length(cost=np.zeros(3), success=np.zeros(2))


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [(None, [0, 1, 2]), (["b", "a", "b"], [1, 0, 1]), ([7, 7, 3], [1, 1, 0]), (["x", 2, "x"], [1, 0, 1])],
)
def test_labels_of_any_kind_become_numbers(labels: ArrayLike | None, numbers: list[int]) -> None:
    assert estimate.groups(labels, 3).tolist() == numbers


def test_labels_that_are_objects_become_numbers() -> None:
    assert estimate.groups(np.array(["b", 1, "b"], dtype=object), 3).tolist() == [1, 0, 1]


@pytest.mark.parametrize("labels", [["a", None, "b"], [1.0, math.nan, 2.0]])
def test_a_missing_label_is_refused(labels: ArrayLike) -> None:
    """All that lack one would else be one big conversation."""
    with pytest.raises(ValueError, match="missing label"):
        estimate.groups(labels, 3)


def test_as_many_labels_as_observations() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\), not \(2,\)"):
        estimate.groups(["a", "b"], 3)


def test_weights_are_scaled_to_a_mean_of_one() -> None:
    assert estimate.checked_weights([1, 3], 2).tolist() == [0.5, 1.5]
    assert estimate.checked_weights(None, 2).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("weights", "complaint"), [([1, -1], "negative"), ([0, 0], "all be zero"), ([1], "shape")])
def test_weights_that_weigh_nothing_are_refused(weights: list[float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        estimate.checked_weights(weights, 2)
