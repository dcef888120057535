"""An Estimate says what is known and what lies beyond the time-out."""

import math

import msgspec
import pytest

from weighbridge.evaluation.estimate import Estimate, censored

INF = math.inf


@pytest.mark.parametrize(
    ("numbers", "beyond", "value"),
    [
        ((1.0, 0.5, 2.0), "", 1.0),
        ((1.0, 0.5, INF), "high", 1.0),
        ((INF, 0.5, INF), "value", None),
        ((INF, INF, INF), "low", None),
    ],
)
def test_infinite_ends_become_beyond(numbers: tuple[float, float, float], beyond: str, value: float | None) -> None:
    made = censored(*numbers, n=10, limit=60.0)
    assert (made.beyond, made.value, made.n, made.limit) == (beyond, value, 10, 60.0)
    assert b"null" not in msgspec.json.encode(made)


def test_ends_can_be_compared_with_a_limit() -> None:
    assert censored(1.0, 0.5, INF).upper == INF
    assert censored(INF, INF, INF).lower == INF
    assert Estimate(value=1.0).lower == -INF
    assert censored(1.0, 0.5, 2.0).upper == 2.0


def test_a_value_beyond_the_time_out_is_known_to_be_there() -> None:
    assert censored(INF, 1.0, INF).known
    assert not Estimate(why="the price is unknown").known
