"""`exact`: equal as a whole."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import judge


@pytest.mark.parametrize("text", ["Paris", "paris.", " **Paris** \n", '"PARIS"'])
def test_the_expected_answer_passes_however_it_is_dressed(text: str) -> None:
    """lm-evaluation-harness#1159: right in substance must not fail on form."""
    score = judge("exact", text, "Paris")
    assert (score.value, score.passed, score.explanation) == (1.0, True, "")


@pytest.mark.parametrize("text", ["It is Paris", "Paris, Texas", "Pari", "", "Paris\nParis"])
def test_more_or_less_than_the_expected_answer_fails(text: str) -> None:
    score = judge("exact", text, "Paris")
    assert (score.value, score.passed) == (0.0, False)
    assert score.explanation == "expected 'Paris'"


def test_any_of_several_expected_answers_will_do() -> None:
    """lm-evaluation-harness#1303: a question may have many right names."""
    assert judge("exact", "USA", "United States", "USA").passed
    assert (
        judge("exact", "us", "United States", "USA", "UK", "FR").explanation
        == "expected 'United States' or 'USA' or 'UK'"
    )


def test_settings_make_case_space_and_punctuation_matter() -> None:
    assert not judge("exact", "paris", "Paris", case=True).passed
    assert not judge("exact", "a  b", "a b", space=True).passed
    assert not judge("exact", "Paris.", "Paris", punctuation=True).passed


def test_numbers_and_bools_are_compared_as_they_are_written() -> None:
    assert judge("exact", "42", 42).passed
    assert judge("exact", "True", True).passed
    assert not judge("exact", "42.0", 42).passed


def test_its_own_expected_takes_the_place_of_the_samples() -> None:
    assert judge("exact", "no", "yes", expected=["no"]).passed
    assert not judge("exact", "yes", "yes", expected=["no"]).passed


def test_punctuation_is_compared_where_there_is_nothing_else() -> None:
    """'?' and '!' once came down to the same empty text, and passed for each other."""
    assert judge("exact", "?", "?").passed
    assert not judge("exact", "!", "?").passed
    assert not judge("exact", "", "?").passed


def test_a_sample_that_expects_nothing_cannot_be_scored() -> None:
    """inspect_ai#4286: that is not a zero."""
    score = judge("exact", "Paris")
    assert (score.value, score.passed) == (None, None)


@given(st.text(), st.text())
def test_strictly_it_agrees_with_equality(one: str, other: str) -> None:
    """With nothing forgiven it is Python's ==, up to the Unicode normal form."""
    strict: dict[str, Any] = {"case": True, "space": True, "punctuation": True}
    equal = unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)
    assert judge("exact", one, other, **strict).passed is equal
    assert judge("exact", one, one).passed
