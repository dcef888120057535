"""The HTTP/1.1 client: connections kept for each origin, one future a call, times stamped where bytes arrive."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from weighbridge.transport.coding import ACCEPTED
from weighbridge.transport.connection import HIGH_WATER, LOW_WATER, Call, Connection, Head, Limits, Pool, Timeouts
from weighbridge.transport.dial import tcp, tunnel
from weighbridge.transport.faults import CallFailed, ConnectFailed, ConnectionLost, TimedOut, TLSFailed
from weighbridge.transport.outbox import Outbox
from weighbridge.transport.proxy import Proxies, Proxy
from weighbridge.transport.reply import Reply
from weighbridge.transport.route import Origin, Route, header_lines
from weighbridge.transport.timing import Timing

monotonic: Final = time.monotonic  # a Final: compiled code finds it at once

__all__ = ["Client", "Incoming", "Limits", "Route", "Timeouts"]

_SWEEP_S = 0.02
_ACCEPT = f"Accept-Encoding: {ACCEPTED}\r\n".encode()


class Client:
    """Use inside one running loop. `pool_size` bounds the connections of one origin, waiting ones queue; None: no
    bound. `proxies` None: as the environment says. `outbox`: requests leave by it; None: at once."""

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        pool_size: int | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        self._size = pool_size
        self._ssl = ssl_context
        self._proxies = Proxies.from_environment() if proxies is None else proxies
        self._outbox = outbox
        self._any_proxy = self._proxies.any
        self._pools: dict[Origin, Pool] = {}
        self._busy: set[Connection] = set()
        self._heads: dict[bytes, Head] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes every connection; calls under way fail."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in [*self._busy, *(one for pool in self._pools.values() for one in pool.idle)]:
            connection.abort()
        for pool in self._pools.values():
            pool.idle.clear()
        await asyncio.sleep(0)

    async def fetch(
        self,
        route: Route,
        body: bytes = b"",
        *,
        intended: float | None = None,
        timeouts: Timeouts | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send, and wait for the whole reply. Raises CallFailed; when cancelled, the socket is closed at once."""
        call = self._call(route, intended, timeouts)
        pool = self._pool(route.origin)
        connection = pool.kept(call.timing.started) or await self._connect(route.origin, pool, call)
        while True:
            assert call.whole is not None  # noqa: S101 - it has no `on_end`
            self._begin(connection, call, route, body, headers)
            try:
                return await call.whole
            except asyncio.CancelledError:
                if not call.over:  # else the connection may be another call's by now
                    connection.abort()
                raise
            except ConnectionLost:
                if not stale(call):
                    raise
            call = self._again(route, call)
            connection = await self._connect(route.origin, pool, call)

    def begin(
        self,
        route: Route,
        body: bytes,
        on_end: Callable[[Call], None],
        timeouts: Timeouts | None = None,
    ) -> Connection | None:
        """Send at once on a kept connection, without a task: `on_end` is called when the call has ended, well or not.

        Returns the connection, to abort it (`on_end` is then not called), or None where none is at hand and nothing was
        sent. A call that fails as `stale` may be sent once more.
        """
        now = monotonic()
        connection = self._pool(route.origin).kept(now)
        if connection is None:
            return None
        call = Call(route.method, Timing(now, now), timeouts or self._timeouts, self._limits, None, on_end)
        self._begin(connection, call, route, body, None)
        return connection

    def stream(
        self,
        route: Route,
        body: bytes = b"",
        *,
        intended: float | None = None,
        timeouts: Timeouts | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Streaming:
        """`async with` sends, and gives the reply as it comes. Leaving the block before the end closes the socket."""
        return Streaming(self, route, body, intended, timeouts, headers)

    async def opened(
        self,
        route: Route,
        body: bytes,
        intended: float | None,
        timeouts: Timeouts | None,
        headers: Mapping[str, str] | None,
    ) -> Incoming:
        """For `Streaming`: sends, and waits for the reply's head. Raises CallFailed."""
        call = self._call(route, intended, timeouts).streamed(asyncio.get_running_loop().create_future())
        pool = self._pool(route.origin)
        connection = pool.kept(call.timing.started) or await self._connect(route.origin, pool, call)
        self._begin(connection, call, route, body, headers)
        try:
            try:
                reply = await _begun(call)
            except ConnectionLost:
                if not stale(call):
                    raise
                call = self._again(route, call).streamed(asyncio.get_running_loop().create_future())
                connection = await self._connect(route.origin, pool, call)
                self._begin(connection, call, route, body, headers)
                reply = await _begun(call)
        except BaseException:
            given_up(call, connection)
            raise
        return Incoming(call, connection, reply)

    def _pool(self, origin: Origin) -> Pool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(str(origin), self._busy, self._heads)
        return pool

    def _call(self, route: Route, intended: float | None, timeouts: Timeouts | None) -> Call:
        now = monotonic()
        timing = Timing(now if intended is None else intended, now)
        whole = asyncio.get_running_loop().create_future()
        return Call(route.method, timing, timeouts or self._timeouts, self._limits, whole)

    def _again(self, route: Route, call: Call) -> Call:
        """The same call anew, after a kept connection turned out to be closed."""
        timing = Timing(call.timing.intended, call.timing.started, retried_stale=True)
        return Call(route.method, timing, call.timeouts, self._limits, asyncio.get_running_loop().create_future())

    def _begin(
        self, connection: Connection, call: Call, route: Route, body: bytes, headers: Mapping[str, str] | None
    ) -> None:
        self._busy.add(connection)
        extra = _ACCEPT + header_lines(headers) if headers else _ACCEPT
        absolute = False
        if self._any_proxy and not route.origin.secure:
            proxy = self._proxies.for_origin(route.origin)
            if proxy is not None:
                absolute = True
                extra += _authorization(proxy)
        connection.begin(call, route.request(body, extra, absolute=absolute), self._outbox)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    # --- connections

    async def _connect(self, origin: Origin, pool: Pool, call: Call) -> Connection:
        limit = call.timeouts.connect
        total = call.timeouts.total
        left = None if total is None else max(0.0, total - (monotonic() - call.timing.started))
        try:
            async with asyncio.timeout(limit if left is None else left if limit is None else min(limit, left)):
                return await self._opened(origin, pool, call.timing)
        except TimeoutError:
            short = left is not None and (limit is None or left < limit)
            error: CallFailed = TimedOut("total" if short else "connect", (total if short else limit) or 0.0)
        except CallFailed as failed:
            error = failed
        except ssl.SSLCertVerificationError as failed:
            error = TLSFailed(
                f"the certificate does not verify: {failed.verify_message}",
                mend="Name the authority's certificate in SSL_CERT_FILE, or mend the server's chain",
            )
        except (ssl.SSLError, ConnectionAbortedError) as failed:
            error = TLSFailed(f"the TLS handshake failed: {getattr(failed, 'reason', None) or failed}")
        except socket.gaierror as failed:
            error = ConnectFailed(f"the host's name is not found: {failed.strerror}")
        except OSError as failed:
            error = ConnectFailed(f"no connection: {failed.strerror or failed}")
        error.where = error.where or str(origin)
        error.timing = call.timing
        raise error from None

    async def _opened(self, origin: Origin, pool: Pool, timing: Timing) -> Connection:
        while self._size is not None and pool.open >= self._size:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            pool.waiting.append(waiter)
            await waiter
            if (kept := pool.kept(monotonic())) is not None:
                return kept
        pool.open += 1
        try:
            return await self._dial(origin, pool, timing)
        except BaseException:
            pool.open -= 1
            raise

    async def _dial(self, origin: Origin, pool: Pool, timing: Timing) -> Connection:
        loop = asyncio.get_running_loop()
        proxy = self._proxies.for_origin(origin)
        near = proxy.origin if proxy else origin
        sock = await tcp(near)
        timing.connected = monotonic()
        context = self._context() if origin.secure or near.secure else None
        try:
            if proxy is not None and origin.secure:
                await tunnel(sock, origin, proxy)

            connection = Connection(pool)
            made: Any = lambda: connection  # noqa: E731 - an asyncio.Protocol but by name
            await loop.create_connection(
                made, sock=sock, ssl=context if origin.secure else None,
                server_hostname=origin.host if origin.secure else None,
            )  # fmt: skip
        except BaseException:
            sock.close()
            raise
        if origin.secure:
            timing.tls_done = monotonic()
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._ssl is None:
            self._ssl = ssl.create_default_context()
            self._ssl.set_alpn_protocols(["http/1.1"])
        return self._ssl

    def _sweep(self) -> None:
        """One timer for all calls: time-outs need not be exact to the millisecond, and per-chunk timers cost."""
        now = monotonic()
        for connection in list(self._busy):
            connection.expire(now)
        running = bool(self._busy) and not self._closed
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep) if running else None


class Streaming:
    """A call whose reply is read as it comes: `Client.stream`."""

    __slots__ = ("_body", "_client", "_headers", "_incoming", "_intended", "_route", "_timeouts")

    def __init__(
        self,
        client: Client,
        route: Route,
        body: bytes,
        intended: float | None,
        timeouts: Timeouts | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self._client = client
        self._route = route
        self._body = body
        self._intended = intended
        self._timeouts = timeouts
        self._headers = headers
        self._incoming: Incoming | None = None

    async def __aenter__(self) -> Incoming:
        """Raises CallFailed; when cancelled, the socket is closed at once."""
        incoming = await self._client.opened(self._route, self._body, self._intended, self._timeouts, self._headers)
        self._incoming = incoming
        return incoming

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the socket, unless the reply has ended."""
        if self._incoming is not None:
            self._incoming.close()


class Incoming:
    """A reply on its way. Iterate for (arrival, bytes); reading from the socket pauses while nobody takes them."""

    def __init__(self, call: Call, connection: Connection, reply: Reply) -> None:
        self._call = call
        self._connection = connection
        self.status = reply.status
        self.headers = reply.headers
        self.timing = reply.timing
        self._waiter: asyncio.Future[None] | None = None
        call.on_read = self._woken

    def close(self) -> None:
        """Closes the socket, unless the reply has ended."""
        given_up(self._call, self._connection)

    def _woken(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._balance()

    def _balance(self) -> None:
        call, transport = self._call, self._connection.transport
        if transport is None or call.over:
            return
        if call.flowing and call.held_bytes > HIGH_WATER:
            call.flowing = False
            transport.pause_reading()
        elif not call.flowing and call.held_bytes < LOW_WATER:
            call.flowing = True
            call.last_read = monotonic()  # the silence was ours
            transport.resume_reading()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[float, bytes]:
        """Raises CallFailed where the reply broke off."""
        call = self._call
        held = call.held
        assert held is not None  # noqa: S101 - a streamed call holds its reads
        while not held:
            if call.over:
                if call.error is not None:
                    raise call.error
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        piece = held.popleft()
        call.held_bytes -= len(piece[1])
        if not call.flowing:
            self._balance()
        return piece


def given_up(call: Call, connection: Connection) -> None:
    """Nobody reads what is still to come of a streamed reply."""
    if not call.over:
        connection.abort()
    if call.whole is not None:
        call.whole.cancel()


def stale(call: Call) -> bool:
    """A kept connection that the server closed before it saw the request: safe to send once more."""
    return call.timing.reused and call.timing.first_byte is None and not call.timing.retried_stale


async def _begun(call: Call) -> Reply:
    assert call.began is not None  # noqa: S101 - set for every streamed call
    return await call.began


def _authorization(proxy: Proxy) -> bytes:
    return header_lines({"Proxy-Authorization": proxy.authorization}) if proxy.authorization else b""
