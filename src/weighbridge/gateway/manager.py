"""Telling the service manager where a gateway is in its life, as systemd's sd_notify does; silent where nobody asked.

A gateway of several workers speaks through their parent, which hears of each worker over a pipe.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final, Protocol

_MANAGER: Final = "NOTIFY_SOCKET"
_PARENT: Final = "WEIGHBRIDGE_READY_FD"
_LOOK_S: Final = 0.5
_SPARE_S: Final = 30.0  # for what comes after the drain: the last records, spans and lines of the log


class Closing(Protocol):
    """A server that may be on its way out."""

    closing: bool


class Manager:
    """Whoever started this process and wants to know. What asks for it is taken out of the environment: the processes
    that this one starts do not speak for it. Nothing here raises."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._where = environment.pop(_MANAGER, "")
        self._parent = environment.pop(_PARENT, "")
        self._watch: asyncio.Task[None] | None = None

    def ready(self, where: str, worker: int = 0) -> None:
        """It listens, or all of its workers do."""
        if self._parent:
            with suppress(OSError, ValueError), os.fdopen(int(self._parent), "wb") as pipe:
                pipe.write(bytes([worker]))
        self._say("READY=1", f"STATUS=Serving at {where}")

    def stopping(self, drain: float) -> None:
        """It drains, which may take longer than the manager would wait of itself."""
        microseconds = round((drain + _SPARE_S) * 1e6)
        self._say("STOPPING=1", "STATUS=Draining", f"EXTEND_TIMEOUT_USEC={microseconds}")

    def see_off(self, server: Closing, drain: float) -> None:
        """Will say when the server begins to drain. Needs a running loop, and does nothing where nobody asked."""
        if self._where:
            self._watch = asyncio.ensure_future(self._watched(server, drain))

    async def _watched(self, server: Closing, drain: float) -> None:
        while not server.closing:  # noqa: ASYNC110 - a server has no event for it
            await asyncio.sleep(_LOOK_S)
        self.stopping(drain)

    def _say(self, *lines: str) -> None:
        if not self._where:
            return
        where = self._where.replace("@", "\0", 1) if self._where.startswith("@") else self._where
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.settimeout(1.0)
            mouth.connect(where)
            mouth.sendall("\n".join(lines).encode())


class Listening:
    """Which of `count` workers have ever listened, as their parent hears it."""

    def __init__(self, count: int) -> None:
        self._missing = set(range(count))
        self._ear, self.mouth = os.pipe()
        os.set_blocking(self._ear, False)

    def environment(self) -> dict[str, str]:
        """Of a worker, which must also be given the descriptor `mouth`."""
        return {**os.environ, _PARENT: str(self.mouth)}

    def all(self) -> bool:
        with suppress(BlockingIOError):
            self._missing.difference_update(os.read(self._ear, 4096))
        return not self._missing
