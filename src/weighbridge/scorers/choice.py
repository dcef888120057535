"""choice: the answer names one label of a set, and it is the right one."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import answered, expected_texts
from weighbridge.wire.answer import Answer


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`labels`: what may be chosen. Where the answer begins with a label, or says "answer: X", that is the choice;
    otherwise exactly one label must be named anywhere in it. Two different ones fail, and the explanation says so."""

    labels: tuple[str, ...] = ("A", "B", "C", "D")
    expected: list[Any] | None = None


class Choice:
    """Labels of one letter are matched in capitals, as whole words; longer ones in any case."""

    def __init__(self, name: str, settings: Settings) -> None:
        if len(settings.labels) < 2:
            raise UsageError(f"scorer {name}: a choice needs at least two labels")
        self.name = name
        self._expected = settings.expected
        self._labels = {label.casefold(): label for label in settings.labels}
        listed = "|".join(re.escape(label) for label in sorted(settings.labels, key=len, reverse=True))
        flags = 0 if all(len(label) == 1 for label in settings.labels) else re.IGNORECASE
        self._anywhere = re.compile(rf"(?<!\w)({listed})(?!\w)", flags)
        self._marked = re.compile(
            rf"(?:answer|choice|option|label)(?i:\s+is|\s*[:=])?\s*[\(\[\"'*]*\s*({listed})(?!\w)",
            flags | re.IGNORECASE,
        )
        self._first = re.compile(rf"[\s\(\[\"'*]*({listed})(?=$|[\s\)\]\"'*.,:;!])(?!\s+[a-z])", flags)

    def score(self, sample: Sample, answer: Answer) -> Score:
        wanted = {self._labels.get(text.strip().casefold(), text) for text in expected_texts(sample, self._expected)}
        if not wanted:
            return Score.unscorable(self.name, "the sample expects nothing")
        found = self._chosen(answered(answer))
        if len(found) != 1:
            why = "names no label" if not found else f"names several labels: {', '.join(sorted(found))}"
            return Score(scorer=self.name, value=0.0, passed=False, explanation=why, extracted=sorted(found) or None)
        (label,) = found
        passed = label in wanted
        why = "" if passed else f"expected {' or '.join(sorted(wanted))}"
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=label)

    def _chosen(self, text: str) -> set[str]:
        marked = self._marked.findall(text)
        if marked:
            return {self._labels[marked[-1].casefold()]}
        first = self._first.match(text)
        if first is not None:
            return {self._labels[first[1].casefold()]}
        return {self._labels[label.casefold()] for label in self._anywhere.findall(text)}
