"""`regex`: a pattern of the user's."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import judge

from weighbridge.errors import UsageError


def test_a_match_anywhere_passes_where_nothing_is_captured() -> None:
    assert judge("regex", "Order #A-17 shipped", pattern=r"#[A-Z]-\d+").extracted == "#A-17"
    assert judge("regex", "no order", pattern=r"#[A-Z]-\d+").explanation == "no match"


def test_what_the_group_captures_is_compared_with_what_is_expected() -> None:
    pattern = r"answer is \(?([A-D])"
    assert judge("regex", "The answer is (B).", "B", pattern=pattern).passed
    score = judge("regex", "The answer is (C).", "B", pattern=pattern)
    assert (score.passed, score.extracted, score.explanation) == (False, "C", "expected 'B'")


def test_the_group_named_answer_counts_before_the_first() -> None:
    pattern = r"(Q\d+): (?P<answer>\w+)"
    assert judge("regex", "Q1: yes", "yes", pattern=pattern).extracted == "yes"


def test_in_an_alternation_the_group_that_took_part_counts() -> None:
    pattern = r"#### (\d+)|answer is (\d+)"
    assert judge("regex", "so the answer is 42", "42", pattern=pattern).passed


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"answer:\s*(\d*)", "answer: none"),
        (r"answer is (\d+)|no idea", "no idea"),
        (r"(Q\d): (?P<answer>\w*)", "Q1: "),
    ],
)
def test_a_group_that_captured_nothing_is_not_a_right_answer(pattern: str, text: str) -> None:
    """It once passed, whatever was expected."""
    score = judge("regex", text, "42", pattern=pattern)
    assert (score.value, score.passed) == (0.0, False)


def test_last_takes_the_last_match() -> None:
    """lm-evaluation-harness#3438: reasoning models recite the examples of the prompt before they come to their own
    answer, so the leftmost match is the example's."""
    text = "The example says #### 6. For our question: 3 * 4 = 12.\n#### 12"
    assert not judge("regex", text, "12", pattern=r"#### (\d+)").passed
    assert judge("regex", text, "12", pattern=r"#### (\d+)", take="last").passed


def test_compare_false_asks_only_for_a_match() -> None:
    assert judge("regex", "answer: 7", "42", pattern=r"answer: (\d+)", compare=False).passed


def test_case_matters_only_where_it_is_set() -> None:
    assert judge("regex", "THE ANSWER IS 4", pattern="answer").passed
    assert not judge("regex", "THE ANSWER IS 4", pattern="answer", case=True).passed


@pytest.mark.parametrize("pattern", ["(", "*", "[a", r"(?P<answer>a)(?P<answer>b)", "a{99999999999}"])
def test_a_pattern_that_is_none_is_refused_when_it_is_read(pattern: str) -> None:
    with pytest.raises(UsageError, match="not a regular expression"):
        judge("regex", "", pattern=pattern)


def test_a_pattern_that_backtracks_without_end_cannot_score_and_does_not_hang() -> None:
    """The answer is not wrong: the scorer is, and says so."""
    score = judge("regex", "a" * 5000 + "!", pattern=r"(a+)+$", seconds=0.05)
    assert (score.value, score.passed) == (None, None)
    assert "more than 0.05 s" in score.explanation


@given(st.text(), st.text(min_size=1))
def test_an_escaped_text_is_found_where_python_finds_it(text: str, part: str) -> None:
    assert judge("regex", text, pattern=re.escape(part), case=True).passed is (part in text)
