"""Converse replies and streams as chat completions."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.wire.generate.hostile import mangled

from weighbridge.wire.answer import Answer
from weighbridge.wire.converse import ChatFromConverse, chat_reply_from_converse
from weighbridge.wire.reading import Unreadable, answer_from_events, answer_from_reply

FULL: dict[str, Any] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "cmVk"}},
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Rome"}}},
                {"toolUse": {"toolUseId": "c2", "name": "time", "input": {}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {
        "inputTokens": 10,
        "outputTokens": 20,
        "totalTokens": 1330,
        "cacheReadInputTokens": 600,
        "cacheWriteInputTokens": 700,
    },
    "metrics": {"latencyMs": 5},
}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "sig"}}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "cmVk"}}}),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"text": "Let me "}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"text": "see."}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "c1", "name": "weather"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 3, "delta": {"toolUse": {"input": '{"city":'}}}),
    ("contentBlockDelta", {"contentBlockIndex": 3, "delta": {"toolUse": {"input": '"Rome"}'}}}),
    ("contentBlockStop", {"contentBlockIndex": 3}),
    ("contentBlockStart", {"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "c2", "name": "time"}}}),
    ("contentBlockStop", {"contentBlockIndex": 4}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": FULL["usage"], "metrics": {"latencyMs": 5}}),
]


def streamed(events: list[tuple[str, dict[str, Any]]]) -> tuple[list[dict[str, Any]], bool]:
    stream = ChatFromConverse("m")
    return [chunk for name, data in events for chunk in stream.feed(name, data)], stream.finished


def read(chunks: list[dict[str, Any]]) -> Answer:
    return answer_from_events([(1.0, json.dumps(chunk).encode()) for chunk in chunks], intended=0.0)


def test_whole_and_streamed_say_the_same_and_are_valid_to_the_sdk() -> None:
    """Parallel calls keep index and id, a call without arguments is one of an object (litellm PR#37792)."""
    reply = chat_reply_from_converse(FULL, "m")
    ChatCompletion.model_validate(reply, strict=True)
    chunks, finished = streamed(EVENTS)
    assert finished
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    whole, stream = answer_from_reply(json.dumps(reply).encode()), read(chunks)
    for found in (whole, stream):
        assert (found.text, found.reasoning, found.finish_reason) == ("Let me see.", "Hm.", "tool_calls")
        assert [(call.id, call.name, call.arguments) for call in found.tool_calls] == [
            ("c1", "weather", '{"city":"Rome"}'),
            ("c2", "time", "{}"),
        ]
        # What the cache gave and took is within the input: 10 + 600 + 700.
        usage = found.usage
        assert (usage.input, usage.output, usage.cached, usage.cache_write) == (1310, 20, 600, 700)
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
    assert reply["choices"][0]["message"]["thinking_blocks"] == [signed, {"type": "redacted_thinking", "data": "cmVk"}]
    assert [
        block for chunk in chunks for one in chunk["choices"] for block in one["delta"].get("thinking_blocks", [])
    ] == [*(signed, {"type": "redacted_thinking", "data": "cmVk"})]
    assert (chunks[-1]["choices"], chunks[0]["usage"]) == ([], None)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
    ],
)
def test_reasons_are_openais(reason: str, finish: str) -> None:
    reply = {"output": {"message": {"content": [{"text": "x"}]}}, "stopReason": reason}
    assert chat_reply_from_converse(reply, "m")["choices"][0]["finish_reason"] == finish
    assert streamed([("messageStop", {"stopReason": reason})])[0][-1]["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize("reason", ["malformed_tool_use", "malformed_model_output", "something_new", None, 5])
def test_a_turn_that_came_to_nothing_is_no_answer(reason: Any) -> None:
    reply = {"output": {"message": {"content": [{"text": "x"}]}}, "stopReason": reason}
    with pytest.raises(Unreadable):
        chat_reply_from_converse(reply, "m")
    stream = ChatFromConverse()
    with pytest.raises(Unreadable):
        stream.feed("messageStop", {"stopReason": reason})
    assert not stream.finished


@given(mangled(FULL))
def test_hostile_replies_are_refused_clearly_or_translated(reply: Any) -> None:
    with contextlib.suppress(Unreadable):
        answer_from_reply(json.dumps(chat_reply_from_converse(reply, "m")).encode())


@given(st.integers(0, len(EVENTS) - 1).flatmap(lambda at: st.tuples(st.just(at), mangled(EVENTS[at][1]))))
def test_hostile_events_are_refused_clearly_or_translated(change: tuple[int, Any]) -> None:
    place, data = change
    with contextlib.suppress(Unreadable):
        assert streamed([*EVENTS[:place], (EVENTS[place][0], data), *EVENTS[place + 1 :]])
