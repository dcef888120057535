"""Requests for /v1/responses as chat requests."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from tests.wire.generate.hostile import mangled

from weighbridge.wire.responses import chat_from_responses
from weighbridge.wire.translation import Untranslatable

FULL: dict[str, Any] = {
    "model": "mini",
    "instructions": "Be brief.",
    "input": [
        {"role": "developer", "content": "Speak English."},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}", "id": "fc_1"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "free", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "y"}]},
    ],
    "tools": [
        {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "free", "format": {"type": "grammar", "syntax": "regex", "definition": "x+"}},
    ],
    "tool_choice": {"type": "function", "name": "look"},
    "text": {
        "format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}, "strict": True},
        "verbosity": "low",
    },
    "reasoning": {"effort": "low", "summary": "auto"},
    "max_output_tokens": 50,
    "temperature": 0.5,
    "top_logprobs": 2,
    "parallel_tool_calls": False,
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "store": False,
    "stream": True,
}


@cache
def recordings(folder: Path) -> list[dict[str, Any]]:
    with gzip.open(folder / "wire" / "recorded.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    return [row for row in rows if row["uri"].endswith("/responses") and row["method"] == "POST"]


def test_a_request_with_everything_is_said_whole() -> None:
    chat, cannot = chat_from_responses(FULL)
    assert cannot == []
    system, developer, user, assistant, first, second = chat.pop("messages")
    assert system == {"role": "system", "content": "Be brief."}
    assert developer == {"role": "developer", "content": "Speak English."}
    assert user["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
    ]
    assert assistant == {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            {"id": "c2", "type": "custom", "custom": {"name": "free", "input": "x"}},
        ],
    }
    assert first == {"role": "tool", "tool_call_id": "c1", "content": "a cat"}
    assert second == {"role": "tool", "tool_call_id": "c2", "content": "y"}
    function, custom = chat.pop("tools")
    assert function["function"] == {
        "name": "look",
        "description": "Looks.",
        "parameters": {"type": "object"},
        "strict": True,
    }
    assert custom["custom"]["format"] == {"type": "grammar", "grammar": {"syntax": "regex", "definition": "x+"}}
    assert chat == {
        "model": "mini",
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True},
        },
        "verbosity": "low",
        "reasoning_effort": "low",
        "max_completion_tokens": 50,
        "temperature": 0.5,
        "logprobs": True,
        "top_logprobs": 2,
        "parallel_tool_calls": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_plain_input_is_the_users_message() -> None:
    assert chat_from_responses({"input": "Hello"})[0] == {"messages": [{"role": "user", "content": "Hello"}]}


def test_what_a_chat_cannot_say_is_named() -> None:
    """State kept at OpenAI and OpenAI's own tools are never dropped in silence."""
    chat, cannot = chat_from_responses(
        {
            "input": [
                {"type": "item_reference", "id": "msg_1"},
                {"type": "web_search_call", "id": "ws_1"},
                {
                    "role": "user",
                    "content": [{"type": "input_image", "file_id": "file-1"}, {"type": "input_text", "text": "x"}],
                },
            ],
            "previous_response_id": "resp_1",
            "conversation": "conv_1",
            "background": True,
            "store": True,
            "truncation": "auto",
            "tools": [{"type": "web_search"}, {"type": "mcp", "server_label": "x"}],
            "tool_choice": {"type": "web_search"},
            "text": {"format": {"type": "grammar"}},
            "never_heard_of": 1,
        }
    )
    assert cannot == [
        *("item_reference", "input.web_search_call", "file_id", "previous_response_id", "conversation", "background"),
        *("store", "truncation", "tools.web_search", "tools.mcp", "tool_choice.web_search", "text.format"),
        "never_heard_of",
    ]
    assert chat == {"messages": [{"role": "user", "content": "x"}]}


def test_allowed_tools_are_said() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "look"}}]}
    said = chat_from_responses({"input": "x", "tool_choice": choice})[0]["tool_choice"]
    assert said == {"type": "allowed_tools", "allowed_tools": allowed}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "the request has no input"),
        ({"input": 5}, "input is a number"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role is 'robot'"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name is missing"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id is missing"),
        ({"input": "x", "tools": [{"name": "f"}]}, "tools[0].type is missing"),
        ({"input": "x", "text": "json"}, "text is text, not an object"),
    ],
)
def test_a_malformed_request_gets_one_clear_line(request_: dict[str, Any], said: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        chat_from_responses(request_)
    assert said in str(caught.value)


@given(mangled(FULL))
def test_hostile_requests_are_refused_clearly_or_translated(request_: Any) -> None:
    try:
        chat, cannot = chat_from_responses(request_)
    except Untranslatable:
        return
    assert json.dumps(chat)
    assert all(isinstance(name, str) for name in cannot)


def test_recorded_requests_are_translated_or_say_why_not(shared_data: Path) -> None:
    """Every recorded request: valid as a chat request, every call answered in the turn after it."""
    plain = 0
    for row in recordings(shared_data):
        request = json.loads(row["request_body"])
        chat, cannot = chat_from_responses(request)
        if cannot:
            continue
        plain += 1
        open_calls: set[str] = set()
        for message in chat["messages"]:
            if message["role"] == "tool":
                open_calls.discard(message["tool_call_id"])
            else:
                assert not open_calls
            open_calls |= {call["id"] for call in message.get("tool_calls", [])}
        texts = [item for item in request["input"] if item.get("role")] if isinstance(request["input"], list) else [1]
        assert len([one for one in chat["messages"] if one["role"] != "tool"]) >= len(texts)
    assert plain > 100
