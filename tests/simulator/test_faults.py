"""Faults: which request is struck."""

import random

import pytest

from weighbridge.simulator import faults
from weighbridge.simulator.faults import Faults
from weighbridge.simulator.settings import Fault


def struck(schedule: Faults, count: int, *, stream: bool = True) -> list[str | None]:
    found = [schedule.strike(stream=stream) for _ in range(count)]
    return [fault.kind if fault else None for fault in found]


def test_a_share_of_requests_is_struck_and_the_same_ones_for_an_equal_seed() -> None:
    one, two = (Faults([Fault(kind="500", share=0.3)], random.Random(4)) for _ in range(2))
    first = struck(one, 2_000)
    assert first == struck(two, 2_000)
    assert 500 < first.count("500") < 700


def test_a_burst_has_a_beginning_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(faults, "monotonic", lambda: now[0])
    schedule = Faults([Fault(kind="429", since=10, until=20)], random.Random(1))
    seen = []
    for now[0] in (50.0, 59.9, 60.0, 69.9, 70.0):
        seen += struck(schedule, 1)
    assert seen == [None, None, "429", "429", None]
    schedule.restart()
    now[0] = 81.0
    assert struck(schedule, 1) == ["429"]


def test_first_and_every_count_requests_and_a_restart_counts_anew() -> None:
    schedule = Faults([Fault(kind="500", first=1), Fault(kind="cut", every=3)], random.Random(1))
    pattern = ["500", None, "cut", None, None, "cut"]
    assert struck(schedule, 6) == pattern
    schedule.restart()
    assert struck(schedule, 6) == pattern


def test_a_whole_reply_has_no_done_to_miss() -> None:
    schedule = Faults([Fault(kind="no_done"), Fault(kind="500")], random.Random(1))
    assert struck(schedule, 1, stream=True) == ["no_done"]
    assert struck(schedule, 1, stream=False) == ["500"]


def test_bent_streams_keep_what_came_before() -> None:
    pieces = [b"0", b"1", b"2", b"3"]
    assert faults.bend(Fault(kind="cut", after=2), pieces) == [b"0", b"1"]
    assert faults.bend(Fault(kind="stall", after=0), pieces) == []
    assert faults.bend(Fault(kind="cut", after=9), pieces) == pieces
    malformed = faults.bend(Fault(kind="malformed", after=1), pieces)
    assert (malformed[0], malformed[2:]) == (b"0", [b"2", b"3"])
    event = faults.bend(Fault(kind="error_event", after=1), pieces)
    assert len(event) == 2
    assert b'"error"' in event[1]
    assert faults.bend(Fault(kind="no_done"), pieces) == pieces
