"""Chat requests as generateContent requests."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.generate.hostile import mangled

from weighbridge.wire.generate import generate_from_chat
from weighbridge.wire.generate.contents import SKIP_SIGNATURE
from weighbridge.wire.translation import Untranslatable

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather somewhere.",
        "parameters": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"const": "C"}, "strict": {"type": "boolean"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
FULL: dict[str, Any] = {
    "model": "gemini-2.5-flash",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0=", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"celsius": 21}'},
        {"role": "tool", "tool_call_id": "call_2", "content": "fine"},
        {"role": "user", "content": "And?"},
    ],
    "tools": [WEATHER],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "temperature": 0.5,
    "top_p": 0.9,
    "max_completion_tokens": 100,
    "stop": "END",
    "n": 2,
    "seed": 7,
    "logprobs": True,
    "top_logprobs": 3,
    "presence_penalty": 0.1,
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    "user": "u-1",
    "stream": True,
    "stream_options": {"include_usage": True},
}


def say(**changes: Any) -> dict[str, Any]:
    body, cannot = generate_from_chat(
        {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "x"}], **changes}
    )
    assert cannot == []
    return body


def lacking(**changes: Any) -> list[str]:
    return generate_from_chat({"messages": [{"role": "user", "content": "x"}], **changes})[1]


def test_a_request_with_everything_is_said_whole() -> None:
    body, cannot = generate_from_chat(FULL)
    assert cannot == []
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    user, model, results, last = body["contents"]
    assert user["parts"] == [
        {"text": "What is this?"},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}},
        {"fileData": {"fileUri": "https://example.com/a.jpg", "mimeType": "image/jpeg"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
    ]
    assert model == {
        "role": "model",
        "parts": [
            {"functionCall": {"name": "weather", "args": {"city": "Rome"}, "id": "call_1"}},
            {"functionCall": {"name": "weather", "args": {"city": "Rome"}, "id": "call_2"}},
        ],
    }
    assert results["parts"] == [
        {"functionResponse": {"name": "weather", "id": "call_1", "response": {"celsius": 21}}},
        {"functionResponse": {"name": "weather", "id": "call_2", "response": {"output": "fine"}}},
    ]
    assert last == {"role": "user", "parts": [{"text": "And?"}]}
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 100,
        "stopSequences": ["END"],
        "candidateCount": 2,
        "seed": 7,
        "responseLogprobs": True,
        "logprobs": 3,
        "presencePenalty": 0.1,
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True},
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }
    assert not {"stream", "user", "model"} & set(body)


def test_schemas_lose_what_gemini_refuses_and_nothing_named_like_it() -> None:
    [tools] = say(tools=[WEATHER])["tools"]
    [declared] = tools["functionDeclarations"]
    schema = declared["parametersJsonSchema"]
    assert "$schema" not in schema
    assert "strict" not in declared
    assert schema["properties"] == {"city": {"type": "string"}, "unit": {"enum": ["C"]}, "strict": {"type": "boolean"}}
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}]},
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]},
        ),
    ],
)
def test_the_choice_of_tools_is_kept(choice: Any, config: dict[str, Any]) -> None:
    assert say(tools=[WEATHER], tool_choice=choice)["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in say(tool_choice=choice)


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24_576, "includeThoughts": True}),
        ("gemini-flash-latest", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "minimal"}),
        ("models/gemini-3.5-pro", "high", {"thinkingLevel": "high", "includeThoughts": True}),
    ],
)
def test_effort_is_told_as_each_generation_takes_it(model: str, effort: str, thinking: dict[str, Any]) -> None:
    assert say(model=model, reasoning_effort=effort)["generationConfig"] == {"thinkingConfig": thinking}


def test_googles_own_settings_pass() -> None:
    body = say(extra_body={"google": {"thinking_config": {"thinking_budget": 5}, "cached_content": "cachedContents/x"}})
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 5}
    assert body["cachedContent"] == "cachedContents/x"


def test_calls_whose_signature_is_lost_are_said_so_to_gemini_3() -> None:
    """A conversation another model began goes on at Gemini 3, which wants its first call of a turn signed."""
    signed = {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
    for call, signature in ((CALL, SKIP_SIGNATURE), (signed, "c2ln")):
        history = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [call, {**CALL, "id": "call_2"}]},
        ]
        parts = say(model="gemini-3-flash-preview", messages=history)["contents"][1]["parts"]
        assert parts[0]["thoughtSignature"] == signature
        assert "thoughtSignature" not in parts[1]
    plain = say(messages=[{"role": "assistant", "tool_calls": [CALL]}])
    assert "thoughtSignature" not in plain["contents"][0]["parts"][0]


def test_what_has_no_words_is_named_and_left_out() -> None:
    body, cannot = generate_from_chat(
        {
            "messages": [
                {"role": "user", "name": "Ann", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
                {"role": "user", "content": [{"type": "video", "video": {}}]},
            ],
            "logit_bias": {"5": 1},
            "parallel_tool_calls": False,
            "tools": [{"type": "custom", "custom": {"name": "x"}}],
            "web_search_options": {},
            "seed": 2**40,
            "modalities": ["text", "audio"],
            "service_tier": "priority",
            "never_heard_of": 1,
        }
    )
    assert cannot == [
        *(
            "name",
            "file_id",
            "video",
            "logit_bias",
            "parallel_tool_calls",
            "tools.custom",
            "web_search_options",
            "seed",
        ),
        *("modalities", "service_tier", "never_heard_of"),
    ]
    assert set(body) == {"contents"}


def test_what_asks_for_nothing_is_no_obstacle() -> None:
    assert set(say(n=1, logit_bias={}, parallel_tool_calls=True, store=False, frequency_penalty=0.0, tools=None)) == {
        "contents"
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"messages": [{"role": "tool", "tool_call_id": "nobody", "content": "x"}]},
            "messages[0] answers the call 'nobody'",
        ),
        ({"messages": [{"role": "robot"}]}, "messages[0].role is 'robot'"),
        ({"messages": [{"role": ["user"]}]}, "messages[0].role is an array"),
        ({"messages": "hello"}, "messages is text, not an array"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}}]}]},
            "neither",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].function.name is missing"),
        ({"temperature": "hot"}, "temperature is text, not a number"),
        ({"max_tokens": 1.5}, "max_tokens is not a whole number"),
        ({"reasoning_effort": "heroic"}, "reasoning_effort is 'heroic'"),
        ({"response_format": {"type": 3}}, "response_format.type"),
    ],
)
def test_a_malformed_request_gets_one_clear_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        lacking(**changes)
    assert said in str(caught.value)


def test_arguments_that_are_no_object_are_not_lost() -> None:
    """A model's broken arguments come back with the history; they are passed on, not refused."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
    body = say(messages=[{"role": "assistant", "tool_calls": [call]}])
    assert body["contents"][0]["parts"][0]["functionCall"]["args"] == {"arguments": '{"a": '}


def test_nesting_without_end_is_refused() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = {"items": deep}
    with pytest.raises(Untranslatable, match="nested more than"):
        lacking(response_format={"type": "json_schema", "json_schema": {"schema": deep}})


@given(mangled(FULL))
def test_hostile_requests_are_refused_clearly_or_translated(request_: Any) -> None:
    """Whatever stands wherever in a request: a translation that is JSON, or one clear error."""
    try:
        body, cannot = generate_from_chat(request_)
    except Untranslatable:
        return
    assert json.dumps(body)
    assert all(isinstance(name, str) for name in cannot)


@given(st.text())
def test_any_url_of_an_image_is_taken_or_refused(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    with contextlib.suppress(Untranslatable):
        assert lacking(messages=[{"role": "user", "content": [part]}]) == []


def test_recorded_conversations_come_back_as_they_were(shared_data: Path) -> None:
    """Recorded Gemini requests, said as chat, give the same turns: text, calls with arguments, results by name."""
    from tests.wire.generate.recorded import as_chat, recordings, turns

    count = 0
    for row in recordings(shared_data):
        request = json.loads(row["request_body"])
        chat = as_chat(request)
        if chat is None:
            continue
        body, cannot = generate_from_chat(chat)
        assert cannot == []
        assert turns(body["contents"]) == turns(request["contents"])
        count += 1
    assert count > 150
