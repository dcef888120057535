"""Bringing texts into one form: what is forgiven, and what never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import expecting

from weighbridge.scorers.text import Normal, answered, expected_texts
from weighbridge.wire.answer import Answer

LOOSE = Normal()
STRICT = Normal(case=True, space=True, punctuation=True)


@pytest.mark.parametrize(
    "text",
    ["Paris", " paris\n", "PARIS.", '"Paris"', "**Paris**", "`Paris`", "“Paris”", "(Paris)!", "\uff30aris", "«Paris»"],
)
def test_case_space_width_and_what_surrounds_a_text_are_forgiven(text: str) -> None:
    assert LOOSE.form(text) == "paris"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5%", "5"),
        ("C#", "C"),
        ("C++", "C"),
        ("-5", "5"),
        ("$5", "5"),
        (".5", "5"),
        ("don't", "dont"),
        ("co-op", "coop"),
        ("a b", "ab"),
        ("naïve", "naive"),
        ("?", "!"),
        ("?", ""),
    ],
)
def test_what_makes_another_word_of_it_is_kept(one: str, other: str) -> None:
    """Signs, currency, per cent, C#, the point of .5, accents; and a text of nothing but punctuation stays itself."""
    assert LOOSE.form(one) != LOOSE.form(other)


def test_each_step_of_forgiveness_can_be_switched_off() -> None:
    assert Normal(case=True).form("Paris.") == "Paris"
    assert Normal(punctuation=True).form(" Paris. ") == "paris."
    assert Normal(space=True).form(" a  b.") == " a  b"
    assert STRICT.form(" a  B.") == " a  B."


@given(st.text())
def test_a_form_is_its_own_form(text: str) -> None:
    """Comparing twice is comparing once: no text drifts from pass to pass."""
    for normal in (Normal(case=True, punctuation=True), STRICT):
        assert normal.form(normal.form(text)) == normal.form(text)


@given(st.text(alphabet="ab .,!?\"'*`#%\n\t"))
def test_a_form_has_no_loose_ends(text: str) -> None:
    """In plain text the whole forgiveness also settles at once, and never makes nothing out of something."""
    form = LOOSE.form(text)
    assert LOOSE.form(form) == form
    assert bool(form) == bool(text.strip())


def test_expected_values_that_are_no_texts_are_written_as_json() -> None:
    sample = expecting("yes", 42, True, None, {"a": [1]})
    assert expected_texts(sample, None) == ["yes", "42", "true", "null", '{"a":[1]}']
    assert expected_texts(sample, ["no"]) == ["no"]
    assert expected_texts(sample, []) == []


def test_a_refusal_is_what_the_model_said_where_it_said_nothing_else() -> None:
    assert answered(Answer(text="", refusal="I cannot")) == "I cannot"
    assert answered(Answer(text="Paris", refusal="I cannot")) == "Paris"
    assert answered(Answer()) == ""
