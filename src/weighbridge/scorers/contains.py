"""contains: the answer holds an expected text, or all of them."""

from __future__ import annotations

import re
from typing import Any

from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import Normal, answered, expected_texts
from weighbridge.wire.answer import Answer


class Settings(Normal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`all`: every expected text must be there, and the value is the share that is. `word`: only whole words, so that
    "0" is not found in "10". `none`: texts that must not be there."""

    expected: list[Any] | None = None
    all: bool = False
    word: bool = False
    none: tuple[str, ...] = ()


class Contains:
    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings

    def score(self, sample: Sample, answer: Answer) -> Score:
        settings = self._settings
        wanted = expected_texts(sample, settings.expected)
        if not wanted and not settings.none:
            return Score.unscorable(self.name, "the sample expects nothing")
        said = settings.form(answered(answer))
        unwanted = [text for text in settings.none if self._holds(said, text)]
        if unwanted:
            return Score(scorer=self.name, value=0.0, passed=False, explanation=f"holds {unwanted[0]!r}")
        found = [text for text in wanted if self._holds(said, text)]
        missing = [text for text in wanted if text not in found]
        passed = not missing if settings.all else bool(found) or not wanted
        value = len(found) / len(wanted) if settings.all and wanted else float(passed)
        why = "" if passed else f"does not hold {' or '.join(map(repr, missing[:3]))}"
        return Score(scorer=self.name, value=value, passed=passed, explanation=why, extracted=found or None)

    def _holds(self, said: str, text: str) -> bool:
        wanted = self._settings.form(text)
        if not wanted or not self._settings.word:
            return wanted in said
        return re.search(rf"(?<![\w.,])(?<!\d-){re.escape(wanted)}(?!\w)(?![.,]\d)", said) is not None
