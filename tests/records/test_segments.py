"""Segments as readers find them: torn, damaged, locked."""

import fcntl
import io
import os
from pathlib import Path

import msgspec
import pytest
from tests.records.synthetic import exchange

from weighbridge.records import segments
from weighbridge.records.exchange import Record
from weighbridge.records.segments import Segment, date_of, live, records, worker_of

LINES = [msgspec.json.encode(exchange(endpoint=name)) + b"\n" for name in ("a", "b", "c")]


def read(data: bytes) -> tuple[list[Record], list[tuple[int, bytes, str]]]:
    damaged: list[tuple[int, bytes, str]] = []
    found = list(records(io.BytesIO(data), lambda number, line, why: damaged.append((number, line, why))))
    return found, damaged


def test_every_cut_leaves_the_whole_lines_before_it() -> None:
    data = b"".join(LINES)
    for end in range(len(data) + 1):
        found, damaged = read(data[:end])
        assert len(found) == data.count(b"\n", 0, end)
        assert not damaged


def test_damaged_lines_are_told_and_the_rest_is_read() -> None:
    found, damaged = read(LINES[0] + b"{broken\n" + LINES[1] + b"\n" + b'{"t":"new"}\n' + LINES[2])
    assert len(found) == 3
    assert [(number, line) for number, line, _ in damaged] == [(2, b"{broken\n"), (4, b"\n"), (5, b'{"t":"new"}\n')]
    assert "does not know" in damaged[2][2]


def test_a_line_without_end_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_LONGEST", 2000)
    found, damaged = read(LINES[0] + b"x" * 1_000_000 + b"\n" + LINES[1])
    assert len(found) == 2
    assert [(number, len(line)) for number, line, _ in damaged] == [(2, 1024)]
    assert len(read(LINES[0] + b"x" * 1_000_000)[0]) == 1


def test_a_segment_is_locked_from_the_moment_it_is_seen(tmp_path: Path) -> None:
    segment = Segment(tmp_path, "w1", "abcdef", 1)
    segment.append(LINES[0])
    (path,) = live(tmp_path)
    with path.open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_segment_nothing_was_written_to_leaves_no_file(tmp_path: Path) -> None:
    Segment(tmp_path, "w1", "abcdef", 1).close()
    assert not live(tmp_path)


def test_short_writes_are_carried_on(tmp_path: Path) -> None:
    segment = Segment(tmp_path, "w1", "abcdef", 1, write=lambda descriptor, data: os.write(descriptor, data[:7]))
    assert segment.append(b"".join(LINES)) == (len(b"".join(LINES)), None)
    segment.close()
    assert live(tmp_path)[0].read_bytes() == b"".join(LINES)


def test_names_say_worker_and_day(tmp_path: Path) -> None:
    assert date_of("w-1-20261025T101112-0a1b2c-0003") == "2026-10-25"
    assert worker_of("w-1-20261025T101112-0a1b2c-0003") == "w-1"
    assert (date_of("copy of it"), worker_of("copy of it")) == ("undated", None)
    assert live(tmp_path / "nowhere") == []
