"""length: the answer is neither too short nor too long."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import answered
from weighbridge.wire.answer import Answer


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`min` and `max` of `unit`. Tokens are those the provider counted: retokenising a text does not give them back."""

    unit: Literal["characters", "words", "tokens"] = "characters"
    min: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Length:
    def __init__(self, name: str, settings: Settings) -> None:
        low, high = settings.min, settings.max
        if low is None and high is None:
            raise UsageError(f"scorer {name}: has neither min nor max", mend="Such as: {length: {max: 80}}")
        if low is not None and high is not None and low > high:
            raise UsageError(f"scorer {name}: min {low} is more than max {high}")
        self.name = name
        self._settings = settings

    def score(self, sample: Sample, answer: Answer) -> Score:
        del sample
        settings = self._settings
        text = answered(answer)
        if settings.unit == "tokens":
            if answer.usage.output is None:
                return Score.unscorable(self.name, "the provider did not say how many tokens it made")
            count = answer.usage.output
        else:
            count = len(text) if settings.unit == "characters" else len(text.split())
        low, high = settings.min or 0, settings.max
        passed = count >= low and (high is None or count <= high)
        limit = f"at least {low}" if count < low else f"at most {high}"
        why = f"{count} {settings.unit}" + ("" if passed else f", {limit} wanted")
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=count)
