"""LiteLLM's spend logs."""

import json
from typing import Any

import pytest

from weighbridge.samples.importers.litellm import read
from weighbridge.samples.importers.record import BadRow, Record

MESSAGES = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello!"}}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
}


def log(**changes: Any) -> dict[str, Any]:
    row = {
        "request_id": "chatcmpl-1",
        "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "spend": 0.0000024,
        "total_tokens": 10,
        "startTime": "2024-05-01 10:00:00.000",
        "endTime": "2024-05-01 10:00:01.100",
        "model": "gpt-4o-mini",
        "model_id": "a1",
        "model_group": "cheap",
        "custom_llm_provider": "openai",
        "user": "u-1",
        "metadata": {"user_api_key_alias": "shop", "session_id": "m-1"},
        "cache_hit": "False",
        "request_tags": ["shop", "User-Agent: OpenAI"],
        "session_id": "s-1",
        "status": "success",
        "messages": {},
        "response": REPLY,
        "proxy_server_request": {"model": "cheap", "messages": MESSAGES, "tools": TOOLS, "temperature": 0},
    }
    return {**row, **changes}


def one(row: dict[str, Any]) -> Record:
    (record,) = read("f:1", row)
    return record


def test_a_chat_completion() -> None:
    record = one(log())
    assert record.request == {"messages": MESSAGES, "tools": TOOLS, "temperature": 0}
    assert (record.api, record.answer, record.model, record.id) == ("chat", "Hello!", "gpt-4o-mini", "chatcmpl-1")
    assert (record.cluster, record.at, record.tags) == ("s-1", 1714557600.0, ("shop", "User-Agent: OpenAI"))


def test_the_same_as_a_row_of_csv_where_json_is_text() -> None:
    row = {name: json.dumps(value) if isinstance(value, dict | list) else str(value) for name, value in log().items()}
    assert one(row) == one(log())


@pytest.mark.parametrize("logged", [MESSAGES, json.dumps(MESSAGES)])
def test_messages_in_their_own_column(logged: Any) -> None:
    assert one(log(messages=logged, proxy_server_request="{}")).request == {"messages": MESSAGES}


def test_the_body_may_be_within_the_request_as_the_proxy_saw_it() -> None:
    request = {"url": "http://127.0.0.1:4000/chat/completions", "body": {"model": "cheap", "messages": MESSAGES}}
    assert one(log(proxy_server_request=request)).request == {"messages": MESSAGES}


def test_what_was_said_to_the_proxy_is_not_said_to_the_model() -> None:
    """A provider would refuse these, and one of them is a key."""
    said = {
        "api_key": "sk-abcdefghijklmnop1234",
        "api_base": "https://example.com",
        "fallbacks": ["b"],
        "num_retries": 3,
        "tags": ["a"],
        "guardrails": ["pii"],
        "litellm_session_id": "s-1",
        "litellm_metadata": {},
        "metadata": {},
        "user": "u-1",
        "stream": True,
    }
    request = {"model": "cheap", "messages": MESSAGES, "top_p": 0.5, **said}
    assert one(log(proxy_server_request=request)).request == {"messages": MESSAGES, "top_p": 0.5}


def test_a_text_completion() -> None:
    record = one(log(call_type="atext_completion", proxy_server_request={"model": "b", "prompt": "1 + 1 =", "n": 1}))
    assert (record.api, record.request) == ("completions", {"prompt": "1 + 1 =", "n": 1})


@pytest.mark.parametrize("kind", ["aembedding", "aimage_generation", "aresponses", "/health"])
def test_other_calls_are_passed_over(kind: str) -> None:
    assert list(read("f:1", log(call_type=kind))) == []


@pytest.mark.parametrize("request_", ["{}", {}, None, '{"litellm_truncated": true}', {"messages": []}, "[1]"])
def test_logs_without_prompts_say_which_setting_keeps_them(request_: Any) -> None:
    with pytest.raises(BadRow, match="set `store_prompts_in_spend_logs: true`"):
        one(log(proxy_server_request=request_))


def test_a_prompt_that_the_log_cut_is_no_sample() -> None:
    """The proxy cuts long texts in its log unless told otherwise: replayed, they would ask something else."""
    cut = [{"role": "user", "content": "Read this: aaa... (litellm_truncated 12982 chars) ...zzz"}]
    with pytest.raises(BadRow, match="raise MAX_STRING_LENGTH_PROMPT_IN_DB"):
        one(log(proxy_server_request={"messages": cut}))


def test_an_answer_that_the_log_cut_is_no_answer() -> None:
    cut = {"choices": [{"message": {"role": "assistant", "content": "aaa... (litellm_truncated 99 chars) ...zzz"}}]}
    assert one(log(response=cut)).answer is None


def test_a_failed_call_is_a_request_without_an_answer() -> None:
    record = one(log(status="failure", response={}))
    assert (record.request["messages"], record.answer) == (MESSAGES, None)


@pytest.mark.parametrize(
    ("changes", "cluster"), [({"session_id": None}, "m-1"), ({"session_id": "", "metadata": {}}, None)]
)
def test_the_session_may_stand_in_the_metadata(changes: dict[str, Any], cluster: str | None) -> None:
    assert one(log(**changes)).cluster == cluster
