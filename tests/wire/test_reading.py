"""From bytes and stamped events to an Answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.wire.recorded import events, exchanges, streamed

from weighbridge.wire.answer import Answer
from weighbridge.wire.reading import StreamFailed, Unreadable, answer_from_events, answer_from_reply


def read_events(bodies: list[Any], *, start: float = 100.0, gap: float = 1.0) -> Answer:
    """Chunks that arrive `gap` seconds apart, the first at start + gap."""
    data = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    stamped = [(start + gap * place, one.encode()) for place, one in enumerate(data, 1)]
    return answer_from_events(stamped, intended=start)


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "x", "model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def test_every_recorded_reply_is_read_as_a_plain_reading_reads_it(shared_data: Path) -> None:
    """Text, tool calls, refusal, finish reason and tokens of every whole reply of 200."""
    count = 0
    for row in exchanges(shared_data):
        if streamed(row) or row["status"] != 200:
            continue
        said = json.loads(row["response_body"])
        found = answer_from_reply(row["response_body"].encode())
        choice = said["choices"][0]
        message = choice.get("message") or {}
        content = message.get("content")
        if not isinstance(content, list):
            assert found.text == (choice.get("text") or content or "")
        assert found.finish_reason == choice.get("finish_reason")
        assert found.refusal == message.get("refusal")
        calls = message.get("tool_calls") or (
            [{"function": message["function_call"]}] if message.get("function_call") else []
        )
        assert [call.name for call in found.tool_calls] == [call["function"]["name"] for call in calls]
        assert [call.arguments for call in found.tool_calls] == [
            call["function"].get("arguments", "") for call in calls
        ]
        assert found.usage.input == said["usage"]["prompt_tokens"]
        assert found.usage.output is not None
        assert found.usage.output >= said["usage"]["completion_tokens"]
        assert found.model == said["model"]
        count += 1
    assert count > 350


def test_every_recorded_stream_is_read_as_a_plain_reading_reads_it(shared_data: Path) -> None:
    count = 0
    for row in exchanges(shared_data):
        if not streamed(row) or row["status"] != 200:
            continue
        data = list(events(row["response_body"]))
        parts = [json.loads(one) for one in data if one != "[DONE]"]
        if any("error" in part for part in parts):
            with pytest.raises(StreamFailed):
                read_events(data)
            continue
        found = read_events(data)
        firsts = [choice for part in parts for choice in part.get("choices") or [] if choice["index"] == 0]
        assert found.text == "".join((one.get("delta") or {}).get("content") or one.get("text") or "" for one in firsts)
        usages = [part.get("usage") or (part.get("x_groq") or {}).get("usage") for part in parts]
        usage = [one for one in usages if one]
        assert found.usage.input == (usage[-1]["prompt_tokens"] if usage else None)
        assert found.complete
        count += 1
    assert count > 30


def test_a_chunk_with_only_a_role_is_not_the_first_token() -> None:
    """vllm#3768, sglang#29251, aisix#869: the role comes at once, the first token 50 chunks later."""
    found = read_events(
        [delta(role="assistant", content=""), delta(role="assistant"), delta(content="Hi"), delta("stop")]
    )
    assert found.latency is not None
    assert found.latency.ttft == 3.0
    assert found.latency.last_token == 3.0


def test_reasoning_is_the_first_token_and_the_answer_comes_later() -> None:
    """inference-perf#559: TTFT counts reasoning; time to the first answer token does not."""
    for name in ("reasoning", "reasoning_content"):
        found = read_events(
            [delta(**{name: "hm"}), delta(**{name: " so"}), delta(content="42"), delta("stop"), "[DONE]"]
        )
        assert found.latency is not None
        assert (found.latency.ttft, found.latency.ttfa) == (1.0, 3.0)
        assert (found.reasoning, found.text) == ("hm so", "42")


def test_total_runs_to_the_end_and_gaps_are_between_tokens() -> None:
    found = read_events([delta(content="a"), delta(content="b"), delta(content="c"), delta("stop"), "[DONE]"])
    assert found.latency is not None
    assert (found.latency.total, found.latency.last_token, found.latency.gaps) == (5.0, 3.0, (1.0, 1.0))


def test_usage_is_taken_from_a_chunk_with_choices_too() -> None:
    """litellm#36168: usage beside non-empty choices; Portkey#1072: usage beside empty ones; Groq: under x_groq."""
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    for last in ({**delta("stop"), "usage": usage}, {"choices": [], "usage": usage}, {"x_groq": {"usage": usage}}):
        found = read_events([delta(content="x"), last])
        assert (found.usage.input, found.usage.output, found.usage.cached) == (9, 2, 4)


def test_an_error_in_a_stream_is_no_success() -> None:
    """OmniRoute#8210: `{"error": …, "choices": []}` in a 200; what came before is kept and paid for."""
    with pytest.raises(StreamFailed, match="overloaded") as caught:
        read_events([delta(content="half"), {"error": {"message": "overloaded", "code": 502}, "choices": []}])
    assert caught.value.partial is not None
    assert caught.value.partial.text == "half"


def test_a_stream_without_a_finish_is_not_complete() -> None:
    assert not read_events([delta(content="The")]).complete
    assert read_events([delta(content="The"), "[DONE]"]).complete
    assert read_events([delta(content="The"), delta("length")]).complete


@pytest.mark.parametrize(
    "fragments",
    [
        [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
            {"index": 0, "function": {"arguments": "{}"}},
        ],
        [{"id": "a", "function": {"name": "f", "arguments": ""}}, {"function": {"arguments": "{}"}}],
        [{"index": 0, "id": "a", "function": {"name": "f"}}, {"index": 0, "id": "b", "function": {"arguments": "{}"}}],
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {}}}],
    ],
    ids=[
        "as OpenAI",
        "without index (Portkey#1537)",
        "a new id on each fragment (litellm#40040)",
        "arguments as object",
    ],
)
def test_fragments_of_one_call_are_one_call(fragments: list[dict[str, Any]]) -> None:
    found = read_events([*(delta(tool_calls=[fragment]) for fragment in fragments), delta("tool_calls")])
    assert [(call.id, call.name, call.arguments) for call in found.tool_calls] == [("a", "f", "{}")]


def test_parallel_calls_that_are_all_numbered_zero_stay_apart() -> None:
    """litellm#37792."""
    calls = [{"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    found = read_events([*(delta(tool_calls=[call]) for call in calls), delta("tool_calls")])
    assert [call.name for call in found.tool_calls] == ["a", "b"]


def test_logprobs_are_read_of_both_apis() -> None:
    entry = {"token": "x", "logprob": -0.5, "top_logprobs": [{"token": "y", "logprob": -1.0}]}
    chat = {"choices": [{"index": 0, "message": {"content": "x"}, "logprobs": {"content": [entry]}}]}
    flat = {"tokens": ["x"], "token_logprobs": [-0.5], "top_logprobs": [{"y": -1.0}]}
    text = {"choices": [{"index": 0, "text": "x", "logprobs": flat}]}
    for body in (chat, text):
        (token,) = answer_from_reply(json.dumps(body).encode()).logprobs
        assert (token.token, token.logprob, token.top) == ("x", -0.5, (("y", -1.0),))


@pytest.mark.parametrize(
    ("usage", "cached", "reasoning", "output"),
    [
        ({"prompt_cache_hit_tokens": 3}, 3, None, 5),
        ({"cached_tokens": 4}, 4, None, 5),
        ({"num_cached_tokens": 2}, 2, None, 5),
        ({"completion_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 15}, None, 4, 5),
        ({"completion_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 19}, None, 4, 9),
    ],
    ids=["DeepSeek", "Moonshot", "Mistral", "reasoning within output", "reasoning beside output (xAI)"],
)
def test_usage_is_read_in_every_vendors_spelling(
    usage: dict[str, Any], cached: int | None, reasoning: int | None, output: int
) -> None:
    body = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 10, "completion_tokens": 5, **usage}}
    found = answer_from_reply(json.dumps(body).encode()).usage
    assert (found.input, found.output, found.cached, found.reasoning) == (10, output, cached, reasoning)


def test_parts_of_content_are_joined_and_thinking_is_set_apart() -> None:
    """Mistral's reasoning models send content as parts."""
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "42"}]
    found = answer_from_reply(json.dumps({"choices": [{"message": {"content": content}}]}).encode())
    assert (found.text, found.reasoning) == ("42", "hm")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html><body>502</body></html>", b'{"choices": [', b'{"choices": []}', b'{"choices": 3}', b"x" * 10_000_000],
    ids=["nothing", "HTML", "cut off", "no choices", "of another type", "ten megabytes"],
)
def test_what_is_no_reply_is_one_short_line(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        answer_from_reply(body)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_error_object_in_a_200_is_a_failure() -> None:
    with pytest.raises(StreamFailed, match="no quota"):
        answer_from_reply(b'{"error": {"message": "no quota", "type": "insufficient_quota"}}')
