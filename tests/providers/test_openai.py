"""OpenAI's dialect: requests as each provider wants them, replies and errors as they come."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.wire.recorded import exchanges, streamed

from weighbridge.providers import answers
from weighbridge.providers.openai import FailedCall, OpenAIDialect
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.faults import CallFailed, ConnectionLost, LimitExceeded, TimedOut, TLSFailed
from weighbridge.transport.reply import Reply
from weighbridge.transport.timing import Timing
from weighbridge.wire.failure import ErrorClass

KEY = "sk-test-0123456789abcdef"


def dialect(preset: str = "openai") -> OpenAIDialect:
    return OpenAIDialect(Provider("p", PRESETS[preset].base_url, PRESETS[preset], key=KEY))


def body(preset: str, model: str, *, stream: bool = True, **fields: Any) -> dict[str, Any]:
    spoken = dialect(preset)
    return spoken.body(Model("m", spoken.provider, model), "chat", {"messages": [], **fields}, stream=stream)


def reply(data: bytes, *, status: int = 200, media: str = "application/json") -> Reply:
    timing = Timing(intended=10.0, started=10.1, sent=10.1, first_byte=10.5, end=11.0)
    return Reply(status, [("content-type", media)], timing, [(10.9, data)])


def test_reasoning_models_get_the_parameter_they_want() -> None:
    """gpt-5 and o-series take max_completion_tokens and no sampling parameters; older ones max_tokens."""
    new = body("openai", "gpt-5-mini", max_tokens=5, temperature=0)
    assert (new.get("max_completion_tokens"), "max_tokens" in new, "temperature" in new) == (5, False, False)
    old = body("openai", "gpt-4o", max_tokens=5, temperature=0)
    assert (old["max_tokens"], old["temperature"]) == (5, 0)
    other = body("groq", "llama", max_completion_tokens=5)
    assert other["max_tokens"] == 5


def test_usage_is_asked_for_in_streams_where_it_must_be() -> None:
    """litellm#23847: metered even though nobody asked; Mistral sends it unasked and refuses the option."""
    assert body("openai", "gpt-4o")["stream_options"] == {"include_usage": True}
    assert "stream_options" not in body("mistral", "mistral-small-latest")
    assert "stream" not in body("openai", "gpt-4o", stream=False)


def test_what_a_vendor_refuses_is_not_sent_to_it() -> None:
    assert "logprobs" not in body("mistral", "m", logprobs=True)
    assert "seed" not in body("gemini", "m", seed=1)
    assert body("openai", "gpt-4o", logprobs=True)["logprobs"] is True


def test_the_request_carries_the_key_and_goes_to_the_right_place() -> None:
    spoken = dialect()
    out = spoken.outgoing(Model("m", spoken.provider, "gpt-4o"), "chat", {"messages": []}, stream=False)
    assert out.route.origin.host == "api.openai.com"
    assert out.route.target == "/v1/chat/completions"
    assert f"Authorization: Bearer {KEY}".encode() in out.route.tail
    assert json.loads(out.body)["model"] == "gpt-4o"


def test_a_whole_reply_has_its_latency_from_the_intended_time() -> None:
    found = answers.read(dialect(), reply(b'{"choices": [{"message": {"content": "x"}}]}'), "chat", streamed=False)
    assert found.latency is not None
    assert (found.latency.total, found.latency.ttft) == (1.0, None)
    assert found.latency.lateness == pytest.approx(0.1)


def test_a_stream_answered_with_a_plain_body_is_still_read() -> None:
    assert (
        answers.read(dialect(), reply(b'{"choices": [{"message": {"content": "x"}}]}'), "chat", streamed=True).text
        == "x"
    )


def test_a_cut_stream_is_a_failure_that_keeps_what_came() -> None:
    """Portkey#1797: an answer that was cut is never a complete one."""
    data = b'data: {"choices": [{"delta": {"content": "half"}}]}\n\n'
    with pytest.raises(FailedCall) as caught:
        answers.read(dialect(), reply(data, media="text/event-stream"), "chat", streamed=True)
    assert caught.value.failure.error_class == "network"
    assert caught.value.partial is not None
    assert caught.value.partial.text == "half"


def test_an_error_event_is_classed_by_its_own_code() -> None:
    data = b'data: {"error": {"message": "slow down", "code": 429}, "choices": []}\n\n'
    with pytest.raises(FailedCall) as caught:
        answers.read(dialect(), reply(data, media="text/event-stream"), "chat", streamed=True)
    assert caught.value.failure.error_class == "rate_limit"


def test_recorded_errors_are_classed(shared_data: Path) -> None:
    """Every recorded error of these hosts: 429 is a rate limit, 404 and 400 the request's fault."""
    count = 0
    for row in exchanges(shared_data):
        if row["status"] == 200 or streamed(row):
            continue
        failure = dialect().failure(row["status"], [], row["response_body"].encode())
        expected = "rate_limit" if row["status"] == 429 else "invalid_request"
        assert failure.error_class == expected, (row["status"], failure)
        assert failure.message
        count += 1
    assert count >= 10


ERRORS: list[tuple[int, dict[str, Any] | str, ErrorClass]] = [
    (401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, "auth"),
    (403, {"error": {"message": "no access"}}, "auth"),
    (402, {"error": {"message": "Insufficient Balance"}}, "auth"),
    (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, "auth"),
    (429, {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}}, "rate_limit"),
    (400, {"error": {"message": "too long", "code": "context_length_exceeded"}}, "context_length"),
    (
        400,
        {"message": "The input (9000 tokens) is longer than the model's context length (8192 tokens)."},
        "context_length",
    ),
    (400, {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}, "context_length"),
    (
        400,
        {"error": {"message": "You have reached your specified API usage limits. You will regain access on …"}},
        "rate_limit",
    ),
    (400, {"error": {"message": "filtered", "code": "content_filter"}}, "content_filter"),
    (400, {"error": {"message": "the response was filtered due to … content management policy"}}, "content_filter"),
    (400, {"error": {"message": "Unknown parameter: 'foo'"}}, "invalid_request"),
    (404, {"error": {"message": "model not found", "code": "model_not_found"}}, "invalid_request"),
    (500, {"error": {"message": "The server had an error", "type": "server_error"}}, "capacity"),
    (503, "upstream connect error", "capacity"),
    (529, {"error": {"message": "Overloaded", "type": "overloaded_error"}}, "capacity"),
    (504, "gateway timeout", "timeout"),
    (408, "", "timeout"),
    (418, {"error": {"message": "402 of my reasons"}}, "invalid_request"),
]


@pytest.mark.parametrize(("status", "said", "error_class"), ERRORS)
def test_vendors_errors_are_classed_by_the_table(status: int, said: Any, error_class: ErrorClass) -> None:
    """litellm#10793, #37599, #4259; freellmapi#1282: a number in prose is never a status."""
    data = said.encode() if isinstance(said, str) else json.dumps(said).encode()
    failure = dialect().failure(status, [], data)
    assert failure.error_class == error_class
    assert failure.status == status


def test_geminis_error_comes_in_a_list_with_its_delay() -> None:
    """litellm#25507: `retryDelay: "52s"` in the body."""
    details = [{"@type": "…RetryInfo", "retryDelay": "52s"}]
    said = [{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}}]
    failure = dialect("gemini").failure(429, [], json.dumps(said).encode())
    assert (failure.error_class, failure.retry_after) == ("rate_limit", 52.0)


def test_an_echoed_key_is_taken_out_and_messages_are_cut() -> None:
    said = {"error": {"message": f"Incorrect API key provided: {KEY}. " + "x" * 2000}}
    failure = dialect().failure(401, [], json.dumps(said).encode())
    assert KEY not in msgspec.json.encode(failure).decode()
    assert len(failure.message) == 500


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (TimedOut("first_byte", 60.0), "timeout"),
        (ConnectionLost("gone"), "network"),
        (TLSFailed("bad certificate"), "network"),
        (LimitExceeded("too much"), "protocol"),
    ],
)
def test_failures_below_http_have_a_class_too(error: CallFailed, error_class: ErrorClass) -> None:
    assert dialect().failure_of(error).error_class == error_class
