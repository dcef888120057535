"""A sample: one request to replay, with its ground truth or how to judge it."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec

Api = Literal["chat", "completions"]


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a sample file.

    `request` is the body as sent (chat: `messages`, `tools`, …; completions: `prompt`, …), without `model`.
    `expected` holds acceptable answers (any of them is right). `checks` adds scorers for this sample only, by name, in
    the form used under `scorers:` of weighbridge.yaml. `cluster` names what makes samples alike (a conversation, a
    customer): errors are clustered by it. `weight` counts a sample more or less in means. `origin` says where it came
    from. `arrived` is seconds from the first sample's arrival, for trace-driven replay.
    """

    request: dict[str, Any]
    api: Api = "chat"
    expected: tuple[Any, ...] = ()
    checks: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    weight: float = 1.0
    origin: dict[str, Any] = {}
    arrived: float | None = None

    @property
    def id(self) -> str:
        """16 hex digits of SHA-256 over what is asked and what is expected: equal samples are one sample."""
        identity = (self.api, self.request, self.expected, self.checks)
        return hashlib.sha256(_canonical.encode(identity)).hexdigest()[:16]


_canonical = msgspec.json.Encoder(order="deterministic")

MAX_DEPTH: Final = 200
"""Levels of nesting that a sample may have: far more than any real one, and few enough to walk."""


def too_deep(value: Any) -> bool:
    """Whether a JSON value is nested beyond MAX_DEPTH."""
    level = [value]
    for _ in range(MAX_DEPTH):
        containers = [inner for inner in level if isinstance(inner, dict | list | tuple)]
        if not containers:
            return False
        level = [inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)]
    return True
