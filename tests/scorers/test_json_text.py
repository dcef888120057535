"""Taking JSON out of an answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.scorers.json_text import find

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1}', "whole"),
        (' \n{"a": 1}\n', "whole"),
        ('```json\n{"a": 1}\n```', "fenced"),
        ('Sure!\n```\n{"a": 1}\n```\nAnything else?', "fenced"),
        ('```python\nx = {}\n```\n```json\n{"a": 1}\n```', "fenced"),
        ('```json {"a": 1} ```', "embedded"),
        ('Here it is: {"a": 1}. Enjoy!', "embedded"),
        ('As [1] says, the result is {"a": 1}', "embedded"),
        ('{not json} but {"a": 1}', "embedded"),
        ('[see below] {"a": 1} and {"a": 2}', "embedded"),
        ('a { that never closes, then {"a": 1}', "embedded"),
    ],
)
def test_the_object_is_found_whole_fenced_or_embedded(text: str, place: str) -> None:
    """And the footnote [1] before it is not taken for the answer."""
    found = find(text)
    assert found is not None
    assert (found.value, found.place) == ({"a": 1}, place)


def test_brackets_and_fences_inside_strings_do_not_end_it() -> None:
    for value in ({"a": '} ] \\" {'}, {"code": "```\nx\n```"}):
        for text in (json.dumps(value), f"Here: {json.dumps(value)} done", f"```json\n{json.dumps(value)}\n```"):
            found = find(text)
            assert found is not None
            assert found.value == value


def test_strict_takes_the_whole_text_or_nothing() -> None:
    assert find('{"a": 1}', strict=True) is not None
    assert find('It is {"a": 1}', strict=True) is None
    assert find('```json\n{"a": 1}\n```', strict=True) is None


@pytest.mark.parametrize(
    "text", ["", "Paris", "{", "}{", "{'a': 1}", "[1, 2", "\ud800", '{"a": "\ud800"}', "1e999", "NaN"]
)
def test_what_is_no_json_is_none(text: str) -> None:
    assert find(text) is None


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500, "{" * 60 + "}" * 60]
)
def test_a_model_that_repeats_brackets_is_no_json_and_breaks_nothing(text: str) -> None:
    assert find(text) is None


def test_a_bare_list_is_taken_where_there_is_nothing_better() -> None:
    found = find("The numbers are [1, 2] as asked")
    assert found is not None
    assert found.value == [1, 2]
    found = find('Rows: [{"a": 1}] then {"b": 2}')
    assert found is not None
    assert found.value == [{"a": 1}]


@given(VALUES)
def test_it_agrees_with_json_loads_on_whole_texts(value: Any) -> None:
    found = find(json.dumps(value))
    assert found is not None
    assert found.value == json.loads(json.dumps(value))


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.text(alphabet="ab c.,:'\n"), st.text(alphabet="ab c.,:'\n"))
def test_an_object_between_words_is_found_whatever_it_holds(value: dict[str, Any], before: str, after: str) -> None:
    found = find(f"x{before}{json.dumps(value)}{after}")
    assert found is not None
    assert found.value == json.loads(json.dumps(value))


@given(st.text(alphabet='{}[]",:1a\\` \n') | st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert find(text) == find(text)
