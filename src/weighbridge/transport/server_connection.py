"""One connection of the server: strict in what it takes, one request at a time, one write a reply."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from time import monotonic
from typing import Any, Protocol

import httptools
import msgspec

log = logging.getLogger(__name__)

_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HIGH_WATER = 256 * 1024


class ServerLimits(msgspec.Struct, frozen=True):
    """Bytes and seconds. `head_s` is how long a request's head may take to come, `idle_s` how long a connection may be
    kept without one, `body_s` how long a body may take."""

    head_bytes: int = 65_536
    body_bytes: int = 64 * 2**20
    head_s: float = 15.0
    body_s: float = 120.0
    idle_s: float = 75.0
    connections: int = 20_000


class ServerRequest:
    """A whole request. `headers` by lower-cased name, the last of equal ones; `at` is when its last byte came, in
    monotonic seconds."""

    __slots__ = ("at", "body", "headers", "method", "path", "query")

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes, at: float) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.at = at


class Owner(Protocol):
    """What a connection asks of its server."""

    connections: set[Connection]
    closing: bool

    @property
    def full(self) -> bool: ...


class Responder:
    """How a handler answers: `reply` whole, or `start`, `write` and `end`. After the client has gone, writing does
    nothing; look at `disconnected`, or set `on_disconnect`."""

    __slots__ = ("_chunked", "_connection", "_ended", "_keep", "_started", "on_disconnect")

    def __init__(self, connection: Connection, keep: bool, chunked: bool) -> None:
        self._connection = connection
        self._keep = keep
        self._chunked = chunked
        self._started = False
        self._ended = False
        self.on_disconnect: Callable[[], None] | None = None

    @property
    def started(self) -> bool:
        return self._started

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def disconnected(self) -> bool:
        return self._connection.transport is None

    @property
    def transport(self) -> asyncio.Transport | None:
        """For those who write many prepared chunks: see `chunk`."""
        return self._connection.transport

    def reply(self, status: int, headers: Iterable[tuple[str, str]] | Mapping[str, str], body: bytes = b"") -> None:
        """The whole reply in one write."""
        lines = encoded(headers.items() if isinstance(headers, Mapping) else headers)
        self.reply_encoded(status, lines, body)

    def reply_encoded(self, status: int, lines: bytes, body: bytes) -> None:
        """Like `reply`, with header lines that are encoded already."""
        self._begin()
        close = b"" if self._keep else b"Connection: close\r\n"
        head = b"%b%b%bContent-Length: %d\r\n\r\n" % (_STATUS[status], lines, close, len(body))
        self._connection.send(head if self._connection.head_only else head + body)
        self._finish()

    def start(self, status: int, headers: Iterable[tuple[str, str]] | Mapping[str, str]) -> None:
        """The head of a reply whose length is not known yet."""
        self._begin()
        lines = encoded(headers.items() if isinstance(headers, Mapping) else headers)
        if not self._chunked:
            self._keep = False
        how = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
        close = b"" if self._keep else b"Connection: close\r\n"
        self._connection.send(b"%b%b%b%b\r\n" % (_STATUS[status], lines, how, close))

    def write(self, data: bytes) -> None:
        """One piece of the body, sent at once."""
        if data and not self._connection.head_only:
            self._connection.send(chunk(data) if self._chunked else data)

    def write_framed(self, data: bytes) -> None:
        """Pieces that `chunk` has framed already, for streams prepared in advance (HTTP/1.1 clients only)."""
        self._connection.send(data)

    async def drain(self) -> None:
        """Waits while the client takes less than we send."""
        await self._connection.writable()

    def end(self) -> None:
        if self._ended:
            return
        if self._chunked and not self._connection.head_only:
            self._connection.send(b"0\r\n\r\n")
        self._finish()

    def cut(self) -> None:
        """Closes the connection in the middle of a reply, after what was written: the client sees it is not whole."""
        self._ended = True
        self._connection.close()

    def abort(self) -> None:
        """Resets the connection: what was not sent yet never is."""
        self._ended = True
        self._connection.reset()

    def _begin(self) -> None:
        if self._started:
            raise RuntimeError("this request is answered already")
        self._started = True

    def _finish(self) -> None:
        self._ended = True
        self._connection.finished(self._keep)


Handler = Callable[[ServerRequest, Responder], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    """A piece of a body in chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def encoded(headers: Iterable[tuple[str, str]]) -> bytes:
    """Header lines. Raises ValueError for one that holds a line break."""
    text = "".join(f"{name}: {value}\r\n" for name, value in headers)
    if text.count("\n") != text.count("\r\n") or "\r\n\r\n" in text or "\0" in text:
        raise ValueError("a header holds a line break")
    return text.encode("latin-1")


class _Refused(Exception):
    """A request we do not take: the status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Connection(asyncio.Protocol):
    """Parses requests, runs the handler for one at a time; further bytes wait in the socket until it has answered."""

    __slots__ = (
        "_body",
        "_body_size",
        "_buffered",
        "_drained",
        "_handler",
        "_head_done",
        "_head_size",
        "_headers",
        "_limits",
        "_owner",
        "_parser",
        "_responder",
        "_since",
        "_tail",
        "_target",
        "_task",
        "head_only",
        "transport",
    )  # fmt: skip

    def __init__(self, handler: Handler, limits: ServerLimits, owner: Owner) -> None:
        self._handler = handler
        self._limits = limits
        self._owner = owner
        self.transport: asyncio.Transport | None = None
        self.head_only = False
        self._responder: Responder | None = None
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._buffered = b""
        self._since = 0.0
        self._fresh()

    def _fresh(self) -> None:
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head_size = 0
        self._head_done = False
        self._body: list[bytes] = []
        self._body_size = 0
        self._tail = b""

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream transport, as create_server makes
        assert self.transport is not None  # noqa: S101 - just set
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._since = monotonic()
        if self._owner.full:
            self._refuse(503, "too many connections")
            return
        self._owner.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._owner.connections.discard(self)
        self.resume_writing()
        responder = self._responder
        if responder is not None and not responder.ended:
            if responder.on_disconnect is not None:
                responder.on_disconnect()
            elif self._task is not None:
                self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._responder is not None:  # the next request came before this one was answered
            self._buffered += data
            if self.transport is not None and len(self._buffered) > self._limits.head_bytes:
                self.transport.pause_reading()
            return
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if not self._head_done:
            if not self._head_size:
                self._since = monotonic()
            self._head_size += len(data)
        try:
            if not self._head_done:
                self._check_head(data)
            self._parser.feed_data(data)
            if not self._head_done and self._head_size > self._limits.head_bytes:
                raise _Refused(431, "the request's headers are too large")
        except httptools.HttpParserUpgrade:
            self._refuse(400, "this server speaks HTTP/1.1 only")
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, _Refused):
                self._refuse(cause.status, cause.why)
            else:
                self._refuse(400, f"not a request of HTTP/1.1: {error}")
        except _Refused as error:
            self._refuse(error.status, error.why)

    def _check_head(self, data: bytes) -> None:
        """What llhttp lets through and we do not: line ends that are a bare LF, and folded header lines."""
        seen = self._tail + data
        head = seen.partition(b"\r\n\r\n")[0]
        if head.count(b"\n") != head.count(b"\r\n"):
            raise _Refused(400, "a line of the request's head ends without a carriage return")
        if b"\r\n " in head or b"\r\n\t" in head:
            raise _Refused(400, "a header line is folded")
        self._tail = seen[-3:]

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    async def writable(self) -> None:
        if self._drained is not None:
            await asyncio.shield(self._drained)

    # --- the parser's side

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        if key in self._headers and key in {"content-length", "transfer-encoding", "host"}:
            raise _Refused(400, f"header {key} comes twice")
        self._headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._head_done = True
        headers = self._headers
        if "content-length" in headers and "transfer-encoding" in headers:
            raise _Refused(400, "both content-length and transfer-encoding")
        coding = headers.get("transfer-encoding")
        if coding is not None and coding.strip().lower() != "chunked":
            raise _Refused(501, "a transfer-encoding other than chunked")
        if self._parser.get_http_version() == "1.1" and "host" not in headers:
            raise _Refused(400, "no host header")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            raise _Refused(413, f"a body of more than {self._limits.body_bytes} bytes")
        if headers.get("expect", "").lower() == "100-continue" and self.transport is not None:
            self.transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size > self._limits.body_bytes:
            raise _Refused(413, f"a body of more than {self._limits.body_bytes} bytes")
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._responder is not None:
            return  # pipelined in the same read: llhttp went on; see _next
        method = self._parser.get_method().decode("latin-1")
        path, _, query = self._target.partition(b"?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = ServerRequest(
            method, path.decode("latin-1"), query.decode("latin-1"), self._headers, body, monotonic()
        )
        self.head_only = method == "HEAD"
        keep = self._parser.should_keep_alive() and not self._owner.closing
        responder = self._responder = Responder(self, keep, self._parser.get_http_version() == "1.1")
        self._task = asyncio.get_running_loop().create_task(self._run(request, responder))

    async def _run(self, request: ServerRequest, responder: Responder) -> None:
        try:
            await self._handler(request, responder)
        except asyncio.CancelledError:
            if self.transport is not None:
                self.abort()
            raise
        except Exception:
            log.exception("the handler of %s %s failed", request.method, request.path)
            if not responder.started:
                responder.reply(500, {"Content-Type": "application/json"}, error_body("internal error", "server_error"))
            elif not responder.ended:
                responder.cut()
            return
        if not responder.started:
            responder.reply(500, {"Content-Type": "application/json"}, error_body("no answer", "server_error"))

    # --- ours

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def finished(self, keep: bool) -> None:
        """The reply is written; on to the next request, or close."""
        self._responder = None
        self._task = None
        transport = self.transport
        if transport is None:
            return
        if not keep or self._owner.closing:
            transport.close()
            return
        self._fresh()
        self._since = monotonic()
        if self._buffered:
            data, self._buffered = self._buffered, b""
            transport.resume_reading()
            self._feed(data)

    def _refuse(self, status: int, why: str) -> None:
        """An error line and the end of the connection: after a request we could not read, nothing can be trusted."""
        transport = self.transport
        if transport is None:
            return
        body = error_body(why, "invalid_request_error")
        head = b"%bContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        transport.write(head % (_STATUS[status], len(body)) + body)
        transport.close()

    def expire(self, now: float) -> None:
        """Ends a connection that is idle, or whose request comes too slowly."""
        if self._responder is not None:
            return
        limits = self._limits
        waited = now - self._since
        if not self._head_size:
            if waited > limits.idle_s:
                self.close()
        elif (not self._head_done and waited > limits.head_s) or waited > limits.head_s + limits.body_s:
            self._refuse(408, "the request took too long to come")

    def close_when_idle(self) -> None:
        if self._responder is None:
            self.close()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def reset(self) -> None:
        """A TCP reset in place of an orderly end."""
        if self.transport is None:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def error_body(message: str, kind: str) -> bytes:
    """The error object that OpenAI's clients read."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": None}})
