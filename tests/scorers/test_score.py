"""A score: what it may say, and that every scorer keeps to it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import expecting

from weighbridge.scorers.registry import KINDS, build
from weighbridge.scorers.score import Score, Scorer
from weighbridge.wire.answer import Answer, Latency, Usage

SETTINGS: dict[str, Any] = {
    "exact": {},
    "contains": {"all": True, "word": True},
    "regex": r"(\d+)",
    "numeric": {"percent": True},
    "choice": {},
    "json_schema": {"schema": {"type": "object", "required": ["a"]}},
    "json_fields": {"ordered": False},
    "length": {"max": 10, "unit": "tokens"},
    "latency": {"ttft": 0.5, "total": "2s"},
    "all_of": [{"exact": {}}, {"numeric": {}}],
    "any_of": [{"exact": {}}, {"json_fields": {}}],
}
SCORERS: dict[str, Scorer] = {kind: build(kind, kind, settings, base=Path()) for kind, settings in SETTINGS.items()}

TEXTS = (
    st.text()
    | st.text(alphabet='ABab{}[]":,.0123456789-+/%$*` \n\\')
    | st.sampled_from(['{"a": 1}', "42", "The answer is B.", "```json\n[1]\n```", "½", "1,234,567", "\\boxed{A}"])
)
EXPECTED = st.lists(
    TEXTS | st.integers() | st.booleans() | st.none() | st.dictionaries(st.text(), st.integers(), max_size=3),
    max_size=3,
)
SECONDS = st.none() | st.floats(0, 10)
ANSWERS = st.builds(
    Answer,
    text=TEXTS,
    usage=st.builds(Usage, output=st.none() | st.integers(0, 100)),
    latency=st.none() | st.builds(Latency, total=st.floats(0, 10), ttft=SECONDS),
)


def test_every_kind_but_the_users_own_function_is_held_to_these_rules() -> None:
    assert set(SETTINGS) == set(KINDS) - {"python"}


@pytest.mark.parametrize("kind", SETTINGS)
@given(st.lists(st.tuples(EXPECTED, ANSWERS), min_size=1, max_size=3))
def test_a_value_lies_in_0_to_1_or_there_is_none(kind: str, cases: list[tuple[list[Any], Answer]]) -> None:
    """inspect_ai#4286: no value outside [0, 1], and no verdict where there is no value (then a reason). And
    deepeval#1265 and #1895: the same case scores the same alone, after others, and a second time."""
    asked = [(expecting(*expected), answer) for expected, answer in cases]
    scores = [SCORERS[kind].score(sample, answer) for sample, answer in asked]
    for score in scores:
        assert score.value is None or 0 <= score.value <= 1
        assert (score.value is None) is (score.passed is None)
        assert score.value is not None or score.explanation
    fresh = build(kind, kind, SETTINGS[kind], base=Path())
    assert [fresh.score(sample, answer) for sample, answer in reversed(asked)] == scores[::-1]


@pytest.mark.parametrize("value", [1.01, -0.01, float("nan"), float("inf"), 100])
def test_a_value_outside_0_to_1_is_no_score(value: float) -> None:
    """inspect_ai#4286: where nothing checks the range, an accuracy comes out above 1."""
    with pytest.raises(ValueError, match="is not in"):
        Score(scorer="it", value=value, passed=True)


@pytest.mark.parametrize(("value", "passed"), [(None, True), (None, False), (0.5, None)])
def test_a_value_and_a_verdict_come_together(value: float | None, passed: bool | None) -> None:
    with pytest.raises(ValueError, match="verdict"):
        Score(scorer="it", value=value, passed=passed)


def test_unscorable_has_neither_and_says_why() -> None:
    score = Score.unscorable("it", "no ground truth")
    assert (score.value, score.passed, score.explanation) == (None, None, "no ground truth")
