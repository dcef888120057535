"""`choice`: one label of a set."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import judge

from weighbridge.errors import UsageError


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        "(b)",
        "B.",
        "**B**",
        "B) Paris",
        "B. Paris",
        "(B) Paris, because it is",
        "Answer: B",
        "answer: b",
        "Answer: b.\nBecause A is wrong.",
        "**Answer:** B",
        "**Answer**: (B)",
        "The answer is B.",
        "The answer is: B",
        "The correct answer is option B.",
        "The answer is (B), not (A) or (C).",
        "The answer is $\\boxed{B}$",
        "\\boxed{\\text{(B)}} and A is wrong",
        "I would choose B here.",
        "Option B",
        "First I thought the answer is A. On reflection the answer is B",
        "To answer a question like this: it must be B",
        "Antwort:\n\nAntwort: B",
        "Answer:\n\nAnswer: B",
        "* Muscle tissue (A) is not.\n* Shoot tips (B) are.\n* Leaf veins (C) are not.\nThe answer is (B).",
    ],
)
def test_the_label_is_found_however_it_is_said(text: str) -> None:
    """lm-evaluation-harness#2237 and #2707 (the answer is there, the pattern missed it), simple-evals#33 (the A of
    Antwort or of a second "Answer" taken for a choice; the first of several answers taken for the last)."""
    score = judge("choice", text, "B")
    assert (score.value, score.passed, score.extracted) == (1.0, True, "B")
    assert judge("choice", text, "A").explanation == "expected A"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no label"),
        ("I do not know", "names no label"),
        ("A cat sat on the mat because of B", "names several labels: A, B"),
        ("It could be A or B", "names several labels: A, B"),
        ("Option B is right; option A is wrong", "names several labels: A, B"),
        ("ABCD", "names no label"),
        ("Because", "names no label"),
        ("a bad cat", "names no label"),
        ("answer a question", "names no label"),
    ],
)
def test_no_label_or_several_is_a_failure_that_says_so(text: str, why: str) -> None:
    """Kormedmcqa in lm-evaluation-harness#3842: a letter taken out of any text at all is credit for chance."""
    score = judge("choice", text, "B")
    assert (score.value, score.passed, score.explanation) == (0.0, False, why)


def test_longer_labels_are_found_in_any_case_as_whole_words() -> None:
    labels = ["positive", "negative", "neutral"]
    assert judge("choice", "Sentiment: NEGATIVE", "negative", labels=labels).passed
    assert judge("choice", "This is a positive review.", "Positive", labels=labels).passed
    assert judge("choice", "Seropositive", "positive", labels=labels).explanation == "names no label"
    assert judge("choice", "not positive but negative", "negative", labels=labels).passed is False


def test_a_label_that_begins_another_does_not_hide_it() -> None:
    labels = ["yes", "yes, but", "no"]
    assert judge("choice", "yes, but only on Sundays", "yes, but", labels=labels).passed
    assert judge("choice", "Yes.", "yes", labels=labels).passed


def test_one_letter_beside_longer_labels_is_still_no_article() -> None:
    assert judge("choice", "This is a hard one, so none", "none", labels=["A", "B", "none"]).passed


def test_any_of_several_expected_labels_will_do() -> None:
    assert judge("choice", "C", "B", "C").passed
    assert judge("choice", "A", "C", "B").explanation == "expected B or C"
    assert judge("choice", "A", "B", expected=["A"]).passed


def test_a_sample_that_expects_no_label_cannot_be_scored() -> None:
    """inspect_ai#4286: an answer is not wrong because the sample is."""
    assert judge("choice", "A", "E").explanation == "the sample expects 'E', which is none of the labels"
    assert judge("choice", "A", "E").value is None
    assert judge("choice", "A").value is None
    assert judge("choice", "A", "E", "A").value == 1.0


@pytest.mark.parametrize("labels", [[], ["A"], ["A", "a"], ["A", ""], ["yes", "Yes", "no"]])
def test_labels_that_cannot_be_told_apart_are_refused(labels: list[str]) -> None:
    with pytest.raises(UsageError, match="at least two labels"):
        judge("choice", "A", "A", labels=labels)


@given(
    st.lists(st.text(min_size=1), min_size=2, max_size=5, unique_by=lambda label: label.strip().casefold()), st.data()
)
def test_every_label_by_itself_is_that_choice(labels: list[str], data: Any) -> None:
    """Whatever the labels are: a sign, an emoji, a letter that folds into two."""
    if not all(label.strip() for label in labels):
        return
    label = data.draw(st.sampled_from(labels))
    assert judge("choice", label, label, labels=labels).passed


@given(st.text() | st.text(alphabet="ABCDabcd answer:is()*\n."))
def test_no_text_breaks_it_and_what_is_extracted_was_said(text: str) -> None:
    score = judge("choice", text, "A")
    assert score.value in {0.0, 1.0}
    if isinstance(score.extracted, str):
        assert score.extracted.casefold() in text.casefold()
