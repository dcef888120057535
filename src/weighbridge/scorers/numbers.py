"""Numbers as people and models write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction

_NUMBER = re.compile(
    r"""
    (?<![\w.])                                  # not inside a word or another number
    (?P<sign>[-+])?\s?[$€£¥]?\s?(?P<inner>[-+])?
    (?:
        (?P<whole>\d+)\s+(?P<top>\d+)/(?P<bottom>\d+)          # 1 1/2
      | (?P<numerator>\d+)\s?/\s?(?P<denominator>\d+)(?![/\d]) # 3/4, not a date
      | (?P<plain>(?:\d{1,3}(?:[,\u00a0\u202f'](?=\d{3}))+\d{3}(?!\d)|\d+)?(?:\.\d+)?(?:e[-+]?\d{1,3})?)
    )
    (?P<percent>\s?%)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MINUS = str.maketrans({"−": "-", "–": "-", "﹣": "-", "\uff0d": "-"})
_WORDS = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
}


def numbers(text: str) -> Iterator[tuple[str, Fraction, bool]]:
    """Every number in a text, in order: as written, its value, and whether it is a percentage (its value then as
    written, 12 for 12 %)."""
    for match in _NUMBER.finditer(text.translate(_MINUS)):
        value = _value(match)
        if value is None:
            continue
        negative = match["sign"] == "-" or match["inner"] == "-"
        if match["sign"] == "-" and match.start() > 0 and _is_range(text, match.start()):
            negative = False
        yield match.group().strip(), -value if negative else value, bool(match["percent"])


def _is_range(text: str, start: int) -> bool:
    """True for the dash of "3-5" and "pages 3 -5" is left to be a minus: only a digit right before makes a range."""
    return text[start - 1].isdigit()


def _value(match: re.Match[str]) -> Fraction | None:
    if match["whole"]:
        return (
            Fraction(match["whole"]) + Fraction(int(match["top"]), int(match["bottom"]))
            if int(match["bottom"])
            else None
        )
    if match["numerator"]:
        return Fraction(int(match["numerator"]), int(match["denominator"])) if int(match["denominator"]) else None
    plain = re.sub(r"[,\u00a0\u202f']", "", match["plain"] or "")
    if not any(char.isdigit() for char in plain):
        return None
    if plain[0] in "eE":
        return None
    return Fraction(plain)


def parse(value: object) -> Fraction | None:
    """One number: a number itself, or a text that holds one (the last, where it holds several)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float):
        return Fraction(str(value)) if math.isfinite(value) else None
    if isinstance(value, str):
        found = [number for _, number, _ in numbers(value)]
        return found[-1] if found else None
    return None


def word_value(text: str) -> Fraction | None:
    """A number word by itself: "eleven"."""
    number = _WORDS.get(text.strip().strip(".!").casefold())
    return None if number is None else Fraction(number)
