"""A scorer's verdict on one answer, and the seam every scorer fills."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from weighbridge.samples.sample import Sample
from weighbridge.wire.answer import Answer


class Score(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`value` is in [0, 1]; None: this scorer could not score this answer (`explanation` says why), which is never
    counted as zero in a mean. `passed` is None exactly where `value` is. `extracted` is what was taken from the
    answer and compared."""

    scorer: str
    value: float | None
    passed: bool | None
    explanation: str = ""
    extracted: Any = None

    def __post_init__(self) -> None:
        if self.value is not None and not 0 <= self.value <= 1:
            raise ValueError(f"scorer {self.scorer}: {self.value} is not in [0, 1]")
        if (self.value is None) is not (self.passed is None):
            raise ValueError(f"scorer {self.scorer}: a value without a verdict, or a verdict without a value")

    @classmethod
    def unscorable(cls, scorer: str, why: str) -> Score:
        return cls(scorer=scorer, value=None, passed=None, explanation=why)


class Scorer(Protocol):
    """Judges one answer. Raises nothing for a bad answer: that is a score of 0 or an unscorable one."""

    @property
    def name(self) -> str: ...

    def score(self, sample: Sample, answer: Answer) -> Score: ...
