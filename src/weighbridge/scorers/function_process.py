"""The other end of `function_worker`: starts the process, asks it, and ends it and what it started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

_START_S = 30.0


class Lost(Exception):
    """The process gave no answer; the text says why."""


class FunctionProcess:
    """One process with one function. After `Lost` it is of no use and must be closed."""

    def __init__(self, target: str, base: Path, *, seconds: float, megabytes: int) -> None:
        """Raises Lost where the function cannot be imported."""
        self._seconds = seconds
        self._asked = 0
        self._read = b""
        self._process = subprocess.Popen(  # noqa: S603 - the user's own function, no shell
            [
                *(sys.executable, "-P", "-m", "weighbridge.scorers.function_worker"),
                *(target, str(seconds), str(megabytes)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=base,
            start_new_session=True,  # so that all it started ends with it, and Ctrl-C is ours to handle
        )
        try:
            ready = self._answer(_START_S, "importing the function")
            if "error" in ready:
                raise Lost(str(ready["error"]))  # noqa: TRY301
        except BaseException:
            self.close()
            raise

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """What the function says: a dictionary with `value`, or with `error` where it raised. Raises Lost."""
        self._asked += 1
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - a pipe
        try:
            stdin.write(msgspec.json.encode({**question, "number": self._asked}) + b"\n")
            stdin.flush()
        except OSError:
            raise Lost("the function's process ended") from None
        return self._answer(self._seconds, "the function")

    def _answer(self, seconds: float, who: str) -> dict[str, Any]:
        """The verdict on the last question, within a time; what else comes is passed over."""
        deadline = monotonic() + seconds
        while True:
            line, end, rest = self._read.partition(b"\n")
            if not end:
                self._read += self._piece(deadline, seconds, who)
                continue
            self._read = rest
            with suppress(msgspec.DecodeError, KeyError, TypeError):
                said = msgspec.json.decode(line)
                if said["number"] == self._asked:
                    found: dict[str, Any] = said["said"]
                    return found

    def _piece(self, deadline: float, seconds: float, who: str) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - a pipe
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - monotonic())):
                raise Lost(f"{who} took more than {seconds:g} s")
        piece = os.read(stdout.fileno(), 65536)
        if not piece:
            raise Lost(f"{who}: its process ended without an answer{self._signal()}")
        return piece

    def _signal(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(1)
            return f" (signal {-code})" if code < 0 else f" (exit code {code})"
        return ""

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the process and every one that it started."""
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # a question that was never read is lost with it
                    pipe.close()
