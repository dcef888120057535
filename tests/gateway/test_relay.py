"""A stream on its way through, without sockets: what a client gets of what an upstream of OpenAI's dialect sends."""

import json
from typing import Any

import pytest

from weighbridge.gateway.relay import DONE, Relay
from weighbridge.providers.dialect import FailedCall
from weighbridge.providers.dialects import dialect_of
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Provider
from weighbridge.transport.sse import EventReader

DIALECT = dialect_of(Provider("p", "http://127.0.0.1:9", PRESETS["openai"], "k"))


def chunk(content: str | None = "Hi", finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def relayed(*reads: bytes, include_usage: bool = False) -> bytes:
    relay = Relay(DIALECT, "chat", include_usage=include_usage)
    out = b"".join(relay.feed(1.0, read) for read in reads)
    return out + relay.finish()


def said(data: bytes) -> list[Any]:
    """The documents of a stream as a client reads them, without [DONE]."""
    assert data.endswith(DONE)
    reader = EventReader()
    events = [*reader.feed(data), *reader.finish()]
    return [json.loads(event.data) for event in events[:-1]]


def lines(document: Any) -> bytes:
    """Its JSON over several lines, each of them data."""
    return b"".join(b"data: %b\n" % line.encode() for line in json.dumps(document, indent=2).split("\n")) + b"\n"


USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_chunk_over_several_lines_of_data_is_one_chunk_for_the_client(include_usage: bool) -> None:
    sent = [chunk(), chunk("there"), chunk(None, "stop"), {"id": "c", "choices": [], "usage": USAGE}]
    got = said(relayed(b"".join(map(lines, sent)), include_usage=include_usage))
    assert [one["choices"] for one in got] == [one["choices"] for one in sent[: 3 + include_usage]]
    assert [one.get("usage") for one in got] == ([None, None, None, USAGE] if include_usage else [None] * 3)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_of_every_kind_and_fields_beside_the_data_change_nothing_for_the_client(end: bytes) -> None:
    sent = [chunk(), chunk(None, "stop")]
    fields = [b": a comment", b"event: message", b"id: 7", b"retry: 100", b"other: x"]
    data = b"".join(end.join([*fields, b"data: %b" % json.dumps(one).encode(), b"", b""]) for one in sent)
    data += b"data: [DONE]" + end + end
    assert said(relayed(data)) == sent
    assert relayed(*(data[at : at + 1] for at in range(len(data)))) == relayed(data)


@pytest.mark.parametrize(
    "data", [b'{"error":{"message":"Overloaded","code":503}}', b'{"message":"Overloaded","code":"server_error"}']
)
def test_an_event_that_is_named_an_error_is_one_whatever_it_holds(data: bytes) -> None:
    with pytest.raises(FailedCall) as caught:
        relayed(b"event: error\ndata: %b\n\n" % data)
    assert caught.value.failure.error_class == "capacity"
    assert caught.value.failure.message == "Overloaded"


def test_text_that_is_no_utf8_breaks_the_stream_though_nobody_here_reads_it() -> None:
    """Every client's JSON parser would fail on it."""
    broken = json.dumps(chunk(note="@")).encode().replace(b"@", b"\xff")
    with pytest.raises(FailedCall) as caught:
        relayed(b"data: %b\n\n" % broken)
    assert caught.value.failure.error_class == "protocol"


def test_a_character_that_was_cut_by_a_read_is_whole_again() -> None:
    sent = [chunk("Grüße, 世界 🎉"), chunk(None, "stop")]
    data = b"".join(b"data: %b\n\n" % json.dumps(one, ensure_ascii=False).encode() for one in sent) + DONE
    assert said(relayed(*(data[at : at + 1] for at in range(len(data))))) == sent
