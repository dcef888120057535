"""Right answers are found in whatever words they come."""

from pathlib import Path
from typing import Any

import pytest

from weighbridge.samples.sample import Sample
from weighbridge.scorers.registry import build_spec
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer


def judged(spec: dict[str, Any], expected: str, text: str, folder: Path) -> Score:
    sample = Sample(request={"messages": []}, expected=(expected,))
    return build_spec("answer", spec, base=folder).score(sample, Answer(text=text))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("29", "…the total cost of the delivery is $29.00."),
        ("70000", "So he made a profit of $70,000"),
        ("18", "9 × 2 = 18 dollars every day.\n#### 18"),
        ("18", "So, the answer is 18."),
        ("5", "Thus the answer is \\[ \\boxed{5} \\]"),
        ("-3", "x = −3"),
        ("0.5", "The answer is 1/2."),
        ("1319", "**1,319**"),
        ("64", "Final answer: `64`"),
    ],
)
def test_a_right_number_is_right_in_any_dress(tmp_path: Path, expected: str, text: str) -> None:
    """lm-evaluation-harness#1159, #2707: correct answers were rejected by a pattern that knew `#### 18` only."""
    found = judged({"numeric": {}}, expected, text, tmp_path)
    assert found.passed, found


def test_an_example_that_is_recited_is_not_the_answer(tmp_path: Path) -> None:
    """lm-evaluation-harness#3438: the leftmost match took the worked example that a model repeats while it thinks. The
    last number counts, after the last mark where there is one."""
    text = "The example says: 4 + 2 = 6\n#### 6\nNow ours: 3 × 7 = 21\n#### 21\nThat took 2 steps."
    assert judged({"numeric": {"after": "####", "take": "first"}}, "21", text, tmp_path).passed
    assert not judged({"numeric": {"after": "####", "take": "first"}}, "6", text, tmp_path).passed
    assert judged({"numeric": {}}, "21", text.removesuffix("That took 2 steps."), tmp_path).passed


@pytest.mark.parametrize(
    "text", ["B", "(B)", "**Answer: B**", "The answer is (B).", "A is wrong. Answer: B", "B. Paris"]
)
def test_a_right_letter_is_right_however_it_is_said(tmp_path: Path, text: str) -> None:
    """lm-evaluation-harness#2707: a letter in brackets, in bold or in a sentence is that letter."""
    assert judged({"choice": {}}, "B", text, tmp_path).passed
    assert not judged({"choice": {}}, "A", text, tmp_path).passed


def test_what_was_extracted_is_kept_to_be_looked_at(tmp_path: Path) -> None:
    """lm-evaluation-harness#1159: a rejection can be checked, for what was taken from the answer stands beside it."""
    found = judged({"numeric": {}}, "18", "It is 17.", tmp_path)
    assert (found.passed, found.extracted) == (False, "17")
    assert "18" in found.explanation
