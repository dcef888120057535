"""Streams, both ways."""

from typing import Any

import pytest
from tests.wire.messages.anthropic_recordings import calls, put_together

from weighbridge.wire.messages import ChatFromMessages, MessagesFromChat
from weighbridge.wire.reading import StreamFailed, Unreadable

Pair = tuple[str, dict[str, Any]]


def chunk(finish: str | None = None, usage: dict[str, Any] | None = None, **delta: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "model": "gpt"}
    said["choices"] = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return said | ({"usage": usage} if usage is not None else {})


def last(prompt: int = 11, made: int = 3, **more: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": prompt, "completion_tokens": made, **more}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "gpt", "choices": [], "usage": usage}


def fragment(index: int | None = None, id_: str | None = None, name: str | None = None, arguments: Any = "") -> Any:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    said = {"index": index, "id": id_, "function": function}
    return chunk(tool_calls=[{key: value for key, value in said.items() if value is not None}])


def told(*chunks: dict[str, Any], **options: Any) -> list[Pair]:
    stream = MessagesFromChat("m", **options)
    return [pair for one in chunks for pair in stream.feed(one)] + stream.finish()


# --- chat to Messages


def test_text() -> None:
    found = told(chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), chunk("stop"), last())
    assert [event for event, _ in found] == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_delta"),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    message = put_together(found)
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert message["model"] == "m"


def test_the_end_tells_a_stop_sequence_and_all_usage() -> None:
    """vllm-project/semantic-router#3500: `stop_sequence` is there, if null; envoyproxy/ai-gateway#2352 and
    BerriAI/litellm#31069: input tokens and cache are not 0 where they are known."""
    found = told(chunk(content="x"), chunk("stop"), last(100, 3, prompt_tokens_details={"cached_tokens": 40}))
    _, data = found[-2]
    assert data["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert data["usage"] == {
        "input_tokens": 60,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 40,
        "output_tokens": 3,
    }


def test_the_start_tells_what_is_known_of_the_prompt() -> None:
    """envoyproxy/ai-gateway#2352: the gateway's own count, until the provider tells."""
    found = told(chunk(content="x"), chunk("stop"), last(100), input_tokens=97)
    assert found[0][1]["message"]["usage"]["input_tokens"] == 97
    assert found[-2][1]["usage"]["input_tokens"] == 100
    untold = told(chunk(content="x"), chunk("stop"), input_tokens=97)
    assert untold[-2][1]["usage"]["input_tokens"] == 97


def test_usage_beside_the_finish_reason_or_on_every_chunk() -> None:
    """BerriAI/litellm#36168, and servers that count as they go."""
    usage = {"prompt_tokens": 5, "completion_tokens": 1}
    found = told(chunk(content="x", usage=usage), chunk("stop", usage={**usage, "completion_tokens": 2}), last(5, 2))
    assert put_together(found)["usage"]["output_tokens"] == 2
    groq = {**chunk("stop"), "x_groq": {"usage": usage}}
    assert put_together(told(chunk(content="x"), groq))["usage"]["input_tokens"] == 5


def test_a_call_first_comes_after_message_start() -> None:
    """router-for-me/CLIProxyAPI#561; maximhq/bifrost#4556: and there is one message_start."""
    found = told(fragment(0, "a", "f", '{"x":'), fragment(0, arguments="1}"), chunk("tool_calls"), last())
    assert [event for event, _ in found].count("message_start") == 1
    assert found[0][0] == "message_start"
    assert calls(put_together(found)["content"]) == [("a", "f", {"x": 1})]


def test_a_turn_of_calls_ends_with_tool_use() -> None:
    """BerriAI/litellm#12481, #12862: whatever the server's own reason was."""
    for reason in ("tool_calls", "stop", "function_call"):
        found = put_together(told(fragment(0, "a", "f", "{}"), chunk(reason), last()))
        assert found["stop_reason"] == "tool_use"
    assert put_together(told(fragment(0, "a", "f", '{"x":1}'), chunk("length"), last()))["stop_reason"] == "max_tokens"


def test_parallel_calls_each_in_a_block() -> None:
    """BerriAI/litellm PR#37792."""
    found = told(
        chunk(content="Both."),
        fragment(0, "a", "f", ""),
        fragment(0, arguments='{"x":1}'),
        fragment(1, "b", "g", ""),
        fragment(1, arguments='{"y":2}'),
        chunk("tool_calls"),
        last(),
    )
    assert calls(put_together(found)["content"]) == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_interleaved_calls_lose_nothing() -> None:
    found = told(
        fragment(0, "a", "f", ""),
        fragment(1, "b", "g", ""),
        fragment(0, arguments='{"x":'),
        fragment(1, arguments='{"y":'),
        fragment(0, arguments="1}"),
        fragment(1, arguments="2}"),
        chunk("tool_calls"),
        last(),
    )
    assert calls(put_together(found)["content"]) == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_calls_that_are_all_numbered_0() -> None:
    found = told(fragment(0, "a", "f", '{"x":1}'), fragment(0, "b", "g", '{"y":2}'), chunk("tool_calls"), last())
    assert calls(put_together(found)["content"]) == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_a_new_id_on_each_fragment_is_still_one_call() -> None:
    """BerriAI/litellm PR#40040; Portkey-AI/gateway PR#1537: fragments without id or index belong to the last call."""
    renamed = told(fragment(0, "a", "f", '{"x"'), fragment(0, "b", arguments=":1}"), chunk("tool_calls"), last())
    assert calls(put_together(renamed)["content"]) == [("a", "f", {"x": 1})]
    bare = told(fragment(None, "a", "f", '{"x"'), fragment(arguments=":1}"), chunk("tool_calls"), last())
    assert calls(put_together(bare)["content"]) == [("a", "f", {"x": 1})]


def test_a_call_without_an_id_gets_one_of_this_message() -> None:
    found = put_together(told(chunk(function_call={"name": "f", "arguments": "{}"}), chunk("function_call"), last()))
    assert calls(found["content"]) == [("call_c1_0", "f", {})]


def test_arguments_sent_as_an_object() -> None:
    """BerriAI/litellm PR#37792."""
    found = put_together(told(fragment(0, "a", "f", {"x": 1}), chunk("tool_calls"), last()))
    assert calls(found["content"]) == [("a", "f", {"x": 1})]


def test_text_after_a_call_is_a_block_of_its_own() -> None:
    found = put_together(told(fragment(0, "a", "f", "{}"), chunk(content="Done."), chunk("tool_calls"), last()))
    assert [block["type"] for block in found["content"]] == ["tool_use", "text"]


def test_more_of_a_call_that_has_ended_is_no_stream() -> None:
    stream = MessagesFromChat("m")
    for one in (fragment(0, "a", "f", "{}"), fragment(1, "b", "g", "{}")):
        stream.feed(one)
    with pytest.raises(Unreadable, match="had ended"):
        stream.feed(fragment(0, arguments="{}"))


def test_thoughts_come_before_the_text_and_keep_their_signature() -> None:
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}
    found = told(
        chunk(reasoning_content="H"),
        chunk(reasoning="m."),
        chunk(thinking_blocks=[signed]),
        chunk(content="Yes"),
        chunk("stop"),
        last(),
    )
    assert put_together(found)["content"] == [signed, {"type": "text", "text": "Yes"}]


def test_thoughts_as_parts_of_content() -> None:
    """As Mistral streams them."""
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]
    found = put_together(told(chunk(content=parts), chunk(content="Yes"), chunk("stop"), last()))
    assert [block["type"] for block in found["content"]] == ["thinking", "text"]


def test_a_refusal_is_text_and_ends_as_one() -> None:
    found = put_together(told(chunk(refusal="I can"), chunk(refusal="not."), chunk("stop"), last()))
    assert found["content"] == [{"type": "text", "text": "I cannot."}]
    assert found["stop_reason"] == "refusal"


def test_an_error_among_the_chunks_is_raised() -> None:
    """diegosouzapw/OmniRoute PR#8210: with `choices: []` beside it."""
    stream = MessagesFromChat("m")
    stream.feed(chunk(content="x"))
    with pytest.raises(StreamFailed, match="no luck"):
        stream.feed({"error": {"message": "no luck"}, "choices": []})


def test_what_comes_after_the_end_is_not_told() -> None:
    stream = MessagesFromChat("m")
    for one in (chunk(content="x"), chunk("stop"), last()):
        stream.feed(one)
    assert stream.finished
    assert stream.feed(last()) == []
    assert stream.finish() == []


def test_a_cut_stream_gets_no_end() -> None:
    """Portkey-AI/gateway#1797."""
    assert [event for event, _ in told(chunk(content="x"))][-1] == "content_block_delta"


# --- Messages to chat


def start(**usage: int) -> Pair:
    message = {"id": "msg_1", "model": "claude", "usage": usage or {"input_tokens": 9, "output_tokens": 1}}
    return "message_start", {"type": "message_start", "message": message}


def begin(index: int, **block: Any) -> Pair:
    return "content_block_start", {"type": "content_block_start", "index": index, "content_block": block}


def grow(index: int, **delta: Any) -> Pair:
    return "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index: int) -> Pair:
    return "content_block_stop", {"type": "content_block_stop", "index": index}


def end(reason: str, **usage: int) -> list[Pair]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    usage = usage or {"output_tokens": 4}
    return [
        ("message_delta", {"type": "message_delta", "delta": delta, "usage": usage}),
        ("message_stop", {"type": "message_stop"}),
    ]


def chunks(*pairs: Pair) -> list[dict[str, Any]]:
    stream = ChatFromMessages(created=5)
    return [one for event, data in pairs for one in stream.feed(event, data)] + stream.finish()


def test_parallel_calls_are_numbered() -> None:
    """BerriAI/litellm PR#37792: 0, 1, … among the calls, whatever stands before; PR#40040: an id is said once."""
    found = chunks(
        start(),
        begin(0, type="text", text=""),
        grow(0, type="text_delta", text="Both."),
        stop(0),
        begin(1, type="tool_use", id="a", name="f", input={}),
        grow(1, type="input_json_delta", partial_json=""),
        grow(1, type="input_json_delta", partial_json='{"x":1}'),
        stop(1),
        begin(2, type="tool_use", id="b", name="g", input={}),
        stop(2),
        *end("tool_use"),
    )
    calls_ = [call for one in found for choice in one["choices"] for call in choice["delta"].get("tool_calls", ())]
    assert [(call["index"], call.get("id"), call["function"]["arguments"]) for call in calls_] == [
        (0, "a", ""),
        (0, None, '{"x":1}'),
        (1, "b", ""),
        (1, None, "{}"),
    ]
    assert found[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_call_first_still_begins_with_the_role() -> None:
    """router-for-me/CLIProxyAPI#561, the other way."""
    found = chunks(start(), begin(0, type="tool_use", id="a", name="f", input={"x": 1}), stop(0), *end("tool_use"))
    assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert found[2]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == '{"x":1}'


def test_truncation_is_length() -> None:
    """maximhq/bifrost#6782."""
    found = chunks(start(), begin(0, type="text", text="Hel"), stop(0), *end("max_tokens"))
    assert found[-2]["choices"][0]["finish_reason"] == "length"


def test_a_nothing_never_takes_the_place_of_a_count() -> None:
    """BerriAI/litellm#31069, envoyproxy/ai-gateway#2352."""
    begun = start(input_tokens=9, cache_read_input_tokens=20, cache_creation_input_tokens=30, output_tokens=1)
    found = chunks(begun, *end("end_turn", input_tokens=0, cache_read_input_tokens=0, output_tokens=4))
    assert found[-1]["usage"]["prompt_tokens"] == 59
    assert found[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 20, "cache_creation_tokens": 30}
    late = chunks(start(input_tokens=0, output_tokens=0), *end("end_turn", input_tokens=9, output_tokens=4))
    assert late[-1]["usage"]["prompt_tokens"] == 9


def test_a_second_start_and_new_events_say_nothing() -> None:
    """maximhq/bifrost#4556."""
    found = chunks(start(), start(), ("ping", {"type": "ping"}), ("weather", {"type": "weather"}), *end("end_turn"))
    assert len(found) == 3


def test_an_error_event_is_raised() -> None:
    """BerriAI/litellm#5512, Portkey-AI/gateway#722."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(StreamFailed, match="Overloaded") as caught:
        chunks(start(), ("error", error))
    assert b"overloaded_error" in caught.value.body


@pytest.mark.parametrize(
    "pair",
    [
        ("message_start", {"type": "message_start", "message": 5}),
        ("content_block_start", {"type": "content_block_start", "index": 0}),
        ("content_block_start", {"type": "content_block_start", "content_block": {"type": "text"}}),
        grow(7, type="input_json_delta", partial_json="{}"),
        grow(0, type="text_delta"),
        ("content_block_delta", {"type": "content_block_delta", "index": 0}),
        ("message_delta", {"type": "message_delta", "delta": []}),
    ],
)
def test_what_is_no_event_is_unreadable(pair: Pair) -> None:
    with pytest.raises(Unreadable):
        chunks(pair)
