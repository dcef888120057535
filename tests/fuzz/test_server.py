"""The server under bytes of any kind, in this process: nothing escapes, and no split of the bytes changes a thing."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest
from tests.fuzz.mutating import cut, for_a_while, mutated

from weighbridge.gateway.asked import Asked
from weighbridge.gateway.refusal import Refusal
from weighbridge.transport.loop import run
from weighbridge.transport.server import Server, ServerLimits, ServerRequest
from weighbridge.transport.server_connection import Connection, Responder

pytestmark = pytest.mark.slow

LIMITS = ServerLimits(head_bytes=2_000, body_bytes=5_000)
BODY = b'{"model":"it","messages":[{"role":"user","content":"Hi"}],"stream":true}'
HOST = b" HTTP/1.1\r\nHost: h\r\n"
CORPUS = [
    b"POST /v1/chat/completions%bContent-Length: %d\r\n\r\n%b" % (HOST, len(BODY), BODY),
    b"GET /health%b\r\n" % HOST * 3,
    b"POST /a%bTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nT: v\r\n\r\n" % HOST,
    b"POST /a%bExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcGET /b%b\r\n" % (HOST, HOST),
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    b"GET /x%bUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI * HTTP/2.0\r\n\r\n" % HOST,
    b"OPTIONS *%bConnection: close\r\n\r\nGET /never%b\r\n" % (HOST, HOST),
    b"GET http://h:80/p?q=1%bCookie: a\r\nCookie: b\r\nX: \xff\r\n\r\n" % HOST,
]
TOKENS = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"\0", b"\r\n ", b"0\r\n\r\n", b"\r\n\r\n", b"HTTP/1.1"),
    *(b"Content-Length: 3\r\n", b"content-length: 03\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: other\r\n"),
    *(b"Transfer-Encoding: gzip, chunked\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\n", b"Upgrade: x\r\n"),
    *(
        b"Expect: 100-continue\r\n",
        b"Content-Length: 99999\r\n",
        b"5\r\nabcde\r\n",
        b"ffffffffffffffff\r\n",
        b"Trailer: x",
    ),
    *(b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", b"a" * 500, b"X: " + b"b" * 900 + b"\r\n"),
]


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False
        self.paused = False

    def write(self, data: Any) -> None:
        assert not self.closed, "written to after it was closed"
        self.sent += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


def conversation(pieces: list[bytes]) -> tuple[list[tuple[Any, ...]], bytes]:
    """The requests that were understood, and what was said."""
    requests: list[tuple[Any, ...]] = []

    def handler(request: ServerRequest, responder: Responder) -> None:
        requests.append((request.method, request.path, request.query, sorted(request.headers.items()), request.body))
        assert len(request.body) <= LIMITS.body_bytes
        with suppress(Refusal):
            Asked("chat", request.body).needs()
        responder.reply(200, {"Content-Type": "text/plain"}, b"ok")

    server = Server(handler, LIMITS)
    connection, wire = Connection(handler, LIMITS, server), Wire()
    connection.connection_made(wire)
    for piece in pieces:
        if wire.closed:
            break
        if piece:
            connection.data_received(piece)
    if not wire.closed:
        connection.eof_received()
    connection.connection_lost(None)
    assert not server.connections
    return requests, wire.sent


def check(dice: random.Random) -> None:
    data = mutated(dice, CORPUS, TOKENS)
    whole, sent = conversation([data])
    assert sent.count(b"HTTP/1.1 200") == len(whole)
    assert not sent or sent.startswith(b"HTTP/1.1 ")
    pieces = cut(dice, data)
    again, also = conversation(pieces)
    if b"HTTP/1.1 431" in sent + also:
        # A head about as large as may be: what counts besides names and values depends on the reads.
        both = min(len(whole), len(again))
        assert again[:both] == whole[:both], (data, pieces)
        return
    assert again == whole, (data, pieces)
    assert _said(also) == _said(sent), (data, pieces)


def _said(sent: bytes) -> list[str]:
    """What was answered, in its order. That a client which waits is told to go on, and which of its faults a request is
    refused for, depends on when we hear of it."""
    statuses = [line.split()[1] for line in sent.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return ["served" if status == b"200" else "refused" for status in statuses if status != b"100"]


def test_no_bytes_break_the_server_and_no_split_changes_what_they_say() -> None:
    async def main() -> None:
        for dice in for_a_while():
            check(dice)

    run(main())
