"""The HTTP/1.1 server: one task a request, nothing else on the way."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

import msgspec

from weighbridge.errors import MeasurementError
from weighbridge.transport.server_connection import Connection, Handler, Responder, ServerLimits, ServerRequest

__all__ = ["Handler", "Responder", "Server", "ServerLimits", "ServerRequest", "serve"]

log = logging.getLogger(__name__)
_SWEEP_S = 0.5


class Stats(msgspec.Struct):
    """Connections open now, and refused because there were too many."""

    refused: int = 0


class Server:
    """A listening server. `url` is where it answers."""

    def __init__(self, handler: Handler, limits: ServerLimits) -> None:
        self.connections: set[Connection] = set()
        self.stats = Stats()
        self.port = 0
        self.url = ""
        self.closing = False
        self._handler = handler
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def connection(self) -> Connection:
        return Connection(self._handler, self._limits, self)

    @property
    def full(self) -> bool:
        return len(self.connections) >= self._limits.connections

    def began(self, server: asyncio.Server, url: str, port: int) -> None:
        self._server, self.url, self.port = server, url, port
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """One timer for every connection's idle and slow-head limits."""
        now = monotonic()
        for connection in list(self.connections):
            connection.expire(now)
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    async def close(self, drain: float = 0.0) -> None:
        """Accepts no more; requests under way get `drain` seconds to end, and are then cut off."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close_when_idle()
        deadline = monotonic() + drain
        while self.connections and monotonic() < deadline:
            await asyncio.sleep(0.02)
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)


async def serve(
    handler: Callable[[ServerRequest, Responder], Awaitable[None]],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    unix: Path | None = None,
    ssl_context: ssl.SSLContext | None = None,
    limits: ServerLimits | None = None,
    backlog: int = 4096,
    reuse_port: bool = False,
) -> Server:
    """Listens on a port (0: any free one) or a Unix socket. Raises MeasurementError where it cannot."""
    loop = asyncio.get_running_loop()
    server = Server(handler, limits or ServerLimits())
    scheme = "https" if ssl_context is not None else "http"
    try:
        if unix is not None:
            with suppress(FileNotFoundError):
                if unix.is_socket():
                    unix.unlink()
            listening = await loop.create_unix_server(server.connection, str(unix), ssl=ssl_context, backlog=backlog)
            server.began(listening, f"{scheme}+unix://{unix}", 0)
            return server
        listening = await loop.create_server(
            server.connection, host, port, ssl=ssl_context, backlog=backlog, reuse_port=reuse_port or None
        )
    except OSError as error:
        where = str(unix) if unix is not None else f"{host}:{port}"
        raise MeasurementError(f"cannot listen: {error.strerror or error}", where=where) from error
    bound: socket.socket = listening.sockets[0]
    number = int(bound.getsockname()[1])
    shown = f"[{host}]" if ":" in host else host
    server.began(listening, f"{scheme}://{shown}:{number}", number)
    return server
