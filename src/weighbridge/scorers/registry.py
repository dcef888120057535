"""Scorers by name, and how each is made from its settings."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from weighbridge.errors import UsageError
from weighbridge.scorers import (
    choice,
    contains,
    exact,
    function,
    json_fields,
    json_schema,
    latency,
    length,
    numeric,
    pattern,
)
from weighbridge.scorers.combined import Combined
from weighbridge.scorers.score import Scorer
from weighbridge.scorers.settings import read

Make = Callable[[str, Any, Path], Scorer]


def _short(settings: Any, field: str) -> Any:
    """`json_schema: reply.json` is short for `json_schema: {file: reply.json}`."""
    return {field: settings} if isinstance(settings, str) else settings


KINDS: Final[dict[str, Make]] = {
    "exact": lambda name, settings, _: exact.Exact(name, read(name, settings, exact.Settings)),
    "contains": lambda name, settings, _: contains.Contains(name, read(name, settings, contains.Settings)),
    "regex": lambda name, settings, _: pattern.Regex(name, read(name, _short(settings, "pattern"), pattern.Settings)),
    "numeric": lambda name, settings, _: numeric.Numeric(name, read(name, settings, numeric.Settings)),
    "choice": lambda name, settings, _: choice.Choice(name, read(name, settings, choice.Settings)),
    "json_schema": lambda name, settings, base: json_schema.JsonSchema(
        name, read(name, _short(settings, "file"), json_schema.Settings), base
    ),
    "json_fields": lambda name, settings, _: json_fields.JsonFields(name, read(name, settings, json_fields.Settings)),
    "python": lambda name, settings, base: function.PythonFunction(
        name, read(name, _short(settings, "function"), function.Settings), base
    ),
    "length": lambda name, settings, _: length.Length(name, read(name, settings, length.Settings)),
    "latency": lambda name, settings, _: latency.LatencyLimit(name, read(name, settings, latency.Settings)),
    "all_of": lambda name, settings, base: _combined(name, "all_of", settings, base),
    "any_of": lambda name, settings, base: _combined(name, "any_of", settings, base),
}
"""Each kind of scorer and how it is made from (name, settings, folder of the configuration)."""


def build(name: str, kind: str, settings: Any, *, base: Path) -> Scorer:
    """A scorer called `name`. Raises UsageError for a kind nobody knows and for settings that do not fit."""
    make = KINDS.get(kind)
    if make is None:
        near = get_close_matches(kind, KINDS, n=1)
        mend = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(KINDS)}"
        raise UsageError(f"no scorer is of the kind {kind!r}", mend=mend)
    return make(name, settings, base)


def build_spec(name: str, spec: Any, *, base: Path) -> Scorer:
    """A scorer from `{kind: settings}`, the form of weighbridge.yaml and of a sample's `checks`."""
    if not isinstance(spec, dict) or len(spec) != 1:
        raise UsageError(f"scorer {name} must be one entry of the form {{kind: settings}}")
    ((kind, settings),) = spec.items()
    return build(name, str(kind), settings, base=base)


def _combined(name: str, kind: Literal["all_of", "any_of"], settings: Any, base: Path) -> Scorer:
    if not isinstance(settings, list) or not settings:
        raise UsageError(
            f"scorer {name}: {kind} takes a list of scorers, such as [{{contains: {{}}}}, {{length: {{max: 80}}}}]"
        )
    parts: list[Scorer] = []
    for spec in settings:
        label = str(next(iter(spec))) if isinstance(spec, dict) and spec else f"part {len(parts) + 1} of {name}"
        again = sum(part.name.partition(" ")[0] == label for part in parts)
        parts.append(build_spec(f"{label} {again + 1}" if again else label, spec, base=base))
    return Combined(name, kind, parts)
