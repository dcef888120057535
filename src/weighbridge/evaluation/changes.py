"""Which samples broke and which were fixed between two candidates, and with which answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from weighbridge.evaluation.differences import answer_text, as_text, cut_text, prompt_text
from weighbridge.evaluation.outcomes import Outcomes
from weighbridge.replay.result import Result
from weighbridge.samples.sample import Sample
from weighbridge.store.rows import Key, Scored
from weighbridge.store.run import Run

MOST_SHOWN = 200
LONGEST_TEXT = 2_000


class Change(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One sample whose outcome changed: `before` and `after` are the answers (or the errors), `why` what the scorers
    said of each. With repeats, `rate_before` and `rate_after` are the shares of repeats that succeeded."""

    sample: str
    rate_before: float
    rate_after: float
    tags: tuple[str, ...] = ()
    prompt: str = ""
    expected: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    why_before: str = ""
    why_after: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a candidate of a run."""

    run: Run
    outcomes: Outcomes

    @property
    def label(self) -> str:
        return f"{self.run.id}:{self.outcomes.candidate}"


def rates(outcomes: Outcomes) -> dict[str, float]:
    """The share of a sample's repeats that succeeded, for each sample with a verdict."""
    found: dict[str, list[float]] = {}
    for sample, success in zip(outcomes.sample, outcomes.success.tolist(), strict=True):
        if success == success:  # noqa: PLR0124  (NaN: not judged)
            found.setdefault(sample, []).append(success)
    return {sample: sum(values) / len(values) for sample, values in found.items()}


def changes(before: Side, after: Side, samples: Iterable[str]) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """(broke, fixed) among these samples, the largest changes first. A sample broke where fewer of its repeats
    succeed."""
    old, new = rates(before.outcomes), rates(after.outcomes)
    moved = [(new[sample] - old[sample], sample) for sample in samples if new[sample] != old[sample]]
    texts = _Texts.of(before), _Texts.of(after)
    broke = [texts_of(sample, old, new, texts) for move, sample in sorted(moved) if move < 0]
    fixed = [texts_of(sample, old, new, texts) for move, sample in sorted(moved, reverse=True) if move > 0]
    return tuple(broke), tuple(fixed)


@dataclass(frozen=True, slots=True)
class _Texts:
    """A side's journal, by sample."""

    samples: Mapping[str, Sample]
    results: Mapping[str, Sequence[Result]]
    scored: Mapping[Key, Scored]

    @classmethod
    def of(cls, side: Side) -> _Texts:
        grouped: dict[str, list[Result]] = {}
        results = side.run.results()
        for key in sorted(results, key=lambda key: key[2]):
            if key[0] == side.outcomes.candidate:
                grouped.setdefault(key[1], []).append(results[key])
        return cls(side.run.samples(), grouped, side.run.scored())

    def answer(self, sample: str, *, passed: bool) -> tuple[str, str]:
        """An answer of this outcome (the first if there is none) and what was said of it."""
        results = self.results.get(sample, ())
        fits = [result for result in results if self._passed(result) == passed] or list(results)
        if not fits:
            return "", ""
        result = fits[0]
        text = f"[{result.failure.error_class}] {result.failure.message}" if result.failure else answer_text(result)
        scored = self.scored.get(result.key)
        said = [f"{score.scorer}: {score.explanation}" for score in (scored.scores if scored else ())]
        return cut_text(text, LONGEST_TEXT), cut_text("; ".join(said), LONGEST_TEXT)

    def _passed(self, result: Result) -> bool:
        scored = self.scored.get(result.key)
        return result.answer is not None and scored is not None and scored.success is True


def texts_of(sample: str, old: Mapping[str, float], new: Mapping[str, float], texts: tuple[_Texts, _Texts]) -> Change:
    broke = new[sample] < old[sample]
    before, why_before = texts[0].answer(sample, passed=broke)
    after, why_after = texts[1].answer(sample, passed=not broke)
    asked = texts[1].samples.get(sample) or texts[0].samples.get(sample)
    return Change(
        sample=sample,
        rate_before=old[sample],
        rate_after=new[sample],
        tags=asked.tags if asked else (),
        prompt=cut_text(prompt_text(asked.request), LONGEST_TEXT) if asked else "",
        expected=tuple(cut_text(as_text(value), LONGEST_TEXT) for value in asked.expected[:5]) if asked else (),
        before=before,
        after=after,
        why_before=why_before,
        why_after=why_after,
    )
