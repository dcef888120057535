"""Windows and gates: never too many in any window, and no more than a thirtieth longer than it."""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from weighbridge.gateway.admission.board import Board
from weighbridge.gateway.admission.limits import RING, SLICES, Gate, Limits, Window
from weighbridge.gateway.admission.rules import Limit

NOW = 1_800_000_000.0
WORKERS = 3


def windows(limit: Limit, workers: int = 1) -> list[Window]:
    board = Board(None, workers + 1)
    return [Window(limit, board, "w", seat) for seat in range(1, workers + 1)]


@dataclass
class Event:
    time: float
    amount: int
    counted: int


class Windowed(RuleBasedStateMachine):
    """Three workers at one limit, with takes, settlements up and down, and time that goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = Limit("tokens", 100, 60)
        self.workers = windows(self.limit, WORKERS)
        self.flying: list[tuple[int, Event]] = []
        self.events: list[Event] = []
        self.now = NOW

    @rule(worker=st.integers(0, WORKERS - 1), amount=st.integers(0, 60))
    def take(self, worker: int, amount: int) -> None:
        net = sum(event.amount for event in self.events if event.time > self.now - 60)
        if self.workers[worker].take(amount, self.now):
            assert net + amount <= self.limit.amount, "too many in a window"
            self.events.append(Event(self.now, amount, amount))
            self.flying.append((worker, self.events[-1]))
            return
        longest = 60 * (SLICES + 1) / SLICES + 0.02
        counted = sum(event.counted for event in self.events if event.time > self.now - longest)
        assert counted + amount > self.limit.amount, "refused with room"

    @rule(which=st.integers(0, 50), spent=st.integers(0, 120))
    def settle(self, which: int, spent: int) -> None:
        if not self.flying:
            return
        worker, event = self.flying.pop(which % len(self.flying))
        self.workers[worker].correct(spent - event.amount, event.time, self.now)
        if spent > event.amount:
            self.events.append(Event(self.now, spent - event.amount, spent - event.amount))
        else:
            event.amount = spent
            if self.now - event.time < 60 - 6:  # an older one may stay counted as it was
                event.counted = spent

    @rule(step=st.one_of(st.floats(0, 0.1), st.floats(0, 30), st.just(2.0)))
    def wait(self, step: float) -> None:
        self.now += step

    @invariant()
    def nothing_is_counted_below_zero(self) -> None:
        assert all(worker.seen >= 0 for worker in self.workers)


TestWindowed = Windowed.TestCase
TestWindowed.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_remaining_really_decreases() -> None:
    """envoyproxy/ai-gateway#1754: remaining never decreases."""
    (window,) = windows(Limit("requests", 3, 60))
    seen = []
    for _ in range(3):
        assert window.take(1, NOW)
        seen.append(window.limit - window.seen)
    assert seen == [2, 1, 0]
    assert not window.take(1, NOW)


def test_all_of_a_limit_can_be_used_whatever_other_limits_there_are() -> None:
    """litellm#24677: requests and tokens share a window counter, and limits hold at 70 %. Each has its own here."""
    limits = Limits(Board(None, 2), 1)
    requests = limits.meter("app", Limit("requests", 100, 60))
    tokens = limits.meter("app", Limit("tokens", 100, 60))
    assert all(requests.take(1, NOW) and tokens.take(1, NOW) for _ in range(100))
    assert not requests.take(1, NOW)
    assert not tokens.take(1, NOW)


def test_the_wait_is_long_enough_and_no_longer_than_a_slice() -> None:
    (window,) = windows(Limit("requests", 2, 60))
    assert window.take(1, NOW)
    assert window.take(1, NOW + 10)
    wait = window.wait(1, NOW + 20)
    assert wait is not None
    assert 40 <= wait <= 42
    assert not window.take(1, NOW + 59.9)
    assert window.take(1, NOW + 20 + wait)
    assert window.wait(3, NOW) is None, "more than the limit never fits"


def test_reset_is_when_nothing_is_counted_any_more() -> None:
    (window,) = windows(Limit("requests", 2, 60))
    assert window.reset(NOW) == 0
    assert window.take(1, NOW)
    assert 60 <= window.reset(NOW) <= 62


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    (window,) = windows(Limit("requests", 1, 60))
    assert window.take(1, NOW)
    assert not window.take(1, NOW + 1)
    assert window.take(1, NOW - 3600), "an hour back is another window, not an hour of refusals"


def test_a_request_that_read_its_clock_late_is_counted() -> None:
    first, second = windows(Limit("requests", 2, 60), 2)
    assert first.take(1, NOW + 2.001)
    assert second.take(1, NOW + 1.999)
    assert not first.take(1, NOW + 1.999)
    assert not second.take(1, NOW + 2.001)


def test_a_ring_holds_more_than_a_window() -> None:
    assert RING >= SLICES + 2


@pytest.mark.parametrize("window", [1, 10, 86400])
def test_short_and_long_windows(window: int) -> None:
    (meter,) = windows(Limit("requests", 5, window))
    assert [meter.take(1, NOW + i / 1000) for i in range(7)] == [True] * 5 + [False] * 2
    assert not meter.take(1, NOW + window * 0.99)
    assert meter.take(5, NOW + window * (SLICES + 1) / SLICES + 0.02)


def test_a_gate_counts_everybody_and_a_dead_workers_part_is_freed() -> None:
    """litellm#20256: a slot that leaks leaves the key dead."""
    board = Board(None, 3)
    first, second = Limits(board, 1), Limits(board, 2)
    limit = Limit("concurrent", 2)
    ours, theirs = first.meter("app", limit), second.meter("app", limit)
    assert isinstance(ours, Gate)
    assert theirs.take(1, NOW)
    assert theirs.take(1, NOW)
    assert not ours.take(1, NOW)
    first.free(2)
    assert ours.take(1, NOW)
    ours.undo(1)
    assert ours.seen == 0


def test_an_amount_that_changed_goes_on_with_what_is_counted() -> None:
    limits = Limits(Board(None, 2), 1)
    assert limits.meter("app", Limit("requests", 2, 60)).take(2, NOW)
    changed = limits.meter("app", Limit("requests", 3, 60))
    assert changed.take(1, NOW)
    assert not changed.take(1, NOW)
