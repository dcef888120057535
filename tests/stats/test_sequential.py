"""The e-process: however often it is looked at, a promise that holds is called broken at most in a share delta."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.stats import sequential
from weighbridge.stats.sequential import first_broken, log_wealth, started, updated


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=80), st.floats(0.005, 0.9))
def test_one_by_one_is_as_all_at_once(observations: list[bool], p0: float) -> None:
    state = started(p0)
    one_by_one = []
    for each in observations:
        state = updated(state, each)
        one_by_one.append(state.log_wealth)
    assert one_by_one == pytest.approx(log_wealth(observations, p0).tolist())
    assert (state.n, state.failed) == (len(observations), sum(observations))
    assert state.peak == pytest.approx(max(0.0, *one_by_one))


@pytest.mark.parametrize("p0", [0.02, 0.05, 0.3])
@pytest.mark.parametrize("true", ["at", "below"])
def test_looked_at_after_each_of_5000_it_gives_a_false_alarm_in_at_most_delta(p0: float, true: str) -> None:
    rate = p0 if true == "at" else p0 / 2
    random = np.random.default_rng(11)
    alarms = [first_broken(random.random(5000) < rate, p0, 0.1) is not None for _ in range(2000)]
    assert np.mean(alarms) <= 0.1 + 3 * math.sqrt(0.09 / 2000)


def test_the_wealth_is_worth_one_in_expectation_under_the_null() -> None:
    """Exactly, over all 2^12 outcomes; and less where the rate is lower."""
    outcomes = (np.arange(4096)[:, None] >> np.arange(12)) & 1
    wealth = np.exp([log_wealth(outcome, 0.2)[-1] for outcome in outcomes])
    for rate, expected in ((0.2, 1.0), (0.1, 0.9)):
        chances = (rate**outcomes * (1 - rate) ** (1 - outcomes)).prod(axis=1)
        total = float(chances @ wealth)
        assert total == pytest.approx(1.0) if expected == 1.0 else total < expected


def test_a_broken_promise_is_found() -> None:
    """A rate of 10 % where 2 % were promised: in the median within some 150 audits, and nearly always within 500."""
    random = np.random.default_rng(12)
    found = [first_broken(random.random(500) < 0.10, 0.02, 0.05) or 9999 for _ in range(500)]
    assert np.median(found) < 150
    assert np.mean(np.array(found) < 9999) > 0.99


def test_once_broken_stays_broken() -> None:
    state = started(0.05)
    for each in [True] * 4 + [False] * 500:
        state = updated(state, each)
    assert state.log_wealth < 0
    assert state.broken(0.05)
    assert state.p_value == pytest.approx(math.exp(-state.peak))
    assert not started(0.05).broken(0.5)
    assert started(0.05).p_value == 1.0


def test_it_crosses_where_the_wealth_reaches_one_over_delta() -> None:
    observations = [True, False, True, True]
    crossed = int(np.argmax(log_wealth(observations, 0.1) >= math.log(10))) + 1
    assert first_broken(observations, 0.1, 0.1) == crossed == 4
    assert first_broken([False] * 9, 0.1, 0.1) is None


def test_what_makes_no_sense_is_refused() -> None:
    for p0 in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            started(p0)
    with pytest.raises(ValueError, match="delta must lie"):
        started(0.1).broken(0.0)
    with pytest.raises(ValueError, match="delta must lie"):
        first_broken([1], 0.1, 1.0)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        sequential.log_wealth([0.5], 0.1)
