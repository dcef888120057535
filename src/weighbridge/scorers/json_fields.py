"""json_fields: the answer's JSON, field by field against the expected object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from weighbridge.samples.sample import Sample
from weighbridge.scorers.json_text import find
from weighbridge.scorers.numbers import parse
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import Normal, answered
from weighbridge.wire.answer import Answer


class Settings(Normal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ignore`: paths left out, such as `greeting` or `lines[].note`; a name alone stands for everything below it.
    `tolerance`: how far off a number may be. `ordered`: the order of lists matters. `passes`: the F1 that passes."""

    ignore: tuple[str, ...] = ()
    tolerance: float = 0.0
    ordered: bool = True
    passes: float = 1.0
    expected: list[Any] | None = None


class JsonFields:
    """F1 of the leaves: precision is the share of the answer's fields that are right, recall that of the expected
    fields that are there and right. The best of several expected objects counts."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings

    def score(self, sample: Sample, answer: Answer) -> Score:
        values = sample.expected if self._settings.expected is None else self._settings.expected
        wanted = [object_ for value in values if (object_ := _object(value)) is not None]
        if not wanted:
            return Score.unscorable(self.name, "the sample expects no object")
        found = find(answered(answer))
        if found is None:
            return Score(scorer=self.name, value=0.0, passed=False, explanation="no JSON in the answer")
        scored = [self._f1(object_, found.value) for object_ in wanted]
        value, wrong = max(scored, key=lambda pair: pair[0])
        why = f"JSON: {found.place}" if not wrong else f"wrong: {', '.join(wrong[:8])}"
        return Score(
            scorer=self.name,
            value=value,
            passed=value >= self._settings.passes - 1e-12,
            explanation=why,
            extracted=found.value,
        )

    def _f1(self, wanted: Any, said: Any) -> tuple[float, list[str]]:
        left, right = self._leaves(wanted), self._leaves(said)
        right_ones = sum(1 for path, value in left.items() if path in right and self._same(value, right[path]))
        wrong = [path for path, value in left.items() if path not in right or not self._same(value, right[path])]
        wrong += [f"{path} (not expected)" for path in right if path not in left]
        total = len(left) + len(right)
        return (2 * right_ones / total if total else 1.0), wrong

    def _leaves(self, value: Any) -> dict[str, Any]:
        ordered = self._settings.ordered
        return {path: leaf for path, leaf in _leaves(value, "", ordered) if not self._ignored(path)}

    def _ignored(self, path: str) -> bool:
        plain = "".join("[]" if part.startswith("[") else part for part in _parts(path)).lstrip(".")
        return any(plain == rule or plain.startswith((f"{rule}.", f"{rule}[")) for rule in self._settings.ignore)

    def _same(self, wanted: Any, said: Any) -> bool:
        if isinstance(wanted, bool) or isinstance(said, bool) or wanted is None or said is None:
            return wanted is said
        if isinstance(wanted, int | float):
            number, given = parse(wanted), parse(said)
            return number is not None and given is not None and abs(number - given) <= self._settings.tolerance
        if isinstance(wanted, str) and isinstance(said, str):
            return self._settings.form(wanted) == self._settings.form(said)
        return bool(wanted == said)


def _object(value: Any) -> Any:
    if isinstance(value, dict | list):
        return value
    found = find(value) if isinstance(value, str) else None
    return found.value if found is not None else None


def _parts(path: str) -> Iterator[str]:
    word = ""
    for char in path:
        if char in ".[" and word:
            yield word
            word = ""
        word += char
    if word:
        yield word


def _leaves(value: Any, path: str, ordered: bool) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name), ordered)
    elif isinstance(value, list) and value:
        entries = (
            value if ordered else sorted(value, key=lambda entry: msgspec.json.encode(entry, order="deterministic"))
        )
        for place, inner in enumerate(entries):
            yield from _leaves(inner, f"{path}[{place}]", ordered)
    else:
        yield path, value
