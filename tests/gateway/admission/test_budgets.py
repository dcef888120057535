"""Budgets in escrow: never more than the budget is let through, and all of it can be used."""

import calendar
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from weighbridge.gateway.admission.board import Board
from weighbridge.gateway.admission.budgets import Budgets, Purse, period_of
from weighbridge.gateway.admission.rules import NANO, Budget

NOW = 1_800_000_000.0 - 1_800_000_000 % 86400 + 3600.0
DAY = 86400
SEATS = 6
LIMIT = 1000


def purse(board: Board, seat: int, limit: int = LIMIT) -> Purse:
    return Budgets(board, seat).purse("app", Budget(limit / NANO, "day"))


@dataclass
class Flying:
    """One request under way."""

    purse: Purse
    reserved: int
    taken: float


class Escrow(RuleBasedStateMachine):
    """Workers that reserve, settle, tick, stop, and are killed in the middle, over days."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board(None, SEATS)
        self.purses: dict[int, Purse] = {}
        self.flying: list[Flying] = []
        self.now = NOW
        self.spent: dict[int, int] = {}
        """What is reserved or spent, by day, as a bank would know it. A killed worker's reservations stay."""

    def worker(self, seat: int) -> Purse:
        if seat not in self.purses:
            Budgets(self.board, seat).free(seat)  # as a worker does that takes a seat
            self.purses[seat] = purse(self.board, seat)
        return self.purses[seat]

    @property
    def day(self) -> int:
        return int(self.now // DAY)

    @rule(seat=st.integers(1, SEATS - 1), amount=st.integers(0, 400))
    def take(self, seat: int, amount: int) -> None:
        worker = self.worker(seat)
        if worker.take(amount, self.now):
            self.flying.append(Flying(worker, amount, self.now))
            self.spent[self.day] = self.spent.get(self.day, 0) + amount

    @rule(which=st.integers(0, 50), share=st.floats(0, 1))
    def settle(self, which: int, share: float) -> None:
        if not self.flying:
            return
        request = self.flying.pop(which % len(self.flying))
        actual = int(request.reserved * share)
        request.purse.settle(request.reserved, actual, request.taken)
        day = int(request.taken // DAY)
        if request.purse.period == day:  # of a day that is over nothing more is told
            self.spent[day] += actual - request.reserved

    @rule(seat=st.integers(1, SEATS - 1))
    def tick(self, seat: int) -> None:
        self.worker(seat).tick(self.now)

    @rule(seat=st.integers(1, SEATS - 1))
    def stop(self, seat: int) -> None:
        if all(request.purse is not self.purses.get(seat) for request in self.flying):
            self.worker(seat).give_back()
            del self.purses[seat]

    @rule(seat=st.integers(1, SEATS - 1), reaped=st.booleans())
    def kill(self, seat: int, reaped: bool) -> None:
        died = self.purses.pop(seat, None)
        self.flying = [request for request in self.flying if request.purse is not died]
        if died is not None and reaped:
            Budgets(self.board, (seat % (SEATS - 1)) + 1).free(seat)

    @rule(step=st.sampled_from([0.1, 1.0, 10.0, 40_000.0]))
    def wait(self, step: float) -> None:
        self.now += step

    @invariant()
    def never_overspent(self) -> None:
        assert self.spent.get(self.day, 0) <= LIMIT

    @invariant()
    def leases_are_within_the_budget_and_cover_what_is_spent(self) -> None:
        probe = purse(self.board, 0)
        probe.period = self.day
        assert probe.committed() <= LIMIT
        assert probe.spent() == self.spent.get(self.day, 0)

    @rule(seat=st.integers(1, SEATS - 1))
    def all_of_it_can_be_used(self, seat: int) -> None:
        """When the dead are freed and the others have ticked, whoever wants it gets the rest, to the last bit."""
        worker = self.worker(seat)
        if not worker.take(LIMIT + 1, self.now):  # says that it lacks money
            for other in range(1, SEATS):
                if other not in self.purses:
                    Budgets(self.board, seat).free(other)
                elif other != seat:
                    self.purses[other].tick(self.now)
        rest = LIMIT - self.spent.get(self.day, 0)
        assert worker.take(rest, self.now)
        worker.undo(rest)


TestEscrow = Escrow.TestCase
TestEscrow.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


def test_budgets_are_one_for_all_workers() -> None:
    """bifrost#3547: a budget for each replica is N times overspent."""
    board = Board(None, SEATS)
    workers = [purse(board, seat) for seat in range(1, 5)]
    taken = 0
    for _ in range(20):
        for worker in workers:
            taken += 100 * worker.take(100, NOW)
            worker.tick(NOW)
    assert taken == LIMIT


def test_leases_shrink_as_the_budget_runs_out() -> None:
    board = Board(None, SEATS)
    workers = [purse(board, 1), purse(board, 2)]
    leased = []
    for _ in range(600):
        for worker in workers:
            before = worker.granted
            if worker.take(1, NOW) and worker.granted != before:
                leased.append(worker.granted - before)
    assert leased[0] == LIMIT // 2
    assert leased[1:] == sorted(leased[1:], reverse=True)
    assert leased[-1] == 1


def test_what_lies_idle_goes_back() -> None:
    board = Board(None, SEATS)
    idle, busy = purse(board, 1), purse(board, 2)
    assert idle.take(1, NOW)
    assert not busy.take(900, NOW), "half of it is leased"
    idle.tick(NOW + 0.5)
    assert busy.take(900, NOW + 1)
    assert not busy.take(100, NOW + 1)
    assert busy.take(99, NOW + 1)
    busy.settle(99, 0, NOW + 1)
    for half_seconds in range(20):
        busy.tick(NOW + 10 + half_seconds / 2)
    assert busy.granted == busy.used, "nobody asked, and yet"


def test_money_is_leased_ahead_of_need() -> None:
    board = Board(None, SEATS)
    worker = purse(board, 1)
    assert worker.take(490, NOW)
    assert worker.granted - worker.used == 10
    worker.tick(NOW + 0.5)
    assert worker.granted - worker.used >= 10


def test_a_request_that_cost_more_than_it_reserved_is_counted_in_full() -> None:
    board = Board(None, SEATS)
    first, second = purse(board, 1), purse(board, 2)
    assert first.take(10, NOW)
    first.settle(10, 995, NOW)
    assert not second.take(6, NOW)
    assert second.take(5, NOW)
    assert not first.take(1, NOW)


def test_a_machine_that_went_down_counts_whole_leases_as_spent() -> None:
    board = Board(None, SEATS)
    assert purse(board, 1).take(1, NOW)
    board.rebooted = True
    again = purse(board, 1)
    assert not board.rebooted
    assert again.take(LIMIT // 2, NOW)
    assert not again.take(1, NOW)


def test_a_new_day_brings_the_whole_budget() -> None:
    board = Board(None, SEATS)
    worker = purse(board, 1)
    assert worker.take(LIMIT, NOW)
    assert not worker.take(1, NOW)
    assert worker.take(LIMIT, NOW + DAY)
    worker.settle(LIMIT, 0, NOW)
    assert not worker.take(1, NOW + DAY), "yesterday's request gives nothing back today"


def test_a_clock_that_was_set_back_over_midnight_brings_nothing() -> None:
    board = Board(None, SEATS)
    worker = purse(board, 1)
    midnight = NOW - NOW % DAY + DAY
    assert worker.take(LIMIT, midnight + 1)
    assert not worker.take(1, midnight - 1)
    assert not worker.take(1, midnight + 2)


@given(st.integers(0, 4_000_000_000))
def test_months_are_calendar_months_of_utc(now: int) -> None:
    number, begins, ends = period_of("month", float(now))
    assert begins <= now < ends
    assert period_of("month", ends)[:2] == (number + 1, ends)
    assert period_of("month", ends - 1)[0] == number


def test_a_month_by_hand() -> None:
    at = calendar.timegm((2028, 2, 29, 23, 59, 59))
    _, begins, ends = period_of("month", float(at))
    assert (begins, ends) == (calendar.timegm((2028, 2, 1, 0, 0, 0)), at + 1)
