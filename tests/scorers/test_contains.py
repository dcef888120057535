"""`contains`: the expected text is somewhere in the answer."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import judge

from weighbridge.errors import UsageError


def test_the_expected_text_is_found_anywhere() -> None:
    assert judge("contains", "The capital of France is **Paris**.", "paris").passed
    score = judge("contains", "It is Rome.", "Paris", "Lyon")
    assert (score.value, score.explanation) == (0.0, "does not hold 'Paris' or 'Lyon'")
    assert judge("contains", "Lyon", "Paris", "Lyon").extracted == ["Lyon"]


def test_all_asks_for_every_text_and_gives_the_share() -> None:
    score = judge("contains", "red and green", "red", "green", "blue", all=True)
    assert score.value == pytest.approx(2 / 3)
    assert score.passed is False
    assert score.explanation == "does not hold 'blue'"
    assert judge("contains", "blue red green", "red", "green", "blue", all=True).value == 1.0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("There are 10.", "0"),
        ("There are 10.", "1"),
        ("1,000 people", "000"),
        ("It costs 1.5", "5"),
        ("It costs 5.25", "5"),
        ("It is -5 degrees", "5"),
        ("pages 3-5", "5"),
        ("3-5", "-5"),
        ("cannot", "can"),
        ("unhappy", "happy"),
        ("US$5", "$5"),
        ("5 %", "50%"),
        ("café", "caf"),
    ],
)
def test_word_does_not_find_a_part_of_another_word_or_number(text: str, word: str) -> None:
    assert judge("contains", text, word, word=True).passed is False


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("yes,no,maybe", "no"),
        ("a:no.", "no"),
        ("(5)", "5"),
        ("**5**", "5"),
        ("It is 5.", "5"),
        ("5, or 6", "5"),
        ("5 km", "5"),
        ("It costs $5 now", "$5"),
        ("It is -5 degrees", "-5"),
        ("I like C++ best", "C++"),
        ("I like C#.", "C#"),
        ("a well-known fact", "known"),
        ("a 50% rise", "50%"),
        ("value=.5", ".5"),
        ("the New\n York times", "new york"),
    ],
)
def test_word_finds_a_word_between_any_punctuation(text: str, word: str) -> None:
    """A list without spaces (yes,no,maybe) once hid its words."""
    assert judge("contains", text, word, word=True).passed is True


def test_none_names_what_must_not_be_there() -> None:
    score = judge("contains", "As an AI, I say Paris", "Paris", none=["as an ai"])
    assert (score.passed, score.explanation) == (False, "holds 'as an ai'")
    assert judge("contains", "I say Paris", "Paris", none=["as an ai"]).passed
    assert judge("contains", "anything", none=["sorry"]).passed


def test_punctuation_is_found_where_nothing_else_is_expected() -> None:
    """An expected '?' once came down to '', which every answer holds."""
    assert judge("contains", "Really?", "?").passed
    assert not judge("contains", "Really.", "?").passed


def test_an_empty_expected_text_does_not_pass_everything() -> None:
    """inspect_ai#4286: nothing to look for is no score, not a pass and not a zero."""
    assert judge("contains", "anything", "").value is None
    assert judge("contains", "anything", " ", "\n").value is None
    assert judge("contains", "anything").value is None
    with pytest.raises(UsageError, match="every answer holds"):
        judge("contains", "anything", none=[""])


@given(st.text(), st.text(min_size=1), st.text())
def test_strictly_it_agrees_with_pythons_in(before: str, middle: str, after: str) -> None:
    strict: dict[str, Any] = {"case": True, "space": True, "punctuation": True}
    text = before + after
    score = judge("contains", text, middle, **strict)
    if middle.strip():
        assert score.passed is (unicodedata.normalize("NFKC", middle) in unicodedata.normalize("NFKC", text))
    else:
        assert score.passed is None


@given(
    st.lists(st.from_regex(r"[a-z]{1,4}", fullmatch=True), min_size=1, max_size=6),
    st.from_regex(r"[a-z]{1,4}", fullmatch=True),
)
def test_word_agrees_with_splitting_at_spaces(words: list[str], word: str) -> None:
    assert judge("contains", " ".join(words), word, word=True).passed is (word in words)
