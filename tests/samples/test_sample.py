"""A sample and what makes it the same sample."""

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.samples.sample import MAX_DEPTH, Sample, too_deep

NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def turned(value: Any) -> Any:
    """The same JSON with the names of every object in the opposite order."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(inner) for inner in value] if isinstance(value, list) else value


def asking(text: str = "Hello", **fields: Any) -> Sample:
    return Sample(request={"messages": [{"role": "user", "content": text}]}, **fields)


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.lists(VALUES, max_size=3), st.dictionaries(NAMES, VALUES))
def test_the_id_does_not_depend_on_the_order_of_keys(
    request: dict[str, Any], expected: list[Any], checks: dict[str, Any]
) -> None:
    one = Sample(request=request, expected=tuple(expected), checks=checks)
    other = Sample(request=turned(request), expected=tuple(map(turned, expected)), checks=turned(checks))
    assert one.id == other.id


def test_the_id_is_of_what_is_asked_and_expected_and_of_nothing_else() -> None:
    told = asking(tags=("a",), cluster="c", weight=2.0, origin={"id": "x"}, arrived=3.0)
    assert told.id == asking().id
    others = [
        asking("Hi"),
        asking(expected=("yes",)),
        asking(checks={"right": {"exact": {}}}),
        asking(api="completions"),
    ]
    assert len({asking().id, *(other.id for other in others)}) == 5


def test_the_id_is_the_same_on_every_machine_and_in_every_version() -> None:
    """Runs are compared by ids: a change here would part every stored run from its samples."""
    whole = b'["chat",{"messages":[{"content":"What is 17 plus 25?","role":"user"}]},["42"],{}]'
    assert hashlib.sha256(whole).hexdigest()[:16] == "27321533b1a66961"
    assert asking("What is 17 plus 25?", expected=("42",)).id == "27321533b1a66961"


def test_the_order_of_messages_and_of_accepted_answers_matters() -> None:
    assert asking(expected=("a", "b")).id != asking(expected=("b", "a")).id


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, -(2**64), 10**40])
def test_huge_integers_are_kept_to_the_last_digit(number: int) -> None:
    sample = asking(expected=(number,))
    assert sample.id != asking(expected=(number + 1,)).id
    assert msgspec.json.decode(msgspec.json.encode(sample), type=Sample) == sample


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_nesting_is_measured_without_recursion(wrap: Any) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH - 1):
        value = wrap(value)
    assert not too_deep(value)
    assert too_deep(wrap(value))
    for _ in range(100_000):
        value = [value]
    assert too_deep(value)
    while isinstance(value, list):  # taken apart by hand: the interpreter would recurse to free it
        value = value[0]
