"""Taking JSON out of an answer, and saying from where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

From = Literal["whole", "fenced", "embedded"]
_FENCE = re.compile(r"```([^\n`]*)\n(.*?)```", re.DOTALL)
_MAX_STARTS = 50
_DEEPEST = 100  # levels: what is nested deeper is a model that repeats itself


class Found(NamedTuple):
    value: Any
    place: From


def find(text: str, *, strict: bool = False) -> Found | None:
    """The whole text; else the first fenced block that is JSON (one marked json before others); else the first
    balanced object or array, where a list of bare values such as the footnote [1] gives way to an object that comes
    later. `strict` takes the whole text only."""
    whole = _decoded(text.strip())
    if whole is not None:
        return Found(whole[0], "whole")
    if strict:
        return None
    fenced = sorted(_FENCE.findall(text), key=lambda block: not block[0].strip().casefold().startswith("json"))
    for _, block in fenced:
        inner = _decoded(block.strip())
        if inner is not None:
            return Found(inner[0], "fenced")
    bare: Found | None = None
    for value in _embedded(text):
        if isinstance(value, dict) or any(isinstance(entry, dict | list) for entry in value):
            return Found(value, "embedded")
        bare = bare or Found(value, "embedded")
    return bare


def _embedded(text: str) -> Iterator[Any]:
    """Every balanced object and array in a text that is JSON and not inside another, in order."""
    end = 0
    for start in [match.start() for match in re.finditer(r"[{\[]", text)][:_MAX_STARTS]:
        stop = _balanced(text, start) if start >= end else None
        inner = _decoded(text[start:stop]) if stop is not None else None
        if stop is not None and inner is not None:
            end = stop
            yield inner[0]


def _decoded(text: str) -> tuple[Any] | None:
    if not text:
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return None if _is_deep(value) else (value,)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _balanced(text: str, start: int) -> int | None:
    """Where the bracket at `start` closes, strings skipped; None where it does not."""
    depth = 0
    quoted = escaped = False
    for place in range(start, len(text)):
        char = text[place]
        if quoted:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
            if depth == 0:
                return place + 1
    return None
