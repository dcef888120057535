"""exact: the answer is one of the expected ones."""

from __future__ import annotations

from typing import Any

from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import Normal, answered, expected_texts
from weighbridge.wire.answer import Answer


class Settings(Normal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`expected` takes the place of the sample's. `case`, `space`, `punctuation`: true where they matter."""

    expected: list[Any] | None = None


class Exact:
    """Equal as a whole, after the forgiveness that is set."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings

    def score(self, sample: Sample, answer: Answer) -> Score:
        wanted = expected_texts(sample, self._settings.expected)
        if not wanted:
            return Score.unscorable(self.name, "the sample expects nothing")
        said = self._settings.form(answered(answer))
        passed = any(said == self._settings.form(text) for text in wanted)
        why = "" if passed else f"expected {' or '.join(map(repr, wanted[:3]))}"
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=said)
