"""contains: the answer holds an expected text, or all of them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from weighbridge.errors import UsageError
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
        if not all(text.strip() for text in settings.none):
            raise UsageError(f"scorer {name}: `none` has an empty text, which every answer holds")
        self.name = name
        self._settings = settings
        self._whole = msgspec.structs.replace(settings, punctuation=True)

    def score(self, sample: Sample, answer: Answer) -> Score:
        settings = self._settings
        wanted = [text for text in expected_texts(sample, settings.expected) if text.strip()]
        if not wanted and not settings.none:
            return Score.unscorable(self.name, "the sample expects nothing")
        said = self._whole.form(answered(answer))
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
        if not self._settings.word:
            return wanted in said
        return re.search(f"{_before(wanted)}{re.escape(wanted)}{_after(wanted)}", said) is not None


def _before(wanted: str) -> str:
    """What may not stand before a whole word. A number is not the end of another: 5 is not in 1.5, 3-5 and -5."""
    return r"(?<!\w)(?<!\d[.,])(?<![-\u2212])" if wanted[0].isdecimal() else r"(?<!\w)"


def _after(wanted: str) -> str:
    return r"(?!\w)(?![.,]\d)" if wanted[-1].isdecimal() else r"(?!\w)"
