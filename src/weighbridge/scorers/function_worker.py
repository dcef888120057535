"""The process in which a user's scoring function runs: questions in on stdin, verdicts out on stdout, a line each."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import msgspec


def main(target: str) -> None:
    """Serves until stdin ends. What the function prints goes to stderr, so that it cannot be taken for a verdict."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    module, _, name = target.partition(":")
    try:
        function: Callable[[str, Any, Any], Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, SyntaxError) as error:
        _say(out, {"error": f"{type(error).__name__}: {error}"})
        return
    _say(out, {"ready": True})
    for line in sys.stdin.buffer:
        question = msgspec.json.decode(line)
        text = question["answer"].get("text", "")
        try:
            said = function(text, question["sample"], question["answer"])
        except Exception as error:  # noqa: BLE001 - whatever the function raises is its verdict's reason
            _say(out, {"error": f"{type(error).__name__}: {error}"})
            continue
        _say(out, said if isinstance(said, dict) else {"value": said})


def _say(out: Any, said: dict[str, Any]) -> None:
    try:
        line = msgspec.json.encode(said)
    except TypeError as error:
        line = msgspec.json.encode({"error": f"the function's return value cannot be written as JSON: {error}"})
    out.write(line + b"\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
