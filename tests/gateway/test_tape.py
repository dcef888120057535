"""Streams taken down and played again."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.worlds import reply
from tests.wire.recorded import chunks as recorded_chunks
from tests.wire.recorded import exchanges, streamed

from weighbridge.gateway.tape import Tape, played, usage_said
from weighbridge.wire.answer import Usage

MUCH = 2**20


def chunks(data: bytes) -> list[dict[str, Any]]:
    """Of a whole stream, which must end as one."""
    events = data.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def taken(data: bytes, usage: Usage | None = None, most: int = MUCH) -> Any:
    tape = Tape(most)
    for at in range(0, len(data), 7):
        tape.write(data[at : at + 7])
    body = tape.reply(usage or Usage())
    return None if body is None else json.loads(body)


def stream(*said: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in said) + b"data: [DONE]\n\n"


def test_a_stream_begins_with_the_role_and_ends_with_the_finish_reason() -> None:
    said = chunks(played(reply("A text that is long enough to be sent in more than one piece"), include_usage=False))
    assert said[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [one["choices"][0]["finish_reason"] for one in said] == [None] * (len(said) - 1) + ["stop"]
    assert len(said) > 3
    assert all(one["object"] == "chat.completion.chunk" and one["id"] == "chatcmpl-1" for one in said)
    assert not any("usage" in one for one in said)


def test_usage_is_the_last_chunk_where_it_was_asked_for() -> None:
    """litellm#8450: null on every chunk, then once, on a chunk without choices."""
    said = chunks(played(reply(), include_usage=True))
    assert [one["usage"] for one in said[:-1]] == [None] * (len(said) - 1)
    assert said[-1]["choices"] == []
    assert said[-1]["usage"]["total_tokens"] == 5


def test_reasoning_and_cached_tokens_survive_both_ways() -> None:
    """Litellm PR#42244: usage details were lost on the way through a cache."""
    usage = Usage(input=9, output=5, cached=4, reasoning=2)
    whole = taken(stream({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}), usage)
    assert whole["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    again = chunks(played(json.dumps(whole).encode(), include_usage=True))
    assert again[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


def test_what_the_stream_says_of_usage_is_believed_first() -> None:
    told = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "vendor_words": 3}
    whole = taken(stream({"choices": [], "usage": told}), Usage(input=9, output=9))
    assert whole["usage"] == told


def test_parallel_tool_calls_are_played_each_under_its_own_index() -> None:
    """Litellm PR#37792: parallel tool calls all at index 0, arguments as an object."""
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": f"f{n}", "arguments": '{"a": ' + "1" * 60 + "}"}}
        for n in range(2)
    ]
    body = reply("", "tool_calls", tool_calls=calls)
    deltas = [one["choices"][0]["delta"] for one in chunks(played(body, include_usage=False))]
    fragments = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert {call["index"] for call in fragments} == {0, 1}
    assert all(isinstance(call["function"]["arguments"], str) for call in fragments)
    assert taken(played(body, include_usage=True))["choices"][0]["message"]["tool_calls"] == calls


def test_a_tool_call_that_carries_more_than_we_can_join_is_not_kept() -> None:
    """Gemini's thought signatures ride on tool calls; an answer without them is refused on the next turn."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    delta = {"tool_calls": [{**call, "extra_content": {"google": {"thought_signature": "s"}}}]}
    assert taken(stream({"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]})) is None
    whole = reply("", "tool_calls", tool_calls=[{**call, "extra_content": {"x": 1}}])
    first = [one["choices"][0]["delta"] for one in chunks(played(whole, include_usage=False))][1]
    assert first["tool_calls"][0]["extra_content"] == {"x": 1}


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"message": "overloaded"}},
        {"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "x"}]}}]},
        {"choices": [{"index": 0, "delta": {"audio": {"data": "AAAA"}}}]},
        {"choices": [{"index": 0, "delta": "x"}]},
    ],
    ids=["error", "parts", "audio", "nonsense"],
)
def test_a_stream_that_cannot_be_joined_without_a_loss_is_not_kept(said: dict[str, Any]) -> None:
    assert taken(stream(said)) is None


def test_a_stream_longer_than_the_tape_is_not_kept() -> None:
    data = played(reply("x" * 500), include_usage=False)
    assert taken(data, most=len(data)) is not None
    assert taken(data, most=len(data) - 1) is None


def test_a_text_completion_is_played_as_text() -> None:
    body = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "usage": None}
    choices = [{"index": n, "text": "word " * 30, "finish_reason": "length", "logprobs": None} for n in range(2)]
    data = played(json.dumps({**body, "choices": choices}).encode(), include_usage=False)
    assert all(one["object"] == "text_completion" for one in chunks(data))
    assert taken(data)["choices"] == choices


def test_nothing_is_said_of_usage_that_nobody_knows() -> None:
    assert usage_said(Usage()) is None
    assert usage_said(Usage(input=1, output=2)) == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


words = st.text(max_size=200)
tokens = st.integers(0, 10**6)
functions = st.fixed_dictionaries({"name": st.text("abc", min_size=1), "arguments": words})
messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | words},
    optional={
        "reasoning_content": st.text(min_size=1, max_size=99),
        "refusal": st.text(min_size=1, max_size=99),
        "annotations": st.lists(st.fixed_dictionaries({"url": words}), min_size=1, max_size=3),
        "tool_calls": st.lists(functions, min_size=1, max_size=4).map(
            lambda calls: [{"id": f"call_{n}", "type": "function", "function": one} for n, one in enumerate(calls)]
        ),
    },
)
logprobs = st.lists(st.fixed_dictionaries({"token": words, "logprob": st.floats(-9, 0)}), min_size=1, max_size=4)
choices = st.lists(
    st.fixed_dictionaries(
        {"message": messages, "finish_reason": st.sampled_from(["stop", "length", "tool_calls"])},
        optional={"logprobs": st.fixed_dictionaries({"content": logprobs}), "stop_reason": words},
    ),
    min_size=1,
    max_size=3,
)


@given(choices, tokens, tokens, st.dictionaries(st.sampled_from(["system_fingerprint", "citations"]), words))
def test_what_is_played_and_taken_down_is_the_same_reply(
    said: list[dict[str, Any]], given_: int, made: int, more: dict[str, str]
) -> None:
    usage = {"prompt_tokens": given_, "completion_tokens": made, "total_tokens": given_ + made}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", **more, "usage": usage}
    body["choices"] = [{"index": n, **one} for n, one in enumerate(said)]
    assert taken(played(json.dumps(body).encode(), include_usage=True)) == body


def test_recorded_streams_read_the_same_from_a_tape_as_they_came(shared_data: Path) -> None:
    """Every recorded stream that is kept says the same text when it is played again."""
    kept = 0
    for row in exchanges(shared_data):
        if not streamed(row) or row["uri"].partition("?")[0].endswith("/v1/completions"):
            continue
        whole = taken(row["response_body"].encode(), most=2**24)
        if whole is None:
            continue
        kept += 1
        again = chunks(played(json.dumps(whole).encode(), include_usage=True))
        assert _text(again) == _text(recorded_chunks(row["response_body"]))
    assert kept > 20


def _text(said: list[dict[str, Any]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for one in said:
        for choice in one.get("choices") or ():
            delta = choice.get("delta") or {}
            found[choice["index"]] = found.get(choice["index"], "") + (delta.get("content") or choice.get("text") or "")
    return found
