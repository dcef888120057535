"""Taking JSON out of an answer, and saying from where."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import msgspec

From = Literal["whole", "fenced", "embedded"]
_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*?)```", re.DOTALL)
_MAX_STARTS = 50


class Found(NamedTuple):
    value: Any
    place: From


def find(text: str, *, strict: bool = False) -> Found | None:
    """The whole text; else the first fenced block that is JSON; else the first balanced object or array. `strict`
    takes the whole text only."""
    whole = _decoded(text.strip())
    if whole is not None:
        return Found(whole[0], "whole")
    if strict:
        return None
    for block in _FENCE.findall(text):
        inner = _decoded(block.strip())
        if inner is not None:
            return Found(inner[0], "fenced")
    starts = [match.start() for match in re.finditer(r"[{\[]", text)][:_MAX_STARTS]
    end = 0
    for start in starts:
        if start < end:
            continue
        stop = _balanced(text, start)
        if stop is None:
            continue
        inner = _decoded(text[start:stop])
        if inner is not None:
            return Found(inner[0], "embedded")
        end = 0
    return None


def _decoded(text: str) -> tuple[Any] | None:
    if not text:
        return None
    try:
        return (msgspec.json.decode(text),)
    except (msgspec.DecodeError, RecursionError):
        return None


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
