"""Server-sent events: any split of the bytes gives the same events."""

import gzip
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.transport.sse import Event, EventReader, EventTooLong, stamped_events

PIECES = st.sampled_from(
    [
        b"data: one\n\n",
        b"data:two\r\n\r\n",
        b": comment\n",
        b"data: a\ndata: b\n\n",
        b"event: error\ndata: {}\n\n",
        b"id: 7\rdata: x\r\r",
        b"retry: 5\n\n",
        "data: é€🙂\n\n".encode(),
        b"data\n\n",
        b"\n",
        b"data: [DONE]\n\n",
    ]
)


def read(data: bytes, *cuts: int) -> list[Event]:
    reader = EventReader()
    found: list[Event] = []
    start = 0
    for cut in [*sorted(cuts), len(data)]:
        found += reader.feed(data[start:cut])
        start = cut
    return found + reader.finish()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: a\n\n", [Event(b"a")]),
        (b"data:a\n\ndata:  b\n\n", [Event(b"a"), Event(b" b")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [Event(b"a"), Event(b"b"), Event(b"c")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
        (b": hello\n\ndata: a\n\n", [Event(b"a")]),
        (b"data: a\ndata: b\n\n", [Event(b"a\nb")]),
        (b"event: error\ndata: {}\n\n", [Event(b"{}", b"error")]),
        (b"id: 3\nretry: 10\ndata: a\n\n", [Event(b"a", b"", b"3")]),
        (b"data\n\n", [Event(b"")]),
        (b"event: ping\n\n", []),
        (b"data: a", [Event(b"a")]),
        (b"data: a\n", [Event(b"a")]),
        (b"", []),
    ],
)
def test_events_are_read_as_the_standard_says(data: bytes, expected: list[Event]) -> None:
    """And a last event whose blank line never came is not lost."""
    assert read(data) == expected


@given(st.lists(PIECES, max_size=8).map(b"".join), st.data())
def test_any_split_gives_the_same_events(data: bytes, draw: st.DataObject) -> None:
    """In the middle of a character, of CRLF, anywhere (aibrix#2653)."""
    cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=12))
    assert read(data, *cuts) == read(data)
    assert read(data, *range(len(data))) == read(data)


def test_recorded_streams_cut_at_every_byte_give_the_same_events(shared_data: Path) -> None:
    with gzip.open(shared_data / "wire" / "recorded.jsonl.gz", "rt") as file:
        bodies = [json.loads(line)["response_body"] for line in file]
    streams = [body.encode() for body in bodies if body.lstrip().startswith(("data:", "event:", ":"))]
    assert len(streams) > 100
    for stream in streams:
        whole = read(stream)
        assert whole
        for cut in range(0, len(stream), 1 if len(stream) < 3000 else 211):
            assert read(stream, cut) == whole


def test_an_event_arrives_with_the_read_that_completes_it() -> None:
    reads = [
        (1.0, b"data: a\n\nda"),
        (2.0, b"ta: b\n"),
        (3.0, b"\ndata: c\n\n"),
        (4.0, b"data: d\n\n"),
        (5.0, b"data: e"),
    ]
    assert stamped_events(reads) == [(1.0, b"a"), (3.0, b"b"), (3.0, b"c"), (4.0, b"d"), (5.0, b"e")]


@given(st.lists(PIECES, max_size=8).map(b"".join), st.data())
def test_stamping_finds_the_events_that_reading_finds(data: bytes, draw: st.DataObject) -> None:
    """The short cut for one event a read changes nothing."""
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    edges = [0, *cuts, len(data)]
    reads = [(float(place), data[start:end]) for place, (start, end) in enumerate(itertools.pairwise(edges))]
    assert [one for _, one in stamped_events(reads)] == [event.data for event in read(data)]


def test_an_event_that_never_ends_is_refused() -> None:
    reader = EventReader(limit=1000)
    for _ in range(20):
        assert reader.feed(b"data: " + b"x" * 50 + b"\n") == []
    with pytest.raises(EventTooLong, match="1000 bytes"):
        reader.feed(b"data: x\n")
    with pytest.raises(EventTooLong):
        EventReader(limit=1000).feed(b"data: " + b"x" * 2000)
