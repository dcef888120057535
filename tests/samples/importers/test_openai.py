"""OpenAI's exports: stored completions, fine-tuning files, and the Batch API's files."""

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.samples.importers.openai import answers_of, batch, stored
from weighbridge.samples.importers.record import BadRow, Record

MESSAGES = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
COMPLETION = {
    "object": "chat.completion",
    "id": "chatcmpl-AyPNinnUqUDYo9SAdA52NobMflmj2",
    "model": "gpt-4o-2024-08-06",
    "created": 1738960610,
    "request_id": "req_ded8ab984ec4bf840f37566c1011c417",
    "tool_choice": None,
    "usage": {"total_tokens": 31, "completion_tokens": 18, "prompt_tokens": 13},
    "seed": 4944116822809979520,
    "top_p": 1.0,
    "temperature": 1.0,
    "presence_penalty": 0.0,
    "system_fingerprint": "fp_50cad350e4",
    "input_user": None,
    "service_tier": "default",
    "tools": None,
    "metadata": {"conversation_id": "c-7"},
    "choices": [
        {
            "index": 0,
            "message": {"content": "Hello!", "role": "assistant", "tool_calls": None, "function_call": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "response_format": None,
}


def one(row: dict[str, Any]) -> Record:
    (record,) = stored("f:1", row)
    return record


@pytest.mark.parametrize("name", ["messages", "input"])
def test_a_stored_completion_with_its_input_beside_it(name: str) -> None:
    record = one({**COMPLETION, name: MESSAGES})
    assert record.request == {"messages": MESSAGES, "temperature": 1.0, "top_p": 1.0, "seed": 4944116822809979520}
    assert (record.answer, record.cluster, record.at) == ("Hello!", "c-7", 1738960610.0)
    assert (record.model, record.id) == ("gpt-4o-2024-08-06", "chatcmpl-AyPNinnUqUDYo9SAdA52NobMflmj2")


def test_a_stored_completion_with_its_request_within() -> None:
    record = one({**COMPLETION, "request": {"model": "gpt-4o", "messages": MESSAGES, "tools": TOOLS, "max_tokens": 9}})
    assert record.request == {"messages": MESSAGES, "tools": TOOLS, "max_tokens": 9}
    assert record.answer == "Hello!"


def test_messages_as_their_store_lists_them_lose_its_ids_and_nulls() -> None:
    """What GET …/messages gives has fields that no request may have."""
    picture = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://a.example/b"}},
    ]
    listed = [
        {"id": "chatcmpl-1-0", "role": "user", "content": None, "name": None, "content_parts": picture},
        {"id": "chatcmpl-1-1", "role": "user", "content": "Well?", "name": "anna", "content_parts": None},
    ]
    assert one({**COMPLETION, "messages": listed}).request["messages"] == [
        {"role": "user", "content": picture},
        {"role": "user", "content": "Well?", "name": "anna"},
    ]


def test_tool_calls_and_their_answers_stay_as_they_were() -> None:
    called = [
        {"role": "user", "content": "Where is order 7?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"at": "Kiel"}'},
    ]
    assert one({**COMPLETION, "messages": called}).request["messages"] == called


def test_a_line_for_fine_tuning_has_its_answer_as_the_last_message() -> None:
    record = one({"messages": [*MESSAGES, {"role": "assistant", "content": "Hello!", "weight": 1}], "tools": TOOLS})
    assert record.request == {"messages": MESSAGES, "tools": TOOLS}
    assert record.answer == "Hello!"


@pytest.mark.parametrize("row", [COMPLETION, {**COMPLETION, "messages": []}, {"request": {"prompt": "x"}}])
def test_a_completion_without_its_input_says_so(row: dict[str, Any]) -> None:
    """The list of stored completions does not hold what was asked; it must be asked for one by one."""
    with pytest.raises(BadRow, match="no messages: was the completion exported with its input"):
        one(row)


def asked(**changes: Any) -> dict[str, Any]:
    body = {"model": "gpt-5-mini", "messages": MESSAGES, "max_completion_tokens": 50}
    return {"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": body, **changes}


def answered(custom_id: str, **body: Any) -> dict[str, Any]:
    response = {"status_code": 200, "request_id": "req_123", "body": {**COMPLETION, **body}}
    return {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}


def test_a_line_of_batch_input() -> None:
    (record,) = batch("f:1", asked())
    assert record.request == {"messages": MESSAGES, "max_completion_tokens": 50}
    assert (record.api, record.answer, record.model, record.id) == ("chat", None, "gpt-5-mini", "request-1")


def test_a_line_of_batch_input_for_completions() -> None:
    body = {"model": "babbage-002", "prompt": "1 + 1 =", "max_tokens": 1}
    (record,) = batch("f:1", asked(url="/v1/completions", body=body))
    assert (record.api, record.request) == ("completions", {"prompt": "1 + 1 =", "max_tokens": 1})


def test_the_output_file_gives_each_request_its_own_answer(tmp_path: Path) -> None:
    """In whatever order it is; a failed one, or one with an error, has none."""
    failed = {"id": "b", "custom_id": "2", "response": None, "error": {"code": "batch_expired", "message": "expired"}}
    refused = {"id": "c", "custom_id": "3", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}}
    lines = [failed, refused, answered("1")]
    (tmp_path / "out.jsonl").write_text("\n".join(map(json.dumps, lines)))
    answers = answers_of(tmp_path / "out.jsonl")
    found = [next(batch("f:1", asked(custom_id=name), answers=answers)) for name in ("1", "2", "3", "4")]
    assert [record.answer for record in found] == ["Hello!", None, None, None]
    assert found[0].at == 1738960610.0


def test_the_output_file_alone_says_which_file_is_wanted() -> None:
    with pytest.raises(BadRow, match="is this the output file"):
        list(batch("f:1", answered("1")))
