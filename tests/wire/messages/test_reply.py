"""Whole replies, usage, stop reasons and errors."""

from typing import Any

import pytest

from weighbridge.wire.messages import (
    chat_error_from_messages,
    chat_reply_from_messages,
    messages_error_from_chat,
    messages_reply_from_chat,
    status_of,
)
from weighbridge.wire.reading import StreamFailed, Unreadable


def reply(*content: dict[str, Any], stop: str = "end_turn", **fields: Any) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(content)} | {
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
        **fields,
    }


def completion(finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion", "model": "gpt", "choices": [choice]}


def call(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    return {"id": f"id_{name}", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


TEXT = {"type": "text", "text": "Hello"}


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ],
)
def test_stop_reasons_there_and_back(stop: str, finish: str) -> None:
    """maximhq/bifrost#6782: what is not whole never looks so, in either direction."""
    there = chat_reply_from_messages(reply(TEXT, stop=stop, stop_sequence="END" if stop == "stop_sequence" else None))
    assert there["choices"][0]["finish_reason"] == finish
    back = messages_reply_from_chat(there, "m")
    assert back["stop_reason"] == stop
    assert back["stop_sequence"] == ("END" if stop == "stop_sequence" else None)


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("cut_short", "cut_short")],
)
def test_finish_reasons_of_others(finish: str, stop: str) -> None:
    """A reason that nobody knows is passed on: it may mean a cut (maximhq/bifrost#6782)."""
    assert messages_reply_from_chat(completion(finish, content="x"), "m")["stop_reason"] == stop


def test_a_turn_with_calls_ends_with_tool_use_whatever_the_server_said() -> None:
    """BerriAI/litellm#12481 and #12862; api7/aisix#170: no call is dropped."""
    found = messages_reply_from_chat(completion("stop", tool_calls=[call("f", '{"a":1}'), call("g", "")]), "m")
    assert found["stop_reason"] == "tool_use"
    assert [(block["name"], block["input"]) for block in found["content"]] == [("f", {"a": 1}), ("g", {})]
    cut = messages_reply_from_chat(completion("length", tool_calls=[call("f", '{"a":')]), "m")
    assert cut["stop_reason"] == "max_tokens"
    assert cut["content"][0]["input"] == {"arguments": '{"a":'}


def test_vllms_stop_text_is_the_stop_sequence() -> None:
    said = completion("stop", content="x")
    said["choices"][0]["stop_reason"] = "END"
    assert messages_reply_from_chat(said, "m")["stop_sequence"] == "END"


def test_parallel_calls_keep_their_order_and_ids_and_arguments_are_text() -> None:
    """BerriAI/litellm PR#37792: arguments were an object there."""
    uses = [{"type": "tool_use", "id": f"t{n}", "name": "f", "input": {"n": n}} for n in range(3)]
    message = chat_reply_from_messages(reply(*uses, stop="tool_use"))["choices"][0]["message"]
    assert [(entry["id"], entry["function"]["arguments"]) for entry in message["tool_calls"]] == [
        ("t0", '{"n":0}'),
        ("t1", '{"n":1}'),
        ("t2", '{"n":2}'),
    ]
    assert message["content"] is None
    assert "content_blocks" not in message


def test_usage_counts_cached_tokens_within_the_prompt() -> None:
    """BerriAI/litellm#11789, #40006: 100 uncached, 700 written, 200 read."""
    usage = {"input_tokens": 100, "cache_creation_input_tokens": 700, "cache_read_input_tokens": 200}
    there = chat_reply_from_messages(reply(TEXT, usage={**usage, "output_tokens": 9}))["usage"]
    assert there == {
        "prompt_tokens": 1000,
        "completion_tokens": 9,
        "total_tokens": 1009,
        "prompt_tokens_details": {"cached_tokens": 200, "cache_creation_tokens": 700},
    }
    back = messages_reply_from_chat({**completion(content="x"), "usage": there}, "m")["usage"]
    assert back == {**usage, "output_tokens": 9}


def test_usage_in_a_vendors_own_spelling() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}
    found = messages_reply_from_chat({**completion(content="x"), "usage": usage}, "m")["usage"]
    assert (found["input_tokens"], found["cache_read_input_tokens"]) == (6, 4)


def test_thoughts_are_reasoning_and_keep_their_signature() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}
    hidden = {"type": "redacted_thinking", "data": "xyz"}
    there = chat_reply_from_messages(reply(thought, hidden, TEXT))
    message = there["choices"][0]["message"]
    assert message["reasoning_content"] == "Hm."
    assert message["thinking_blocks"] == [thought, hidden]
    assert messages_reply_from_chat(there, "m")["content"] == [thought, hidden, TEXT]
    unsigned = messages_reply_from_chat(completion(reasoning="Hm.", content="Hello"), "m")["content"]
    assert unsigned == [{"type": "thinking", "thinking": "Hm.", "signature": ""}, TEXT]


def test_a_refusal_in_openais_words() -> None:
    found = messages_reply_from_chat(completion("stop", refusal="I cannot."), "m")
    assert found["content"] == [{"type": "text", "text": "I cannot."}]
    assert found["stop_reason"] == "refusal"


def test_citations_of_pages_are_annotations() -> None:
    cited = {"type": "web_search_result_location", "url": "https://x.example", "title": "X", "cited_text": "y"}
    there = chat_reply_from_messages(reply(TEXT, {"type": "text", "text": " world", "citations": [cited]}))
    message = there["choices"][0]["message"]
    assert message["content"] == "Hello world"
    assert message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"url": "https://x.example", "title": "X", "start_index": 5, "end_index": 11},
        }
    ]


@pytest.mark.parametrize("body", [{}, {"content": "text"}, {"content": [5]}, {"content": [{"type": "text"}]}])
def test_what_is_no_reply_is_unreadable(body: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        chat_reply_from_messages(body)


def test_an_error_in_place_of_a_reply() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(StreamFailed, match="Overloaded"):
        chat_reply_from_messages(error)
    with pytest.raises(StreamFailed, match="no luck"):
        messages_reply_from_chat({"error": {"message": "no luck"}, "choices": []}, "m")


# --- errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_an_error_as_anthropic_sends_it_with_this_status(status: int, kind: str) -> None:
    openai = {"error": {"message": "m", "type": "t", "param": None, "code": None}}
    found = messages_error_from_chat(openai, status=status, request_id="req_1")
    assert found == {"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "req_1"}


def test_anthropics_error_as_openais() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}
    assert status_of(error) == 529
    assert chat_error_from_messages(error) == {
        "error": {"message": "Overloaded", "type": "server_error", "param": None, "code": "overloaded_error"}
    }
    assert chat_error_from_messages({"error": "boom"})["error"]["message"] == "boom"
    assert status_of({"error": {"type": ["x"]}}) == 500
