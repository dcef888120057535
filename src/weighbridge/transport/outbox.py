"""What is written in one turn of the event loop leaves together at its end.

A write to a socket wakes whoever waits at its other end, and on a busy loop that is most of what a small write costs.
When a turn's writes follow each other closely, the other end is still awake for all but the first of them. A turn that
has one thing to write writes it as soon as before, but for one look at the sockets.
"""

from __future__ import annotations

import asyncio


class Outbox:
    """Use inside one running loop. Whoever writes to a transport past it, or closes one, calls `flush` before."""

    __slots__ = ("_loop", "_set", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._set = False

    def put(self, transport: asyncio.Transport, data: bytes) -> None:
        """Writes it at the end of this turn."""
        waiting = self._waiting
        if waiting and waiting[-1][0] is transport:
            waiting[-1] = (transport, waiting[-1][1] + data)
        else:
            waiting.append((transport, data))
        if not self._set:
            self._set = True
            self._loop.call_soon(self._turn)

    def flush(self) -> None:
        """Writes all that waits, now. What is meant for a transport that was closed meanwhile is dropped."""
        waiting = self._waiting
        if not waiting:
            return
        self._waiting = []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)

    def _turn(self) -> None:
        self._set = False
        self.flush()
