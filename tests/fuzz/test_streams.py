"""What providers send, broken in every way: only failures that have a name come of it, and no split changes a thing."""

import gzip
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from tests.e2e.gateway.upstream import DONE, answer, delta, event
from tests.fuzz.mutating import SECONDS, cut, for_a_while, mutated

from weighbridge.errors import TransportError
from weighbridge.gateway.relay import Relay
from weighbridge.providers.dialect import Dialect, FailedCall
from weighbridge.providers.dialects import dialect_of
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Provider
from weighbridge.transport.eventstream import EventStreamReader
from weighbridge.transport.sse import Event, EventReader, EventTooLong

pytestmark = pytest.mark.slow

MESSAGE: dict[str, Any] = {"type": "message", "id": "m", "role": "assistant", "model": "c", "content": []}
ANTHROPIC: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "usage": {"input_tokens": 5, "output_tokens": 1}}},
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
PARTS = [{"text": "Hi"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": PARTS}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 1},
}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
CORPUS = [
    event(delta("Hi")) * 2
    + event(delta(finish="stop"))
    + event(delta(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2}))
    + DONE,
    b": comment\r\nevent: a\r\nid: 1\r\ndata: x\r\ndata: y\r\n\r\nretry: 5\rdata:z\r\r",
    b"\xef\xbb\xbfdata\n\ndata: \n\n data: no\n\n",
    event(OVERLOADED, "error"),
    b"".join(event(one, str(one["type"])) for one in ANTHROPIC),
    event(GEMINI),
]
TOKENS = [
    *(
        b"data: ",
        b"data:",
        b"event: error\n",
        b"id: \0\n",
        b"\n\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b": ",
        b"[DONE]",
        b"null",
    ),
    *(b"{", b"}", b"[", b"]", b'"', b",", b'"choices":null', b'"delta":5', b'"usage":[]', b'"error":{}', b"[" * 2_000),
    *(b'"index":-1', b'"tool_calls":[{"index":9}]', b'"content":[]', b"\xf0\x9f", b"\\ud800", b"1e999", b'"type":"x"'),
]


def corpus() -> list[bytes]:
    """Ours, and some of the recorded streams where they are."""
    folder = Path(os.environ.get("WEIGHBRIDGE_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = folder / "wire" / "recorded.jsonl.gz"
    if not path.is_file():
        return CORPUS
    with gzip.open(path, "rb") as file:
        bodies = [json.loads(line)["response_body"] or "" for line in file]
    streams = [body.encode() for body in bodies if body.startswith(("data:", "event:")) and len(body) < 8_000]
    return [*CORPUS, *streams[:200]]


def read(pieces: list[bytes]) -> list[Event] | str:
    reader = EventReader(limit=5_000)
    events = []
    try:
        for piece in pieces:
            events += reader.feed(piece)
        return events + reader.finish()
    except EventTooLong:
        return "too long"


def test_no_split_changes_the_events_of_a_stream() -> None:
    known = corpus()
    for dice in for_a_while():
        data = mutated(dice, known, TOKENS)
        whole, pieces = read([data]), cut(dice, data)
        split = read(pieces)
        if whole != "too long" and split != "too long":
            assert split == whole, (data, pieces)


def relayed(dialect: Dialect, data: list[bytes], *, include: bool) -> bytes | str:
    """What a client would get, or the class of what failed."""
    relay = Relay(dialect, "chat", include_usage=include)
    out = b""
    try:
        for piece in data:
            out += relay.feed(1.0, piece)
        return out + relay.finish()
    except FailedCall as error:
        return error.failure.error_class


@pytest.mark.parametrize("preset", ["openai", "anthropic-native", "gemini-native", "azure", "bedrock"])
def test_a_stream_of_any_kind_is_relayed_or_fails_with_a_name(preset: str) -> None:
    dialect = dialect_of(Provider("p", "http://127.0.0.1:9", PRESETS[preset], "k"))
    known = corpus()
    for dice in for_a_while(SECONDS / 4):
        data = mutated(dice, known, TOKENS)
        include = dice.random() < 0.5
        whole, split = (relayed(dialect, each, include=include) for each in ([data], cut(dice, data)))
        if isinstance(whole, bytes) and preset == "openai":
            assert split == whole, data
            assert whole.endswith(b"data: [DONE]\n\n")


CALL = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BLOCKS = [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1]}}]
CONVERSED = [{"text": "Hi"}, {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}]
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}
SAID: list[Any] = [
    answer(message={"tool_calls": [CALL]}),
    {**MESSAGE, "content": BLOCKS, "stop_reason": "tool_use", "usage": {"input_tokens": 5, "output_tokens": 2}},
    GEMINI,
    {
        "output": {"message": {"role": "assistant", "content": CONVERSED}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7},
    },
    {"error": {"message": "m", "type": "t", "code": 429, "status": "RESOURCE_EXHAUSTED", "details": [RETRY]}},
    [{"error": {"code": 503, "message": "m"}}],
]
REPLIES = [*(json.dumps(one).encode() for one in SAID), b"<html>502</html>"]


@pytest.mark.parametrize("preset", ["openai", "anthropic-native", "gemini-native", "azure", "bedrock"])
def test_a_reply_of_any_kind_is_read_or_fails_with_a_name(preset: str) -> None:
    dialect: Any = dialect_of(Provider("p", "http://127.0.0.1:9", PRESETS[preset], "k"))
    headers = [("content-type", "application/json"), ("retry-after", "x"), ("retry-after-ms", "-1")]
    for dice in for_a_while(SECONDS / 5):
        data = mutated(dice, REPLIES, TOKENS)
        with suppress(FailedCall):
            # What a provider of OpenAI's own dialect says passes unread where nobody needs it: JSON by its structure.
            json.loads(dialect.whole("chat", data).decode("utf-8", "replace"), strict=False)
        failure = dialect.failure(dice.choice((400, 401, 404, 429, 500, 503, 529, 200, 302)), headers, data)
        assert failure.message
        assert failure.retry_after is None or failure.retry_after >= 0


def test_a_binary_stream_of_any_kind_is_read_or_broken() -> None:
    frames = [_frame(b":message-type", b"event", b'{"a":1}'), _frame(b":exception-type", b"throttlingException", b"{}")]
    for dice in for_a_while(SECONDS / 4):
        data = mutated(dice, [frames[0] * 3, frames[1], frames[0] + frames[1]], [frames[0], b"\0\0\0\x10", b"\xff" * 4])
        assert _binary([data]) == _binary(cut(dice, data))


def _binary(pieces: list[bytes]) -> list[Event] | str:
    reader = EventStreamReader()
    events: list[Event] = []
    try:
        for piece in pieces:
            events += reader.feed(piece)
        return events + reader.finish()
    except TransportError:
        return "broken"


def _frame(name: bytes, value: bytes, payload: bytes) -> bytes:
    headers = bytes([len(name)]) + name + b"\x07" + len(value).to_bytes(2, "big") + value
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    prelude += crc32(prelude).to_bytes(4, "big")
    whole = prelude + headers + payload
    return whole + crc32(whole).to_bytes(4, "big")
