"""python: a function of the user's, called in a process of its own that has a time limit."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer

_START_S = 30.0


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`function` is `module:function`, found from the folder of the configuration. It is called with (text, sample,
    answer), the last two as dictionaries, and returns a bool, a number in [0, 1], or a dictionary with `value` and
    `explanation`. `seconds`: how long one call may take."""

    function: str
    seconds: float = 10.0
    passes: float = 0.5


class PythonFunction:
    """The process is started at the first score and kept; one that hangs or dies is replaced, and what it was scoring
    is unscorable, with the reason."""

    def __init__(self, name: str, settings: Settings, base: Path) -> None:
        module, colon, function = settings.function.partition(":")
        if not colon or not module or not function:
            raise UsageError(f"scorer {name}: {settings.function!r} is not module:function")
        self.name = name
        self._settings = settings
        self._base = base
        self._process: subprocess.Popen[bytes] | None = None

    def score(self, sample: Sample, answer: Answer) -> Score:
        try:
            said = self._asked({"sample": sample, "answer": answer})
        except _Lost as lost:
            self.close()
            return Score.unscorable(self.name, str(lost))
        if "error" in said:
            return Score.unscorable(self.name, str(said["error"])[:500])
        value = said.get("value")
        if isinstance(value, bool):
            value = float(value)
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            return Score.unscorable(self.name, f"the function returned {value!r}, not a bool or a number in [0, 1]")
        passed = float(value) >= self._settings.passes
        why = str(said.get("explanation", ""))[:500]
        return Score(
            scorer=self.name, value=float(value), passed=passed, explanation=why, extracted=said.get("extracted")
        )

    def _asked(self, question: dict[str, Any]) -> dict[str, Any]:
        process = self._running()
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None  # noqa: S101 - both are pipes, see _running
        assert stdout is not None  # noqa: S101
        try:
            stdin.write(msgspec.json.encode(question) + b"\n")
            stdin.flush()
        except OSError:
            raise _Lost("the function's process ended") from None
        return _line(stdout.fileno(), self._settings.seconds, "the function")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        command = [sys.executable, "-m", "weighbridge.scorers.function_worker", self._settings.function]
        paths = [str(self._base), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(  # noqa: S603 - the user's own function, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._base,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        ready = _line(self._process.stdout.fileno(), _START_S, "importing the function")
        if "error" in ready:
            self.close()
            raise UsageError(f"scorer {self.name}: {ready['error']}", where=self._settings.function)
        return self._process

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def __del__(self) -> None:
        if getattr(self, "_process", None) is not None:
            self.close()


class _Lost(Exception):
    """The process gave no answer."""


def _line(descriptor: int, seconds: float, who: str) -> dict[str, Any]:
    """One line of JSON from a pipe, within a time."""
    deadline = monotonic() + seconds
    data = b""
    while not data.endswith(b"\n"):
        left = deadline - monotonic()
        ready, _, _ = select.select([descriptor], [], [], max(0.0, left))
        if not ready:
            raise _Lost(f"{who} took more than {seconds:g} s")
        piece = os.read(descriptor, 65536)
        if not piece:
            raise _Lost(f"{who}: its process ended without an answer")
        data += piece
    try:
        said = msgspec.json.decode(data)
    except msgspec.DecodeError:
        raise _Lost(f"{who} gave something that is not JSON") from None
    return said if isinstance(said, dict) else {"value": said}
