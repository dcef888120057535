"""Anthropic's dialect: where requests go, what replies, streams and errors come out as. And OpenAI's, as a Dialect."""

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.messages.anthropic_recordings import calls, events, exchanges, put_together, streamed, text

from weighbridge.errors import UsageError
from weighbridge.providers.anthropic import AnthropicDialect
from weighbridge.providers.dialect import Dialect, FailedCall
from weighbridge.providers.dialects import dialect_of
from weighbridge.providers.openai import OpenAIDialect
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.faults import ConnectionLost, TimedOut
from weighbridge.transport.sse import Event, EventReader
from weighbridge.wire.failure import ErrorClass, Failure
from weighbridge.wire.reading import answer_from_events, answer_from_reply
from weighbridge.wire.translation import Untranslatable

KEY = "sk-ant-test-0123456789abcdef"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
BEGUN = b'{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":9,"output_tokens":1}}}'


def provider(preset: str = "anthropic-native", **fields: Any) -> Provider:
    return Provider("a", PRESETS[preset].base_url, PRESETS[preset], key=KEY, **fields)


def dialect() -> AnthropicDialect:
    return AnthropicDialect(provider())


def model(name: str = "claude-sonnet-4-5") -> Model:
    return Model("m", provider(), name)


def failure(status: int, kind: str, message: str) -> Failure:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return dialect().failure(status, [], json.dumps(body).encode())


# --- requests


def test_it_is_the_dialect_of_its_preset() -> None:
    found: Dialect = dialect_of(provider())
    assert isinstance(found, AnthropicDialect)


def test_a_request_carries_key_and_version_and_goes_to_messages() -> None:
    sent = dialect().outgoing(model(), "chat", {**HELLO, "max_tokens": 5, "logprobs": True}, stream=False)
    head = sent.route.tail.lower()
    assert sent.route.target == "/v1/messages"
    assert b"anthropic-version" in head
    assert b"x-api-key" in head
    assert b"authorization" not in head
    assert json.loads(sent.body) == {"model": "claude-sonnet-4-5", "max_tokens": 5, **HELLO}


def test_a_version_of_ones_own_is_kept() -> None:
    own = AnthropicDialect(provider(headers={"Anthropic-Version": "2099-01-01", "anthropic-beta": "x"}))
    tail = own.outgoing(model(), "chat", HELLO, stream=True).route.tail.lower()
    assert tail.count(b"anthropic-version") == 1
    assert b"anthropic-version: 2099-01-01" in tail
    assert b"anthropic-beta: x" in tail


def test_stream_is_asked_for_as_the_call_wants_it() -> None:
    body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    assert "stream" not in json.loads(dialect().outgoing(model(), "chat", body, stream=False).body)
    streamed_ = json.loads(dialect().outgoing(model(), "chat", HELLO, stream=True).body)
    assert streamed_["stream"] is True
    assert "stream_options" not in streamed_


def test_raw_values_are_decoded() -> None:
    body = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in {**HELLO, "seed": 1}.items()}
    assert json.loads(dialect().outgoing(model(), "chat", body, stream=False).body)["messages"] == HELLO["messages"]
    assert dialect().cannot(model(), "chat", body) == ("seed",)
    broken = {"messages": msgspec.Raw(b'[{"role": "\xff"}]')}
    assert dialect().cannot(model(), "chat", broken) == ()
    with pytest.raises(Untranslatable):
        dialect().outgoing(model(), "chat", broken, stream=False)


def test_what_cannot_be_had_is_named() -> None:
    """BerriAI/litellm#17165, the other way about: logprobs are refused because this API has none."""
    body = {**HELLO, "logprobs": True, "n": 2, "temperature": 0.5}
    assert dialect().cannot(model(), "chat", body) == ("logprobs", "n")
    assert dialect().cannot(model("claude-opus-4-7"), "chat", body) == ("logprobs", "n", "temperature")
    assert dialect().cannot(model(), "chat", HELLO) == ()
    assert dialect().cannot(model(), "completions", {"prompt": "x"}) == ("completions",)
    assert dialect().cannot(model(), "chat", {"messages": 5}) == ()
    with pytest.raises(UsageError, match="no text completions"):
        dialect().outgoing(model(), "completions", {"prompt": "x"}, stream=False)


def test_tokens_are_counted_without_what_only_a_call_needs() -> None:
    request = {"model": "endpoint", "max_tokens": 5, "stream": True, "system": "S", **HELLO}
    sent = dialect().counting(model(), request)
    assert sent.route.target == "/v1/messages/count_tokens"
    assert json.loads(sent.body) == {"model": "claude-sonnet-4-5", "system": "S", **HELLO}


# --- replies and streams


def test_every_recorded_reply_and_stream_reads_the_same(shared_data: Path) -> None:
    for row in exchanges(shared_data):
        body = row["response_body"].encode()
        if streamed(row):
            message = put_together(pair for pair in events(row["response_body"]) if pair[0] != "ping")
            reader, stream = EventReader(), dialect().streaming("chat")
            found = [one for event in reader.feed(body) + reader.finish() for one in stream.feed(event)]
            assert stream.finished
            answer = answer_from_events([(1.0, one) for one in found + stream.finish()], intended=0.0)
        else:
            message = json.loads(body)
            answer = answer_from_reply(dialect().whole("chat", body))
        assert answer.text == text(message["content"])
        called = [(call.id, call.name, json.loads(call.arguments)) for call in answer.tool_calls]
        assert called == calls(message["content"])
        assert answer.usage.output == message["usage"]["output_tokens"]
        assert answer.usage.input is not None
        assert answer.usage.input >= message["usage"]["input_tokens"] > 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"<html>", b'{"content":5}', b'{"content":[]}', b"\xff", b"[" * 9000]
)
def test_what_is_no_reply_is_a_failure_of_protocol(body: bytes) -> None:
    with pytest.raises(FailedCall) as caught:
        dialect().whole("chat", body)
    assert caught.value.failure.error_class == "protocol"


def test_an_error_inside_a_200() -> None:
    with pytest.raises(FailedCall) as caught:
        dialect().whole("chat", b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}')
    assert (caught.value.failure.error_class, caught.value.failure.status) == ("rate_limit", 200)


@pytest.mark.parametrize(
    ("kind", "error_class"),
    [
        ("overloaded_error", "capacity"),
        ("api_error", "capacity"),
        ("rate_limit_error", "rate_limit"),
        ("timeout_error", "timeout"),
        ("invalid_request_error", "invalid_request"),
        ("something_new", "capacity"),
    ],
)
def test_an_error_event_fails_the_call(kind: str, error_class: ErrorClass) -> None:
    """BerriAI/litellm#5512, #6532, #6957 and Portkey-AI/gateway#722: an error in the stream is one."""
    stream = dialect().streaming("chat")
    assert stream.feed(Event(BEGUN, b"message_start"))
    error = json.dumps({"type": "error", "error": {"type": kind, "message": f"Oh no, {KEY}"}}).encode()
    with pytest.raises(FailedCall) as caught:
        stream.feed(Event(error, b"error"))
    assert caught.value.failure.error_class == error_class
    assert caught.value.failure.code == kind
    assert KEY not in caught.value.failure.message
    assert not stream.finished
    (told,) = stream.finish()
    assert json.loads(told)["usage"]["prompt_tokens"] == 9


@pytest.mark.parametrize(
    "data", [b"{", b"5", b'{"type":"content_block_delta"}', b'{"type":"message_start","message":[]}']
)
def test_a_malformed_event_is_a_failure_of_protocol(data: bytes) -> None:
    with pytest.raises(FailedCall) as caught:
        dialect().streaming("chat").feed(Event(data))
    assert caught.value.failure.error_class == "protocol"


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for use in (lambda: dialect().whole("chat", data), lambda: dialect().streaming("chat").feed(Event(data))):
        with contextlib.suppress(FailedCall):
            use()


# --- errors


@pytest.mark.parametrize(
    ("status", "kind", "message", "error_class"),
    [
        (529, "overloaded_error", "Overloaded", "capacity"),
        (500, "api_error", "Internal server error", "capacity"),
        (504, "timeout_error", "Request timed out", "timeout"),
        (429, "rate_limit_error", "This request would exceed your rate limit", "rate_limit"),
        (401, "authentication_error", "invalid x-api-key", "auth"),
        (403, "permission_error", "not allowed", "auth"),
        (402, "billing_error", "pay", "auth"),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", "auth"),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", "context_length"),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000",
            "context_length",
        ),
        (413, "request_too_large", "Request exceeds the maximum size", "context_length"),
        (400, "invalid_request_error", "Output blocked by content filtering policy", "content_filter"),
        (400, "invalid_request_error", "max_tokens: Field required", "invalid_request"),
        (400, "invalid_request_error", "see section 529 of the 402 rules", "invalid_request"),
        (404, "not_found_error", "model: claude-9", "invalid_request"),
    ],
)
def test_errors_by_class(status: int, kind: str, message: str, error_class: ErrorClass) -> None:
    found = failure(status, kind, message)
    assert (found.error_class, found.status, found.code) == (error_class, status, kind)


def test_a_usage_cap_acts_as_a_rate_limit() -> None:
    """BerriAI/litellm#37599: it comes as a 400."""
    said = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
    assert failure(400, "invalid_request_error", said).error_class == "rate_limit"


def test_retry_after_is_read() -> None:
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"m"}}'
    assert dialect().failure(429, [("retry-after", "12")], body).retry_after == 12


def test_failures_below_http() -> None:
    assert dialect().failure_of(TimedOut("idle", 5)).error_class == "timeout"
    assert dialect().failure_of(ConnectionLost("gone")).error_class == "network"
    assert dialect().failure(502, [], b"<html>bad gateway</html>").error_class == "capacity"


# --- OpenAI's dialect as a Dialect


def openai(preset: str = "openai") -> OpenAIDialect:
    found: Dialect = dialect_of(provider(preset))
    assert isinstance(found, OpenAIDialect)
    return found


def test_openai_names_what_a_vendor_or_a_reasoning_model_refuses() -> None:
    mistral = provider("mistral")
    body = {"logprobs": True, "user": "u", "stream_options": {}, "logit_bias": {}, "top_logprobs": None}
    assert openai("mistral").cannot(Model("m", mistral, "x"), "chat", body) == ("logprobs",)
    raw = {"logprobs": msgspec.Raw(b"true"), "logit_bias": msgspec.Raw(b"null")}
    assert openai("mistral").cannot(Model("m", mistral, "x"), "chat", raw) == ("logprobs",)
    gpt5 = Model("m", provider("openai"), "gpt-5")
    assert openai().cannot(gpt5, "chat", {"temperature": 0, "top_p": 1}) == ("temperature",)
    assert openai().cannot(Model("m", provider("openai"), "gpt-4o"), "chat", {"temperature": 0}) == ()


def test_openai_passes_whole_replies_as_they_are() -> None:
    body = b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"own":1}'
    assert openai().whole("chat", body) is body
    for broken in (b"{}", b"<html>", b'{"choices":5}'):
        with pytest.raises(FailedCall) as caught:
            openai().whole("chat", broken)
        assert caught.value.failure.error_class == "protocol"
    with pytest.raises(FailedCall) as caught:
        openai().whole("chat", b'{"error":{"message":"slow down","code":429},"choices":[]}')
    assert caught.value.failure.error_class == "rate_limit"


def test_openai_passes_chunks_as_they_are_and_sees_the_end() -> None:
    """diegosouzapw/OmniRoute#6777: without [DONE] a finish reason is the end; Portkey PR#1526: [DONE] is no JSON."""
    stream = openai().streaming("chat")
    first = b'{"choices":[{"index":0,"delta":{"content":"x"}}],"own":1}'
    assert stream.feed(Event(first)) == [first]
    assert [stream.finished] == [False]
    stream.feed(Event(b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'))
    assert [stream.finished] == [True]
    assert stream.feed(Event(b" [DONE]")) == []
    done = openai().streaming("chat")
    done.feed(Event(b"[DONE]"))
    assert done.finished
    assert done.finish() == []


def test_openai_fails_on_an_error_among_the_chunks() -> None:
    """diegosouzapw/OmniRoute PR#8210: with `choices: []` beside it it is no success; a usage-only chunk is none
    either (Portkey-AI/gateway#1072)."""
    stream = openai().streaming("chat")
    usage = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    assert stream.feed(Event(usage)) == [usage]
    for bad, error_class in (
        (b'{"error":{"message":"Overloaded","code":503},"choices":[]}', "capacity"),
        (b"{oops", "protocol"),
    ):
        with pytest.raises(FailedCall) as caught:
            stream.feed(Event(bad))
        assert caught.value.failure.error_class == error_class


def test_a_count_is_asked_for_and_costs_nothing() -> None:
    spoken = dialect()
    sent = spoken.outgoing(model(), "count_tokens", {**HELLO, "max_tokens": 9}, stream=False)
    assert sent.route.target == "/v1/messages/count_tokens"
    assert json.loads(sent.body) == {"model": "claude-sonnet-4-5", **HELLO}
    assert spoken.cannot(model(), "count_tokens", HELLO) == ()
    told = json.loads(spoken.whole("count_tokens", b'{"input_tokens":14}'))
    assert (told["input_tokens"], told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]) == (14, 0, 0)
    for body in (b"{}", b'{"input_tokens":true}', b'{"type":"error","error":{"type":"api_error","message":"x"}}'):
        with pytest.raises(FailedCall):
            spoken.whole("count_tokens", body)


def test_there_are_no_embeddings() -> None:
    assert dialect().cannot(model(), "embeddings", {}) == ("embeddings",)
    with pytest.raises(UsageError, match="has no embeddings"):
        dialect().outgoing(model(), "embeddings", {"input": "x"}, stream=False)


def test_openai_is_never_sent_anthropics_own_words() -> None:
    """Where they are lost all the same, the request says so, and the target is not one for it."""
    cached = {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}
    thinking = {"type": "enabled", "budget_tokens": 1024}
    body = {"messages": [cached], "thinking": thinking, "anthropic_only": ["thinking"]}
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
    one = Model("m", provider("openai"), "gpt-4o")
    for said in (body, raw):
        assert openai().cannot(one, "chat", said) == ("anthropic_only",)
        sent = json.loads(openai().outgoing(one, "chat", dict(said), stream=False).body)
        assert sent == {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        }
    assert openai().cannot(one, "chat", {**body, "anthropic_only": []}) == ()
    assert dialect().cannot(model(), "chat", {"messages": [cached], "anthropic_only": ["thinking"]}) == ()


def test_openai_has_embeddings_and_counts_no_tokens() -> None:
    one = Model("m", provider("openai"), "text-embedding-3-small")
    sent = openai().outgoing(one, "embeddings", {"input": "x"}, stream=False)
    assert sent.route.target == "/v1/embeddings"
    assert openai().whole("embeddings", b'{"data":[]}') == b'{"data":[]}'
    with pytest.raises(FailedCall):
        openai().whole("embeddings", b'{"error":{"message":"x"}}')
    assert openai().cannot(one, "count_tokens", {}) == ("count_tokens",)
    with pytest.raises(UsageError, match="has no count_tokens"):
        openai().outgoing(one, "count_tokens", {}, stream=False)
