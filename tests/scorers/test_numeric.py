"""`numeric`: the answer's number is the expected one."""

import csv
import gzip
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import expecting, judge

from weighbridge.errors import UsageError
from weighbridge.scorers.numbers import numbers
from weighbridge.scorers.registry import build
from weighbridge.wire.answer import Answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("So the total cost of Rory's delivery order is $29.00.", "29"),
        ("**Answer: \\$18 per day.**", "18"),
        ("The final answer is $\\boxed{1{,}200}$.", 1200),
        ("He made a profit of 200,000-130,000=$70,000", "70000"),
        ("Total: **1,234,567** people", 1234567),
        ("= -3.50 €", -3.5),
        ("The probability is \\frac{3}{4}.", "3/4"),
        ("That leaves ¾ of the cake", 0.75),
        ("The area is 42 m².", 42),
        ("Twelve", 12),
        ("12.", "twelve"),
        ("16 - 3 - 4 = 9 eggs; 9 * 2 = $18", "He makes 9 * 2 = $<<9*2=18>>18.\n#### 18"),
    ],
)
def test_a_right_answer_passes_in_whatever_form(text: str, expected: object) -> None:
    r"""Public cases of right answers that a pattern rejected: lm-evaluation-harness#3214 ($29.00), tpu-inference#2318
    (**Answer: \$18 per day.**), lm-evaluation-harness#2707 and #1159 (anything but the one prescribed form),
    lm-evaluation-harness#1204 (a worked solution as the expected answer)."""
    assert judge("numeric", text, expected).passed is True


@pytest.mark.parametrize(
    ("text", "expected"), [("It is 43.", 42), ("-42", 42), ("4.2", 42), ("42%", 0.42), ("1,234,042", 42), ("4 2", 42)]
)
def test_another_number_fails_and_says_what_was_expected(text: str, expected: float) -> None:
    score = judge("numeric", text, expected)
    assert (score.value, score.passed) == (0.0, False)
    assert score.explanation == f"expected {expected}"


def test_the_last_the_first_or_the_only_number_counts() -> None:
    text = "The answer is 42. I checked it 3 times."
    assert judge("numeric", text, 3).extracted == "3"
    assert judge("numeric", text, 42, take="first").passed
    assert judge("numeric", text, 42, take="only").explanation == "several numbers: 42, 3"
    assert judge("numeric", "42, that is 42.0", 42, take="only").passed


def test_after_looks_behind_the_last_mark_only() -> None:
    """lm-evaluation-harness#3438: a model that recites an example before its own answer is judged by its own."""
    text = "Example: #### 6\nNow ours: 3 * 4 = 12\n#### 12\nThat is 2 boxes of 6."
    assert judge("numeric", text, 12, after="####", take="first").passed
    assert judge("numeric", "ANSWER: 12", 12, after="answer:").passed
    assert judge("numeric", "so 12", 12, after="####").passed
    assert not judge("numeric", "12 ####", 12, after="####").passed


def test_the_tolerance_is_as_wide_as_it_is_written() -> None:
    """1.3 is 0.3 away from 1, whatever binary floating point says."""
    assert judge("numeric", "1.3", 1, abs=0.3).passed
    assert not judge("numeric", "1.31", 1, abs=0.3).passed
    assert judge("numeric", "1010", 1000, rel=0.01).passed
    assert not judge("numeric", "1011", 1000, rel=0.01).passed
    assert judge("numeric", "499.99999999999994", 500).passed


def test_percent_makes_12_per_cent_and_012_one_number_on_both_sides() -> None:
    for text in ("12%", "12 %", "12\\%", "0.12"):
        for expected in ("12%", "12 %", 0.12, "0.12"):
            assert judge("numeric", text, expected, percent=True).passed
    assert not judge("numeric", "12", "12%", percent=True).passed
    assert judge("numeric", "12%", 12).passed


def test_no_number_in_the_answer_is_a_failure_and_none_expected_is_no_score() -> None:
    """inspect_ai#4286: whose fault it is makes the difference between 0 and no score."""
    assert judge("numeric", "I cannot tell", 42).value == 0.0
    assert judge("numeric", "42", "many").value is None
    assert judge("numeric", "42", True).value is None
    assert judge("numeric", "42").value is None


@pytest.mark.parametrize(
    "settings",
    [{"abs": -1}, {"rel": float("nan")}, {"abs": float("inf")}, {"after": ""}, {"after": " "}, {"take": "middle"}],
)
def test_settings_that_make_no_sense_are_refused_when_they_are_read(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="scorer it"):
        judge("numeric", "42", 42, **settings)


def test_a_model_that_repeats_itself_is_wrong_and_breaks_nothing() -> None:
    assert judge("numeric", "1" * 100_000, 1).value == 0.0
    assert judge("numeric", "1 " * 50_000, 1).value == 1.0


@given(
    st.integers(-(10**9), 10**9),
    st.sampled_from(
        ["{}", "{:,}", "**{}**", "{}.", "${}$", "\\boxed{{{}}}", "It is {:,}!", "= {} km", "{}.00", "a\n{}"]
    ),
)
def test_every_whole_number_passes_for_itself_and_not_for_its_neighbour(number: int, form: str) -> None:
    text = form.format(number)
    assert judge("numeric", text, number, rel=0).passed
    assert not judge("numeric", text, number + 1, rel=0).passed


@given(st.fractions(-1000, 1000), st.fractions(-1000, 1000), st.sampled_from([0.0, 0.1, 0.5, 3.0]))
def test_it_agrees_with_plain_arithmetic(said: Fraction, wanted: Fraction, allowed: float) -> None:
    """Within `abs` and nothing else: exactly as far as Python's fractions say."""
    score = judge("numeric", str(said), str(wanted), abs=allowed, rel=0)
    assert score.passed is (abs(said - wanted) <= Fraction(str(allowed)))


def test_it_agrees_with_zeroeval_on_gsm8k(shared_data: Path) -> None:
    """57,000 final answers of 44 models with the verdicts their authors published. Where an answer is one number, the
    two differ in one: 499.99999999999994, which the other marker does not take for 500. Where it is several (an
    equation, a sum of money worked out), the other marker rejects 164 right ones, as in lm-evaluation-harness#2707."""
    with gzip.open(shared_data / "routing" / "gsm8k_questions.jsonl.gz", "rt") as file:
        samples = {row["id"]: expecting(row["answer"]) for row in map(json.loads, file)}
    scorer = build("it", "numeric", {}, base=Path())
    differ: Counter[str] = Counter()
    seen = 0
    with gzip.open(shared_data / "routing" / "gsm8k_results.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if len(list(numbers(row["pred"]))) == 1:
                seen += 1
                score = scorer.score(samples[row["id"]], Answer(text=row["pred"]))
                differ[row["pred"]] += score.passed is not (row["correct"] == "1")
    assert seen > 56_000
    assert {pred: times for pred, times in differ.items() if times} == {"499.99999999999994": 1}
