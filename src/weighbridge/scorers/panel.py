"""All scorers of an evaluation, and those that a sample brings, on one answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.registry import build_spec
from weighbridge.scorers.score import Score, Scorer
from weighbridge.wire.answer import Answer


class Panel:
    """`scorers` judge every sample; a sample's own `checks` judge it too, and take the place of one of the same name.

    A scorer that raises makes its own score unscorable, with the reason, and never costs the others theirs.
    """

    def __init__(self, scorers: Mapping[str, Scorer], *, base: Path) -> None:
        self._scorers = dict(scorers)
        self._base = base
        self._built: dict[bytes, Scorer] = {}
        self.raised = 0

    @classmethod
    def of(cls, specs: Mapping[str, Any], *, base: Path) -> Panel:
        """From `scorers:` of an evaluation: {name: {kind: settings}}. Raises UsageError."""
        return cls({name: build_spec(name, spec, base=base) for name, spec in specs.items()}, base=base)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._scorers)

    def judge(self, sample: Sample, answer: Answer) -> list[Score]:
        scorers = self._scorers
        if sample.checks:
            scorers = {**scorers, **{name: self._check(name, spec) for name, spec in sample.checks.items()}}
        return [self._one(name, scorer, sample, answer) for name, scorer in scorers.items()]

    def _check(self, name: str, spec: Any) -> Scorer:
        key = msgspec.json.encode((name, spec))
        if key not in self._built:
            self._built[key] = build_spec(name, spec, base=self._base)
        return self._built[key]

    def check(self, sample: Sample) -> None:
        """Raises UsageError where the sample's own checks cannot be built: better before anything is paid for."""
        for name, spec in sample.checks.items():
            self._check(name, spec)

    def _one(self, name: str, scorer: Scorer, sample: Sample, answer: Answer) -> Score:
        try:
            return scorer.score(sample, answer)
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad scorer must not lose the others' scores
            self.raised += 1
            return Score.unscorable(name, f"the scorer failed: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Ends the processes that scorers keep."""
        for scorer in (*self._scorers.values(), *self._built.values()):
            close = getattr(scorer, "close", None)
            if close is not None:
                close()
