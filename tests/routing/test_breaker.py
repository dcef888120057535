"""The breaker: opens, asks one at a time, closes, and never gets stuck, whatever happens in which order."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from weighbridge.routing import breaker as module
from weighbridge.routing.breaker import Breaker


def tripped(now: float = 100.0) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(now, now)
    return breaker


def test_five_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    """Portkey#1289: it never opened."""
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(1.0, 1.0)
    breaker.succeeded(1.0, 1.0)
    for _ in range(4):
        breaker.failed(2.0, 2.0)
    assert breaker.state(2.0) == "closed"
    breaker.failed(2.0, 2.0)
    assert breaker.state(2.0) == "open"
    assert breaker.until == 4.0


def test_many_failures_among_many_successes_do_not_open_it_in_whatever_order_they_are_told() -> None:
    """A busy loop hears of hundreds of outcomes in one turn, successes first: five of them in a row mean nothing. Three
    in a hundred failed, and a target that was well was left alone for two seconds, then four, then eight."""
    breaker = Breaker()
    for turn in range(1000):
        now = turn * 0.03
        for _ in range(97):
            breaker.succeeded(now, now)
        for number in range(3 * (turn % 4)):
            breaker.failed(now + 0.001 * number, now)
    assert breaker.state(30.0) == "closed"


def test_an_outage_in_the_midst_of_much_traffic_opens_it_within_a_tenth_of_a_second() -> None:
    breaker = Breaker()
    for number in range(10_000):
        breaker.succeeded(100.0 + number * 1e-4, 100.0)
    failing = 0
    while not breaker.opened:
        failing += 1
        breaker.failed(101.0 + failing * 1e-3, 101.0)
    assert failing <= 101


def test_half_of_the_recent_attempts_failing_opens_it_even_with_successes_between() -> None:
    breaker = Breaker()
    sent = 0
    while not breaker.opened and sent < 100:
        (breaker.failed if sent % 2 else breaker.succeeded)(sent * 0.1, sent * 0.1)
        sent += 1
    assert 20 <= sent < 30


def test_a_tenth_failing_does_not() -> None:
    breaker = Breaker()
    for turn in range(1000):
        now = turn * 0.1
        (breaker.succeeded if turn % 10 else breaker.failed)(now, now)
    assert breaker.state(200.0) == "closed"


def test_failures_long_ago_are_forgotten() -> None:
    breaker = Breaker()
    for turn in range(200):
        now = turn * 5.0  # two in ten seconds: never twenty recent ones
        (breaker.failed if turn % 2 else breaker.succeeded)(now, now)
    assert not breaker.opened


def test_each_opening_in_a_row_lasts_longer_up_to_a_bound() -> None:
    breaker = tripped(100.0)
    lasted, now = [breaker.until - 100.0], breaker.until
    for _ in range(6):
        breaker.started(now)
        breaker.failed(now, now)
        lasted.append(breaker.until - now)
        now = breaker.until
    assert lasted == [2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0]


def test_one_success_of_the_probe_closes_it() -> None:
    breaker = tripped(100.0)
    breaker.started(102.0)
    assert breaker.state(102.0) == "half_open"
    breaker.succeeded(103.0, 102.0)
    assert breaker.state(103.0) == "closed"
    assert breaker.until == 0.0


def test_a_probe_whose_outcome_never_arrives_expires() -> None:
    breaker = tripped(100.0)
    breaker.started(102.0)
    assert breaker.until == 112.0
    breaker.started(112.0)
    breaker.succeeded(112.5, 112.0)
    assert not breaker.opened


def test_a_probe_given_up_frees_its_place() -> None:
    breaker = tripped(100.0)
    breaker.started(102.0)
    breaker.released(102.5, 102.0)
    assert breaker.until == 102.5
    breaker.released(110.0, 109.0)
    assert breaker.until == 102.5


def test_stragglers_of_an_outage_neither_keep_it_open_nor_close_it() -> None:
    breaker = tripped(100.0)
    breaker.started(102.0)
    for began in (95.0, 99.0):
        breaker.failed(102.5, began)
        breaker.succeeded(102.5, began)
        breaker.answered(102.5, began)
        breaker.released(102.5, began)
    assert (breaker.probing, breaker.until) == (True, 112.0)
    breaker.succeeded(103.0, 102.0)
    for _ in range(50):
        breaker.failed(104.0, 101.0)
    assert not breaker.opened


def test_an_answer_that_blames_the_client_proves_that_the_target_is_alive() -> None:
    breaker = tripped(100.0)
    breaker.answered(101.0, 100.5)
    assert breaker.opened
    breaker.started(102.0)
    breaker.answered(102.5, 102.0)
    assert not breaker.opened


def test_after_a_calm_time_the_next_opening_is_a_first_one_again() -> None:
    for calm, lasts in ((5.0, 4.0), (40.0, 2.0)):
        breaker = tripped(100.0)
        breaker.started(102.0)
        breaker.succeeded(102.0, 102.0)
        now = 102.0 + calm
        breaker.succeeded(now - 1.0, now - 1.0)
        for _ in range(5):
            breaker.failed(now, now)
        assert breaker.until - now == pytest.approx(lasts)


class BreakerMachine(RuleBasedStateMachine):
    """Attempts in flight, each with when it began; the clock only goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.breaker = Breaker()
        self.flying: list[float] = []
        self.probes: list[float] = []
        self.opened_at: float | None = None

    @rule(seconds=st.floats(0.0, 40.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.now >= self.breaker.until)
    @rule()
    def send(self) -> None:
        """As a course does: only when it may."""
        was_open = self.breaker.opened
        self.breaker.started(self.now)
        self.flying.append(self.now)
        if was_open:
            self.probes = [began for began in self.probes if self.now - began < module.PROBE]
            assert not (self.probes and self.breaker.probing and self.now < self.probes[-1] + module.PROBE)
            self.probes.append(self.now)
            assert self.breaker.probing
            assert self.breaker.until == self.now + module.PROBE

    @precondition(lambda self: self.flying)
    @rule(which=st.integers(0, 100), outcome=st.sampled_from(["ok", "failed", "answered", "released"]))
    def hear(self, which: int, outcome: str) -> None:
        began = self.flying.pop(which % len(self.flying))
        before, current = self.breaker.opened, began in self.probes
        if current:
            self.probes.remove(began)
        match outcome:
            case "ok":
                self.breaker.succeeded(self.now, began)
                if not before:
                    assert not self.breaker.opened
            case "failed":
                self.breaker.failed(self.now, began)
                if before:
                    assert self.breaker.opened
            case "answered":
                self.breaker.answered(self.now, began)
            case _:
                self.breaker.released(self.now, began)
                assert self.breaker.opened == before

    @precondition(lambda self: self.breaker.opened)
    @rule()
    def it_can_always_be_closed(self) -> None:
        """Wait as long as it asks, send one, hear that it went well: closed, within half a minute."""
        wait = max(0.0, self.breaker.until - self.now)
        assert wait < 30.0
        self.now += wait
        self.breaker.started(self.now)
        self.breaker.succeeded(self.now, self.now)
        assert not self.breaker.opened
        self.probes = []

    @invariant()
    def is_of_one_mind(self) -> None:
        state = self.breaker.state(self.now)
        assert (state == "closed") == (not self.breaker.opened)
        if not self.breaker.opened:
            assert self.breaker.until == 0.0
            assert not self.breaker.probing
        elif not self.breaker.probing:
            assert self.breaker.until <= self.now + module.MOST
            assert (state == "open") == (self.now < self.breaker.until)
        else:
            assert self.breaker.until <= self.now + module.PROBE


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
