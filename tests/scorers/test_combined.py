"""`all_of` and `any_of`: several scorers as one."""

from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import expecting

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.combined import Combined
from weighbridge.scorers.registry import build_spec
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer


class Fixed(msgspec.Struct):
    """Says the same of every answer."""

    name: str
    value: float | None
    closed: bool = False

    def score(self, sample: Sample, answer: Answer) -> Score:
        passed = None if self.value is None else self.value >= 0.5
        return Score(scorer=self.name, value=self.value, passed=passed)

    def close(self) -> None:
        self.closed = True


def combined(kind: Literal["all_of", "any_of"], *values: float | None) -> Score:
    parts = [Fixed(f"part{place}", value) for place, value in enumerate(values)]
    return Combined("it", kind, parts).score(expecting(), Answer())


@pytest.mark.parametrize(
    ("values", "all_of", "any_of"),
    [
        ((1.0, 0.6), (0.6, True), (1.0, True)),
        ((1.0, 0.2), (0.2, False), (1.0, True)),
        ((0.1, 0.2), (0.1, False), (0.2, False)),
        ((1.0, None), (None, None), (1.0, True)),
        ((0.2, None), (0.2, False), (None, None)),
        ((None, None), (None, None), (None, None)),
        ((0.7,), (0.7, True), (0.7, True)),
    ],
)
def test_the_lowest_counts_or_the_highest(values: Any, all_of: Any, any_of: Any) -> None:
    """And a part that cannot score leaves it open, unless the others settle it."""
    for kind, expected in (("all_of", all_of), ("any_of", any_of)):
        score = combined(kind, *values)  # type: ignore[arg-type]
        assert (score.value, score.passed) == expected


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=5))
def test_it_agrees_with_logic_of_three_values(values: list[float | None]) -> None:
    """Kleene's: fill what is unknown with every possible verdict; where all fillings agree, that is the verdict."""
    for kind, join in (("all_of", all), ("any_of", any)):
        filled = {join([filling if value is None else value >= 0.5 for value in values]) for filling in (True, False)}
        expected = filled.pop() if len(filled) == 1 else None
        assert combined(kind, *values).passed is expected  # type: ignore[arg-type]


def test_the_explanation_says_what_each_part_said() -> None:
    spec = {"all_of": [{"contains": {"expected": ["refund"]}}, {"length": {"max": 5}}, {"numeric": {}}]}
    score = build_spec("it", spec, base=Path()).score(expecting(), Answer(text="no refund"))
    assert score.passed is False
    assert score.explanation == (
        "contains passes; length fails (9 characters, at most 5 wanted); "
        "numeric cannot score (the sample expects no number)"
    )


def test_two_parts_of_one_kind_are_told_apart() -> None:
    """Both had one name once, and the second hid what the first had found."""
    spec = {"any_of": [{"contains": {"expected": ["yes"]}}, {"contains": {"expected": ["ja"]}}]}
    score = build_spec("it", spec, base=Path()).score(expecting(), Answer(text="ja yes"))
    assert score.extracted == {"contains": ["yes"], "contains 2": ["ja"]}


def test_combinations_may_be_nested() -> None:
    assert judge_nested("B. Paris").passed is True
    assert judge_nested("B. Paris" + "!" * 50).passed is False


def judge_nested(text: str) -> Score:
    spec = {"all_of": [{"any_of": [{"exact": {}}, {"choice": {}}]}, {"length": {"max": 20}}]}
    return build_spec("it", spec, base=Path()).score(expecting("B"), Answer(text=text))


def test_closing_it_closes_its_parts() -> None:
    """The process of a `python` part was once left running."""
    parts = [Fixed("one", 1.0), Fixed("two", 1.0)]
    inner = Combined("inner", "any_of", parts)
    Combined("outer", "all_of", [inner]).close()
    assert all(part.closed for part in parts)


@pytest.mark.parametrize("settings", [None, {}, [], "exact", {"exact": {}}])
def test_anything_but_a_list_of_scorers_is_refused(settings: Any) -> None:
    with pytest.raises(UsageError, match="takes a list of scorers"):
        build_spec("it", {"all_of": settings}, base=Path())
