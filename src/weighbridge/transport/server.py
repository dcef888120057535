"""The HTTP/1.1 server: one task a request, nothing else on the way."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from weighbridge.errors import MeasurementError
from weighbridge.transport.outbox import Outbox
from weighbridge.transport.server_connection import Connection, Handler, Head, Responder, ServerLimits, ServerRequest

__all__ = ["Handler", "Responder", "Server", "ServerLimits", "ServerRequest", "serve"]

log = logging.getLogger(__name__)

_AT_ONCE = 256
_PAUSE_S = 0.5
_SWEEP_S = 0.5
_SLICE = 1_000
_LAST_S = 1.0  # for handlers that clean up after they were cancelled


class Stats(msgspec.Struct):
    """Connections that were refused because there were too many."""

    refused: int = 0


class Door:
    """Takes connections as they come, many at a turn of the loop: the event loop's own way takes one, and a thousand
    clients that come together would wait for each other."""

    def __init__(
        self,
        made: Callable[[], Any],  # an asyncio.Protocol but by name
        sockets: list[socket.socket],
        context: ssl.SSLContext | None,
        handshake_s: float | None,
    ) -> None:
        self._made = made
        self._sockets = sockets
        self._context = context
        self._handshake_s = handshake_s
        self._entering: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        for one in sockets:
            self._loop.add_reader(one.fileno(), self._take, one)

    def _take(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no file descriptors left: those that wait, wait a little longer
                log.warning("a connection cannot be taken: %s", error)
                self._loop.remove_reader(listening.fileno())
                self._loop.call_later(_PAUSE_S, self._again, listening)
                return
            task = self._loop.create_task(self._enter(sock))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    def _again(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening.fileno(), self._take, listening)

    async def _enter(self, sock: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError):  # a client that left, or does not speak TLS
            await self._loop.connect_accepted_socket(
                self._made, sock, ssl=self._context, ssl_handshake_timeout=self._handshake_s
            )

    def close(self) -> None:
        for one in self._sockets:
            self._take(one)  # who has come is not sent away
            self._loop.remove_reader(one.fileno())
            one.close()


class Server:
    """A listening server. `url` is where it answers."""

    def __init__(self, handler: Handler, limits: ServerLimits, outbox: Outbox | None = None) -> None:
        self.connections: set[Connection] = set()
        self.stats = Stats()
        self.heads: dict[bytes, Head] = {}
        self.port = 0
        self.url = ""
        self.closing = False
        self._handler = handler
        self.limits = limits
        self.outbox = outbox
        self._server: asyncio.Server | Door | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._socket_path: Path | None = None
        self._empty = asyncio.Event()

    def connection(self) -> Any:
        """A Connection, which is an asyncio.Protocol but by name."""
        return Connection(self._handler, self.limits, self)

    def admits(self, connection: Connection) -> bool:
        """Takes note of a connection; False where there are too many. Those are told so, but not by the thousand."""
        count = len(self.connections)
        if count >= 2 * self.limits.connections:
            connection.abort()
        else:
            self.connections.add(connection)
        admitted = count < self.limits.connections
        self.stats.refused += not admitted
        return admitted

    def left(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if self.closing and not self.connections:
            self._empty.set()

    def began(self, server: asyncio.Server | Door, url: str, port: int, unix: Path | None = None) -> None:
        self._server, self.url, self.port, self._socket_path = server, url, port, unix
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep, [])

    def _sweep(self, rest: list[Connection]) -> None:
        """One timer for every connection's limits. A slice at a time: requests under way must not wait for it."""
        found = rest or list(self.connections)
        now = monotonic()
        for connection in found[-_SLICE:]:
            connection.expire(now)
        del found[-_SLICE:]
        self._sweeper = asyncio.get_running_loop().call_later(0.001 if found else _SWEEP_S, self._sweep, found)

    async def _emptied(self, seconds: float) -> None:
        if self.connections:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._empty.wait()

    async def close(self, drain: float = 0.0) -> None:
        """Accepts no more; requests under way get `drain` seconds to end, and are then cut off."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        if drain > 0:
            await asyncio.sleep(0)
            await self._emptied(min(drain, 1.0))
        for connection in list(self.connections):
            connection.close_when_idle()
        if self.connections and drain > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(drain):
                    await self._empty.wait()
        if self._sweeper is not None:
            self._sweeper.cancel()
        running = [connection.task for connection in self.connections if connection.task is not None]
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)  # lost connections cancel their handlers
        if running:
            await asyncio.wait(running, timeout=_LAST_S)
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)


async def serve(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    unix: Path | None = None,
    ssl_context: ssl.SSLContext | None = None,
    limits: ServerLimits | None = None,
    backlog: int = 4096,
    reuse_port: bool = False,
    outbox: Outbox | None = None,
) -> Server:
    """Listens on a port (0: any free one) or a Unix socket. Whole replies leave by the `outbox`, if there is one.
    Raises MeasurementError where it cannot."""
    loop = asyncio.get_running_loop()
    server = Server(handler, limits or ServerLimits(), outbox)
    secure = ssl_context is not None
    scheme = "https" if secure else "http"
    handshake = server.limits.head_s if secure else None
    try:
        if unix is not None:
            _cleared(unix)
            listening = await loop.create_unix_server(
                server.connection, str(unix), ssl=ssl_context, backlog=backlog, ssl_handshake_timeout=handshake
            )
            server.began(listening, f"{scheme}+unix://{unix}", 0, unix)
            return server
        sockets = await _bound(host, port, backlog, reuse_port=reuse_port)
    except OSError as error:
        where = str(unix) if unix is not None else f"{host}:{port}"
        raise MeasurementError(f"cannot listen: {error.strerror or error}", where=where) from error
    number = int(sockets[0].getsockname()[1])
    shown = f"[{host}]" if ":" in host else host
    server.began(Door(server.connection, sockets, ssl_context, handshake), f"{scheme}://{shown}:{number}", number)
    return server


async def _bound(host: str, port: int, backlog: int, *, reuse_port: bool) -> list[socket.socket]:
    """Listening sockets on every address of a host. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            place = address if port or not sockets else (address[0], sockets[0].getsockname()[1], *address[2:])
            one = socket.create_server(place[:2], family=family, backlog=backlog, reuse_port=reuse_port)
            one.setblocking(False)
            sockets.append(one)
    except BaseException:
        for one in sockets:
            one.close()
        raise
    return sockets


def _cleared(unix: Path) -> None:
    """Removes the socket that an earlier server left behind."""
    with suppress(FileNotFoundError):
        if unix.is_socket():
            unix.unlink()
