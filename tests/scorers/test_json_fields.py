"""`json_fields`: F1 over the leaves of a JSON object."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import judge

from weighbridge.errors import UsageError
from weighbridge.scorers.score import Score


def fields(said: Any, *expected: Any, **settings: Any) -> Score:
    return judge("json_fields", said if isinstance(said, str) else json.dumps(said), *expected, **settings)


def test_f1_is_worked_out_by_hand() -> None:
    """Expected 3 fields; said 4, of which 2 are right: precision 2/4, recall 2/3, F1 4/7."""
    score = fields({"a": 1, "b": "x", "c": 0, "d": 9}, {"a": 1, "b": "X", "c": 3})
    assert score.value == pytest.approx(4 / 7)
    assert score.passed is False
    assert score.explanation == "wrong: c, d (not expected)"


def test_nested_fields_are_leaves_by_their_path() -> None:
    wanted = {"order": {"id": "A-17", "lines": [{"sku": "x", "n": 2}, {"sku": "y", "n": 1}]}}
    assert fields(wanted, wanted).value == 1.0
    said = {"order": {"id": "A-17", "lines": [{"sku": "x", "n": 3}]}}
    score = fields(said, wanted)
    assert score.value == pytest.approx(2 * 2 / (5 + 3))
    assert score.explanation == "wrong: order.lines[0].n, order.lines[1].sku, order.lines[1].n"


def test_what_is_ignored_counts_on_neither_side() -> None:
    wanted = {"greeting": "Hi", "lines": [{"sku": "x", "note": "a"}], "meta": {"a": 1}}
    said = {"greeting": "Hello", "lines": [{"sku": "x", "note": "b"}], "meta": {"b": 2}}
    assert fields(said, wanted, ignore=["greeting", "lines[].note", "meta"]).value == 1.0
    assert fields({"greetings": 1}, {}, ignore=["greeting"]).value == 0.0
    assert fields({"a": 1}, {"a": 2}, ignore=["a"]).value == 1.0


def test_texts_are_compared_with_the_usual_forgiveness_and_numbers_by_value() -> None:
    assert fields({"city": " PARIS. ", "total": 18.0}, {"city": "Paris", "total": 18}).passed
    assert fields({"total": "$1,018.00"}, {"total": 1018}).passed
    assert not fields({"city": "PARIS"}, {"city": "Paris"}, case=True).passed
    assert fields({"x": 1.3}, {"x": 1}, tolerance=0.3).passed
    assert not fields({"x": 1.31}, {"x": 1}, tolerance=0.3).passed


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (True, 1),
        (1, True),
        (None, ""),
        (None, False),
        ("7 or 42", 42),
        (42, "42"),
        ([], {}),
        ([], None),
        ({"b": 1}, 1),
        ([1], 1),
        ("", None),
    ],
)
def test_kinds_that_only_look_alike_differ(said: Any, wanted: Any) -> None:
    assert fields({"a": said}, {"a": wanted}).value == 0.0


def test_a_key_with_a_point_is_not_a_path() -> None:
    """{"a.b": 1} once passed for {"a": {"b": 1}}."""
    assert fields({"a.b": 1}, {"a": {"b": 1}}).value == 0.0
    assert fields({"a.b": 1, "a": {"b": 2}}, {"a": {"b": 2}, "a.b": 1}).value == 1.0


def test_without_an_order_each_entry_is_held_against_its_like() -> None:
    """One entry too many costs itself only, and letter case does not upset the pairing."""
    wanted = {"tags": ["Apple", "banana", "cherry"]}
    assert fields({"tags": ["cherry", "apple", "Banana"]}, wanted, ordered=False).value == 1.0
    assert fields({"tags": ["aaa", "apple", "banana", "cherry"]}, wanted, ordered=False).value == pytest.approx(6 / 7)
    assert fields({"tags": ["cherry", "apple", "Banana"]}, wanted).value == 0.0
    orders = [{"id": 1, "n": 5}, {"id": 2, "n": 6}]
    assert fields([{"id": 2, "n": 6}, {"id": 1, "n": 9}], orders, ordered=False).value == pytest.approx(6 / 8)


def test_the_best_of_several_expected_objects_counts() -> None:
    assert fields({"a": 1}, {"a": 2}, {"a": 1}).value == 1.0
    assert fields({"a": 1}, '{"a": 1}').value == 1.0


def test_passes_says_what_f1_is_enough() -> None:
    assert fields({"a": 1, "b": 2}, {"a": 1, "b": 3}, passes=0.5).passed is True
    assert fields({"a": 1, "b": 2}, {"a": 1, "b": 3}, passes=0.51).passed is False


@pytest.mark.parametrize("settings", [{"passes": 90}, {"passes": -0.1}, {"tolerance": -1}])
def test_settings_outside_their_range_are_refused(settings: dict[str, Any]) -> None:
    """A threshold of 90 can never be met, and would fail every answer without a word."""
    with pytest.raises(UsageError, match="scorer it"):
        fields({}, {}, **settings)


def test_no_object_expected_is_no_score_and_none_given_is_zero() -> None:
    """inspect_ai#4286."""
    assert fields({"a": 1}, "Paris").value is None
    assert fields({"a": 1}, 42).value is None
    assert fields({"a": 1}, "42").value is None
    assert fields("I cannot", {"a": 1}).value == 0.0
    assert fields("42", {"a": 1}).value == 0.0


def test_long_lists_without_an_order_are_still_scored() -> None:
    """300 × 300 entries of which none is equal: paired as they stand, not 90,000 times compared."""
    wanted = [{"id": n, "x": 0} for n in range(300)]
    said = [{"id": n, "x": 1} for n in range(300)]
    assert fields(said, wanted, ordered=False).value == pytest.approx(0.5)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "C"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), VALUES, max_size=4)


@given(OBJECTS, st.booleans())
def test_every_object_is_its_own_match(value: dict[str, Any], ordered: bool) -> None:
    assert fields(value, value, ordered=ordered).value == 1.0


@given(OBJECTS, OBJECTS, st.booleans())
def test_f1_lies_in_0_to_1_and_does_not_care_who_is_who(
    one: dict[str, Any], other: dict[str, Any], ordered: bool
) -> None:
    there, back = fields(one, other, ordered=ordered).value, fields(other, one, ordered=ordered).value
    assert there is not None
    assert 0 <= there <= 1
    if ordered:
        assert there == back


@given(st.lists(VALUES, max_size=6), st.integers())
def test_without_an_order_any_order_is_right(entries: list[Any], seed: int) -> None:
    shuffled = random.Random(seed).sample(entries, len(entries))
    assert fields({"list": shuffled}, {"list": entries}, ordered=False).value == 1.0


def flat(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], str]:
    """An independent reading: each leaf's path, and the leaf as JSON."""
    if isinstance(value, dict) and value:
        return {key: leaf for name, inner in value.items() for key, leaf in flat(inner, (*path, name)).items()}
    if isinstance(value, list) and value:
        return {key: leaf for place, inner in enumerate(value) for key, leaf in flat(inner, (*path, place)).items()}
    return {path: json.dumps(value)}


@given(OBJECTS, OBJECTS)
def test_it_agrees_with_sets_of_path_and_value(said: dict[str, Any], wanted: dict[str, Any]) -> None:
    """F1 of two sets of (path, leaf), as a textbook has it."""
    one, other = set(flat(said).items()), set(flat(wanted).items())
    f1 = 2 * len(one & other) / (len(one) + len(other))
    assert fields(said, wanted).value == pytest.approx(f1)
