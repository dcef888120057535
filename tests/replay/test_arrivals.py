"""Arrivals: offsets that rise at the rate asked for."""

from itertools import islice, pairwise

import pytest

from weighbridge.replay.arrivals import Closed, Constant, Open, Poisson, Trace


def test_constant_arrivals_are_evenly_spaced() -> None:
    assert list(islice(Constant(4).offsets(), 4)) == [0.0, 0.25, 0.5, 0.75]


def test_poisson_gaps_have_the_mean_and_spread_of_an_exponential() -> None:
    """Over 20,000 gaps: mean 1/rate within 3 %, standard deviation equal to the mean within 5 %."""
    offsets = list(islice(Poisson(10, seed=1).offsets(), 20_001))
    gaps = [after - before for before, after in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.1, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.05)


def test_poisson_arrivals_are_the_same_for_the_same_seed() -> None:
    assert list(islice(Poisson(3, 7).offsets(), 20)) == list(islice(Poisson(3, 7).offsets(), 20))


def test_a_trace_keeps_its_gaps_scales_and_begins_again() -> None:
    """aiperf#1009: recorded arrivals of production are replayed as they came, or faster."""
    offsets = list(islice(Trace([10.0, 11.0, 14.0], speed=2.0).offsets(), 5))
    assert offsets == [0.0, 0.5, 2.0, 3.0, 3.5]


def test_a_trace_sends_to_every_candidate_at_each_of_its_times() -> None:
    """Each provider gets the load that was recorded."""
    trace = Trace([0.0, 1.0], each=3)
    assert list(islice(trace.offsets(), 8)) == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0]
    assert trace.lap == 2.0


@pytest.mark.parametrize("arrivals", [Constant(9), Poisson(9), Trace([0.0, 0.1])])
def test_offsets_never_go_back(arrivals: Open) -> None:
    offsets = list(islice(arrivals.offsets(), 500))
    assert offsets == sorted(offsets)


def test_arrivals_say_what_they_are() -> None:
    said = [str(arrivals) for arrivals in (Closed(8), Closed(8, 2.0), Constant(4), Poisson(4), Trace([0.0]))]
    assert said == [
        "closed loop, 8 at a time",
        "closed loop, 8 at a time, begun over 2 s",
        "constant, 4/s",
        "Poisson, 4/s",
        "recorded arrivals at 1 × speed",
    ]
