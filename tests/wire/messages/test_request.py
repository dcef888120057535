"""Requests: what is said in which words, and what is named because it cannot be."""

from typing import Any

import pytest

from weighbridge.wire.messages import chat_from_messages, messages_from_chat, plain_chat
from weighbridge.wire.messages.models import abilities
from weighbridge.wire.translation import Untranslatable

PDF = "data:application/pdf;base64,JVBERi0="
PNG = "data:image/png;base64,iVBORw0="
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "messages": list(messages or [{"role": "user", "content": "Hi"}]), **fields}


def said(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    request, cannot = messages_from_chat(chat(*messages, **fields))
    assert cannot == []
    return request


def call(id_: str, arguments: Any = "{}") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def test_system_messages_make_system() -> None:
    one = said({"role": "system", "content": "Be terse."}, {"role": "user", "content": "Hi"})
    assert one["system"] == "Be terse."
    assert one["messages"] == [{"role": "user", "content": "Hi"}]
    marked = {"type": "text", "text": "Rules", "cache_control": {"type": "ephemeral"}}
    two = said({"role": "system", "content": [marked]}, {"role": "developer", "content": "Terse."})
    assert two["system"] == [marked, {"type": "text", "text": "Terse."}]


def test_a_later_system_message_stays_where_the_model_takes_it_there() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Now in French."}]
    assert said(*messages)["system"] == "Now in French."
    kept, _ = messages_from_chat({"model": "claude-opus-4-8", "messages": messages})
    assert kept["messages"] == messages
    assert "system" not in kept


def test_max_tokens_is_needed_and_is_the_most_the_model_takes() -> None:
    assert said()["max_tokens"] == 64_000
    assert said(max_completion_tokens=7, max_tokens=9)["max_tokens"] == 7
    assert messages_from_chat({"messages": []})[0]["max_tokens"] == 4096


@pytest.mark.parametrize(
    ("model", "output", "formats", "sampling"),
    [
        ("claude-3-haiku-20240307", 4096, False, True),
        ("claude-3-5-sonnet-20241022", 8192, False, True),
        ("anthropic/claude-3.7-sonnet", 64_000, False, True),
        ("claude-sonnet-4-20250514", 64_000, False, True),
        ("claude-opus-4-1-20250805", 32_000, True, True),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 64_000, True, True),
        ("claude-opus-4-6", 128_000, True, True),
        ("claude-opus-4-7", 128_000, True, False),
        ("claude-sonnet-5", 128_000, True, False),
        ("claude-fable-5", 128_000, True, False),
        ("kimi-k2", 4096, False, True),
    ],
)
def test_what_a_model_takes_by_its_name(model: str, output: int, formats: bool, sampling: bool) -> None:
    found = abilities(model)
    assert (found.output, found.formats, found.sampling) == (output, formats, sampling)


def test_images_by_link_and_by_content() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": PNG}, "cache_control": {"type": "ephemeral"}},
    ]
    blocks = said({"role": "user", "content": parts})["messages"][0]["content"]
    assert blocks[0] == {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}
    assert blocks[1]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}
    assert blocks[1]["cache_control"] == {"type": "ephemeral"}
    back = chat_from_messages(said({"role": "user", "content": parts}))["messages"][0]["content"]
    assert [part["image_url"]["url"] for part in back] == ["https://x.example/a.png", PNG]


def test_documents() -> None:
    parts = [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
        {"type": "file", "file": {"file_id": "file_1"}},
        {"type": "file", "file": {"file_data": "data:text/plain,caf%C3%A9"}},
    ]
    pdf, by_id, text = said({"role": "user", "content": parts})["messages"][0]["content"]
    assert pdf["title"] == "a.pdf"
    assert pdf["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert by_id["source"] == {"type": "file", "file_id": "file_1"}
    assert text["source"] == {"type": "text", "media_type": "text/plain", "data": "café"}


def test_results_of_tools_and_what_follows_make_one_turn() -> None:
    request = said(
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call("a"), call("b", '{"city":"Rome"}')]},
        {"role": "tool", "tool_call_id": "a", "content": "sun"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "rain"}], "is_error": True},
        {"role": "user", "content": "So?"},
    )
    asked, answered, told = request["messages"]
    assert asked == {"role": "user", "content": "Weather?"}
    assert [block["type"] for block in answered["content"]] == ["text", "tool_use", "tool_use"]
    assert answered["content"][2]["input"] == {"city": "Rome"}
    assert told["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "sun"},
        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "rain"}], "is_error": True},
        {"type": "text", "text": "So?"},
    ]


def test_ids_of_tool_calls_are_stable_and_as_the_api_takes_them() -> None:
    """BerriAI/litellm PR#40040, in a history: a call and its result always meet, whatever the id looks like."""
    ids = ["functions.weather:0", "functions/weather:0", "call_1", "é" * 80]
    calls = [call(id_) for id_ in ids]
    results = [{"role": "tool", "tool_call_id": id_, "content": "x"} for id_ in ids]
    messages = said({"role": "assistant", "content": None, "tool_calls": calls}, *results)["messages"]
    used = [block["id"] for block in messages[0]["content"]]
    assert used == [block["tool_use_id"] for block in messages[1]["content"]]
    assert len(set(used)) == 4
    assert used[2] == "call_1"
    assert all(id_.replace("-", "_").isidentifier() and id_.isascii() for id_ in used)


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", False, {"type": "none"}),
        ({"type": "function", "function": {"name": "weather"}}, None, {"type": "tool", "name": "weather"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, True, None),
    ],
)
def test_tool_choice_and_parallel_calls(choice: Any, parallel: bool | None, expected: dict[str, Any] | None) -> None:
    request = said(tools=[WEATHER], tool_choice=choice, parallel_tool_calls=parallel)
    assert request.get("tool_choice") == expected
    back = chat_from_messages(request)
    if expected is not None:
        assert back["tool_choice"] == (choice or "auto")
        if expected["type"] != "none":
            assert back.get("parallel_tool_calls") is (False if parallel is False else None)


def test_tools_keep_what_only_anthropic_knows_of_them() -> None:
    tool = {**WEATHER, "cache_control": {"type": "ephemeral"}, "defer_loading": True}
    server = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    request = said(tools=[tool, server])
    assert request["tools"][0]["cache_control"] == {"type": "ephemeral"}
    assert request["tools"][1] == server
    assert chat_from_messages(request)["tools"] == [tool, server]


def test_a_tool_without_parameters_takes_none() -> None:
    request = said(tools=[{"type": "function", "function": {"name": "now"}}])
    assert request["tools"] == [{"name": "now", "input_schema": {"type": "object", "properties": {}}}]


def test_structured_output() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    format_ = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    request = said(response_format=format_)
    assert request["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert chat_from_messages(request)["response_format"]["json_schema"]["schema"] == schema
    assert messages_from_chat(chat(model="claude-3-haiku-20240307", response_format=format_))[1] == ["response_format"]
    assert messages_from_chat(chat(response_format={"type": "json_object"}))[1] == ["response_format"]
    assert said(response_format={"type": "text"}).get("output_config") is None


def test_reasoning_effort_where_the_model_has_it() -> None:
    request, cannot = messages_from_chat(chat(model="claude-opus-4-6", reasoning_effort="high"))
    assert cannot == []
    assert request["thinking"] == {"type": "adaptive"}
    assert request["output_config"] == {"effort": "high"}
    assert messages_from_chat(chat(reasoning_effort="high"))[1] == ["reasoning_effort"]
    assert said(reasoning_effort="none")["thinking"] == {"type": "disabled"}
    own = said(thinking={"type": "enabled", "budget_tokens": 2048}, reasoning_effort="low")
    assert own["thinking"]["budget_tokens"] == 2048


def test_parameters_with_other_names() -> None:
    request = said(stop=["END", "STOP"], user="u1", temperature=0.3, top_p=0.9, top_k=5, service_tier="default")
    assert request["stop_sequences"] == ["END", "STOP"]
    assert request["metadata"] == {"user_id": "u1"}
    assert (request["temperature"], request["top_p"], request["top_k"]) == (0.3, 0.9, 5)
    assert request["service_tier"] == "standard_only"
    back = chat_from_messages(request)
    assert (back["stop"], back["user"], back["service_tier"]) == (["END", "STOP"], "u1", "default")


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"logprobs": True, "top_logprobs": 5}, ["logprobs", "top_logprobs"]),
        ({"logprobs": False, "top_logprobs": 0, "n": 1, "logit_bias": {}, "presence_penalty": 0.0}, []),
        ({"n": 2}, ["n"]),
        ({"seed": 0}, ["seed"]),
        ({"logit_bias": {"5": 1}}, ["logit_bias"]),
        ({"presence_penalty": 0.5, "frequency_penalty": -1}, ["presence_penalty", "frequency_penalty"]),
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, ["modalities", "audio"]),
        ({"modalities": ["text"]}, []),
        ({"temperature": 1.5}, ["temperature"]),
        ({"model": "claude-opus-4-7", "temperature": 0.5, "top_p": 0.5}, ["temperature", "top_p"]),
        ({"model": "claude-opus-4-7", "temperature": 1, "top_p": 1}, []),
        ({"stop": ["\n", "END"]}, ["stop"]),
        ({"service_tier": "flex"}, ["service_tier"]),
        ({"functions": [{"name": "f"}]}, ["functions"]),
        ({"prediction": {"type": "content"}}, ["prediction"]),
        ({"metadata": {"team": "a"}}, ["metadata"]),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, ["tools.custom"]),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}}, ["tool_choice"]),
        ({"min_p": 0.1}, ["min_p"]),
        ({"seed": None, "stream_options": {"include_usage": True}, "prompt_cache_key": "k"}, []),
        ({"messages": [{"role": "user", "name": "Ann", "content": "Hi"}]}, ["name"]),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, ["input_audio"]),
        ({"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {}}]}]}, ["video_url"]),
    ],
)
def test_what_cannot_be_said_is_named_and_left_out(fields: dict[str, Any], names: list[str]) -> None:
    request, cannot = messages_from_chat({**chat(), **fields})
    assert sorted(cannot) == sorted(names)
    assert not {"logprobs", "top_logprobs", "n", "seed", "logit_bias", "audio", "prediction"} & set(request)


def test_thoughts_go_back_signed_or_not_at_all() -> None:
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}
    message = {"role": "assistant", "content": "Yes", "reasoning_content": "Hm.", "thinking_blocks": [signed]}
    assert said(message)["messages"][0]["content"] == [signed, {"type": "text", "text": "Yes"}]
    other = {**message, "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": ""}]}
    assert said(other)["messages"][0]["content"] == "Yes"


@pytest.mark.parametrize(
    ("request_", "where"),
    [
        ({"messages": "Hi"}, "messages is text"),
        ({"messages": [5]}, "messages[0] is a number"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role is 'function'"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content is a number"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [call("a", "{")]}]}, "arguments is not JSON"),
        ({"messages": [{"role": "assistant", "tool_calls": [call("a", "[1]")]}]}, "arguments is not an object"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "ftp://x"}]}]}, "data URL"),
        ({"messages": [], "tools": {}}, "tools is an object"),
        ({"messages": [], "tools": [WEATHER], "tool_choice": "must"}, "tool_choice is 'must'"),
        ({"messages": [], "temperature": "hot"}, "temperature is text"),
        ({"messages": [], "stop": [1]}, "stop[0] is a number"),
        ({"messages": [], "max_tokens": 1.5}, "max_tokens is not a whole number"),
    ],
)
def test_a_malformed_chat_request_says_where(request_: dict[str, Any], where: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        messages_from_chat(request_)
    assert where in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "where"),
    [
        ({}, "model"),
        ({"model": "m", "messages": [{"role": "robot", "content": "x"}]}, "messages[0].role is 'robot'"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"model": "m", "tool_choice": {"type": "all"}}, "tool_choice.type is 'all'"),
        ({"model": "m", "tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"model": "m", "output_config": {"format": {"type": "xml"}}}, "'xml'"),
    ],
)
def test_a_malformed_messages_request_says_where(request_: dict[str, Any], where: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        chat_from_messages(request_)
    assert where in str(caught.value)


# --- a Messages request for a provider that is not Anthropic


def test_a_plain_chat_holds_only_openais_words_and_says_what_that_loses() -> None:
    request = {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [
            {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "A memo."}}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "s"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "no"}],
            },
            {"role": "user", "content": [{"type": "container_upload", "file_id": "f"}, {"type": "text", "text": "?"}]},
        ],
    }
    plain, lost = plain_chat(chat_from_messages(request))
    assert lost == ["thinking", "container_upload", "tools.web_search_20250305"]
    assert plain["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "S"}]},
        {"role": "user", "content": [{"type": "text", "text": "A memo."}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "t", "content": "no"},
        {"role": "user", "content": [{"type": "text", "text": "?"}]},
    ]
    assert plain["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert set(plain) == {"model", "max_tokens", "messages", "tools"}


def test_an_ordinary_messages_request_loses_nothing() -> None:
    request = {"model": "m", "max_tokens": 9, "system": "S", "messages": [{"role": "user", "content": "Hi"}]}
    chat_ = chat_from_messages(request)
    assert plain_chat(chat_) == (chat_, [])
