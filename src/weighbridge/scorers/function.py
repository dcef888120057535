"""python: a function of the user's, called in a process of its own that has a limit of time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.function_process import FunctionProcess, Lost
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`function` is `module:function`, found from the folder of the configuration. It is called with (text, sample,
    answer), the last two as dictionaries, and returns a bool, a number in [0, 1], None where it cannot tell, or a
    dictionary with `value`, `explanation` and `extracted`. `passes`: the value that passes. `seconds`: how long one
    call may take. `megabytes`: how much memory the process may use."""

    function: str
    seconds: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 10.0
    megabytes: Annotated[int, msgspec.Meta(ge=64)] = 4096
    passes: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class PythonFunction:
    """The function is imported once when the scorer is made, so that a slip in it costs nothing. Its process is
    started at the first score and kept; one that hangs or dies is replaced, and what it was scoring is unscorable,
    with the reason."""

    def __init__(self, name: str, settings: Settings, base: Path) -> None:
        module, colon, function = settings.function.partition(":")
        if not colon or not module or not function:
            raise UsageError(f"scorer {name}: {settings.function!r} is not module:function")
        self.name = name
        self._settings = settings
        self._base = base
        self._process: FunctionProcess | None = None
        try:
            self._started().close()
        except (Lost, OSError) as error:
            raise UsageError(f"scorer {name}: {error}", where=settings.function) from None

    def score(self, sample: Sample, answer: Answer) -> Score:
        try:
            said = self._running().ask({"sample": sample, "answer": answer})
        except Lost as lost:
            self.close()
            return Score.unscorable(self.name, str(lost))
        if said.get("error") is not None:
            return Score.unscorable(self.name, str(said["error"])[:500])
        return self._verdict(said.get("value"), str(said.get("explanation") or "")[:500], said.get("extracted"))

    def _verdict(self, value: Any, why: str, extracted: Any) -> Score:
        if value is None:
            return Score.unscorable(self.name, why or "the function returned None")
        if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
            return Score.unscorable(
                self.name, f"the function returned {value!r}, not a bool or a number in [0, 1]"[:500]
            )
        passed = float(value) >= self._settings.passes
        return Score(scorer=self.name, value=float(value), passed=passed, explanation=why, extracted=extracted)

    def _running(self) -> FunctionProcess:
        if self._process is None or not self._process.is_alive:
            self.close()
            self._process = self._started()
        return self._process

    def _started(self) -> FunctionProcess:
        settings = self._settings
        return FunctionProcess(settings.function, self._base, seconds=settings.seconds, megabytes=settings.megabytes)

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def __del__(self) -> None:
        if getattr(self, "_process", None) is not None:
            self.close()
