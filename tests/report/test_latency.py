"""Latency curves: failures stay visible as the part that never arrives."""

from weighbridge.evaluation.distributions import Distribution
from weighbridge.report.latency import latency

FINE = Distribution(candidate="fine", points=((0.1, 0.5), (0.2, 1.0)), n=100)
SHAKY = Distribution(candidate="shaky", points=((0.1, 0.4), (0.3, 0.8)), n=100, failed=20)
PLACES = {"fine": 0, "shaky": 1}


def drawn(*found: Distribution, limit: float | None = None) -> str:
    return latency(found, PLACES, name="ttft", title="time to first token", limit=limit)


def test_failures_are_drawn_as_mass_beyond_every_time() -> None:
    """Issue 2: failures shown as censored mass."""
    assert 'class="censored c1"' in drawn(SHAKY)
    assert "shaky: 100 requests, 20 failed (censored" in drawn(SHAKY)
    assert "censored" not in drawn(FINE)


def test_lines_differ_by_more_than_colour() -> None:
    text = drawn(FINE, SHAKY)
    assert 'class="curve c0 d0"' in text
    assert 'class="curve c1 d1"' in text


def test_a_limit_is_a_line_with_its_number() -> None:
    assert "limit 250 ms" in drawn(FINE, limit=0.25)
    assert "limit" not in drawn(FINE)


def test_nothing_measured_is_nothing_drawn() -> None:
    assert drawn() == ""


def test_a_single_point_is_drawn() -> None:
    assert drawn(Distribution(candidate="fine", points=((0.1, 1.0),), n=1)).startswith("<svg")
