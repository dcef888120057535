"""regex: the answer matches a pattern, and what it captures is what is expected."""

from __future__ import annotations

import re
from collections import deque
from typing import Annotated, Any, Literal

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import Normal, answered, expected_texts
from weighbridge.scorers.time_box import TimeUp, time_box
from weighbridge.wire.answer import Answer

_LONGEST = 100_000  # characters of an answer that a pattern sees


class Settings(Normal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`pattern` in Python's syntax, found anywhere in the answer; `take` says whether its first or last place counts.
    With a group (named `answer`, or the first that took part), what it captures is compared with the expected texts,
    unless `compare` is false or nothing is expected. `seconds`: how long it may search."""

    pattern: str
    take: Literal["first", "last"] = "first"
    expected: list[Any] | None = None
    compare: bool = True
    case: bool = False
    seconds: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class Regex:
    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings
        try:
            self._pattern = re.compile(settings.pattern, 0 if settings.case else re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as error:
            raise UsageError(f"scorer {name}: the pattern is not a regular expression: {error}") from None

    def score(self, sample: Sample, answer: Answer) -> Score:
        seconds = self._settings.seconds
        try:
            with time_box(seconds):
                found = self._search(answered(answer)[:_LONGEST])
        except TimeUp:
            return Score.unscorable(self.name, f"the pattern took more than {seconds:g} s: it backtracks without end")
        if found is None:
            return Score(scorer=self.name, value=0.0, passed=False, explanation="no match")
        captured = self._captured(found)
        wanted = expected_texts(sample, self._settings.expected)
        if not self._pattern.groups or not self._settings.compare or not wanted:
            return Score(scorer=self.name, value=1.0, passed=True, extracted=captured or found.group())
        passed = any(self._settings.form(captured) == self._settings.form(text) for text in wanted)
        why = "" if passed else f"expected {' or '.join(map(repr, wanted[:3]))}"
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=captured)

    def _search(self, text: str) -> re.Match[str] | None:
        if self._settings.take == "first":
            return self._pattern.search(text)
        last = deque(self._pattern.finditer(text), maxlen=1)
        return last[0] if last else None

    def _captured(self, found: re.Match[str]) -> str:
        """What the group took; "" where it took nothing, which is no reason to pass."""
        if "answer" in self._pattern.groupindex:
            return found["answer"] or ""
        return next((group for group in found.groups() if group), "")
