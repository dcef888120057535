"""Every recorded exchange with Anthropic, and every recorded chat, through the translation and back."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.wire.messages.anthropic_recordings import (
    calls,
    events,
    exchanges,
    meaning,
    put_together,
    sdk_model,
    streamed,
    text,
)
from tests.wire.recorded import chunks as chat_chunks
from tests.wire.recorded import exchanges as chat_exchanges
from tests.wire.recorded import streamed as chat_streamed

from weighbridge.wire.documents import ChatReply, Chunk, assemble
from weighbridge.wire.messages import (
    ChatFromMessages,
    MessagesFromChat,
    chat_from_messages,
    chat_reply_from_messages,
    messages_from_chat,
    messages_reply_from_chat,
)
from weighbridge.wire.reading import StreamFailed, answer_from_events, answer_from_reply

FINISH = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "stop_sequence": "stop"}


def said_by(request: dict[str, Any]) -> dict[str, Any]:
    """A Messages request with the several ways to say one thing made one."""
    said = {name: value for name, value in request.items() if value not in (None, [], False)}
    said["messages"] = _merged([_turn(message) for message in request["messages"]])
    if isinstance(said.get("system"), str):
        said["system"] = [{"type": "text", "text": said["system"]}]
    if "tools" in said:
        said["tools"] = [{k: v for k, v in tool.items() if v not in (None, "")} for tool in said["tools"]]
    if "output_format" in said:
        said["output_config"] = {"format": said.pop("output_format")}
    return said


def _turn(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    said = [{k: v for k, v in block.items() if (k, v) != ("is_error", False)} for block in blocks]
    return {"role": message["role"], "content": said}


def _merged(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns of one role that follow each other are one turn to this API."""
    merged: list[dict[str, Any]] = []
    for turn in turns:
        if merged and merged[-1]["role"] == turn["role"] == "user":
            merged[-1]["content"] = merged[-1]["content"] + turn["content"]
        else:
            merged.append(turn)
    return merged


def test_every_recorded_request_survives_there_and_back(shared_data: Path) -> None:
    """Server tools, thoughts with their signatures, caching marks, files, citations and mid-conversation system
    messages included; and nothing of it is named as unsaid."""
    count = 0
    for row in exchanges(shared_data):
        back, cannot = messages_from_chat(chat_from_messages(row["request"]))
        assert cannot == []
        assert said_by(back) == said_by(row["request"]), row["file"]
        count += 1
    assert count > 180


def test_every_recorded_reply_is_a_valid_chat_completion_that_says_the_same(shared_data: Path) -> None:
    """Text, calls of tools (api7/aisix#170), usage and stop reason; validated by OpenAI's SDK where it is installed."""
    validate = sdk_model("openai.types.chat", "ChatCompletion")
    count = 0
    for row in exchanges(shared_data):
        if streamed(row):
            continue
        reply = json.loads(row["response_body"])
        chat = chat_reply_from_messages(reply, created=1)
        if validate is not None:
            validate(chat)
        answer = answer_from_reply(json.dumps(chat).encode())
        assert answer.text == text(reply["content"])
        found = [(call.id, call.name, json.loads(call.arguments)) for call in answer.tool_calls]
        assert found == calls(reply["content"])
        assert answer.finish_reason == FINISH[reply["stop_reason"]]
        usage = reply["usage"]
        read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
        assert answer.usage.input == usage["input_tokens"] + (read or 0) + (written or 0)
        assert (answer.usage.cached, answer.usage.cache_write) == (read, written)
        assert answer.usage.output == usage["output_tokens"]
        count += 1
    assert count > 150


def test_every_recorded_reply_survives_there_and_back(shared_data: Path) -> None:
    validate = sdk_model("anthropic.types.beta", "BetaMessage")
    for row in exchanges(shared_data):
        if streamed(row):
            continue
        reply = json.loads(row["response_body"])
        back = messages_reply_from_chat(chat_reply_from_messages(reply), reply["model"])
        if validate is not None:
            validate(back)
        assert meaning(back["content"]) == meaning(reply["content"])
        assert {name: back["usage"][name] for name in reply["usage"]} == reply["usage"]
        assert back["stop_reason"] == reply["stop_reason"]
        assert back["stop_sequence"] == reply["stop_sequence"]
        assert back["id"] == reply["id"]


def test_every_recorded_stream_is_a_valid_stream_of_chunks_that_says_the_same(shared_data: Path) -> None:
    """The last chunk has no choices and all usage (litellm#8450), the prompt's tokens are never 0 (litellm#31069), and
    put together it reads like the reply would have."""
    validate = sdk_model("openai.types.chat", "ChatCompletionChunk")
    count = 0
    for row in exchanges(shared_data):
        if not streamed(row):
            continue
        message = put_together(pair for pair in events(row["response_body"]) if pair[0] != "ping")
        stream = ChatFromMessages(created=1)
        chunks = [chunk for event, data in events(row["response_body"]) for chunk in stream.feed(event, data)]
        assert stream.finished
        assert stream.finish() == []
        if validate is not None:
            for chunk in chunks:
                validate(chunk)
        assert chunks[-1]["choices"] == []
        assert [bool(chunk["choices"]) for chunk in chunks].count(False) == 1
        assert chunks[0]["usage"]["prompt_tokens"] > 0
        assert chunks[-1]["usage"] == chat_reply_from_messages(message)["usage"]
        answer = answer_from_events([(1.0, json.dumps(chunk).encode()) for chunk in chunks], intended=0.0)
        assert answer.text == text(message["content"])
        found = [(call.id, call.name, json.loads(call.arguments)) for call in answer.tool_calls]
        assert found == calls(message["content"])
        assert answer.finish_reason == FINISH[message["stop_reason"]]
        thoughts = [block["thinking"] for block in message["content"] if block["type"] == "thinking"]
        assert answer.reasoning == "".join(thoughts)
        count += 1
    assert count > 20


def test_every_recorded_stream_survives_there_and_back(shared_data: Path) -> None:
    """Thoughts and their signatures, citations and the server's own blocks included, each in its place."""
    validate = sdk_model("anthropic.types.beta", "BetaMessage")
    for row in exchanges(shared_data):
        if not streamed(row):
            continue
        message = put_together(pair for pair in events(row["response_body"]) if pair[0] != "ping")
        there, back = ChatFromMessages(), MessagesFromChat()
        chunks = [chunk for event, data in events(row["response_body"]) for chunk in there.feed(event, data)]
        found = put_together([pair for chunk in chunks for pair in back.feed(chunk)] + back.finish())
        if validate is not None and "web_search_requests" not in str(message["usage"]):  # older than the SDK
            validate(found)
        assert meaning(found["content"]) == meaning(message["content"]), row["file"]
        assert found["stop_reason"] == message["stop_reason"]
        assert {name: found["usage"][name] for name in message["usage"]} == message["usage"]


def test_a_stream_put_together_is_a_reply_that_loses_nothing(shared_data: Path) -> None:
    """A cached stream may be asked for whole."""
    for row in exchanges(shared_data):
        if not streamed(row):
            continue
        message = put_together(pair for pair in events(row["response_body"]) if pair[0] != "ping")
        stream = ChatFromMessages()
        chunks = [chunk for event, data in events(row["response_body"]) for chunk in stream.feed(event, data)]
        whole = assemble(Chunk(chunk) for chunk in chunks)
        back = messages_reply_from_chat(whole.raw, "m")
        assert text(back["content"]) == text(message["content"])
        assert calls(back["content"]) == calls(message["content"])
        kinds = sorted(block["type"] for block in message["content"] if block["type"] != "text")
        assert sorted(block["type"] for block in back["content"] if block["type"] != "text") == kinds


# --- chat there and back


def test_every_recorded_chat_request_is_said_or_named(shared_data: Path) -> None:
    """Who speaks, in which order, and what; each tool by name; each field said or named."""
    count = 0
    for row in chat_exchanges(shared_data):
        body = row["request_body"]
        request = json.loads(body) if isinstance(body, str) else body
        if "messages" not in request or row["status"] != 200:
            continue
        said, cannot = messages_from_chat(request)
        back = chat_from_messages(said)
        texts = [_texts(message) for message in request["messages"] if message["role"] not in {"system", "developer"}]
        assert [t for t in map(_texts, _spoken(back)) if t] == [t for t in texts if t]
        named = [
            tool["function"]["name"]
            for tool in request.get("tools") or ()
            if tool.get("type", "function") == "function"
        ]
        assert [tool["function"]["name"] for tool in back.get("tools", ()) if "function" in tool] == named
        for name in ("logprobs", "seed", "logit_bias", "presence_penalty"):
            assert not request.get(name) or name in cannot
        count += 1
    assert count > 400


def _spoken(chat: dict[str, Any]) -> list[dict[str, Any]]:
    return [message for message in chat["messages"] if message["role"] != "system"]


def _texts(message: dict[str, Any]) -> tuple[Any, ...]:
    content = message.get("content")
    parts = [content] if isinstance(content, str) else [part.get("text") or "" for part in content or ()]
    called = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}"))
        for call in message.get("tool_calls") or ()
        if "function" in call
    ]
    return (message["role"], "".join(parts), *called) if any(parts) or called else ()


def test_every_recorded_chat_reply_keeps_its_meaning(shared_data: Path) -> None:
    validate = sdk_model("anthropic.types", "Message")
    count = 0
    for row in chat_exchanges(shared_data):
        if chat_streamed(row) or row["status"] != 200 or "messages" not in row["request_body"]:
            continue
        before = answer_from_reply(row["response_body"].encode())
        reply = messages_reply_from_chat(ChatReply.decode(row["response_body"].encode()).raw, "m")
        if validate is not None and reply["stop_reason"] != "compaction":
            validate(reply)
        after = answer_from_reply(json.dumps(chat_reply_from_messages(reply)).encode())
        assert after.text == before.text + (before.refusal or "")
        assert [(call.name, json.loads(call.arguments)) for call in after.tool_calls] == [
            (call.name, json.loads(call.arguments or "{}")) for call in before.tool_calls
        ]
        assert [call.id for call in after.tool_calls if not call.id.startswith("call_chatcmpl")] == [
            call.id for call in before.tool_calls if call.id
        ]
        assert after.usage.input == before.usage.input
        assert after.usage.output == before.usage.output
        assert (after.usage.cached or 0) == (before.usage.cached or 0)
        if before.refusal is None and not before.tool_calls:
            assert after.finish_reason == {"eos": "stop"}.get(str(before.finish_reason), before.finish_reason)
        count += 1
    assert count > 300


def test_every_recorded_chat_stream_keeps_its_meaning(shared_data: Path) -> None:
    """One message_start (bifrost#4556), blocks one after the other, and one end."""
    count = 0
    for row in chat_exchanges(shared_data):
        if not chat_streamed(row) or row["status"] != 200 or "messages" not in row["request_body"]:
            continue
        chunks = chat_chunks(row["response_body"])
        before = answer_from_events(
            [(1.0, json.dumps(chunk).encode()) for chunk in chunks if "error" not in chunk], intended=0
        )
        stream = MessagesFromChat("m", input_tokens=7)
        try:
            events_ = [pair for chunk in chunks for pair in stream.feed(chunk)] + stream.finish()
        except StreamFailed:
            assert any("error" in chunk for chunk in chunks)
            continue
        message = put_together(events_)
        after = answer_from_reply(json.dumps(chat_reply_from_messages(message)).encode())
        assert after.text == before.text
        assert [(call.name, json.loads(call.arguments)) for call in after.tool_calls] == [
            (call.name, json.loads(call.arguments or "{}")) for call in before.tool_calls
        ]
        assert after.usage.output == (before.usage.output or 0)
        assert after.usage.input == (before.usage.input if before.usage.input is not None else 7)
        if not before.tool_calls:
            assert after.finish_reason == before.finish_reason
        count += 1
    assert count > 50


def test_a_stream_split_anywhere_reads_the_same(shared_data: Path) -> None:
    """Cut at every byte, through the reader of events (vllm-project/aibrix PR#2653)."""
    from weighbridge.transport.sse import EventReader

    rows = sorted((row for row in exchanges(shared_data) if streamed(row)), key=lambda row: len(row["response_body"]))
    for row in rows[:6]:
        body = row["response_body"].encode()
        whole = _chunks_of([body])
        for cut in range(1, len(body)):
            reader = EventReader()
            pieces = reader.feed(body[:cut]) + reader.feed(body[cut:]) + reader.finish()
            assert len(pieces) == len(events(row["response_body"]))
        for size in (1, 7, 64):
            assert _chunks_of([body[at : at + size] for at in range(0, len(body), size)]) == whole


def _chunks_of(reads: list[bytes]) -> list[dict[str, Any]]:
    from weighbridge.transport.sse import EventReader

    reader, stream = EventReader(), ChatFromMessages()
    found = [event for read in reads for event in reader.feed(read)] + reader.finish()
    return [chunk for event in found for chunk in stream.feed(event.event.decode(), json.loads(event.data))]


@pytest.mark.parametrize("missing", ["message_stop", "message_delta"])
def test_a_cut_stream_is_never_given_an_end(shared_data: Path, missing: str) -> None:
    """Portkey-AI/gateway#1797: a cut must not look like an answer; what was told of usage is still told."""
    row = next(row for row in exchanges(shared_data) if streamed(row))
    stream, back = ChatFromMessages(), MessagesFromChat()
    pairs = events(row["response_body"])
    kept = pairs[: next(place for place, (event, _) in enumerate(pairs) if event == missing)]
    chunks = [chunk for event, data in kept for chunk in stream.feed(event, data)] + stream.finish()
    assert not stream.finished
    assert chunks[-1]["usage"]["prompt_tokens"] > 0
    told = [event for chunk in chunks for event, _ in back.feed(chunk)] + [event for event, _ in back.finish()]
    assert ("message_stop" in told) is (missing == "message_stop")
