"""Chat requests as Converse requests."""

import json
from typing import Any

import pytest
from hypothesis import given
from tests.wire.generate.hostile import mangled

from weighbridge.wire.converse import converse_from_chat
from weighbridge.wire.translation import Untranslatable

CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True}}
FULL: dict[str, Any] = {
    "model": "anthropic.claude",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a_b.pdf"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Let me see.",
            "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "sig"}],
            "tool_calls": [CALL, {**CALL, "id": "c2"}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "user", "content": "And?"},
    ],
    "tools": [WEATHER],
    "tool_choice": "required",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 100,
    "stop": ["END"],
    "reasoning_effort": "low",
    "service_tier": "flex",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    "guardrailConfig": {"guardrailIdentifier": "g"},
    "stream": True,
}


def test_a_request_with_everything_is_said_whole() -> None:
    body, cannot = converse_from_chat(FULL)
    assert cannot == []
    user, assistant, results = body.pop("messages")
    assert user["content"] == [
        {"text": "What is this?"},
        {"image": {"format": "png", "source": {"bytes": "iVBORw0="}}},
        {"document": {"format": "pdf", "name": "a b 1", "source": {"bytes": "JVBERi0="}}},
        {"audio": {"format": "wav", "source": {"bytes": "UklGRg=="}}},
    ]
    assert assistant["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
        {"text": "Let me see."},
        {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Rome"}}},
        {"toolUse": {"toolUseId": "c2", "name": "weather", "input": {"city": "Rome"}}},
    ]
    assert results == {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "21 degrees"}]}},
            {"toolResult": {"toolUseId": "c2", "content": [{"text": " "}]}},
            {"text": "And?"},
        ],
    }
    specification = {"name": "weather", "inputSchema": {"json": {"type": "object"}}, "strict": True}
    structure = {"jsonSchema": {"name": "x", "schema": '{"type":"object"}'}}
    assert body == {
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"temperature": 0.5, "topP": 0.9, "maxTokens": 100, "stopSequences": ["END"]},
        "toolConfig": {"tools": [{"toolSpec": specification}], "toolChoice": {"any": {}}},
        "outputConfig": {"effort": "low", "textFormat": {"type": "json_schema", "structure": structure}},
        "serviceTier": {"type": "flex"},
        "guardrailConfig": {"guardrailIdentifier": "g"},
    }


def test_what_has_no_words_is_named_and_left_out() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    body, cannot = converse_from_chat(
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, picture]}],
            "n": 2,
            "seed": 1,
            "logprobs": True,
            "tools": [WEATHER, {"type": "custom", "custom": {"name": "y"}}],
            "tool_choice": "none",
            "response_format": {"type": "json_object"},
            "reasoning_effort": "none",
        }
    )
    assert cannot == [
        *("image_url", "n", "seed", "logprobs", "tools.custom", "tool_choice.none", "response_format"),
        "reasoning_effort",
    ]
    assert set(body) == {"messages", "toolConfig"}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "no message that says anything"),
        ([{"role": "user", "content": ""}], "no message that says anything"),
        ([{"role": "robot"}], "messages[0].role is 'robot'"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id is missing"),
        ([{"role": "assistant", "tool_calls": [{"function": {}}]}], "messages[0].tool_calls[0].id is missing"),
    ],
)
def test_a_malformed_request_gets_one_clear_line(messages: Any, said: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        converse_from_chat({"messages": messages})
    assert said in str(caught.value)


@given(mangled(FULL))
def test_hostile_requests_are_refused_clearly_or_translated(request_: Any) -> None:
    try:
        body, cannot = converse_from_chat(request_)
    except Untranslatable:
        return
    assert json.dumps(body)
    assert all(isinstance(name, str) for name in cannot)
