"""Azure OpenAI: deployment in the path, version in the query, key in its header; errors as Azure says them."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.wire.recorded import exchanges, streamed

from weighbridge.errors import UsageError
from weighbridge.providers.azure import AzureDialect
from weighbridge.providers.dialect import FailedCall
from weighbridge.providers.dialects import dialect_of
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.sse import Event, EventReader
from weighbridge.wire.failure import ErrorClass
from weighbridge.wire.reading import answer_from_events, answer_from_reply

KEY = "azure-test-0123456789abcdef"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}


def dialect(base_url: str = "https://mine.openai.azure.com") -> AzureDialect:
    spoken = dialect_of(Provider("az", base_url, PRESETS["azure"], key=KEY))
    assert isinstance(spoken, AzureDialect)
    return spoken


@pytest.mark.parametrize(
    ("base_url", "target"),
    [
        (
            "https://mine.openai.azure.com",
            "/openai/deployments/gpt-4o%20eu/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://mine.openai.azure.com/openai/?api-version=2025-04-01-preview",
            "/openai/deployments/gpt-4o%20eu/chat/completions?api-version=2025-04-01-preview",
        ),
        ("https://mine.openai.azure.com/openai/v1/", "/openai/v1/chat/completions"),
    ],
)
def test_requests_go_to_the_deployment(base_url: str, target: str) -> None:
    spoken = dialect(base_url)
    out = spoken.outgoing(Model("m", spoken.provider, "gpt-4o eu"), "chat", HELLO, stream=True)
    assert (out.route.origin.host, out.route.target) == ("mine.openai.azure.com", target)
    assert f"api-key: {KEY}".encode() in out.route.tail
    assert b"Authorization" not in out.route.tail
    assert json.loads(out.body)["stream_options"] == {"include_usage": True}


def test_reasoning_deployments_get_the_limit_they_want() -> None:
    spoken = dialect()
    out = spoken.outgoing(Model("m", spoken.provider, "gpt-5-nano"), "chat", {**HELLO, "max_tokens": 5}, stream=False)
    assert json.loads(out.body)["max_completion_tokens"] == 5


def test_a_resource_has_to_be_named() -> None:
    with pytest.raises(UsageError, match="needs a base_url"):
        dialect("")


FILTERED = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "type": None,
    "param": "prompt",
    "code": "content_filter",
    "status": 400,
    "innererror": {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
    },
}
ERRORS: list[tuple[int, dict[str, Any], ErrorClass]] = [
    (400, FILTERED, "content_filter"),
    (400, {"code": "BadRequest", "message": "refused", "innererror": FILTERED["innererror"]}, "content_filter"),
    (400, {"code": "context_length_exceeded", "message": "too long"}, "context_length"),
    (401, {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}, "auth"),
    (404, {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}, "invalid_request"),
    (404, {"code": "404", "message": "Resource not found"}, "invalid_request"),
    (429, {"code": "429", "message": "Requests have exceeded token rate limit. Retry after 6 seconds."}, "rate_limit"),
    (408, {"code": "Timeout", "message": "The operation was timeout."}, "timeout"),
    (500, {"code": "InternalServerError", "message": "Backend returned unexpected response."}, "capacity"),
    (503, {"code": "ServiceUnavailable", "message": "busy"}, "capacity"),
]


@pytest.mark.parametrize(("status", "error", "error_class"), ERRORS)
def test_azures_errors_are_classed(status: int, error: dict[str, Any], error_class: ErrorClass) -> None:
    failure = dialect().failure(status, [], json.dumps({"error": error}).encode())
    assert (failure.error_class, failure.status, failure.code) == (error_class, status, error["code"])


def test_the_finer_of_two_waits_counts() -> None:
    headers = [("retry-after", "7"), ("retry-after-ms", "6250")]
    assert dialect().failure(429, headers, b"{}").retry_after == 6.25


def test_recorded_exchanges_read_the_same(shared_data: Path) -> None:
    """Replies and streams pass as they are, however cut; a missing deployment is the request's fault."""
    spoken = dialect()
    seen = {"whole": 0, "stream": 0, "error": 0}
    for row in exchanges(shared_data):
        if ".azure.com/openai/deployments" not in row["uri"]:
            continue
        body = row["response_body"].encode()
        if row["status"] != 200:
            assert spoken.failure(row["status"], [], body).code == "DeploymentNotFound"
            seen["error"] += 1
        elif streamed(row):
            reader, stream = EventReader(), spoken.streaming("chat")
            events = [event for place in range(len(body)) for event in reader.feed(body[place : place + 1])]
            chunks = [chunk for event in events for chunk in stream.feed(event)]
            assert stream.finished
            assert chunks == [event.data for event in EventReader().feed(body) if event.data != b"[DONE]"]
            assert answer_from_events([(1.0, chunk) for chunk in chunks], intended=0.0).complete
            seen["stream"] += 1
        else:
            assert spoken.whole("chat", body) == body
            assert answer_from_reply(body).usage.output
            seen["whole"] += 1
    assert seen == {"whole": 28, "stream": 8, "error": 3}


def test_a_filter_in_the_stream_is_a_reason_or_an_error() -> None:
    spoken = dialect()
    chunk = b'{"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}'
    assert spoken.streaming("chat").feed(Event(chunk)) == [chunk]
    with pytest.raises(FailedCall) as caught:
        spoken.streaming("chat").feed(Event(json.dumps({"error": FILTERED}).encode()))
    assert caught.value.failure.error_class == "content_filter"


def test_embeddings_go_to_their_deployment_and_tokens_are_not_counted() -> None:
    model = Model("m", dialect().provider, "small")
    sent = dialect().outgoing(model, "embeddings", {"input": "x"}, stream=False)
    assert sent.route.target.startswith("/openai/deployments/small/embeddings?api-version=")
    with pytest.raises(UsageError, match="has no count_tokens"):
        dialect().outgoing(model, "count_tokens", {}, stream=False)
