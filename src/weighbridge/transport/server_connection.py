"""One connection of the server: strict in what it takes, one request at a time, one write a reply."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections import deque
from collections.abc import Awaitable
from typing import Any, Final, Protocol

import httptools

from weighbridge.transport.outbox import Outbox
from weighbridge.transport.request import Handler, Head, ServerLimits, ServerRequest
from weighbridge.transport.responder import Link, Responder, error_body, status_line

monotonic: Final = time.monotonic  # a Final: compiled code finds it at once

__all__ = ["Connection", "Handler", "Head", "Responder", "ServerLimits", "ServerRequest"]

log = logging.getLogger(__name__)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HIGH_WATER = 256 * 1024
_LINGER_S = 2.0
_HEAD_END = b"\r\n\r\n"
_KNOWN_HEADS = 1024
_KNOWN_HEAD_BYTES = 4096
_SPECIAL = frozenset({"transfer-encoding", "expect", "upgrade", "connection"})
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_ONCE = frozenset({"content-length", "transfer-encoding", "host", "authorization", "content-type"})
_JSON = {"Content-Type": "application/json"}


class Owner(Protocol):
    """What a connection asks of its server."""

    closing: bool
    heads: dict[bytes, Head]
    outbox: Outbox | None

    def admits(self, connection: Connection) -> bool: ...
    def left(self, connection: Connection) -> None: ...


class _Refused(Exception):
    """A request we do not take: the status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Connection(Link):
    """Parses requests and runs the handler for one at a time. Further requests that came in the same read wait their
    turn; later bytes are kept unparsed, and beyond a limit left in the socket. An asyncio.Protocol but by name: event
    loops do not ask for the name, and a class without it compiles better."""

    __slots__ = (
        "_body", "_body_size", "_buffered", "_closing_at", "_continue_owed", "_drained", "_extra", "_handler",
        "_head_size", "_headers", "_in_body", "_in_head", "_known", "_last", "_limits", "_now", "_owner", "_parser",
        "_refusal", "_request", "_responder", "_since", "_stuck", "_target", "_task", "_waiting", "transport",
    )  # fmt: skip

    def __init__(self, handler: Handler, limits: ServerLimits, owner: Owner) -> None:
        self._handler = handler
        self._limits = limits
        self._owner = owner
        self._parser: Any = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None
        self._responder: Responder | None = None
        self._known: Head | None = None  # that of the request before, which most likely comes again
        self._request: ServerRequest | None = None
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._stuck = (0, 0.0)
        # Being read: the request whose head or body has begun.
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_size = self._head_size = self._extra = 0
        self._in_head = self._in_body = False
        self._continue_owed = False
        # Read, and not begun: what waits for the reply under way.
        self._waiting: deque[tuple[ServerRequest, bool, bool]] = deque()
        self._refusal: _Refused | None = None
        self._buffered = b""
        self._last = False  # nothing that comes after the request being answered is read
        self._now = self._since = monotonic()
        self._closing_at = 0.0

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream: Any = transport  # uvloop's are no asyncio.Transport by class
        self.transport = stream
        sock = stream.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.set_write_buffer_limits(high=_HIGH_WATER)
        if not self._owner.admits(self):
            self._refuse(_Refused(503, "too many connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # however it ended, nobody reads what we would say
        self.transport = None
        self._parser = None  # it points back at us
        self._waiting.clear()
        self._owner.left(self)
        self.resume_writing()
        responder = self._responder
        if responder is not None and not responder.ended:
            if responder.on_disconnect is not None:
                responder.on_disconnect()
            elif self._task is not None:
                # Not before it has run once: a task cancelled earlier never begins, and what it was to clean up stays.
                asyncio.get_running_loop().call_soon(self._task.cancel)

    def data_received(self, data: bytes) -> None:
        if self._last:
            return
        self._now = monotonic()
        if self._responder is None:
            if self._in_head or self._in_body:
                self._feed(data)
            else:
                self._fresh(data)
            return
        self._buffered += data
        if self.transport is not None and len(self._buffered) > self._limits.head_bytes:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more. False: close."""
        return False

    def _fresh(self, data: bytes) -> None:
        """The first read of a request. Clients send the same head again and again: one that came whole with its body,
        and was read by the parser before, need not be read twice."""
        known = self._known
        if known is not None and len(data) == known.size and data.startswith(known.raw):
            self._begin(known.request(data, self._now), True, True)
            return
        end = data.find(_HEAD_END) + 4
        if not 4 <= end <= _KNOWN_HEAD_BYTES:
            self._feed(data)
            return
        raw = data[:end]
        known = self._owner.heads.get(raw)
        if known is None:
            self._feed(data)
            self._learn(raw, len(data) - end)
        elif len(data) == known.size:
            self._known = known
            self._begin(known.request(data, self._now), True, True)
        else:
            self._feed(data)

    def _learn(self, raw: bytes, length: int) -> None:
        """Keeps a head, where all of the read was one plain request that asks for nothing of its connection."""
        request = self._request
        self._request = None
        if request is None or self._waiting or self._last or self._in_head or self._in_body:
            return
        headers = request.headers
        if len(request.body) != length or not _SPECIAL.isdisjoint(headers) or self._parser is None:
            return
        if length != int(headers.get("content-length", "0")) or self._parser.get_http_version() != "1.1":
            return
        heads = self._owner.heads
        if len(heads) >= _KNOWN_HEADS:
            heads.clear()
        heads[raw] = Head(raw, request.method, request.path, request.query, headers, length)

    def _feed(self, data: bytes) -> None:
        headers, in_body = self._headers, self._in_body
        try:
            self._parser.feed_data(data)
            if self._headers is headers:  # the same request as before this read
                if self._in_head:
                    self._count_head(len(data))
                elif in_body and self._in_body:
                    self._count_extra(len(data))
        except httptools.HttpParserUpgrade:
            pass  # the request was taken in on_message_complete; what follows it is not read
        except httptools.HttpParserError as error:
            cause = error.__context__
            known = isinstance(cause, _Refused)
            self._refused(cause if known else _Refused(400, f"not a request of HTTP/1.1: {error}"))  # type: ignore[arg-type]  # as `known` says
        except _Refused as error:
            self._refused(error)

    def _refused(self, refusal: _Refused) -> None:
        """At once, or after the requests before it are answered."""
        if self._last:
            return
        if self._responder is None:
            self._refuse(refusal)
        else:
            self._refusal = refusal
            self._last = True

    def _count_head(self, size: int) -> None:
        """Bounds a header line that does not end, of which the parser tells nothing."""
        self._extra += size
        if self._extra > self._limits.head_bytes:
            raise _Refused(431, "the request's headers are too large")

    def _count_extra(self, size: int) -> None:
        """Bounds what comes in a chunked body and is not body: chunk extensions and trailers without an end. A chunk of
        one byte has five bytes of framing."""
        self._extra += size
        if self._extra > 8 * self._body_size + self._limits.head_bytes:
            raise _Refused(400, "the request's body is mostly framing")

    def pause_writing(self) -> None:
        if self._drained is None and self.transport is not None:
            self._drained = asyncio.get_running_loop().create_future()
            self._stuck = (self.transport.get_write_buffer_size(), monotonic())

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    async def writable(self) -> None:
        if self._drained is not None:
            await asyncio.shield(self._drained)

    # --- the parser's side

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = {}
        self._body = []
        self._body_size = self._head_size = self._extra = 0
        self._in_head = True
        self._since = self._now

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._sized(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._sized(len(name) + len(value) + 4)
        if self._in_body:
            return  # a trailer: it must not pass for a header that was looked at before the body
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1").rstrip(" \t")
        headers = self._headers
        if key in headers:
            if key in _ONCE:
                raise _Refused(400, f"header {key} comes twice")
            text = f"{headers[key]}{'; ' if key == 'cookie' else ', '}{text}"
        headers[key] = text

    def _sized(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.head_bytes:
            raise _Refused(431, "the request's headers are too large")

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        self._extra = 0
        headers = self._headers
        version = self._parser.get_http_version()
        if version == "1.1":
            if "host" not in headers:
                raise _Refused(400, "no host header")
        elif version != "1.0":
            raise _Refused(505, "this server speaks HTTP/1.1")
        elif "transfer-encoding" in headers:
            raise _Refused(400, "a transfer-encoding in HTTP/1.0")
        if self._parser.get_method() not in _METHODS:
            raise _Refused(501, "this server does not know the method")
        self._check_length(headers)
        if "upgrade" in headers and self._parser.should_upgrade() and self._has_body(headers):
            raise _Refused(400, "a body and an upgrade")  # llhttp takes the body for the other protocol's
        if "expect" in headers and version == "1.1":
            self._expect(headers["expect"])

    def _check_length(self, headers: dict[str, str]) -> None:
        length = headers.get("content-length")
        if "transfer-encoding" in headers:
            if length is not None:
                raise _Refused(400, "both content-length and transfer-encoding")
            if headers["transfer-encoding"].lower() != "chunked":
                raise _Refused(501, "a transfer-encoding other than chunked")
        elif length is not None and int(length) > self._limits.body_bytes:
            raise _Refused(413, f"a body of more than {self._limits.body_bytes} bytes")

    @staticmethod
    def _has_body(headers: dict[str, str]) -> bool:
        return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

    def _expect(self, expected: str) -> None:
        if expected.lower() != "100-continue":
            raise _Refused(417, "an expectation other than 100-continue")
        if self._responder is None:
            self.send(_CONTINUE)
        else:
            self._continue_owed = True

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size > self._limits.body_bytes:
            raise _Refused(413, f"a body of more than {self._limits.body_bytes} bytes")
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._in_body = self._continue_owed = False
        if self._last:
            return
        parser = self._parser
        path, query = _split(self._target)
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        request = ServerRequest(parser.get_method().decode("latin-1"), path, query, self._headers, body, self._now)
        keep = parser.should_keep_alive() and not parser.should_upgrade()
        self._last = not keep
        chunked = parser.get_http_version() == "1.1"
        if self._responder is None:
            self._request = request
            self._begin(request, keep, chunked)
        else:
            self._waiting.append((request, keep, chunked))

    # --- ours

    def is_closing(self) -> bool:
        return self._owner.closing

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The handler under way."""
        return self._task

    def _begin(self, request: ServerRequest, keep: bool, chunked: bool) -> None:
        """A request that has come whole; `keep` and `chunked` say how its reply must be."""
        responder = Responder(self, keep=keep, chunked=chunked, method=request.method, path=request.path)
        self._responder = responder
        try:
            pending = self._handler(request, responder)
        except Exception:
            log.exception("the handler of %s %s failed", request.method, request.path)
            self._unanswered(responder)
            return
        if pending is not None:
            self.go_on(pending, responder)

    def go_on(self, pending: Awaitable[None], responder: Responder) -> None:
        """Runs what is left to do for a request as a task, which ends with the client."""
        self._task = asyncio.get_running_loop().create_task(self._run(pending, responder))

    async def _run(self, pending: Awaitable[None], responder: Responder) -> None:
        try:
            await pending
        except asyncio.CancelledError:
            if not responder.ended:
                responder.abort()
            raise
        except Exception:
            log.exception("the handler of %s %s failed", responder.method, responder.path)
        self._unanswered(responder)

    def _unanswered(self, responder: Responder) -> None:
        if responder.ended:
            return
        if responder.started:  # the client must not take what it has for the whole
            responder.cut()
        else:
            responder.reply(500, _JSON, error_body("internal error", "server_error"))

    def send(self, data: bytes) -> None:
        transport, outbox = self.transport, self._owner.outbox
        if transport is None:
            return
        if outbox is None:
            transport.write(data)
        else:
            outbox.put(transport, data)

    def _flush(self) -> None:
        """Before anything else is done with the transport, what waits for it leaves."""
        outbox = self._owner.outbox
        if outbox is not None:
            outbox.flush()

    def finished(self, keep: bool) -> None:
        """The reply is written; on to the next request, or close."""
        self._responder = None
        self._task = None
        transport = self.transport
        if transport is None:
            return
        if not keep or self._owner.closing:
            self.close()
        elif self._waiting:
            request, keep, chunked = self._waiting.popleft()
            self._begin(request, keep, chunked)
        elif self._refusal is not None:
            self._refuse(self._refusal)
        else:
            self._go_on(transport)

    def _go_on(self, transport: asyncio.Transport) -> None:
        if self._continue_owed:
            self._continue_owed = False
            self._flush()
            transport.write(_CONTINUE)
        self._now = self._since = monotonic()
        if self._buffered:
            data, self._buffered = self._buffered, b""
            if len(data) > self._limits.head_bytes:
                transport.resume_reading()
            self._feed(data)

    def _refuse(self, refusal: _Refused) -> None:
        """An error line and the end of the connection: after a request we could not read, nothing can be trusted. What
        the client still sends is taken and dropped for a while, or a TCP reset would destroy the error line."""
        transport = self.transport
        if transport is None:
            return
        body = error_body(refusal.why, "invalid_request_error" if refusal.status < 500 else "server_error")
        self._flush()
        head = b"%bContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        transport.write(head % (status_line(refusal.status), len(body)) + body)
        self._last = True
        self._buffered = b""
        if transport.can_write_eof():
            transport.write_eof()
            self._closing_at = monotonic()
        else:
            self.close()

    def expire(self, now: float) -> None:
        """Ends a connection that is idle, whose request comes too slowly, or whose client takes nothing of a reply."""
        transport = self.transport
        if transport is None:
            return
        limits = self._limits
        if self._closing_at:
            patience = limits.write_s if transport.get_write_buffer_size() else _LINGER_S
            if now - self._closing_at > patience:
                transport.abort()
        elif self._drained is not None:
            self._expire_stuck(transport, now)
        elif self._responder is None:
            waited = now - self._since
            if not self._in_head and not self._in_body:
                if waited > limits.idle_s:
                    self.close()
            elif waited > (limits.head_s if self._in_head else limits.head_s + limits.body_s):
                self._refuse(_Refused(408, "the request took too long to come"))

    def _expire_stuck(self, transport: asyncio.Transport, now: float) -> None:
        size, since = self._stuck
        left = transport.get_write_buffer_size()
        if left < size:
            self._stuck = (left, now)
        elif now - since > self._limits.write_s:
            transport.abort()

    def close_when_idle(self) -> None:
        """Now, unless a request is being read or answered."""
        if self._responder is None and not self._in_head and not self._in_body:
            self.close()

    def close(self) -> None:
        """After what was written is sent."""
        if self.transport is not None:
            self._flush()
            self._closing_at = self._closing_at or monotonic()
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


def _split(target: bytes) -> tuple[str, str]:
    """Path and query of a request's target, which may name the host too, as for a proxy."""
    path, _, query = target.decode("latin-1").partition("?")
    if not path.startswith("/") and "://" in path:
        _, slash, rest = path.partition("://")[2].partition("/")
        path = slash + rest or "/"
    return path, query
