"""numeric: the answer's number is the expected one, within a tolerance."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any, Literal

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.numbers import decimal, numbers, parse, word_value
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import answered
from weighbridge.wire.answer import Answer


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take`: which number of the answer counts. `after`: only what follows the last of this mark, such as "####" or
    "answer:", in any case; where the mark is missing, the whole answer. `abs` and `rel`: how far off it may be,
    whichever allows more. `percent`: 12 % and 0.12 are the same number."""

    take: Literal["last", "first", "only"] = "last"
    after: str | None = None
    abs: float = 0.0
    rel: float = 1e-9
    percent: bool = False
    expected: list[Any] | None = None


class Numeric:
    def __init__(self, name: str, settings: Settings) -> None:
        for field in ("abs", "rel"):
            allowed: float = getattr(settings, field)
            if not 0 <= allowed < math.inf:
                raise UsageError(f"scorer {name}: {field} is {allowed}, and must be a number from 0 up")
        if settings.after is not None and not settings.after.strip():
            raise UsageError(f"scorer {name}: after is empty", mend='Such as: after: "####"')
        self.name = name
        self._settings = settings
        self._mark = None if settings.after is None else re.compile(re.escape(settings.after), re.IGNORECASE)
        self._abs, self._rel = decimal(settings.abs), decimal(settings.rel)

    def score(self, sample: Sample, answer: Answer) -> Score:
        settings = self._settings
        values = sample.expected if settings.expected is None else settings.expected
        wanted = [number for value in values if (number := self._expected(value)) is not None]
        if not wanted:
            return Score.unscorable(self.name, "the sample expects no number")
        found = self._found(self._marked(answered(answer)))
        if not found:
            return Score(scorer=self.name, value=0.0, passed=False, explanation="no number in the answer")
        if settings.take == "only" and len({value for _, value in found}) > 1:
            several = ", ".join(text for text, _ in found[:4])
            return Score(scorer=self.name, value=0.0, passed=False, explanation=f"several numbers: {several}")
        text, value = found[0] if settings.take == "first" else found[-1]
        passed = any(self._near(value, number) for number in wanted)
        why = "" if passed else f"expected {' or '.join(_shown(number) for number in wanted[:3])}"
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=text)

    def _expected(self, value: object) -> Fraction | None:
        """A number, or the last one of a text: a worked solution that ends in "#### 72" is 72."""
        if not isinstance(value, str):
            return parse(value)
        found = self._found(value)
        return found[-1][1] if found else None

    def _marked(self, text: str) -> str:
        marks = list(self._mark.finditer(text)) if self._mark is not None else []
        return text[marks[-1].end() :] if marks else text

    def _found(self, text: str) -> list[tuple[str, Fraction]]:
        word = word_value(text)
        if word is not None:
            return [(text.strip(), word)]
        divide = self._settings.percent
        return [(said, value / 100 if percent and divide else value) for said, value, percent in numbers(text)]

    def _near(self, value: Fraction, wanted: Fraction) -> bool:
        off = abs(value - wanted)
        return off <= self._abs or off <= self._rel * abs(wanted)


def _shown(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):g}"
