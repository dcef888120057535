"""latency: the answer came in time."""

from __future__ import annotations

import msgspec

from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits in seconds, counted from the intended send time."""

    ttft: float | None = None
    total: float | None = None


class LatencyLimit:
    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings

    def score(self, sample: Sample, answer: Answer) -> Score:
        del sample
        late = []
        for what in ("ttft", "total"):
            limit: float | None = getattr(self._settings, what)
            if limit is None:
                continue
            took: float | None = getattr(answer.latency, what, None)
            if took is None:
                return Score.unscorable(self.name, f"{what} was not measured (is the reply streamed?)")
            if took > limit:
                late.append(f"{what} {took:.3f} s, at most {limit:g} s wanted")
        return Score(scorer=self.name, value=float(not late), passed=not late, explanation="; ".join(late))
