"""all_of, any_of: several scorers as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score, Scorer
from weighbridge.wire.answer import Answer


class Combined:
    """all_of passes if every part passes, and its value is the lowest; any_of if one does, with the highest. A part
    that could not score decides nothing by itself: the whole is unscorable unless the other parts settle it."""

    def __init__(self, name: str, kind: Literal["all_of", "any_of"], parts: Sequence[Scorer]) -> None:
        self.name = name
        self._all = kind == "all_of"
        self._parts = parts

    def score(self, sample: Sample, answer: Answer) -> Score:
        scores = [part.score(sample, answer) for part in self._parts]
        said = "; ".join(_said(score) for score in scores)
        extracted = {score.scorer: score.extracted for score in scores if score.extracted is not None} or None
        known = [score for score in scores if score.value is not None]
        settled = any(score.passed is not self._all for score in known)
        if len(known) < len(scores) and not settled:
            return Score(scorer=self.name, value=None, passed=None, explanation=said, extracted=extracted)
        values = [score.value for score in known if score.value is not None]
        passed = all(score.passed for score in known) if self._all else any(score.passed for score in known)
        value = min(values) if self._all else max(values)
        return Score(scorer=self.name, value=value, passed=passed, explanation=said, extracted=extracted)

    def close(self) -> None:
        """Ends the processes that parts keep."""
        for part in self._parts:
            close = getattr(part, "close", None)
            if close is not None:
                close()


def _said(score: Score) -> str:
    verdict = "cannot score" if score.passed is None else "passes" if score.passed else "fails"
    return f"{score.scorer} {verdict}" + (f" ({score.explanation})" if score.explanation else "")
