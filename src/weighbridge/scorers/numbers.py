"""Numbers as people and models write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction

_SEPARATORS = "[,_'\u2019\u00a0\u202f]"  # between thousands: 1,234 and 1'234 and 1 234 with a hard space
_NUMBER = re.compile(
    rf"""
    (?<![^\W_])(?<!\d\.)                        # not inside a word or another number
    (?P<sign>[-+])?
    (?:[$€£¥][ ]?(?P<inner>[-+])?)?
    (?:
        (?P<whole>\d+)[ \u00a0](?P<top>\d+)/(?P<bottom>\d+)(?![/\d]|[.,]\d)        # 1 1/2
      | (?<!/)(?P<numerator>\d+)\s?/\s?(?P<denominator>\d+)(?![/\d]|[.,]\d)       # 3/4, not a date
      | (?P<plain>
            (?:(?:\d{{1,3}}(?:{_SEPARATORS}\d{{3}})+(?!\d)|\d+)(?:\.\d+)?|(?<!\.)\.\d+)
            (?:e[-+]?\d{{1,3}}(?!\w))?
        )
    )
    (?P<percent>\s?%)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MINUS_AND_SLASH = str.maketrans(dict.fromkeys("\u2212\u2013\ufe63\uff0d", "-") | {"\u2044": "/"})
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_VULGAR = re.compile(r"(\d)?([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])")
_PARTS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
}  # fmt: skip
_FRAC = re.compile(r"(\d)?\\[dtc]?frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))")
_REWRITTEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\{,\}|(?<=\d)\\[,!](?=\d{3})"), ","),  # 1{,}234 and 1\,234
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"(?<=\d)\s*(?:×|·|\*|\\times|\\cdot)\s*10\s*(?:\^|\*\*)\s*\{?\s*([-+]?\d{1,3})\s*\}?"), r"e\1"),
    (re.compile(r"(?<![\w.])10\^\{?\s*([-+]?\d{1,3})\s*\}?"), r"1e\1"),
    (re.compile(r"\^\s*(?:\{\s*[-+]?\w+\s*\}|[-+]?\d+)|(?<=[A-Za-z])_(?:\{\s*\w+\s*\}|\d+)"), ""),  # m^2, x_1
)
_LONGEST = 1000  # digits: beyond this it is a model that repeats itself, and Python refuses to read it
_WORDS = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
}


def numbers(text: str) -> Iterator[tuple[str, Fraction, bool]]:
    """Every number in a text, in order: as written, its value, and whether it is a percentage (its value then as
    written, 12 for 12 %). LaTeX and superscripts are read as what they stand for; exponents and indices are no
    numbers of their own."""
    for match in _NUMBER.finditer(_plain(text)):
        value = _value(match)
        if value is not None:
            negative = "-" in {match["sign"], match["inner"]}
            yield match.group().strip(), -value if negative else value, bool(match["percent"])


def _plain(text: str) -> str:
    """The text with its numbers in digits, points and slashes."""
    text = text.translate(_MINUS_AND_SLASH)
    text = _VULGAR.sub(lambda match: _beside(match[1], _PARTS[match[2]]), text)
    text = _SUPERSCRIPT.sub(lambda match: "^" + match.group().translate(_RAISED), text)
    text = _FRAC.sub(lambda match: _beside(match[1], f"{match[2] or match[3]}/{match[4] or match[5]}"), text)
    for pattern, instead in _REWRITTEN:
        text = pattern.sub(instead, text)
    return text


def _beside(digit: str | None, fraction: str) -> str:
    """1½ is 1 1/2, not 11/2."""
    return f"{digit} {fraction}" if digit else fraction


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match.group()) > _LONGEST:
        return None
    if match["whole"]:
        part = _ratio(match["top"], match["bottom"])
        return None if part is None else int(match["whole"]) + part
    if match["numerator"]:
        return _ratio(match["numerator"], match["denominator"])
    return Fraction(re.sub(_SEPARATORS, "", match["plain"]))


def _ratio(top: str, bottom: str) -> Fraction | None:
    return Fraction(int(top), int(bottom)) if int(bottom) else None


def parse(value: object) -> Fraction | None:
    """One number: a number itself, or a text that holds exactly one, however often."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float):
        return Fraction(str(value)) if math.isfinite(value) else None
    if isinstance(value, str):
        found = {number for _, number, _ in numbers(value)}
        return found.pop() if len(found) == 1 else None
    return None


def word_value(text: str) -> Fraction | None:
    """A number word by itself: "eleven"."""
    number = _WORDS.get(text.strip(" \t\r\n.!*_\"'`").casefold())
    return None if number is None else Fraction(number)


def decimal(number: float) -> Fraction:
    """What was written: 0.3 is 3/10, not the nearest binary fraction below it."""
    return Fraction(str(number))
