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

_OPEN, _CLOSE = r"[\s(\[{<\"'*_`$]*", r"[\s)\]}>\"'*_`$.,:;!]"
_SAYS = r"(?:\s+is)?[\s*_]*[:=]?"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`labels`: what may be chosen. What the answer says in a box or after "answer" is the choice (the last of them),
    else what it says after "option", "choice" or "label", else the label it begins with; otherwise exactly one label
    must be named anywhere in it. Two different ones fail, and the explanation says so."""

    labels: tuple[str, ...] = ("A", "B", "C", "D")
    expected: list[Any] | None = None


class Choice:
    """Labels of one letter are matched in capitals, as whole words; longer ones in any case. A small letter counts
    where it cannot be a word of the sentence: alone, or at the end of a line after "answer:"."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._expected = settings.expected
        self._labels = {label.strip().casefold(): label for label in settings.labels}
        if len(self._labels) < 2 or len(self._labels) < len(settings.labels) or "" in self._labels:
            raise UsageError(f"scorer {name}: a choice needs at least two labels, all different and none empty")
        longest_first = sorted(settings.labels, key=len, reverse=True)
        any_case = "(?i:" + "|".join(re.escape(label.strip()) for label in longest_first) + ")"
        listed = "(?>" + "|".join(_pattern(label.strip()) for label in longest_first) + ")"  # the longest, for good
        self._anywhere = re.compile(rf"(?<!\w)({listed})(?!\w)")
        self._first = re.compile(rf"{_OPEN}({listed})(?=$|{_CLOSE})(?!\s+[a-z])")
        self._alone = re.compile(rf"{_OPEN}({any_case})(?:{_CLOSE})*")
        boxed = rf"\\boxed\s*\{{\s*(?:\\text\w*\s*\{{\s*)?[(\s]*({any_case})[)\s]*\}}"
        self._boxed = re.compile(boxed)
        self._answer = re.compile(
            rf"\b(?i:answer){_SAYS}{_OPEN}(?:({listed})(?!\w)|({any_case})[)\]\"'*_`.]*[^\S\n]*(?=\n|$))"
        )
        self._option = re.compile(rf"\b(?i:option|choice|label){_SAYS}{_OPEN}({listed})(?!\w)")

    def score(self, sample: Sample, answer: Answer) -> Score:
        expected = expected_texts(sample, self._expected)
        if not expected:
            return Score.unscorable(self.name, "the sample expects nothing")
        wanted = {self._labels[text.strip().casefold()] for text in expected if text.strip().casefold() in self._labels}
        if not wanted:
            return Score.unscorable(self.name, f"the sample expects {expected[0]!r}, which is none of the labels")
        found = self._chosen(answered(answer))
        if len(found) != 1:
            why = "names no label" if not found else f"names several labels: {', '.join(sorted(found))}"
            return Score(scorer=self.name, value=0.0, passed=False, explanation=why, extracted=sorted(found) or None)
        (label,) = found
        passed = label in wanted
        why = "" if passed else f"expected {' or '.join(sorted(wanted))}"
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=label)

    def _chosen(self, text: str) -> set[str]:
        alone = self._alone.fullmatch(text)
        if alone is not None:
            return self._named([alone[1]])
        said = self._boxed.findall(text) or [capital or small for capital, small in self._answer.findall(text)]
        if said:
            return self._named(said[-1:])
        options = self._option.findall(text)
        if options:
            return self._named(options)
        first = self._first.match(text)
        return self._named([first[1]] if first is not None else self._anywhere.findall(text))

    def _named(self, found: list[str]) -> set[str]:
        return {self._labels[key] for label in found if (key := label.casefold()) in self._labels}


def _pattern(label: str) -> str:
    return re.escape(label) if len(label) == 1 else f"(?i:{re.escape(label)})"
