"""Reading numbers as people and models write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.scorers.numbers import decimal, numbers, parse, word_value


def values(text: str) -> list[Fraction]:
    return [value for _, value, _ in numbers(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("42.", 42),
        ("42.0", 42),
        ("**42**", 42),
        ("_42_", 42),
        ("`42`", 42),
        ("(42)", 42),
        ("=42", 42),
        ("#### 42", 42),
        ("is...42", 42),
        ("42km", 42),
        ("the 42nd", 42),
        ("$42", 42),
        ("\\$42", 42),
        ("US$42", 42),
        ("€ 42", 42),
        ("\\boxed{42}", 42),
        ("$\\boxed{42}$", 42),
        ("1,234", 1234),
        ("1,234,567", 1_234_567),
        ("1,234,567.89", Fraction("1234567.89")),
        ("$70,000", 70_000),
        ("1'234", 1234),
        ("1\u00a0234\u202f567", 1_234_567),
        ("1_000", 1000),
        ("1{,}234", 1234),
        ("1\\,234", 1234),
        (".5", Fraction(1, 2)),
        ("0.5.", Fraction(1, 2)),
        ("$18.00", 18),
        ("1e3", 1000),
        ("1.5E-3", Fraction(3, 2000)),
        ("2 × 10^5", 200_000),
        ("2 \\times 10^{-3}", Fraction(1, 500)),
        ("10⁵", 100_000),
        ("3/4", Fraction(3, 4)),
        ("1 1/2", Fraction(3, 2)),
        ("½", Fraction(1, 2)),
        ("2½", Fraction(5, 2)),
        ("3\u20444", Fraction(3, 4)),
        ("\\frac{3}{4}", Fraction(3, 4)),
        ("\\dfrac34", Fraction(3, 4)),
        ("-\\frac{1}{2}", Fraction(-1, 2)),
        ("1\\frac{1}{2}", Fraction(3, 2)),
        ("-5", -5),
        ("−5", -5),
        ("+5", 5),
        ("-$5", -5),
        ("$-5", -5),
        ("x = -5", -5),
        ("- 5 apples", 5),
        ("42 m^2", 42),
        ("42 m²", 42),
        ("x_1 = 42", 42),
        ("x_{12} = 42", 42),
    ],
)
def test_one_number_is_read_as_a_person_reads_it(text: str, value: Fraction | int) -> None:
    """lm-evaluation-harness#2707, #1159, #3214 and tpu-inference#2318: these are right answers that an extraction
    pattern rejected. A dash before a list entry is no minus; an exponent or an index is no number of its own."""
    assert values(text) == [value]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80,000+50,000=130,000", [80_000, 50_000, 130_000]),
        ("1, 2, 3", [1, 2, 3]),
        ("1,2,3", [1, 2, 3]),
        ("1,2345", [1, 2345]),
        ("3-5", [3, 5]),
        ("10 - 5 = 5", [10, 5, 5]),
        ("2*3=6", [2, 3, 6]),
        ("12:30", [12, 30]),
        ("3/4/2024", [3, 4, 2024]),
        ("2024-05-06", [2024, 5, 6]),
        ("Step 1\n3/4", [1, Fraction(3, 4)]),
        ("COVID-19", [19]),
    ],
)
def test_several_numbers_come_in_order(text: str, expected: list[Fraction | int]) -> None:
    """lm-evaluation-harness#1204: 80,000+50,000 is two numbers. A date is no fraction, a range no negative number."""
    assert values(text) == expected


@pytest.mark.parametrize(
    "text", ["", "none", "v1.2.3", "gpt4", "x_1", "1/0", "3 1/0", "...", "$", "1" * 5000, "e5", "-"]
)
def test_what_is_no_number_is_none(text: str) -> None:
    """A model that repeats a digit 5,000 times, which Python itself refuses to read, breaks nothing."""
    assert values(text) == []


def test_a_percentage_is_marked_and_its_value_left_as_written() -> None:
    assert list(numbers("12 % or 7\\% or 3")) == [
        ("12 %", Fraction(12), True),
        ("7%", Fraction(7), True),
        ("3", Fraction(3), False),
    ]


@given(st.integers(min_value=-(10**30), max_value=10**30))
def test_every_whole_number_is_read_with_and_without_thousands(number: int) -> None:
    assert values(str(number)) == [number]
    assert values(f"It is {number:,}.") == [number]
    assert values(f"**{number:_}**") == [number]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_every_decimal_is_read_exactly(number: object) -> None:
    """As a fraction: nothing is lost to binary floating point."""
    assert values(f"= {number:,}") == [Fraction(str(number))]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_is_read_back(number: float) -> None:
    assert [float(value) for value in values(repr(number))] == [number]


@given(st.integers(min_value=-999, max_value=999), st.integers(min_value=1, max_value=999))
def test_every_fraction_is_read(top: int, bottom: int) -> None:
    assert values(f"{top}/{bottom}") == [Fraction(top, bottom)]
    assert values(f"\\frac{{{top}}}{{{bottom}}}") == [Fraction(top, bottom)]


@given(st.text(alphabet="0123456789.,/-+e%$ \\{}^_½²×frac\n") | st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    assert values(text) == values(text)


def test_parse_takes_a_number_or_a_text_with_exactly_one() -> None:
    assert parse(7) == 7
    assert parse(0.1) == Fraction(1, 10)
    assert parse("$1,200") == 1200
    assert parse("7 of 7") == 7
    for other in (True, None, "seven", "7 or 8", float("nan"), float("inf"), [7]):
        assert parse(other) is None


def test_number_words_count_by_themselves() -> None:
    assert word_value(" **Eleven**. ") == 11
    assert word_value("eleven of them") is None


def test_a_tolerance_is_what_was_written() -> None:
    """0.3 is three tenths, not the binary fraction just below."""
    assert decimal(0.3) == Fraction(3, 10)
