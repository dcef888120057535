"""The process in which a user's scoring function runs: questions in on stdin, verdicts out on stdout, a line each.

Nothing the function does can be taken for a verdict: what it prints goes to stderr, it finds its stdin empty, and each
verdict bears the number of its question.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec

_LONGEST = 2**20  # bytes of a verdict


def main(target: str, seconds: float, megabytes: int) -> None:
    """Serves until stdin ends."""
    out, questions = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        os.dup2(nothing.fileno(), 0)
    _bound(megabytes)
    try:
        function = _function(target)
    except BaseException as error:  # noqa: BLE001 - whatever the module raises, sys.exit too
        _say(out, 0, {"error": f"{type(error).__name__}: {error}"})
        return
    _say(out, 0, {})
    mine = os.getpid()
    for line in questions:
        question = msgspec.json.decode(line)
        _alarm(seconds)
        said = _called(function, question)
        if os.getpid() != mine:
            os._exit(0)  # the function forked, and this is the child: the parent answers
        _alarm(0)
        _say(out, question["number"], said)


def _bound(megabytes: int) -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    size = megabytes * 2**20
    if most == resource.RLIM_INFINITY or size < most:
        resource.setrlimit(resource.RLIMIT_DATA, (size, most))


def _alarm(seconds: float) -> None:
    """Ends this process some time after its parent should have, for the parent may be dead."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds + 5 if seconds else 0)


def _function(target: str) -> Callable[[str, Any, Any], Any]:
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - now, so that no file beside the configuration shadows our imports
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    if not callable(function):
        raise TypeError(f"{name} is not a function")
    called: Callable[[str, Any, Any], Any] = function
    return called


def _called(function: Callable[[str, Any, Any], Any], question: dict[str, Any]) -> dict[str, Any]:
    try:
        said = function(question["answer"].get("text", ""), question["sample"], question["answer"])
    except BaseException as error:  # noqa: BLE001 - whatever the function raises is its verdict's reason, sys.exit too
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    return said if isinstance(said, dict) else {"value": said}


def _say(out: Any, number: int, said: dict[str, Any]) -> None:
    try:
        line = msgspec.json.encode({"number": number, "said": said}, enc_hook=_plain)
        if len(line) > _LONGEST:
            raise ValueError(f"{len(line)} bytes are too many")  # noqa: TRY301
    except Exception as error:  # noqa: BLE001 - a returned object can raise anything when it is looked at
        reason = f"the function's return value cannot be written as JSON: {error}"[:500]
        line = msgspec.json.encode({"number": number, "said": {"error": reason}})
    out.write(line + b"\n")
    out.flush()


def _plain(value: Any) -> Any:
    """Numbers and bools of numpy as those of Python."""
    if callable(getattr(value, "item", None)):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
