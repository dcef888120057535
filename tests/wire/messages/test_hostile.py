"""Any JSON in any position: translated, or refused with our own error, never a traceback; what comes out is JSON."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.wire.messages import (
    ChatFromMessages,
    MessagesFromChat,
    chat_error_from_messages,
    chat_from_messages,
    chat_reply_from_messages,
    messages_error_from_chat,
    messages_from_chat,
    messages_reply_from_chat,
    plain_chat,
    status_of,
)
from weighbridge.wire.reading import StreamFailed, Unreadable
from weighbridge.wire.translation import Untranslatable

WORDS = (
    *("text", "image", "image_url", "file", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"),
    *("function", "custom", "assistant", "user", "system", "tool", "auto", "json_schema", "base64", "url", "stop"),
    *("input_json_delta", "citations_delta", "signature_delta", "data:image/png;base64,AA", "data:,", "{", "[1]", ""),
)
FIELDS = (
    "type",
    "text",
    "content",
    "id",
    "name",
    "input",
    "source",
    "function",
    "url",
    "data",
    "role",
    "index",
    "usage",
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=8)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)

CHAT: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                {"type": "file", "file": {"file_data": "data:text/plain;base64,QQ==", "filename": "a"}},
                {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}},
            ],
        },
        {
            "role": "assistant",
            "content": "a",
            "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}],
            "content_blocks": [{"type": "server_tool_use", "id": "s", "name": "w", "input": {}}],
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "r"}], "is_error": True},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "description": "d"}},
    "metadata": {"user_id": "u"},
    "stop": ["x"],
    "temperature": 1,
    "top_p": 1,
    "top_k": 1,
    "n": 1,
    "modalities": ["text"],
    "max_tokens": 1,
    "service_tier": "auto",
    "reasoning_effort": "low",
    "thinking": None,
    "output_config": {"effort": "low"},
    "logprobs": False,
    "parallel_tool_calls": False,
    "stream": True,
    "user": "u",
}
MESSAGES: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "S"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                {
                    "type": "document",
                    "title": "t",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "A"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "text", "text": "x", "citations": [{"url": "u", "title": "t"}]},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x", "is_error": True}]},
        {"role": "system", "content": "s"},
    ],
    "tools": [
        {"name": "f", "input_schema": {}, "description": "d", "strict": True},
        {"type": "bash_20250124", "name": "b"},
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "metadata": {"user_id": "u"},
    "output_config": {"format": {"type": "json_schema", "schema": {}}, "effort": "low"},
    "stop_sequences": ["x"],
    "temperature": 1,
    "top_k": 1,
    "stream": True,
    "service_tier": "auto",
    "thinking": {"type": "enabled"},
}
REPLY: dict[str, Any] = {
    "id": "m",
    "type": "message",
    "model": "c",
    "stop_reason": "end_turn",
    "stop_sequence": "x",
    "content": MESSAGES["messages"][1]["content"],
    "usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 1, "output_tokens_details": {}},
}
COMPLETION: dict[str, Any] = {
    "id": "c",
    "model": "m",
    "choices": [
        {"index": 0, "message": {**CHAT["messages"][2], "refusal": "r", "reasoning": "t"}, "finish_reason": "x"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}
STREAM = [
    {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "t"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {"url": "u"}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "x"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "server_tool_use", "id": "s", "input": {}}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_stop", "index": 2},
    {
        "type": "content_block_start",
        "index": 3,
        "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}},
    },
    {"type": "content_block_stop", "index": 3},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
CHUNKS = [
    {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"reasoning_content": "t"}}]},
    {
        "choices": [
            {"index": 0, "delta": {"thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}]}}
        ]
    },
    {"choices": [{"index": 0, "delta": {"content": "x", "citations": [], "refusal": "r"}}]},
    {"choices": [{"index": 0, "delta": {"content_blocks": [{"type": "server_tool_use", "input": {"x": 1}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 1, "function": {"name": "g", "arguments": {"x": 1}}}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": None}]},
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
]


def _through_chat(events: list[Any]) -> Iterator[Any]:
    stream = ChatFromMessages()
    for data in events:
        if isinstance(data, dict):
            yield from stream.feed("message_stop", data)
    yield from stream.finish()


def _through_messages(chunks: list[Any]) -> Iterator[Any]:
    stream = MessagesFromChat()
    for chunk in chunks:
        if isinstance(chunk, dict):
            yield from stream.feed(chunk)
    yield from stream.finish()


def _errors(body: Any) -> Any:
    return chat_error_from_messages(body), messages_error_from_chat(body, status=500), status_of(body)


JOBS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "messages_from_chat": (messages_from_chat, CHAT),
    "chat_from_messages": (chat_from_messages, MESSAGES),
    "plain_chat": (plain_chat, CHAT),
    "chat_reply_from_messages": (chat_reply_from_messages, REPLY),
    "messages_reply_from_chat": (lambda reply: messages_reply_from_chat(reply, "m"), COMPLETION),
    "ChatFromMessages": (lambda events: list(_through_chat(events)), STREAM),
    "MessagesFromChat": (lambda chunks: list(_through_messages(chunks)), CHUNKS),
    "errors": (_errors, {"type": "error", "error": {"type": "api_error", "message": "m"}}),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything within a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield (*path, key)
        yield from places(entry, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def run(job: Callable[[Any], Any], document: Any) -> None:
    with contextlib.suppress(Untranslatable, Unreadable, StreamFailed):
        msgspec.json.encode(job(document))


@pytest.mark.parametrize("name", JOBS)
def test_the_documents_themselves_are_translated(name: str) -> None:
    job, document = JOBS[name]
    msgspec.json.encode(job(document))


@pytest.mark.parametrize("name", JOBS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_json_in_any_position(name: str, data: st.DataObject) -> None:
    job, document = JOBS[name]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(places(document))))
        document = put(document, path, data.draw(JSON))
    run(job, document)


@pytest.mark.parametrize("name", JOBS)
def test_each_position_holds_each_kind_of_value(name: str) -> None:
    job, document = JOBS[name]
    for path in list(places(document)):
        value: Any
        for value in (None, True, -1, 1.5, "", "x", [], ["x"], [{}], {}, {"type": "x"}, {"type": ["x"]}, [[]]):
            run(job, put(document, path, value))


@pytest.mark.parametrize("name", [name for name in JOBS if not name.endswith(("FromMessages", "FromChat"))])
@settings(max_examples=80, deadline=None)
@given(document=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), JSON, max_size=5))
def test_any_object_at_all(name: str, document: dict[str, Any]) -> None:
    run(JOBS[name][0], document)


@pytest.mark.parametrize("name", JOBS)
def test_nesting_deeper_than_can_be_written_is_refused_or_left_out(name: str) -> None:
    job, document = JOBS[name]
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    top = document if isinstance(document, dict) else document[0]
    for path in list(places(top)):
        changed = put(top, path, None)
        at = changed
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = {"type": "x", "x": deep}
        run(job, changed if isinstance(document, dict) else [changed, *document[1:]])
