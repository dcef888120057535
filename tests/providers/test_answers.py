"""Answers of dialects that are not OpenAI's, as evaluation reads them."""

import json

import pytest

from weighbridge.providers import answers
from weighbridge.providers.dialect import FailedCall
from weighbridge.providers.dialects import dialect_of
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Provider
from weighbridge.transport.reply import Reply
from weighbridge.transport.timing import Timing

Events = list[tuple[str, dict[str, object]]]

DIALECT = dialect_of(Provider("claude", "https://api.anthropic.com/v1", PRESETS["anthropic-native"], "k" * 20))
STREAM: Events = [
    ("message_start", {"message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 9}}}),
    ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "Hel"}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "lo"}}),
    ("content_block_stop", {"index": 0}),
    ("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}}),
    ("message_stop", {}),
]


def reads(events: Events) -> list[tuple[float, bytes]]:
    lines = [f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode() for name, data in events]
    return [(10.0 + number, line) for number, line in enumerate(lines)]


def reply(events: Events) -> Reply:
    timing = Timing(9.0, 9.0, first_byte=10.0, end=20.0)
    return Reply(200, [("content-type", "text/event-stream")], timing, reads(events))


def test_a_stream_of_anthropics_is_an_answer_with_its_own_arrival_times() -> None:
    """Translation does not move a token: its time is that of the event that bore it."""
    found = answers.read(DIALECT, reply(STREAM), "chat", streamed=True)
    assert (found.text, found.finish_reason, found.complete, found.model) == ("Hello", "stop", True, "claude-x")
    assert (found.usage.input, found.usage.output) == (9, 2)
    assert found.latency is not None
    assert (found.latency.ttft, found.latency.gaps) == (3.0, (1.0,))


def test_a_cut_stream_of_anthropics_is_a_failure_that_keeps_what_came() -> None:
    with pytest.raises(FailedCall) as caught:
        answers.read(DIALECT, reply(STREAM[:4]), "chat", streamed=True)
    assert caught.value.failure.error_class == "network"
    found = answers.partial(DIALECT, reply(STREAM[:4]), "chat", 9.0)
    assert found is not None
    assert found.text == "Hello"


def test_a_whole_reply_of_anthropics_is_an_answer() -> None:
    said = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "stop_reason": "max_tokens",
        "content": [{"type": "text", "text": "Hi"}],
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    body = json.dumps(said).encode()
    whole = Reply(200, [("content-type", "application/json")], Timing(0.0, 0.0, end=1.0), [(1.0, body)])
    found = answers.read(DIALECT, whole, "chat", streamed=False)
    assert (found.text, found.finish_reason, found.usage.output) == ("Hi", "length", 1)


def test_any_status_of_success_is_an_answer() -> None:
    """Tokenomics PR #16: every 2xx."""
    body = b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}'
    plain = dialect_of(Provider("p", "http://127.0.0.1:1"))
    accepted = Reply(202, [("content-type", "application/json")], Timing(0.0, 0.0, end=1.0), [(1.0, body)])
    assert answers.read(plain, accepted, "chat", streamed=False).text == "x"
