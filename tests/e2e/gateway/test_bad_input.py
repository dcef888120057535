"""Whatever is sent: the right status, one line that says what to do, and a process that serves the next request."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from tests.e2e.gateway.conftest import Serve, Served, ask, config
from tests.e2e.gateway.crowd import Said, read
from tests.e2e.gateway.herd import herd
from tests.e2e.gateway.test_limits import eventually, keyed

from weighbridge.simulator.process import start
from weighbridge.simulator.settings import Settings

HOST = b"Host: h\r\n"
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
FINE = b'{"model":"it","messages":[{"role":"user","content":"Hi"}]}'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One gateway for all of it: it has to survive all of it."""
    with ExitStack() as stack:
        one = stack.enter_context(start(msgspec.convert({"tokens": {"constant": 3}}, Settings)))
        said = {**config([one]), "gateway": {"body_megabytes": 1}}
        gateway = stack.enter_context(herd(tmp_path_factory.mktemp("gateway"), said))
        yield gateway
        assert gateway.process.poll() is None
        log = (gateway.config.parent / "log").read_text()
        assert "Traceback" not in log, log[-3000:]


def raw(served: Served, *pieces: bytes, seconds: float = 20.0) -> Said:
    """What comes back for bytes that are sent as they are."""
    host, port = served.origin.removeprefix("http://").split(":")
    data = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as sock:
        for piece in pieces:
            try:
                sock.sendall(piece)
            except OSError:
                break  # refused before all of it was sent
        sock.settimeout(seconds)
        try:
            while piece := sock.recv(65536):
                data += piece
                if _whole(data):
                    break
        except OSError:
            pass
    return read(data)


def _whole(data: bytes) -> bool:
    said = read(data)
    return bool(said.status) and len(said.body) >= int(said.headers.get("content-length", "0"))


def posted(served: Served, body: bytes | Any, path: str = "/v1/chat/completions", method: str = "POST") -> Said:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(data)}\r\n\r\n"
    return raw(served, head.encode(), data)


def assert_refused(served: Served, said: Said, status: int, words: str = "") -> dict[str, Any]:
    """The right status, one line, nothing of our insides; and the next request is served."""
    assert said.status == status, said
    error: dict[str, Any] = msgspec.json.decode(said.body)["error"]
    assert error["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 1000
    assert "Traceback" not in error["message"]
    assert "weighbridge/" not in error["message"]
    assert words in error["message"], error["message"]
    assert ask(served).choices[0].message.content
    return error


# --- HTTP

SMUGGLED = {
    "two lengths": (CHAT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    "a list of lengths": (CHAT + b"Content-Length: 5, 6\r\n\r\n", 400),
    "length and chunked": (CHAT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (CHAT + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked and more": (CHAT + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    "xchunked": (CHAT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunked with a tab": (CHAT + b"Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
    "a folded line": (CHAT + b"X-Some: a\r\n b\r\nContent-Length: 0\r\n\r\n", 400),
    "a folded length": (CHAT + b"Content-Length:\r\n 5\r\n\r\n12345", 400),
    "bare LF": (CHAT.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n", 400),
    "bare LF in a header": (CHAT + b"X: a\nContent-Length: 5\r\n\r\n12345", 400),
    "bare CR": (CHAT + b"X: a\rContent-Length: 5\r\n\r\n12345", 400),
    "a space before the colon": (CHAT + b"Content-Length : 5\r\n\r\n12345", 400),
    "a zero byte": (CHAT + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n", 400),
    "a negative length": (CHAT + b"Content-Length: -1\r\n\r\n", 400),
    "a length in hex": (CHAT + b"Content-Length: 0x5\r\n\r\n12345", 400),
    "a plus in the length": (CHAT + b"Content-Length: +5\r\n\r\n12345", 400),
    "a huge length": (CHAT + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    "a chunk that is no number": (CHAT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "a chunk of more than there is": (CHAT + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", 400),
    "a chunk that ends in LF": (CHAT + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", 400),
    "no host": (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
    "two hosts": (CHAT + b"Host: other\r\nContent-Length: 0\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, 400),
    "no HTTP at all": (b"hello there, are you open?\r\n\r\n", 400),
    "an expectation": (CHAT + b"Expect: a-miracle\r\nContent-Length: 2\r\n\r\n{}", 417),
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_doubtful_requests_are_refused_and_nothing_is_read_after_them(served: Served, name: str) -> None:
    data, status = SMUGGLED[name]
    smuggled = b"GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n"
    said = raw(served, data + smuggled)
    if name == "HTTP/2":
        assert said.status in {400, 501, 505}
    else:
        assert_refused(served, said, status)
    assert b'"object":"list"' not in said.body
    assert said.headers["connection"] == "close"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(served: Served) -> None:
    said = raw(served, CHAT + b"Content-Length: 1048577\r\n\r\n")
    assert_refused(served, said, 413, "1048576")
    body = b'{"model":"it","messages":[{"role":"user","content":"' + b"x" * 2_000_000 + b'"}]}'
    assert_refused(served, posted(served, body), 413)
    chunks = [b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 20
    assert_refused(served, raw(served, CHAT + b"Transfer-Encoding: chunked\r\n\r\n", *chunks), 413)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"X: " + b"a" * 70_000 + b"\r\n"], id="one long header"),
        pytest.param([b"X%d: a\r\n" % n for n in range(8_000)], id="many headers"),
        pytest.param([b"X" * 70_000], id="a name that does not end"),
    ],
)
def test_headers_that_are_too_large_are_refused(served: Served, lines: list[bytes]) -> None:
    said = raw(served, CHAT, *lines, b"\r\n\r\n")
    # A name that came whole in one read is seen to be no header at all.
    assert_refused(served, said, 400 if said.status == 400 and b":" not in lines[0] else 431)


def test_a_target_that_is_too_long_is_refused(served: Served) -> None:
    said = raw(served, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert said.status in {414, 431}


@pytest.mark.slow
def test_clients_that_drip_are_shown_out_and_hold_up_nobody(served: Served) -> None:
    """Slow-loris: 300 connections with half a head each, and some with half a body."""
    host, port = served.origin.removeprefix("http://").split(":")
    with ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(300)]
        for number, sock in enumerate(socks):
            sock.sendall(CHAT if number % 2 else CHAT + b"Content-Length: 100\r\n\r\n{")
        began = time.monotonic()
        until = began + 17
        while time.monotonic() < until:
            assert ask(served).choices
            for sock in socks[:20:2]:
                sock.sendall(b"x")  # a body that drips has more time
            time.sleep(0.5)
        shown_out = socks[1::2]
        for sock in shown_out:
            sock.settimeout(20)
            assert read(sock.recv(4096)).status == 408
    assert ask(served).choices


# --- JSON

DEEP = b"[" * 100_000 + b"]" * 100_000
BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no JSON": (b"{broken", 400),
    "a list": (b"[]", 400),
    "null": (b"null", 400),
    "a text": (b'"it"', 400),
    "two objects": (FINE + FINE, 400),
    "no model": (b'{"messages":[]}', 400),
    "a model that is null": (b'{"model":null,"messages":[]}', 400),
    "a model that is a number": (b'{"model":5,"messages":[]}', 400),
    "a model that is a list": (b'{"model":["it"],"messages":[]}', 400),
    "a model that is empty": (b'{"model":"","messages":[]}', 400),
    "a model that is long": (b'{"model":"' + b"m" * 100_000 + b'","messages":[]}', 404),
    "a model with a line break": (b'{"model":"a\\nb\\r\\nX: y","messages":[]}', 404),
    "a model that is no one's": (b'{"model":"gpt-5","messages":[]}', 404),
    "UTF-8 that is none": (b'{"model":"it","messages":[{"role":"user","content":"\xff\xfe"}]}', 400),
    "a key that is no UTF-8": (b'{"model":"it","\xff":1,"messages":[]}', 400),
    "half a surrogate": (b'{"model":"it\\ud800","messages":[]}', 400),
    "nested deeply": (b'{"model":"it","messages":' + DEEP + b"}", 400),
    "nested deeply in a field nobody reads": (b'{"model":"it","messages":[],"metadata":' + DEEP + b"}", 400),
    "nested deeply at the top": (DEEP, 400),
    "stream options that are a text": (b'{"model":"it","messages":[],"stream":true,"stream_options":"x"}', 400),
    "a limit of text": (b'{"model":"it","messages":[],"max_tokens":"many"}', 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_no_requests_are_refused_in_one_line(served: Served, name: str) -> None:
    body, status = BODIES[name]
    said = posted(served, body)
    assert_refused(served, said, status)


def test_a_stream_that_is_neither_true_nor_false_is_refused(served: Served) -> None:
    assert_refused(served, posted(served, b'{"model":"it","messages":[],"stream":"yes"}'), 400, "stream")


def test_an_unknown_endpoint_is_a_404_that_names_those_there_are(served: Served) -> None:
    error = assert_refused(served, posted(served, {"model": "gpt-5", "messages": []}), 404, "There are: it")
    assert error["code"] == "model_not_found"


@pytest.mark.parametrize("n", [10**6, 10**30, -1, 0, "many", 1.5, None])
def test_a_number_of_answers_is_the_providers_to_judge_and_harms_nobody(served: Served, n: Any) -> None:
    said = posted(served, {"model": "it", "messages": [{"role": "user", "content": "Hi"}], "n": n})
    assert said.status in {200, 400}
    assert ask(served).choices


@pytest.mark.parametrize("limit", [10**9, 10**30, -5, 0, 1.5, True, None, [], "5"])
def test_a_limit_of_any_kind_harms_nobody(served: Served, limit: Any) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        said = posted(served, {"model": "it", "messages": [{"role": "user", "content": "Hi"}], name: limit})
        assert said.status in {200, 400}, said
    assert ask(served).choices


def test_the_same_key_twice_is_read_as_the_last_by_all(served: Served) -> None:
    """What was looked at is what is sent: no second reading of a body elsewhere."""
    said = posted(served, b'{"model":"nobody","model":"it","messages":[{"role":"user","content":"Hi"}]}')
    assert said.status == 200


# --- routes

ROUTES = [
    ("GET", "/v1/chat/completions", 405),
    ("DELETE", "/v1/chat/completions", 405),
    ("POST", "/v1/models", 405),
    ("POST", "/health", 405),
    ("GET", "/nowhere", 404),
    ("POST", "/v1/../v1/chat/completions", 404),
    ("POST", "/v1//chat/completions", 404),
    ("POST", "/V1/chat/completions", 404),
    ("POST", "/v1/chat/completions/", 404),
    ("POST", "/%76%31/chat/completions", 404),
    ("BREW", "/v1/chat/completions", 400),
]


@pytest.mark.parametrize(("method", "path", "status"), ROUTES)
def test_what_is_not_served_is_said(served: Served, method: str, path: str, status: int) -> None:
    assert_refused(served, posted(served, FINE, path, method), status)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"exchange":5}', b'{"exchange":"x","score":7}', b'{"exchange":"x","score":"good"}',
             b'{"exchange":"x","comment":["a"]}', b'{"exchange":"\xff"}', DEEP],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
def test_feedback_that_is_none_is_refused(served: Served, body: bytes) -> None:
    assert_refused(served, posted(served, body, "/v1/feedback"), 400)


@pytest.mark.parametrize(
    "value", [b"", b"Basic abc", b"Bearer", b"Bearer \xff\xfe", b"Bearer " + b"k" * 60_000, b"\x7f"]
)
def test_a_key_of_any_shape_is_no_trouble(served: Served, value: bytes) -> None:
    """Without keys everybody on this machine is let in, whatever is sent as one."""
    said = raw(served, CHAT + b"Authorization: " + value + b"\r\nContent-Length: %d\r\n\r\n" % len(FINE) + FINE)
    assert said.status in {200, 400}
    assert ask(served).choices


@pytest.mark.parametrize("value", [b"x", b"00-0-0-0", b"00-" + b"g" * 32 + b"-" + b"1" * 16 + b"-01", b"-" * 5000])
def test_a_trace_of_any_shape_is_no_trouble(served: Served, value: bytes) -> None:
    said = raw(served, CHAT + b"Traceparent: " + value + b"\r\nContent-Length: %d\r\n\r\n" % len(FINE) + FINE)
    assert said.status == 200


def test_a_revoked_key_is_a_401_in_one_line(serve: Serve, simulate: Any) -> None:
    gateway = serve(config([simulate()]))
    key, other = keyed(gateway, "create", "first"), keyed(gateway, "create", "other")
    eventually(gateway, key, 200)
    eventually(gateway, "wb-none", 401)
    keyed(gateway, "revoke", "first")
    eventually(gateway, key, 401)
    head = CHAT + b"Authorization: Bearer " + key.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(FINE)
    said = raw(gateway, head + FINE)
    error = msgspec.json.decode(said.body)["error"]
    assert (said.status, error["code"]) == (401, "invalid_api_key")
    assert "revoked" in error["message"]
    assert key not in error["message"]
    assert gateway.client(other).models.list().data
