"""regex: the answer matches a pattern, and what it captures is what is expected."""

from __future__ import annotations

import re
from typing import Any

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import Normal, answered, expected_texts
from weighbridge.wire.answer import Answer

_LONGEST = 100_000  # a pattern a user wrote may backtrack; what it sees is bounded


class Settings(Normal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`pattern` in Python's syntax, found anywhere in the answer. With a group (named `answer`, or the first), what it
    captures is compared with the expected texts, unless `compare` is false or nothing is expected."""

    pattern: str
    expected: list[Any] | None = None
    compare: bool = True
    case: bool = False


class Regex:
    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings
        try:
            self._pattern = re.compile(settings.pattern, 0 if settings.case else re.IGNORECASE)
        except re.error as error:
            raise UsageError(f"scorer {name}: the pattern is not a regular expression: {error}") from None

    def score(self, sample: Sample, answer: Answer) -> Score:
        found = self._pattern.search(answered(answer)[:_LONGEST])
        if found is None:
            return Score(scorer=self.name, value=0.0, passed=False, explanation="no match")
        captured = found.groupdict().get("answer") or next((group for group in found.groups() if group), None)
        wanted = expected_texts(sample, self._settings.expected)
        if captured is None or not self._settings.compare or not wanted:
            return Score(scorer=self.name, value=1.0, passed=True, extracted=captured or found.group())
        passed = any(self._settings.form(captured) == self._settings.form(text) for text in wanted)
        why = "" if passed else f"expected {' or '.join(map(repr, wanted[:3]))}"
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=captured)
