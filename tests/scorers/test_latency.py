"""`latency`: in time."""

from typing import Any

import pytest
from tests.scorers.judging import expecting

from weighbridge.errors import UsageError
from weighbridge.scorers.latency import LatencyLimit, Settings
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer, Latency


def timed(latency: Latency | None, **limits: float | str) -> Score:
    return LatencyLimit("it", Settings(**limits)).score(expecting(), Answer(text="x", latency=latency))


def test_each_limit_that_is_set_must_be_met() -> None:
    took = Latency(total=2.0, ttft=0.4)
    assert timed(took, ttft=0.4, total=2.0).passed is True
    assert timed(took, total=2.0).passed is True
    score = timed(took, ttft=0.3, total=1.5)
    assert (score.value, score.passed) == (0.0, False)
    assert score.explanation == "ttft 0.400 s, at most 0.3 s wanted; total 2.000 s, at most 1.5 s wanted"


def test_limits_are_written_with_the_units_of_the_configuration() -> None:
    took = Latency(total=2.0, ttft=0.4)
    for limit in ("400ms", "0.4s", "0.4 s", 0.4, "1m"):
        assert timed(took, ttft=limit).passed is True
    assert timed(took, total="1999ms").passed is False


def test_what_was_not_measured_cannot_be_judged() -> None:
    """inspect_ai#4286: a reply that was not streamed has no time to first token, which is neither fast nor slow."""
    assert timed(Latency(total=2.0), ttft=0.5).value is None
    assert timed(None, total=1).value is None
    assert timed(Latency(total=2.0), ttft=0.5, total=5).value is None


def test_one_limit_broken_is_enough_whatever_the_other_would_say() -> None:
    assert timed(Latency(total=2.0), ttft=0.5, total=1).passed is False


@pytest.mark.parametrize(
    "limits", [{}, {"ttft": 0}, {"total": -1}, {"total": "6"}, {"total": "soon"}, {"total": float("inf")}]
)
def test_limits_that_cannot_judge_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="scorer it"):
        timed(None, **limits)
