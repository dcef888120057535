"""Money in escrow: each worker leases a part of what is left, and spends its lease without a lock.

For every budget and worker the board holds what was leased to it (`granted`) and what it has reserved or spent of
that (`used`). Leasing happens under the board's lock and keeps the sum of all leases within the budget; spending is
one store into the worker's own number. So whatever dies when, no more than the budget is ever let through:

- killed: `used` is in the mapped file, so the rest of the lease is provably unspent, and goes back. What was reserved
  for requests in flight stays counted, since they may have been billed.
- the machine went down: the last stores may be lost, so whole leases count as spent. A clean stop leaves no leases.

A lease is at most half of a fair share of what is left, so leases shrink as the budget runs out; whoever has nothing
left says so (`wants`), and the others give back what they do not need at their next tick. Only a request that costs
more than its reservation can exceed a budget, for that money is gone; the excess is counted.
"""

from __future__ import annotations

import calendar
import contextlib
import time
from typing import Final

from weighbridge.gateway.admission.board import Board, Busy
from weighbridge.gateway.admission.rules import NANO, Budget, Period
from weighbridge.gateway.admission.taking import MONEY, Taker

_DAY_S: Final = 86400
_WANTS_S: Final = 3
_IDLE_TICKS: Final = 6
_ROWS: Final = 4
_EXTRA: Final = 4


def period_of(period: Period, now: float) -> tuple[int, float, float]:
    """The UTC day or month of a time: its number, and where it begins and ends."""
    if period == "day":
        day = int(now // _DAY_S)
        return day, day * _DAY_S, (day + 1) * _DAY_S
    year, month = time.gmtime(now)[:2]
    begins = calendar.timegm((year, month, 1, 0, 0, 0))
    ends = calendar.timegm((year + month // 12, month % 12 + 1, 1, 0, 0, 0))
    return year * 12 + month, begins, ends


class Purse(Taker):
    """One worker's part in one budget. Amounts are whole billionths of a dollar."""

    __slots__ = (
        "_begins",
        "_board",
        "_ends",
        "_granted_row",
        "_idle",
        "_mark",
        "_part",
        "_periods",
        "_seat",
        "_used_row",
        "_wants",
        "flying",
        "granted",
        "limit",
        "name",
        "period",
        "shared",
        "span",
        "used",
    )

    def __init__(self, budget: Budget, board: Board, name: str, seat: int) -> None:
        super().__init__(MONEY)
        row, seats = board.row(name, _ROWS * board.seats + _EXTRA), board.seats
        self.name = name
        self.span: Period = budget.period
        self.limit = round(budget.usd * NANO)
        self.shared = False
        """Whether other machines spend of this budget too: then only what this machine was allowed is there."""
        self._board, self._seat = board, seat
        self._periods, self._granted_row = row[:seats], row[seats : 2 * seats]
        self._used_row, self._wants = row[2 * seats : 3 * seats], row[3 * seats : 4 * seats]
        self._part = row[4 * seats :]
        self.period = self.granted = self.used = self.flying = self._mark = self._idle = 0
        self._begins = self._ends = 0.0

    def take(self, amount: int, now: float) -> bool:
        """Reserves the amount, from this worker's lease or with a new one."""
        if not self._begins <= now < self._ends and not self._turn(now):
            return False
        used = self.used + amount
        if used > self.granted and not self._lease(amount, now):
            return False
        self.used = self._used_row[self._seat] = used
        self.flying += amount
        return True

    def undo(self, amount: int) -> None:
        """Takes the last `take` back."""
        self.settle(amount, 0, self._begins)

    def settle(self, reserved: int, spent: int, taken: float) -> None:
        """What a request came to that had reserved an amount at a time. A period that is over stays as it was."""
        if not self._begins <= taken < self._ends:
            return
        self.flying -= reserved
        if spent != reserved:
            self.used = self._used_row[self._seat] = self.used + spent - reserved

    def committed(self) -> int:
        """What is leased or spent in this period, by all workers."""
        rows = zip(self._periods, self._granted_row, self._used_row, strict=True)
        return sum(max(granted, used) for period, granted, used in rows if period == self.period)

    def spent(self) -> int:
        """What is reserved or spent in this period, by all workers."""
        return sum(used for period, used in zip(self._periods, self._used_row, strict=True) if period == self.period)

    @property
    def ceiling(self) -> int:
        """What this machine may spend in this period."""
        return min(self.limit, self.part()) if self.shared else self.limit

    @property
    def ends(self) -> float:
        """When the period is over and the whole budget is there again."""
        return self._ends

    def current(self, now: float) -> bool:
        """Goes over to the period of `now` if need be; whether that worked."""
        return self._begins <= now < self._ends or self._turn(now)

    def part(self) -> int:
        """What this machine was given of a budget that it shares with others."""
        return self._part[1] if self._part[0] == self.period else 0

    def elsewhere(self) -> int:
        """What other machines were given, when that was last heard."""
        return self._part[2] if self.shared and self._part[0] == self.period else 0

    def others_lack(self) -> bool:
        """Whether another machine was refused for want of money, when that was last heard."""
        return bool(self._part[0] == self.period and self._part[3])

    def lacks(self, amount: int, now: float) -> int:
        """What this machine's part is short of for an amount."""
        if not self.current(now):
            return 0
        have = max(self.granted, self.used)
        return self.used + amount - have - (self.part() - self.committed())

    def allow(self, period: int, part: int, elsewhere: int, *, lacking: bool) -> None:
        """What this machine may spend of a budget that it shares, as the server told."""
        row = self._part
        with contextlib.suppress(Busy), self._board.locked():
            if row[0] != period:
                row[1] = 0  # before the period: another worker must not take the old part for the new period's
                row[0] = period
            row[1], row[2], row[3] = part, elsewhere, int(lacking)

    def trim(self) -> int:
        """Gives up what no worker of this machine has leased; what is left of its part."""
        part = self.part()
        with contextlib.suppress(Busy), self._board.locked():
            part = min(self.part(), self.committed())
            if self._part[0] == self.period:
                self._part[1] = part
        return part

    def tick(self, now: float) -> None:
        """Leases ahead of need where money is being spent, gives back what lies idle or what others lack."""
        if not self._begins <= now < self._ends:
            return
        spent, self._mark = self.used - self._mark, self.used
        self._idle = self._idle + 1 if spent <= 0 else 0
        rest = self.granted - self.used
        if rest <= 0 >= spent:
            return
        lacking = self._lacking(now)
        if rest > 0 and (lacking or self._idle >= _IDLE_TICKS):
            self.give_back()
        elif not lacking and spent > 0 and rest < 2 * spent:
            self._lease(2 * spent, now, ahead=True)

    def give_back(self) -> None:
        """Ends this worker's lease: what is not used is there for all."""
        if self.granted > self.used:
            with contextlib.suppress(Busy), self._board.locked():
                self.granted = self._granted_row[self._seat] = self.used

    def _lacking(self, now: float) -> bool:
        """Whether another worker was refused for want of money a moment ago."""
        if max(self._wants) <= now - _WANTS_S:  # as nearly always
            return False
        return any(now - _WANTS_S < wants <= now + 1 for seat, wants in enumerate(self._wants) if seat != self._seat)

    def _turn(self, now: float) -> bool:
        """Goes over to the period of `now`, unless that is the one just before (a clock that was set back)."""
        period, begins, ends = period_of(self.span, now)
        if self.period == period + 1:
            return True
        try:
            with self._board.locked():
                seat = self._seat
                if self._periods[seat] != period:
                    self._granted_row[seat] = self._used_row[seat] = 0
                    self._periods[seat] = period
                self.granted, self.used = self._granted_row[seat], self._used_row[seat]
        except Busy:
            return False
        self.period, self._begins, self._ends = period, begins, ends
        self.flying, self._mark = 0, self.used
        return True

    def _lease(self, amount: int, now: float, *, ahead: bool = False) -> bool:
        """Leases so much that `amount` can be spent, and some more while there is plenty."""
        have = max(self.granted, self.used)  # a request that came to more than it reserved has used without a lease
        lacks = self.used + amount - have
        try:
            with self._board.locked():
                left = self.ceiling - self.committed()
                if lacks > left:
                    if not ahead:
                        self._wants[self._seat] = int(now) + 1
                    return False
                workers = sum(period == self.period for period in self._periods)
                more = 0 if self._lacking(now) else left // (2 * workers)
                self.granted = self._granted_row[self._seat] = have + max(lacks, more)
        except Busy:
            return False
        return True


class Budgets:
    """Every budget that this worker has met, each once, whoever spends from it."""

    def __init__(self, board: Board, seat: int) -> None:
        self.board = board
        self.seat = seat
        self.purses: dict[str, Purse] = {}
        self._shared = False
        if board.rebooted:
            self._distrust()

    def purse(self, owner: str, budget: Budget) -> Purse:
        """The purse of `owner`'s budget. A budget whose amount was changed goes on with what is spent."""
        name = f"b:{budget.period}:{owner}"
        found = self.purses.get(name)
        if found is None:
            found = self.purses[name] = Purse(budget, self.board, name, self.seat)
        found.limit = round(budget.usd * NANO)
        found.shared = self._shared
        return found

    def share(self) -> None:
        """From now on other machines spend of the same budgets."""
        self._shared = True
        for purse in self.purses.values():
            purse.shared = True

    def free(self, seat: int) -> None:
        """Nobody lives in this seat: what its last worker leased and did not use is there for all."""
        seats = self.board.seats
        for row in self.board.rows("b:").values():
            with self.board.locked():
                row[seats + seat] = min(row[seats + seat], row[2 * seats + seat])

    def _distrust(self) -> None:
        """The machine was started anew: what of the leases was spent is not known for sure, so all of it counts."""
        seats = self.board.seats
        rows = self.board.rows("b:").values()
        with self.board.locked():
            for row in rows:
                for seat in range(seats):
                    row[2 * seats + seat] = max(row[seats + seat], row[2 * seats + seat])
            self.board.trust()
