"""latency: the answer came in time."""

from __future__ import annotations

import re

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits such as `800ms` or `6s` (a number alone is seconds), counted from the intended send time."""

    ttft: float | str | None = None
    total: float | str | None = None


class LatencyLimit:
    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        limits = {"ttft": settings.ttft, "total": settings.total}
        self._limits = {what: _seconds(name, limit) for what, limit in limits.items() if limit is not None}
        if not self._limits:
            raise UsageError(f"scorer {name}: has no limit", mend="Such as: {latency: {total: 6s}}")

    def score(self, sample: Sample, answer: Answer) -> Score:
        del sample
        late, unknown = [], []
        for what, limit in self._limits.items():
            took: float | None = getattr(answer.latency, what, None)
            if took is None:
                unknown.append(f"{what} was not measured (is the reply streamed?)")
            elif took > limit:
                late.append(f"{what} {took:.3f} s, at most {limit:g} s wanted")
        if unknown and not late:
            return Score.unscorable(self.name, "; ".join(unknown))
        return Score(scorer=self.name, value=float(not late), passed=not late, explanation="; ".join(late))


def _seconds(name: str, limit: float | str) -> float:
    if isinstance(limit, str):
        match = _DURATION.fullmatch(limit.strip())
        limit = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < limit < float("inf"):
        raise UsageError(f"scorer {name}: a limit must be a duration such as 800ms or 6s")
    return float(limit)
