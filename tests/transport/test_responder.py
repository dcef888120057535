"""Replies on the wire: framing, and headers that cannot be broken out of."""

import asyncio
import json
from collections.abc import Awaitable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.transport.responder import Link, Responder, chunk, encoded, error_body, unframed


class Written(Link):
    """The connection's end of a responder: keeps what is written."""

    def __init__(self, *, closing: bool = False) -> None:
        self.transport: asyncio.Transport | None = None
        self._closing = closing
        self.data = b""
        self.writes = 0
        self.kept: bool | None = None
        self.closed = self.was_reset = False

    def is_closing(self) -> bool:
        return self._closing

    def send(self, data: bytes) -> None:
        self.data += data
        self.writes += 1

    def finished(self, keep: bool) -> None:
        self.kept = keep

    def close(self) -> None:
        self.closed = True

    def reset(self) -> None:
        self.was_reset = True

    def go_on(self, pending: Awaitable[None], responder: Responder) -> None:
        raise NotImplementedError

    async def writable(self) -> None: ...


def responder(link: Written, *, keep: bool = True, chunked: bool = True, head_only: bool = False) -> Responder:
    return Responder(link, keep=keep, chunked=chunked, method="HEAD" if head_only else "GET")


def test_a_whole_reply_is_one_write() -> None:
    link = Written()
    responder(link).reply(200, {"X-A": "b"}, b"hello")
    assert (link.writes, link.kept) == (1, True)
    assert link.data == b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello"


def test_a_big_reply_is_not_copied_to_be_joined() -> None:
    link = Written()
    responder(link).reply(200, {}, b"x" * 100_000)
    assert link.writes == 2
    assert link.data.endswith(b"\r\n\r\n" + b"x" * 100_000)


def test_a_status_without_a_name_is_sent_all_the_same() -> None:
    """Anthropic's 529 is in no registry of status codes."""
    link = Written()
    responder(link).reply(529, {})
    assert link.data.startswith(b"HTTP/1.1 529 \r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_has_no_body_has_no_length_either(status: int) -> None:
    link = Written()
    responder(link).reply(status, {}, b"ignored")
    assert b"Content-Length" not in link.data
    assert link.data.endswith(b"\r\n\r\n")
    link = Written()
    one = responder(link)
    one.start(status, {})
    one.write(b"ignored")
    one.end()
    assert link.data.endswith(b"\r\n\r\n")
    assert b"chunked" not in link.data


def test_pieces_are_chunked_for_http_1_1() -> None:
    link = Written()
    one = responder(link)
    one.start(200, [("Content-Type", "text/event-stream")])
    one.write(b"data: x\n\n")
    one.write(b"")  # would end the reply
    one.write_framed(chunk(b"y" * 17))
    one.end()
    one.end()
    assert link.data.endswith(b"\r\n\r\n9\r\ndata: x\n\n\r\n11\r\n" + b"y" * 17 + b"\r\n0\r\n\r\n")
    assert link.kept is True


def test_pieces_are_plain_and_the_end_is_a_close_for_http_1_0() -> None:
    link = Written()
    one = responder(link, chunked=False)
    one.start(200, {})
    one.write(b"a")
    one.write_framed(chunk(b"b") + chunk(b"c" * 20))
    one.end()
    assert link.data == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab" + b"c" * 20
    assert link.kept is False


def test_head_gets_the_head_of_the_reply_only() -> None:
    link = Written()
    responder(link, head_only=True).reply(200, {}, b"12345")
    assert link.data.endswith(b"Content-Length: 5\r\n\r\n")
    link = Written()
    one = responder(link, head_only=True)
    one.start(200, {})
    one.write(b"x")
    one.write_framed(chunk(b"x"))
    one.end()
    assert link.data.endswith(b"Transfer-Encoding: chunked\r\n\r\n")


def test_while_the_server_closes_a_reply_says_so() -> None:
    link = Written(closing=True)
    responder(link).reply(200, {}, b"")
    assert b"Connection: close\r\n" in link.data
    assert link.kept is False


def test_a_second_answer_is_an_error_of_the_handler() -> None:
    one = responder(Written())
    one.reply(200, {})
    with pytest.raises(RuntimeError, match="answered already"):
        one.reply(200, {})
    with pytest.raises(RuntimeError, match="answered already"):
        one.start(200, {})


def test_after_a_cut_or_an_abort_nothing_is_written() -> None:
    for end in (Responder.cut, Responder.abort):
        link = Written()
        one = responder(link)
        one.start(200, {})
        said = link.data
        end(one)
        one.write(b"more")
        one.write_framed(chunk(b"more"))
        one.end()
        assert link.data == said
        assert link.closed != link.was_reset


@pytest.mark.parametrize("value", ["a\r\nX-B: c", "a\nb", "a\rb", "a\0b", "a\r\n\r\nb"])
def test_a_header_cannot_be_broken_out_of(value: str) -> None:
    """Response splitting: the value of one header must not become another."""
    with pytest.raises(ValueError, match="line break"):
        encoded({"X-A": value})
    with pytest.raises(ValueError, match="line break"):
        encoded([(value, "x")])
    link = Written()
    one = responder(link)
    with pytest.raises(ValueError, match="line break"):
        one.start(200, {"X-A": value})
    assert (one.started, link.data) == (False, b"")


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=20))
def test_unframing_undoes_framing(pieces: list[bytes]) -> None:
    """Whatever the pieces hold, even line breaks and hexadecimal digits."""
    assert unframed(b"".join(chunk(piece) for piece in pieces)) == b"".join(pieces)


def test_an_error_is_the_object_openais_clients_read() -> None:
    said = json.loads(error_body("too long", "invalid_request_error", "context_length_exceeded"))
    assert said == {
        "error": {
            "message": "too long",
            "type": "invalid_request_error",
            "param": None,
            "code": "context_length_exceeded",
        }
    }
