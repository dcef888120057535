"""Which failures go where: by cause, never by what a message happens to say, and with the status that fits."""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from tests.e2e.gateway.conftest import Serve, Simulate, ask, stream
from tests.e2e.gateway.upstream import Call, Script, answer, many, one, refusal, scripted


def refusing(status: int, body: Any, **headers: str) -> Script:
    return lambda call: call.reply(body, status, **headers)


RATE = refusal("Rate limit reached", "requests", "rate_limit_exceeded")
FILTER = refusal("The response was filtered", "invalid_request_error", "content_filter")
BAD = refusal("messages must not be empty", "invalid_request_error")
LONG = refusal("The input is longer than the model's context length (4096 tokens).", "BadRequestError")
CAP = refusal(
    "You have reached your specified API usage limits. You will regain access on 1 Dec", "invalid_request_error"
)
OVERLOADED = refusal("Overloaded", "overloaded_error")


@pytest.mark.parametrize(
    ("status", "body", "falls_back"),
    [
        (429, RATE, True),
        (503, OVERLOADED, True),
        (529, OVERLOADED, True),
        (500, refusal("boom"), True),
        (400, LONG, True),
        (400, CAP, True),
        (400, BAD, False),
        (400, FILTER, False),
        (422, BAD, False),
    ],
)
def test_a_fallback_is_for_failures_that_another_target_may_not_have(
    serve: Serve, simulate: Simulate, status: int, body: Any, falls_back: bool
) -> None:
    """Portkey#855: a fallback fired on any error; #165: on none of those that were named. litellm#10793: sglang's words
    for a context that is too long were not known. litellm#37599: Anthropic's usage cap is a 400 that means 429."""
    with scripted(refusing(status, body)) as upstream:
        document = many([upstream.url, simulate().url])
        document["models"]["a"]["context"], document["models"]["b"]["context"] = 8_000, 100_000
        served = serve(document)
        if falls_back:
            assert ask(served).choices
        else:
            with pytest.raises(openai.APIStatusError) as caught:
                ask(served)
            assert caught.value.status_code == status
            assert len(upstream.calls) == 1
    assert served.records()[0].route.target == ("b" if falls_back else None)


def test_fallbacks_that_are_named_by_cause_are_for_that_cause_alone(serve: Serve, simulate: Simulate) -> None:
    """Portkey#165: `on_status_codes` never fired; #855: it fired on anything."""
    said = [(503, OVERLOADED), (503, OVERLOADED), (429, RATE)]
    with scripted(lambda call: call.reply(said[call.number - 1][1], said[call.number - 1][0])) as upstream:
        document = many([upstream.url, simulate().url])
        route = {"fallbacks": {"rate_limit": ["b"]}, "attempts": 2, "retries": 1}
        document["endpoints"] = {"it": {"candidates": ["a"], "route": route}}
        served = serve(document)
        with pytest.raises(openai.InternalServerError):
            ask(served)
        assert ask(served).choices
    assert [record.route.target for record in served.records(2)] == [None, "b"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"no"', b'{"error": null}', b'{"error": "no"}', b'{"error": {}}', b"\xff\xfe", b"<p>"),
        *(b'{"error": {"message": null, "type": 5, "code": []}}', b"[" * 100_000, b"x" * 3_000_000),
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
@pytest.mark.parametrize("status", [500, 400])
def test_an_error_of_any_shape_is_survived(serve: Serve, status: int, body: bytes) -> None:
    """bifrost#6967: an error without an error object crashed the process."""
    with scripted(refusing(status, body)) as upstream:
        served = serve(one(upstream.url, route={"attempts": 1}))
        for call in (ask, stream):
            with pytest.raises(openai.APIStatusError) as caught:
                call(served)
            assert caught.value.status_code in {400, 502, 503}
            assert len(str(caught.value)) < 2000
    assert served.process.poll() is None


def test_a_number_in_an_error_is_no_status(serve: Serve, simulate: Simulate) -> None:
    """Of freellmapi PR#1282: the digits "402" in a message benched a provider for a day."""
    words = refusal("Upstream request 402-429-401 failed, quota of 402 MB for this node", "server_error")
    with scripted(lambda call: call.reply(words, 500) if call.number == 1 else call.reply(answer())) as upstream:
        served = serve(many([upstream.url, simulate().url]))
        ask(served)
        ask(served)
    assert [record.route.target for record in served.records(2)] == ["a", "a"]


def test_geminis_delay_within_the_body_is_waited_for(serve: Serve) -> None:
    """litellm#25507: `retryDelay` is in the body of Gemini's 429, and nowhere else."""
    limited = {
        "error": {
            "code": 429,
            "message": "Resource has been exhausted",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}],
        }
    }
    said = {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "Fine."}]}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
    }
    times: list[float] = []

    def script(call: Call) -> None:
        times.append(time.monotonic())
        call.reply(limited, 429) if call.number == 1 else call.reply(said)

    with scripted(script) as upstream:
        document = one(upstream.url)
        document["providers"]["a"] = {"preset": "gemini-native", "base_url": upstream.url, "key": "$SOME_KEY"}
        served = serve(document, env={"SOME_KEY": "k"})
        assert ask(served).choices[0].message.content == "Fine."
    assert times[1] - times[0] >= 1.5


def test_a_rate_limit_is_waited_for_as_long_as_it_says_and_left_alone(serve: Serve) -> None:
    """litellm#7669: `retry_after` was not looked at; litellm#32574: a second failure started no cool-down."""
    times: list[float] = []

    def script(call: Call) -> None:
        times.append(time.monotonic())
        if call.number <= 2:
            call.reply(RATE, 429, retry_after_ms="1200")
        else:
            call.reply(answer())

    with scripted(script) as upstream:
        served = serve(one(upstream.url))
        assert ask(served).choices
    assert len(times) == 3
    assert min(times[1] - times[0], times[2] - times[1]) >= 1.2


def test_a_vendors_429_is_a_429_and_its_words_are_kept(serve: Serve) -> None:
    """litellm#4259: it left as a 500."""
    with scripted(refusing(429, RATE, retry_after="7")) as upstream:
        served = serve(one(upstream.url, route={"attempts": 1}))
        with pytest.raises(openai.RateLimitError, match="Rate limit reached") as caught:
            ask(served)
    assert caught.value.code == "rate_limit_exceeded"
    assert 6 <= int(caught.value.response.headers["retry-after"]) <= 8
    failure = served.records()[0].failure
    assert failure is not None
    assert (failure.error_class, failure.status) == ("rate_limit", 429)


def test_a_providers_refusal_of_our_key_is_not_the_clients_401(serve: Serve) -> None:
    bad_key = refusal("Incorrect API key provided: sk-secret-1234", "invalid_request_error", "invalid_api_key")
    with scripted(refusing(401, bad_key)) as upstream:
        served = serve(one(upstream.url))
        with pytest.raises(openai.InternalServerError) as caught:
            ask(served)
        assert len(upstream.calls) == 1
    assert caught.value.status_code == 502


def test_a_breaker_opens_and_closes_again(serve: Serve, simulate: Simulate) -> None:
    """Portkey#1289: it never opened."""
    healthy = False

    def script(call: Call) -> None:
        call.reply(answer()) if healthy else call.reply(refusal("down"), 503)

    with scripted(script) as upstream:
        served = serve(many([upstream.url, simulate().url]))
        for _ in range(20):
            ask(served)
        assert len(upstream.calls) < 12
        healthy = True
        until = time.monotonic() + 60
        while ask(served) and served.records()[-1].route.target != "a":
            assert time.monotonic() < until
            time.sleep(0.2)


@contextmanager
def forgetful() -> Iterator[str]:
    """A provider that keeps a connection after its answer, and closes it when the next request has come."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            connection.settimeout(30)
            if asked(connection):
                body = json.dumps(answer("Fine")).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
                asked(connection)

    def asked(connection: socket.socket) -> bool:
        said = b""
        while b"\r\n\r\n" not in said:
            piece = connection.recv(65536)
            if not piece:
                return False
            said += piece
        return True

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def test_a_kept_connection_that_the_provider_closes_costs_no_attempt_and_no_trust(serve: Serve) -> None:
    """It was closed before it saw the request, so the request is sent again. Ten of those in a row are no outage."""
    with forgetful() as url:
        served = serve(many([url]))
        assert [ask(served).choices[0].message.content for _ in range(20)] == ["Fine"] * 20
        records = served.records(20)
    assert [len(one.attempts) for one in records] == [1] * 20
    assert {one.attempts[0].failure for one in records} == {None}
