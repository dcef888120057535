"""generateContent replies and streams as chat completions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.generate.hostile import mangled
from tests.wire.generate.recorded import recordings, replies

from weighbridge.wire.answer import Answer
from weighbridge.wire.documents import Chunk, assemble
from weighbridge.wire.generate import Blocked, ChatFromGenerate, chat_reply_from_generate
from weighbridge.wire.reading import Unreadable, answer_from_events, answer_from_reply

CALL = {"functionCall": {"name": "weather", "args": {"city": "Rome"}}}
USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "toolUsePromptTokenCount": 7,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 157,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90}, {"modality": "AUDIO", "tokenCount": 10}],
}
FULL: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Let me see.", "thought": True},
                    {"text": "Sunny", "thoughtSignature": "c2ln"},
                    {
                        "functionCall": {"id": "own", "name": "weather", "args": {"city": "Rome"}},
                        "thoughtSignature": "czI=",
                    },
                    CALL,
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}},
                    {"executableCode": {"language": "PYTHON", "code": "1"}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
            "groundingMetadata": {"webSearchQueries": ["x"]},
            "logprobsResult": {
                "chosenCandidates": [{"token": "Sun", "logProbability": -0.5}],
                "topCandidates": [{"candidates": [{"token": "Sun", "logProbability": -0.5}]}],
            },
        }
    ],
    "usageMetadata": USAGE,
    "modelVersion": "models/gemini-2.5-pro",
    "responseId": "r1",
    "createTime": "2026-05-27T16:53:45.443719Z",
}


def read(reply: dict[str, Any]) -> Answer:
    return answer_from_reply(json.dumps(chat_reply_from_generate(reply, "m")).encode())


def ended(reason: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": reason, **fields}]}


def streamed(events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    stream = ChatFromGenerate("m")
    chunks = [chunk for event in events for chunk in stream.feed(event)]
    return [*chunks, *stream.finish()], stream.finished


def test_a_reply_with_everything() -> None:
    said = chat_reply_from_generate(FULL, "m")
    assert (said["model"], said["id"], said["created"]) == ("gemini-2.5-pro", "chatcmpl-r1", 1_779_900_825)
    [choice] = said["choices"]
    message = choice["message"]
    assert (message["content"], message["reasoning_content"]) == ("Sunny", "Let me see.")
    assert message["tool_calls"][0]["id"] == "own"
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "czI="}}
    assert message["images"][0]["image_url"]["url"] == "data:image/png;base64,iVBORw0="
    assert message["extra_content"]["google"]["thought_signature"] == "c2ln"
    assert message["extra_content"]["google"]["parts"] == [{"executableCode": {"language": "PYTHON", "code": "1"}}]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["extra_content"]["google"]["groundingMetadata"] == {"webSearchQueries": ["x"]}
    token = {"token": "Sun", "logprob": -0.5, "bytes": [83, 117, 110]}
    assert choice["logprobs"]["content"] == [{**token, "top_logprobs": [token]}]


def test_usage_is_counted_as_openai_counts() -> None:
    """Thoughts within the output, tool prompts within the input, the cache's share named: litellm#11789."""
    for usage in (read(FULL).usage, assemble(map(Chunk, streamed([FULL])[0])).usage):
        assert usage is not None
        assert (usage.input, usage.output, usage.cached, usage.reasoning, usage.audio_input) == (107, 50, 60, 30, 10)
    assert chat_reply_from_generate(FULL, "m")["usage"]["total_tokens"] == 157


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("SPII", "content_filter"),
    ],
)
def test_reasons_are_openais(reason: str, finish: str) -> None:
    """bifrost#6782: an answer cut at its limit is never one that ended."""
    assert read(ended(reason, {"text": "x"})).finish_reason == finish
    chunks, finished = streamed([ended(reason, {"text": "x"})])
    assert chunks[-1]["choices"][0]["finish_reason"] == finish
    assert finished


def test_a_turn_with_calls_ends_as_one() -> None:
    """litellm#12481, #12862: also where the call came in an earlier event than the end."""
    assert read(ended("STOP", CALL)).finish_reason == "tool_calls"
    chunks, _ = streamed([{"candidates": [{"content": {"parts": [CALL]}}]}, ended("STOP", {"text": ""})])
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, "tool_calls"]
    assert read(ended("MAX_TOKENS", CALL)).finish_reason == "length"
    assert read(ended("UNEXPECTED_TOOL_CALL", CALL)).finish_reason == "tool_calls"


def test_parallel_calls_are_numbered_and_keep_their_ids() -> None:
    """One index and one id a call, whole or streamed: litellm PR#37792, PR#40040; Portkey PR#1537."""
    parts: list[dict[str, Any]] = [CALL, CALL, {"functionCall": {"name": "time"}}]
    whole = read({**ended("STOP", *parts), "responseId": "r1"})
    events = [{"candidates": [{"content": {"parts": [part]}}], "responseId": "r1"} for part in parts]
    chunks, _ = streamed([*events, ended("STOP")])
    assert [chunk["choices"][0]["delta"].get("tool_calls", [{}])[0].get("index") for chunk in chunks] == [0, 1, 2, None]
    stream = answer_from_events([(1.0, json.dumps(chunk).encode()) for chunk in chunks], intended=0.0)
    assert whole.tool_calls == stream.tool_calls
    assert len({call.id for call in whole.tool_calls}) == 3
    assert all(len(call.id) <= 40 for call in whole.tool_calls)
    assert [call.arguments for call in whole.tool_calls] == ['{"city":"Rome"}', '{"city":"Rome"}', "{}"]


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "OTHER", "NO_IMAGE", "SOMETHING_NEW"])
def test_a_turn_that_came_to_nothing_is_no_answer(reason: str) -> None:
    for parts in ([], [{"text": "I will call"}]):
        with pytest.raises(Unreadable, match=f"ended as {reason}: because"):
            read(ended(reason, *parts, finishMessage="because"))
        with pytest.raises(Unreadable, match=reason):
            streamed([ended(reason, *parts)])


def test_a_blocked_prompt_says_why() -> None:
    """The content filter is one attempt with its reason passed on."""
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"}, "usageMetadata": {}}
    for attempt in (lambda: read(blocked), lambda: streamed([blocked])):
        with pytest.raises(Blocked, match=r"the prompt was blocked \(PROHIBITED_CONTENT\): no"):
            attempt()


def test_a_filtered_answer_passes_its_reason_on() -> None:
    said = chat_reply_from_generate(ended("SAFETY", finishMessage="unsafe"), "m")["choices"][0]
    assert said["message"]["refusal"] == "unsafe"
    assert said["native_finish_reason"] == "SAFETY"


def test_usage_is_the_last_chunk_and_null_before() -> None:
    """litellm#8450, #9657: no choices beside it, null on every chunk before it."""
    chunks, _ = streamed([{**ended("STOP", {"text": "x"}), "usageMetadata": USAGE}])
    assert [(bool(chunk["choices"]), chunk["usage"] is None) for chunk in chunks] == [(True, True), (False, False)]


def test_a_cut_stream_is_not_finished() -> None:
    """Portkey#1797: without its own end nothing is made up."""
    chunks, finished = streamed([{"candidates": [{"content": {"parts": [{"text": "half"}]}}]}])
    assert not finished
    assert chunks[-1]["choices"][0]["finish_reason"] is None
    assert not ChatFromGenerate().finished


def test_several_candidates_each_have_their_own_choice() -> None:
    reply = {
        "candidates": [
            {"content": {"parts": [{"text": text}]}, "finishReason": "STOP", "index": index}
            for index, text in enumerate("ab")
        ]
    }
    assert [choice["message"]["content"] for choice in chat_reply_from_generate(reply, "m")["choices"]] == ["a", "b"]
    chunks, finished = streamed([reply])
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [0, 1]
    assert finished


def plain(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A recorded reply or stream, read naively."""
    parts = [
        part
        for reply in rows
        for candidate in reply.get("candidates", [])
        for part in candidate.get("content", {}).get("parts", [])
    ]
    usage: dict[str, Any] = {}
    for reply in rows:
        usage |= reply.get("usageMetadata", {})
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return {
        "text": "".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        "reasoning": "".join(part["text"] for part in parts if part.get("thought") and "text" in part),
        "calls": [(call["name"], call["args"]) for call in calls],
        "input": usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0),
        # Each count as last told: one recorded stream's last event forgets the answer's tokens told before it.
        "output": usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
        "total": rows[0].get("usageMetadata", {}).get("totalTokenCount") if len(rows) == 1 else None,
        "reason": [
            candidate["finishReason"]
            for reply in rows
            for candidate in reply.get("candidates", [])
            if "finishReason" in candidate
        ][-1],
    }


REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "MODEL_ARMOR": "content_filter",
    "UNEXPECTED_TOOL_CALL": "tool_calls",
}


def check(found: Answer, rows: list[dict[str, Any]]) -> None:
    expected = plain(rows)
    assert found.text == expected["text"]
    assert found.reasoning == expected["reasoning"]
    assert [(call.name, json.loads(call.arguments)) for call in found.tool_calls] == expected["calls"]
    assert (found.usage.input, found.usage.output) == (expected["input"], expected["output"])
    assert expected["total"] in {None, expected["input"] + expected["output"]}
    reason = REASONS[expected["reason"]]
    assert found.finish_reason == ("tool_calls" if expected["calls"] and reason == "stop" else reason)


def test_recorded_replies_come_out_the_same(shared_data: Path) -> None:
    """Text, thoughts, calls, tokens and reason of every recorded reply and stream of Gemini and Vertex."""
    whole = streams = blocked = 0
    for row in recordings(shared_data):
        if row["status"] != 200:
            continue
        rows = replies(row)
        if rows[0].get("promptFeedback"):
            with pytest.raises(Blocked):
                read(rows[0])
            blocked += 1
        elif len(rows) == 1:
            check(read(rows[0]), rows)
            whole += 1
        if len(rows) > 1 or "stream" in row["uri"]:
            chunks, finished = streamed(rows)
            assert finished
            check(answer_from_events([(1.0, json.dumps(chunk).encode()) for chunk in chunks], intended=0.0), rows)
            streams += 1
    assert whole > 200
    assert streams == 14
    assert blocked == 1


def test_recorded_replies_are_valid_to_the_sdk(shared_data: Path) -> None:
    types = pytest.importorskip("openai.types.chat")
    for row in recordings(shared_data):
        if row["status"] != 200 or "promptFeedback" in row["response_body"]:
            continue
        for reply in replies(row):
            if "stream" in row["uri"]:
                for chunk in streamed([reply])[0]:
                    types.ChatCompletionChunk.model_validate(chunk, strict=True)
            else:
                types.ChatCompletion.model_validate(chat_reply_from_generate(reply, "m"), strict=True)


@given(mangled(FULL))
def test_hostile_replies_are_refused_clearly_or_translated(reply: Any) -> None:
    """Whatever stands wherever in a reply, whole or streamed: JSON that is read as a reply, or one clear error."""
    ways: list[Callable[[], list[dict[str, Any]]]] = [
        lambda: [chat_reply_from_generate(reply, "m")],
        lambda: streamed([reply, reply])[0],
    ]
    for translate in ways:
        try:
            said = translate()
        except (Unreadable, Blocked):
            continue
        for one in said:
            answer_from_reply(json.dumps(one).encode()) if one.get("choices") else None


@given(st.text())
def test_any_text_stays_itself(text: str) -> None:
    assert read(ended("STOP", {"text": text})).text == text
