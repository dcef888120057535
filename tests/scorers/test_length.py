"""`length`: neither too short nor too long."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import expecting, judge

from weighbridge.errors import UsageError
from weighbridge.scorers.length import Length, Settings
from weighbridge.wire.answer import Answer, Usage


@pytest.mark.parametrize(
    ("text", "passed", "why"),
    [
        ("ab", False, "2 characters, at least 3 wanted"),
        ("abc", True, "3 characters"),
        ("abcde", True, "5 characters"),
        ("abcdef", False, "6 characters, at most 5 wanted"),
    ],
)
def test_both_limits_are_within(text: str, passed: bool, why: str) -> None:
    score = judge("length", text, min=3, max=5)
    assert (score.value, score.passed, score.explanation) == (float(passed), passed, why)
    assert score.extracted == len(text)


def test_words_are_what_white_space_parts() -> None:
    assert judge("length", " one  two\nthree ", unit="words", min=3, max=3).passed
    assert judge("length", "", unit="words", max=0).passed


def test_tokens_are_those_the_provider_counted() -> None:
    scorer = Length("it", Settings(unit="tokens", max=10))
    assert scorer.score(expecting(), Answer(text="x" * 1000, usage=Usage(output=10))).passed is True
    assert scorer.score(expecting(), Answer(text="x", usage=Usage(output=11))).passed is False
    assert scorer.score(expecting(), Answer(text="x")).value is None


@pytest.mark.parametrize("settings", [{}, {"min": 5, "max": 4}, {"min": -1}, {"max": -1}, {"max": "80"}])
def test_limits_that_cannot_judge_are_refused(settings: dict[str, Any]) -> None:
    """Without a limit every answer would pass; with crossed ones, none."""
    with pytest.raises(UsageError, match="scorer it"):
        judge("length", "", **settings)


@given(st.text(), st.integers(0, 20), st.integers(0, 20))
def test_it_agrees_with_len(text: str, low: int, more: int) -> None:
    assert judge("length", text, min=low, max=low + more).passed is (low <= len(text) <= low + more)
