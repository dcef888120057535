"""Documents lose nothing, and what they read is what a plain reading finds."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.recorded import chunks, exchanges, streamed

from weighbridge.wire.documents import ChatReply, ChatRequest, Chunk, CompletionRequest, Document, assemble
from weighbridge.wire.reading import Unreadable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_every_recorded_request_and_reply_round_trips(shared_data: Path) -> None:
    """Decoded and encoded, each is the same JSON value: no field is lost, known or not."""
    rows = exchanges(shared_data)
    assert len(rows) == 493
    for row in rows:
        request = row["request_body"].encode()
        assert json.loads(ChatRequest.decode(request).encode()) == json.loads(request)
        bodies = chunks(row["response_body"]) if streamed(row) else [json.loads(row["response_body"])]
        for body in bodies:
            kind = Chunk if streamed(row) else ChatReply
            assert json.loads(kind.decode(json.dumps(body).encode()).encode()) == body


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=6))
def test_any_object_round_trips(value: dict[str, Any]) -> None:
    assert json.loads(Document.decode(json.dumps(value).encode()).encode()) == value


def test_a_change_leaves_the_rest_and_the_original_alone() -> None:
    request = ChatRequest.decode(b'{"model": "a", "messages": [], "x_unknown": {"deep": [1]}}')
    changed = request.with_changes(model="b", messages=msgspec.UNSET)
    assert changed.raw == {"model": "b", "x_unknown": {"deep": [1]}}
    assert request.model == "a"


def test_a_streams_assembly_is_what_a_whole_reply_would_have_said(shared_data: Path) -> None:
    """Text, tool calls and finish reason of every recorded stream, against deltas joined naively."""
    count = 0
    for row in exchanges(shared_data):
        if not streamed(row) or row["status"] != 200:
            continue
        parts = chunks(row["response_body"])
        if any("error" in part for part in parts):
            continue
        count += 1
        whole = assemble(Chunk(part) for part in parts).raw
        for index in {choice["index"] for part in parts for choice in part.get("choices") or []}:
            choices = [choice for part in parts for choice in part.get("choices") or [] if choice["index"] == index]
            built = next(choice for choice in whole["choices"] if choice["index"] == index)
            text = "".join((choice.get("delta") or {}).get("content") or choice.get("text") or "" for choice in choices)
            assert (built.get("message", {}).get("content") or built.get("text") or "") == text
            reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
            assert built.get("finish_reason") == (reasons[-1] if reasons else None)
            arguments = "".join(
                call.get("function", {}).get("arguments") or ""
                for choice in choices
                for call in (choice.get("delta") or {}).get("tool_calls") or []
            )
            calls = built.get("message", {}).get("tool_calls") or []
            assert "".join(call["function"]["arguments"] for call in calls) == arguments
            assert all(json.loads(call["function"]["arguments"] or "{}") is not None for call in calls)
    assert count > 30


def test_what_is_read_of_a_request() -> None:
    request = ChatRequest.decode(
        json.dumps(
            {
                "model": "m",
                "stream": True,
                "stream_options": {"include_usage": True},
                "max_completion_tokens": 7,
                "tools": [{"type": "function"}],
                "response_format": {"type": "json_object"},
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}],
                    }
                ],
            }
        ).encode()
    )
    assert (request.model, request.stream, request.include_usage, request.max_tokens) == ("m", True, True, 7)
    assert (request.has_images, request.last_user_text, len(request.tools)) == (True, "look", 1)
    assert request.response_format == {"type": "json_object"}
    assert CompletionRequest.decode(b'{"prompt": ["a", "b"]}').prompt == "a\nb"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"a":', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_object_is_one_line(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        ChatRequest.decode(body)
    assert str(caught.value).startswith("not a chat request")
    assert len(str(caught.value)) < 400
