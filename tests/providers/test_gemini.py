"""Gemini's dialect: where requests go, what replies, streams and errors come out as."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.generate.recorded import recordings, replies

from weighbridge.errors import UsageError
from weighbridge.providers.dialect import Dialect, FailedCall
from weighbridge.providers.dialects import dialect_of
from weighbridge.providers.gemini import GeminiDialect
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.faults import TimedOut
from weighbridge.transport.sse import Event, EventReader
from weighbridge.wire.failure import ErrorClass
from weighbridge.wire.reading import answer_from_reply

KEY = "AIza-test-0123456789abcdef"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}


def dialect(base_url: str = "") -> GeminiDialect:
    preset = PRESETS["gemini-native"]
    return GeminiDialect(Provider("g", base_url or preset.base_url, preset, key=KEY))


def model(name: str = "gemini-2.5-flash") -> Model:
    return Model("m", dialect().provider, name)


def through(body: bytes, cuts: list[int]) -> tuple[list[dict[str, Any]], bool]:
    """The chunks of a stream whose bytes come cut at these places."""
    reader, stream = EventReader(), dialect().streaming("chat")
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.finish()
    chunks = [chunk for event in events for chunk in stream.feed(event)] + stream.finish()
    return [{**json.loads(chunk), "created": 0} for chunk in chunks], stream.finished


def test_the_preset_speaks_this_dialect() -> None:
    spoken: Dialect = dialect_of(dialect().provider)
    assert isinstance(spoken, GeminiDialect)
    assert not spoken.verbatim


@pytest.mark.parametrize(
    ("name", "stream", "target"),
    [
        ("gemini-2.5-flash", False, "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("models/gemini-2.5-flash", True, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        ("tunedModels/mine", False, "/v1beta/tunedModels/mine:generateContent"),
        ("a b?c", False, "/v1beta/models/a%20b%3Fc:generateContent"),
    ],
)
def test_requests_go_to_the_model_with_the_key(name: str, stream: bool, target: str) -> None:
    out = dialect().outgoing(model(name), "chat", HELLO, stream=stream)
    assert (out.route.origin.host, out.route.target) == ("generativelanguage.googleapis.com", target)
    assert f"x-goog-api-key: {KEY}".encode() in out.route.tail
    assert json.loads(out.body) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_vertex_is_a_base_url_away() -> None:
    base = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google"
    out = dialect(base).outgoing(model(), "chat", HELLO, stream=False)
    assert out.route.target.endswith(
        "/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent"
    )


def test_what_it_cannot_do_is_named_before_it_is_asked() -> None:
    """Values may still be undecoded, as the gateway holds them."""
    body = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in {**HELLO, "logit_bias": {"1": 2}}.items()}
    assert dialect().cannot(model(), "chat", body) == ("logit_bias",)
    assert dialect().cannot(model(), "completions", {"prompt": "x"}) == ("prompt",)
    assert "logit_bias" not in json.loads(dialect().outgoing(model(), "chat", body, stream=False).body)


@pytest.mark.parametrize("body", [{"messages": 5}, {"messages": [], "stop": {}}, {"messages": msgspec.Raw(b"[{]")}])
def test_a_malformed_request_is_refused_before_it_is_sent(body: dict[str, Any]) -> None:
    assert dialect().cannot(model(), "chat", body) == ()
    with pytest.raises(UsageError):
        dialect().outgoing(model(), "chat", body, stream=False)
    with pytest.raises(UsageError, match="speaks chat"):
        dialect().outgoing(model(), "completions", {"prompt": "x"}, stream=False)


ERRORS: list[tuple[int, str, str, list[dict[str, Any]], ErrorClass]] = [
    (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", [], "rate_limit"),
    (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", [], "capacity"),
    (500, "INTERNAL", "An internal error has occurred.", [], "capacity"),
    (504, "DEADLINE_EXCEEDED", "Deadline expired", [], "timeout"),
    (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers", [], "auth"),
    (401, "UNAUTHENTICATED", "Request had invalid authentication credentials", [], "auth"),
    (
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        [{"reason": "API_KEY_INVALID"}],
        "auth",
    ),
    (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", [], "auth"),
    (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens",
        [],
        "context_length",
    ),
    (400, "INVALID_ARGUMENT", "The input token count is 9 but the model only supports up to 8", [], "context_length"),
    (400, "INVALID_ARGUMENT", "Invalid value at 'contents'", [], "invalid_request"),
    (404, "NOT_FOUND", "models/x is not found for API version v1beta", [], "invalid_request"),
    (499, "CANCELLED", "The operation was cancelled.", [], "capacity"),
]


@pytest.mark.parametrize(("status", "code", "message", "details", "error_class"), ERRORS)
def test_googles_errors_are_classed(
    status: int, code: str, message: str, details: list[dict[str, Any]], error_class: ErrorClass
) -> None:
    """Over HTTP, alone or in a list, and inside a stream of 200."""
    error = {"error": {"code": status, "message": message, "status": code, "details": details}}
    for said in (error, [error]):
        failure = dialect().failure(status, [], json.dumps(said).encode())
        assert (failure.error_class, failure.status, failure.code) == (error_class, status, code)
    with pytest.raises(FailedCall) as caught:
        dialect().streaming("chat").feed(Event(json.dumps(error).encode()))
    assert caught.value.failure.error_class == error_class


def test_geminis_delay_is_read_from_the_body() -> None:
    """litellm#25507: `retryDelay: "52s"` among the details."""
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaValue": "20"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "52s"},
    ]
    error = {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}
    assert dialect().failure(429, [], json.dumps({"error": error}).encode()).retry_after == 52.0
    assert dialect().failure(429, [("retry-after", "3")], json.dumps({"error": error}).encode()).retry_after == 3.0


def test_a_blocked_prompt_is_a_content_filter() -> None:
    body = json.dumps({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}).encode()
    for attempt in (lambda: dialect().whole("chat", body), lambda: dialect().streaming("chat").feed(Event(body))):
        with pytest.raises(FailedCall) as caught:
            attempt()
        assert (caught.value.failure.error_class, caught.value.failure.code) == ("content_filter", "PROHIBITED_CONTENT")


def test_a_key_that_is_echoed_is_not_passed_on() -> None:
    failure = dialect().failure(400, [], json.dumps({"error": {"message": f"bad key {KEY}"}}).encode())
    assert KEY not in failure.message


def test_a_call_that_never_arrived_is_classed() -> None:
    assert dialect().failure_of(TimedOut("first_byte", 5.0)).error_class == "timeout"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"5", b"{}", b'{"candidates": 3}', b"[" * 5000])
def test_what_is_no_reply_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(FailedCall) as caught:
        dialect().whole("chat", body)
    assert caught.value.failure.error_class == "protocol"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_a_failed_call(body: bytes) -> None:
    for attempt in (lambda: dialect().whole("chat", body), lambda: dialect().streaming("chat").feed(Event(body))):
        try:
            attempt()
        except FailedCall as error:
            assert error.failure.message  # noqa: PT017


def test_recorded_replies_and_errors(shared_data: Path) -> None:
    """Every recorded exchange: a reply of OpenAI's shape, or the class of its error."""
    read = 0
    for row in recordings(shared_data):
        body = row["response_body"].encode()
        if row["status"] != 200:
            assert dialect().failure(row["status"], [], body).error_class == "invalid_request"
        elif "stream" not in row["uri"] and "promptFeedback" not in row["response_body"]:
            assert answer_from_reply(dialect().whole("chat", body)).finish_reason
            read += 1
    assert read > 200


def test_recorded_streams_cut_anywhere_give_the_same_chunks(shared_data: Path) -> None:
    """Every stream sent byte by byte; those of a size to do it in time, cut at every byte (aibrix PR#2653)."""
    count = 0
    for row in recordings(shared_data):
        if "stream" not in row["uri"]:
            continue
        body = row["response_body"].encode()
        whole, finished = through(body, [])
        assert finished
        assert len(whole) == len(replies(row)) + 1
        assert through(body, list(range(1, len(body)))) == (whole, True)
        plain = [event.data for event in EventReader().feed(body)]
        for cut in range(1, len(body) if len(body) < 8_000 else 2):
            reader = EventReader()
            assert [event.data for event in (*reader.feed(body[:cut]), *reader.feed(body[cut:]))] == plain
        count += 1
    assert count == 14
