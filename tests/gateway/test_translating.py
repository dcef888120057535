"""Other APIs at the gateway's edge, without sockets: what reaches the client of what the gateway says in its own words.

The same over sockets, with the SDKs, is in tests/e2e/gateway.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from weighbridge.gateway.messages import Counting, Messages
from weighbridge.gateway.refusal import Refusal
from weighbridge.gateway.responses import Responses
from weighbridge.gateway.translating import Speech, Translating
from weighbridge.providers.dialect import FailedCall
from weighbridge.transport.responder import Link, Responder, chunk


class Kept(Link):
    """A connection that keeps what is sent to it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.sent: list[bytes] = []
        self.closed = ""

    def is_closing(self) -> bool:
        return False

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def finished(self, keep: bool) -> None:
        self.closed = "kept" if keep else "closed"

    def close(self) -> None:
        self.closed = "cut"

    def reset(self) -> None:
        self.closed = "reset"

    def go_on(self, pending: Any, responder: Responder) -> None:
        self.closed = "a task"

    async def writable(self) -> None: ...


def translating(speech: Speech) -> tuple[Translating, Kept, Responder]:
    link = Kept()
    inner = Responder(link, keep=True, chunked=False, method="POST", path="/")
    return Translating(inner, speech), link, inner


def streaming(speech: Speech) -> tuple[Translating, Kept]:
    responder, link, _ = translating(speech)
    responder.start_encoded(200, b"Content-Type: text/event-stream\r\nX-Request-Id: wbx_1\r\n")
    return responder, link


def kinds(link: Kept) -> list[str]:
    text = b"".join(link.sent).partition(b"\r\n\r\n")[2].decode()
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]


def responses() -> Responses:
    speech = Responses()
    speech.asked(b'{"model":"it","input":"Hi","stream":true}')
    return speech


def said(content: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode()


BOTH = [lambda: Messages({}), responses]
ENDS = {"Messages": ("message_stop", "error"), "Responses": ("response.completed", "error")}


@pytest.mark.parametrize("make", BOTH)
def test_any_split_of_the_bytes_gives_the_same_events_each_as_soon_as_it_is_whole(make: Callable[[], Speech]) -> None:
    """Vllm aibrix PR#2653: an event that is split over writes is no malformed one."""
    stream = said("One") + said(" two", "stop") + b"data: [DONE]\n\n"
    whole, link = streaming(make())
    whole.write(stream)
    whole.end()
    split, other = streaming(make())
    for place in range(len(stream)):
        split.write(stream[place : place + 1])
    split.end()
    assert kinds(link) == kinds(other)
    assert kinds(link)[-1] == ENDS[type(make()).__name__][0]


@pytest.mark.parametrize("make", BOTH)
def test_a_stream_that_said_done_but_no_reason_has_ended(make: Callable[[], Speech]) -> None:
    responder, link = streaming(make())
    responder.write(said("One") + b"data: [DONE]\n\n")
    responder.end()
    assert kinds(link)[-1] == ENDS[type(make()).__name__][0]


@pytest.mark.parametrize("make", BOTH)
def test_a_stream_that_merely_stops_ends_in_an_error(make: Callable[[], Speech]) -> None:
    """Portkey#1797: nothing that is cut looks whole."""
    responder, link = streaming(make())
    responder.write(said("One"))
    responder.end()
    good, bad = ENDS[type(make()).__name__]
    assert kinds(link)[-1] == bad
    assert good not in kinds(link)


@pytest.mark.parametrize("make", BOTH)
def test_after_its_end_a_stream_says_no_more(make: Callable[[], Speech]) -> None:
    responder, link = streaming(make())
    responder.write(b'data: {"error":{"message":"Overloaded","type":"server_error"}}\n\n')
    count = len(kinds(link))
    responder.write(said("One") + b"data: [DONE]\n\n")
    responder.end()
    assert len(kinds(link)) == count


@pytest.mark.parametrize("data", [b"data: 5\n\n", b'data: {"choices":[{"index":0,"delta":{"content":5}}]}\n\n'])
def test_a_chunk_without_words_in_this_api_fails_the_call_after_what_came_before_it(data: bytes) -> None:
    responder, link = streaming(Messages({}))
    with pytest.raises(FailedCall) as caught:
        responder.write(said("One") + data)
    assert caught.value.failure.error_class == "protocol"
    assert kinds(link) == ["message_start", "content_block_start", "content_block_delta"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "rate_limit_error"}, "rate_limit_error"),
        ({"type": "server_error", "code": "upstream_unavailable"}, "overloaded_error"),
        ({"type": "server_error", "code": "overloaded_error"}, "overloaded_error"),
        ({"type": "server_error", "code": "upstream_timeout"}, "timeout_error"),
        ({"type": "server_error", "code": "upstream_network"}, "api_error"),
        ({"type": "invalid_request_error", "code": "content_filter"}, "invalid_request_error"),
        ({}, "api_error"),
    ],
)
def test_an_error_within_a_stream_has_anthropics_type(error: dict[str, str], kind: str) -> None:
    """litellm#5512, Portkey#722: an overload while streaming is told as one."""
    ((name, data),) = Messages({}).failed({"message": "It broke", **error})
    assert (name, data["error"]) == ("error", {"type": kind, "message": "It broke"})


@pytest.mark.parametrize(
    "body",
    [b'{"choices":[]}', b'{"choices":[{"message":{"content":5}}]}', b'{"choices":[{"message":\xff}]}', b"[" * 9_999],
)
def test_a_whole_reply_without_words_in_this_api_fails_the_call_before_anything_is_sent(body: bytes) -> None:
    responder, link, inner = translating(Messages({}))
    with pytest.raises(FailedCall) as caught:
        responder.reply_encoded(200, b"X-Request-Id: wbx_1\r\n", body)
    assert caught.value.failure.error_class == "protocol"
    assert link.sent == []
    assert not inner.started
    responder.reply_encoded(502, b"X-Request-Id: wbx_1\r\n", b'{"error":{"message":"No words"}}')
    head, _, said = link.sent[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502")
    assert b"\r\nRequest-Id: wbx_1\r\n" in head
    assert json.loads(said)["error"]["type"] == "api_error"


def test_all_but_the_words_is_the_clients_own_responder() -> None:
    responder, link, inner = translating(Messages({}))
    gone = lambda: None  # noqa: E731
    responder.when_gone(gone)
    assert inner.on_disconnect is gone
    assert (responder.started, responder.ended, responder.disconnected) == (False, False, True)
    assert (responder.transport, responder.method) == (None, "POST")
    responder.start(200, {"Content-Type": "text/event-stream"})
    responder.write_framed(chunk(said("One")))
    assert kinds(link)[0] == "message_start"
    responder.cut()
    assert (link.closed, responder.ended) == ("cut", True)
    responder.abort()
    assert link.closed == "reset"


def test_anthropics_own_words_are_marked_for_those_who_do_not_know_them() -> None:
    """An empty mark: they may be left out; a name in it: only Anthropic will do."""
    cached = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    asked = {"model": "it", "max_tokens": 9, "messages": [{"role": "user", "content": [cached]}]}
    assert json.loads(Messages({}).asked(json.dumps(asked).encode()))["anthropic_only"] == []
    thinking = {**asked, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    assert json.loads(Messages({}).asked(json.dumps(thinking).encode()))["anthropic_only"] == ["thinking"]
    plain = {"model": "it", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    assert "anthropic_only" not in json.loads(Messages({}).asked(json.dumps(plain).encode()))


def test_a_count_is_told_without_what_it_cost_us() -> None:
    assert json.loads(Counting({}).whole(b'{"input_tokens":14,"usage":{"prompt_tokens":0}}')) == {"input_tokens": 14}


@pytest.mark.parametrize("body", [b"", b"\xff", b"null", b"[" * 100_000])
@pytest.mark.parametrize("make", [*BOTH, lambda: Counting({})])
def test_any_body_is_said_or_refused(make: Callable[[], Speech], body: bytes) -> None:
    with pytest.raises(Refusal):
        make().asked(body)
