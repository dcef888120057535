"""Lets a request in, or says why not. What refuses has taken nothing, and what was taken before it goes back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission import refusing
from weighbridge.gateway.admission.board import Board
from weighbridge.gateway.admission.budgets import Budgets, Purse
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.limits import Limits
from weighbridge.gateway.admission.plan import Plan, Plans
from weighbridge.gateway.admission.rules import NANO, Rules
from weighbridge.gateway.admission.seats import Seat
from weighbridge.gateway.admission.taking import MONEY, TOKENS, Taker
from weighbridge.gateway.admission.ticket import FREE, Ticket

BUDGET_SEATS: Final = 64
"""The same for every number of workers, so that money already spent is found again whatever that number becomes."""
_LEAST_SEATS: Final = 16
_MOST_PLANS: Final = 50_000


class Admission:
    """The limits and budgets of every key and endpoint, shared by all workers of one home folder.

    Made in each worker (after a fork, if any) and used from one thread, as an event loop does. `home` None keeps
    everything in this process's memory. `unpriced` is reserved in USD for a request whose price is unknown
    (`usd=None`); None refuses it where a budget holds. Keep one Admission over a reload of the configuration.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Rules] | None = None,
        *,
        home: Path | None = None,
        workers: int = 1,
        unpriced: float | None = None,
    ) -> None:
        self.now = 0.0
        """The latest time that was passed in."""
        self.unpriced = unpriced
        self._seat: Seat | None = None
        number, seats = 1, 2  # in memory
        folder = home / "admission" if home is not None else None
        if folder is not None:
            seats = _seats(workers)
            self._seat = Seat(folder, min(seats, BUDGET_SEATS))
            number = self._seat.number
        try:
            # Living with another number of seats is another file: a sum must know how many numbers there are.
            limits = Board(folder / f"limits-{seats}.board" if folder else None, seats)
            budgets = Board(folder / "budgets.board" if folder else None, BUDGET_SEATS if folder else seats)
        except BaseException:
            if self._seat is not None:
                self._seat.leave()  # nobody lives in it
            raise
        self.limits, self.budgets = Limits(limits, number), Budgets(budgets, number)
        self._spare = Limits(Board(None, 2), 1)
        self._plans: dict[tuple[str, str], Plan] = {}
        self._made = Plans(dict(endpoints or {}), self.limits, self._spare, self.budgets)
        self.number = number
        self.closed = False
        for part in (self.limits, self.budgets):
            part.free(number)
            part.board.sit(number)

    def admit(self, grant: Grant, endpoint: str, *, tokens: int, usd: float | None, now: float) -> Ticket:
        """Raises Denied: 403 out of scope, 429 over a limit or budget (with retry_after, headers), 503."""
        plan = self._plans.get((grant.name, endpoint))
        if plan is None or plan.grant is not grant:
            plan = self._plan(grant, endpoint)
        if plan.free:
            return FREE
        self.now = now
        if usd is None:
            usd = self._unknown(plan)
        tokens = max(tokens, 0)
        nano = int(usd * NANO + 0.5) if usd > 0 else 0
        done = 0
        for taker in plan.takers:
            if not taker.take(_amount(taker, tokens, nano), now):
                self._refuse(plan, done, tokens, nano, now)
            done += 1  # noqa: SIM113 -- enumerate would make a pair a step
        return Ticket(self, plan, tokens, nano, now)

    def purses(self, grant: Grant, endpoint: str) -> list[Purse]:
        """The budgets that hold for a grant at an endpoint. Raises Denied as `admit`."""
        plan = self._plans.get((grant.name, endpoint))
        return (plan if plan is not None and plan.grant is grant else self._plan(grant, endpoint)).purses

    def reload(self, endpoints: Mapping[str, Rules]) -> None:
        """The endpoints' rules from now on. What is counted and spent goes on."""
        self._made.endpoints = dict(endpoints)
        self._plans.clear()

    def tick(self, now: float) -> None:
        """Twice a second, off the request's path: dead workers' slots, leases ahead, idle money back. Never raises."""
        self.now = now
        for purse in self.budgets.purses.values():
            purse.tick(now)
        with contextlib.suppress(MeasurementError, OSError):
            self._reap()

    def flush(self) -> None:
        """Money spent, to the disk: what a power cut may forget is what came after. Off the event loop (seconds)."""
        self.budgets.board.flush()

    def close(self) -> None:
        """Gives back what is leased and unspent, and this worker's seat. Nothing is admitted afterwards, and a ticket
        that is settled later stays as it was reserved: the seat may be another worker's by then."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(MeasurementError):
            for part in (self.limits, self.budgets):
                part.free(self.number)
                part.board.sit(-self.number)
        self.limits.board.close()
        self.budgets.board.close()
        if self._seat is not None:
            self._seat.leave()

    def _plan(self, grant: Grant, endpoint: str) -> Plan:
        if len(self._plans) >= _MOST_PLANS:  # whoever can name an endpoint must not be able to fill the memory
            self._plans.clear()
        plan = self._plans[grant.name, endpoint] = self._made.make(grant, endpoint)
        return plan

    def _unknown(self, plan: Plan) -> float:
        if not plan.purses:
            return 0.0
        if self.unpriced is None:
            raise refusing.no_price()
        return self.unpriced

    def _refuse(self, plan: Plan, done: int, tokens: int, nano: int, now: float) -> None:
        for taker in reversed(plan.takers[:done]):
            taker.undo(_amount(taker, tokens, nano))
        taker = plan.takers[done]
        raise refusing.over(plan, taker, plan.names[done], _amount(taker, tokens, nano), now)

    def _reap(self) -> None:
        if self._seat is None:
            return
        for part in (self.limits, self.budgets):
            for seat in part.board.taken():
                with self._seat.vacant(seat) as vacant:
                    if vacant:
                        part.free(seat)
                        part.board.sit(-seat)


def _amount(taker: Taker, tokens: int, nano: int) -> int:
    """What it takes of a request."""
    if taker.share == MONEY:
        return nano
    return tokens if taker.share == TOKENS else 1


def _seats(workers: int) -> int:
    """Twice as many as workers, so that new ones can start while old ones drain; and nobody's seat 0."""
    seats = _LEAST_SEATS
    while seats < 2 * workers + 1:
        seats *= 2
    return seats
