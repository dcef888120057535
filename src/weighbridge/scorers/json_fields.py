"""json_fields: the answer's JSON, field by field against the expected object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from weighbridge.samples.sample import Sample
from weighbridge.scorers.json_text import find
from weighbridge.scorers.numbers import decimal, parse
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import Normal, answered
from weighbridge.wire.answer import Answer

_PLACE = re.compile(r"\[\d+\]")
_MOST_PAIRS = 10_000  # of two lists without an order; longer ones are paired as they stand
_canonical = msgspec.json.Encoder(order="deterministic")


class Settings(Normal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ignore`: paths left out, such as `greeting` or `lines[].note`; a name alone stands for everything below it.
    `tolerance`: how far off a number may be. `ordered`: the order of lists matters. `passes`: the F1 that passes."""

    ignore: tuple[str, ...] = ()
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    ordered: bool = True
    passes: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    expected: list[Any] | None = None


class JsonFields:
    """F1 of the leaves: precision is the share of the answer's fields that are right, recall that of the expected
    fields that are there and right. The best of several expected objects counts."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings
        self._tolerance = decimal(settings.tolerance)

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
        right, wrong = self._compared(wanted, said, "")
        total = len(self._leaves(wanted, "")) + len(self._leaves(said, ""))
        return (2 * right / total if total else 1.0), wrong

    def _compared(self, wanted: Any, said: Any, path: str) -> tuple[int, list[str]]:
        """How many leaves are right, and the paths of those that are wrong, missing or not expected."""
        if self._ignored(path):
            return 0, []
        if isinstance(wanted, dict) and isinstance(said, dict) and wanted and said:
            both = [(name, name) for name in wanted if name in said]
            return self._together(_named(wanted, path), _named(said, path), both)
        if isinstance(wanted, list) and isinstance(said, list) and wanted and said:
            return self._together(_listed(wanted, path), _listed(said, path), self._pairs(wanted, said, path))
        if not _is_leaf(wanted) or not _is_leaf(said):
            return 0, self._leaves(wanted, path) + [f"{leaf} (not expected)" for leaf in self._leaves(said, path)]
        return (1, []) if self._same(wanted, said) else (0, [path or "the whole"])

    def _together(
        self, wanted: dict[Any, tuple[str, Any]], said: dict[Any, tuple[str, Any]], pairs: list[tuple[Any, Any]]
    ) -> tuple[int, list[str]]:
        right = 0
        wrong: list[str] = []
        for one, other in pairs:
            path, value = wanted[one]
            more, less = self._compared(value, said[other][1], path)
            right += more
            wrong += less
        left, over = {one for one, _ in pairs}, {other for _, other in pairs}
        for one, (path, value) in wanted.items():
            wrong += self._leaves(value, path) if one not in left else []
        for other, (path, value) in said.items():
            wrong += [f"{leaf} (not expected)" for leaf in self._leaves(value, path)] if other not in over else []
        return right, wrong

    def _pairs(self, wanted: list[Any], said: list[Any], path: str) -> list[tuple[int, int]]:
        """Which entry is held against which: those in the same place, or, where the order does not matter, equal ones
        and then those that have most in common."""
        if self._settings.ordered:
            return [(place, place) for place in range(min(len(wanted), len(said)))]
        waiting: dict[bytes, list[int]] = {}
        for place, value in enumerate(said):
            waiting.setdefault(self._key(value), []).append(place)
        pairs = [(place, same.pop(0)) for place, value in enumerate(wanted) if (same := waiting.get(self._key(value)))]
        left = sorted(set(range(len(wanted))) - {one for one, _ in pairs})
        over = sorted(set(range(len(said))) - {other for _, other in pairs})
        if len(left) * len(over) > _MOST_PAIRS:
            return pairs + list(zip(left, over, strict=False))
        shared = [
            (-self._compared(wanted[one], said[other], f"{path}[{one}]")[0], one, other)
            for one in left
            for other in over
        ]
        for common, one, other in sorted(shared):
            if common and one in left and other in over:
                left.remove(one)
                over.remove(other)
                pairs.append((one, other))
        return pairs

    def _key(self, value: Any) -> bytes:
        """The same for values that are the same, however they are written."""
        return _canonical.encode(self._formed(value))

    def _formed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._formed(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return sorted((self._formed(inner) for inner in value), key=_canonical.encode)
        if isinstance(value, str):
            return ["text", self._settings.form(value)]
        return value if value is None or isinstance(value, bool) else ["number", str(parse(value))]

    def _leaves(self, value: Any, path: str) -> list[str]:
        return [leaf for leaf in _leaves(value, path) if not self._ignored(leaf)]

    def _ignored(self, path: str) -> bool:
        plain = _PLACE.sub("[]", path)
        return any(plain == rule or plain.startswith((f"{rule}.", f"{rule}[")) for rule in self._settings.ignore)

    def _same(self, wanted: Any, said: Any) -> bool:
        if isinstance(wanted, bool) or isinstance(said, bool) or wanted is None or said is None:
            return wanted is said
        if isinstance(wanted, int | float):
            number, given = parse(wanted), parse(said)
            return number is not None and given is not None and abs(number - given) <= self._tolerance
        if isinstance(wanted, str) and isinstance(said, str):
            return self._settings.form(wanted) == self._settings.form(said)
        return bool(wanted == said)


def _object(value: Any) -> dict[str, Any] | list[Any] | None:
    if isinstance(value, str):
        found = find(value)
        value = found.value if found is not None else None
    return value if isinstance(value, dict | list) else None


def _is_leaf(value: Any) -> bool:
    return not (isinstance(value, dict | list) and value)


def _named(value: dict[str, Any], path: str) -> dict[Any, tuple[str, Any]]:
    return {name: (f"{path}.{name}" if path else name, inner) for name, inner in value.items()}


def _listed(value: list[Any], path: str) -> dict[Any, tuple[str, Any]]:
    return {place: (f"{path}[{place}]", inner) for place, inner in enumerate(value)}


def _leaves(value: Any, path: str) -> Iterator[str]:
    if _is_leaf(value):
        yield path
    else:
        for inner_path, inner in (_named(value, path) if isinstance(value, dict) else _listed(value, path)).values():
            yield from _leaves(inner, inner_path)
