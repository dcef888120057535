"""The HTTP/1.1 client: connections kept for each origin, one future a call, times stamped where bytes arrive."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Self

from weighbridge.transport.coding import ACCEPTED
from weighbridge.transport.connection import HIGH_WATER, LOW_WATER, Call, Connection, Head, Limits, Timeouts
from weighbridge.transport.dial import tcp, tunnel
from weighbridge.transport.faults import CallFailed, ConnectFailed, ConnectionLost, TimedOut, TLSFailed
from weighbridge.transport.proxy import Proxies, Proxy
from weighbridge.transport.reply import Reply
from weighbridge.transport.route import Origin, Route, header_lines
from weighbridge.transport.timing import Timing

__all__ = ["Client", "Incoming", "Limits", "Route", "Timeouts"]

_SWEEP_S = 0.02
_KEEP_S = 55.0  # most servers and balancers close an idle connection at 60 s or later
_ACCEPT = f"Accept-Encoding: {ACCEPTED}\r\n".encode()


class Client:
    """Use inside one running loop. `pool_size` bounds the connections of one origin, waiting ones queue; None: no
    bound. `proxies` None: as the environment says."""

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        pool_size: int | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        self._size = pool_size
        self._ssl = ssl_context
        self._proxies = Proxies.from_environment() if proxies is None else proxies
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: dict[Origin, int] = {}
        self._waiting: dict[Origin, deque[asyncio.Future[None]]] = {}
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
        for connection in [*self._busy, *(one for kept in self._idle.values() for one in kept)]:
            connection.abort()
        self._idle.clear()
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
        connection = self._kept(route.origin) or await self._connect(route.origin, call)
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
            connection = await self._connect(route.origin, call)

    def begin(
        self,
        route: Route,
        body: bytes,
        on_end: Callable[[Call], None],
        *,
        timeouts: Timeouts | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Callable[[], None] | None:
        """Send at once on a kept connection, without a task: `on_end` is called when the call has ended, well or not.

        Returns what closes the socket early (`on_end` is then not called), or None where no connection is at hand and
        nothing was sent. A call that fails as `stale` may be sent once more.
        """
        connection = self._kept(route.origin)
        if connection is None:
            return None
        now = monotonic()
        call = Call(route.method, Timing(now, now), timeouts or self._timeouts, self._limits, None, on_end)
        self._begin(connection, call, route, body, headers)
        return connection.abort

    @asynccontextmanager
    async def stream(
        self,
        route: Route,
        body: bytes = b"",
        *,
        intended: float | None = None,
        timeouts: Timeouts | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Incoming]:
        """Send, and read the reply as it comes. Leaving the block before the end closes the socket."""
        call = self._call(route, intended, timeouts).streamed(asyncio.get_running_loop().create_future())
        connection = self._kept(route.origin) or await self._connect(route.origin, call)
        self._begin(connection, call, route, body, headers)
        try:
            try:
                reply = await _begun(call)
            except ConnectionLost:
                if not stale(call):
                    raise
                call = self._again(route, call).streamed(asyncio.get_running_loop().create_future())
                connection = await self._connect(route.origin, call)
                self._begin(connection, call, route, body, headers)
                reply = await _begun(call)
            yield Incoming(call, connection, reply)
        finally:
            if not call.over:
                connection.abort()
            if call.whole is not None:
                call.whole.cancel()

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
        origin = route.origin
        absolute = False
        if self._proxies.any and not origin.secure:
            proxy = self._proxies.for_origin(origin)
            if proxy is not None:
                absolute = True
                extra += _authorization(proxy)
        connection.begin(call, route.request(body, extra, absolute=absolute))
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    # --- connections

    def _kept(self, origin: Origin) -> Connection | None:
        kept = self._idle.get(origin)
        while kept:
            connection = kept.pop()
            if not connection.closed and monotonic() - connection.idle_since < _KEEP_S:
                return connection
            connection.abort()
        return None

    def _released(self, origin: Origin, connection: Connection) -> None:
        """Called when a call on it has ended well, and when it is lost."""
        was_busy = connection in self._busy
        self._busy.discard(connection)
        if connection.closed:
            if connection.transport is not None:
                self._open[origin] = self._open.get(origin, 1) - 1
                connection.transport = None
        elif was_busy:
            connection.idle_since = monotonic()
            self._idle.setdefault(origin, []).append(connection)
        waiting = self._waiting.get(origin)
        while waiting:
            waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break

    async def _connect(self, origin: Origin, call: Call) -> Connection:
        limit = call.timeouts.connect
        total = call.timeouts.total
        left = None if total is None else max(0.0, total - (monotonic() - call.timing.started))
        try:
            async with asyncio.timeout(limit if left is None else left if limit is None else min(limit, left)):
                return await self._opened(origin, call.timing)
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

    async def _opened(self, origin: Origin, timing: Timing) -> Connection:
        while self._size is not None and self._open.get(origin, 0) >= self._size:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(origin, deque()).append(waiter)
            await waiter
            if (kept := self._kept(origin)) is not None:
                return kept
        self._open[origin] = self._open.get(origin, 0) + 1
        try:
            return await self._dial(origin, timing)
        except BaseException:
            self._open[origin] -= 1
            raise

    async def _dial(self, origin: Origin, timing: Timing) -> Connection:
        loop = asyncio.get_running_loop()
        proxy = self._proxies.for_origin(origin)
        near = proxy.origin if proxy else origin
        sock = await tcp(near)
        timing.connected = monotonic()
        context = self._context() if origin.secure or near.secure else None
        try:
            if proxy is not None and origin.secure:
                await tunnel(sock, origin, proxy)

            def made() -> Connection:
                return Connection(str(origin), lambda connection: self._released(origin, connection), self._heads)

            _, connection = await loop.create_connection(
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

    async def __aiter__(self) -> AsyncIterator[tuple[float, bytes]]:
        call = self._call
        held = call.held
        assert held is not None  # noqa: S101 - a streamed call holds its reads
        while True:
            while held:
                piece = held.popleft()
                call.held_bytes -= len(piece[1])
                if not call.flowing:
                    self._balance()
                yield piece
            if call.over:
                if call.error is not None:
                    raise call.error
                return
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


def stale(call: Call) -> bool:
    """A kept connection that the server closed before it saw the request: safe to send once more."""
    return call.timing.reused and call.timing.first_byte is None and not call.timing.retried_stale


async def _begun(call: Call) -> Reply:
    assert call.began is not None  # noqa: S101 - set for every streamed call
    return await call.began


def _authorization(proxy: Proxy) -> bytes:
    return header_lines({"Proxy-Authorization": proxy.authorization}) if proxy.authorization else b""
