"""Requests and tokens in a sliding window, and requests at the same time: counted by each worker, summed by all.

Every worker writes its own numbers only (a G-counter), so nothing is locked. A worker first writes what it takes and
then adds up everybody's; where that is over the limit it takes its number back. Two workers that both want the last
one may both be refused in that instant, and never both let in.

A window is cut into 30 slices. What was taken in a slice counts until the whole window has passed since the *end* of
that slice: so in no stretch of `window` seconds more than `amount` is taken, and everything is given back after
31/30 of a window at the latest.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections import defaultdict
from typing import Final

from weighbridge.gateway.admission.board import Board
from weighbridge.gateway.admission.rules import Kind, Limit
from weighbridge.gateway.admission.taking import REQUEST, TOKENS, Taker

SLICES: Final = 30
RING: Final = 32
"""Slices kept: those that count, the current one, and one that a worker with a later clock may have begun."""
REFRESH_S: Final = 0.5
"""How long what has left the window may stay counted, and what others' late writes may stay unseen."""
_REREAD_S: Final = 0.01
"""A refusal reads all slices again, but no more often than this: a storm of refusals must stay cheap."""
_TRIES: Final = 4
_EVER: Final = float("inf")

_barrier: Final = threading.Lock()


class Meter(Taker):
    """One limit; `seen` is what was counted when it was last looked at."""

    __slots__ = ("_told", "_told_limit", "kind", "limit", "seen")

    def __init__(self, limit: Limit) -> None:
        super().__init__(TOKENS if limit.kind == "tokens" else REQUEST)
        self.kind: Kind = limit.kind
        self.limit = limit.amount
        self.seen = 0
        self._told_limit = -1
        self._told = ""

    def told(self) -> str:
        """The beginning of the reply's header lines for it, up to the number that remains."""
        if self._told_limit != self.limit:
            self._told_limit = self.limit
            self._told = f"x-ratelimit-limit-{self.kind}: {self.limit}\r\nx-ratelimit-remaining-{self.kind}: "
        return self._told

    @abstractmethod
    def wait(self, amount: int, now: float) -> float | None:
        """Seconds until this amount may fit; None: never."""

    @abstractmethod
    def reset(self, now: float) -> float:
        """Seconds until nothing is counted any more, if nothing else is taken."""


class Others:
    """The sum of what every seat but one holds in a row, added up again only where one of them has changed: most of the
    time nothing did, and bytes are compared much faster than numbers are read."""

    __slots__ = ("_high", "_high_was", "_low", "_low_was", "_sum")

    def __init__(self, row: memoryview[int], seat: int) -> None:
        self._low, self._high = row[:seat], row[seat + 1 :]
        self._low_was = self._high_was = b""
        self._sum = 0

    def sum(self) -> int:
        low, high = self._low.tobytes(), self._high.tobytes()
        if high != self._high_was or low != self._low_was:
            self._low_was, self._high_was = low, high
            self._sum = sum(memoryview(low).cast("q")) + sum(memoryview(high).cast("q"))
        return self._sum


class Window(Meter):
    """`limit.amount` requests or tokens in any `limit.window` seconds."""

    __slots__ = (
        "_at",
        "_count",
        "_counts",
        "_due",
        "_floor",
        "_gone",
        "_ids",
        "_last_back",
        "_others",
        "_read",
        "_rings",
        "_row",
        "_seat",
        "_slice",
        "_total",
        "_totals",
        "_width",
        "window",
    )

    def __init__(self, limit: Limit, board: Board, name: str, seat: int) -> None:
        super().__init__(limit)
        seats = board.seats
        self.window = limit.window
        self._seat = seat
        self._width = limit.window / SLICES
        self._row = board.row(name, seats * (1 + 2 * RING))
        self._totals = self._row[:seats]  # all that each worker ever took: differences of it are exact at any time
        self._others = Others(self._totals, seat)
        self._rings = self._row[seats:]
        begins = seat * 2 * RING
        self._ids = self._rings[begins : begins + RING]
        self._counts = self._rings[begins + RING : begins + 2 * RING]
        # Our own numbers, which nobody else writes: the total, and the count of the current slice.
        self._total = self._totals[seat]
        self._at = self._count = self._slice = self._gone = 0
        self._floor = self._due = self._read = -_EVER
        # How old a slice may be that something is given back to: others may be ahead by as much as they read last.
        self._last_back = SLICES - 1 - int(2 * REFRESH_S // self._width)

    def take(self, amount: int, now: float) -> bool:
        """Counts the amount if there is room for it."""
        if not self._floor <= now < self._due:
            self._refresh(now)
        if self.seen + amount > self.limit and not self._room(amount, now):
            return False
        for _ in range(_TRIES):
            self._add(amount)
            _barrier.acquire()  # a full memory barrier: our store is out before theirs are read
            _barrier.release()
            self.seen = self._total + self._others.sum() - self._gone
            if self.seen <= self.limit:
                return True
            self.undo(amount)
            if not self._room(amount, now):
                return False
        return False

    def undo(self, amount: int) -> None:
        """Takes the last `take` back."""
        self._total -= amount
        self._totals[self._seat] = (
            self._total
        )  # before the slice: who reads in between counts too much, never too little
        self._count -= amount
        self._counts[self._at] = self._count
        self.seen -= amount

    def _add(self, amount: int) -> None:
        self._count += amount
        self._counts[self._at] = self._count
        self._total += amount
        self._totals[self._seat] = self._total

    def correct(self, difference: int, taken: float, now: float) -> None:
        """What a request came to differs from what was taken at `taken`. Too much goes back to the slice it was taken
        in, if that surely counts still; too little counts from now."""
        if not self._floor <= now < self._due:
            self._refresh(now)
        slice_ = int(taken // self._width)
        if difference > 0 or slice_ == self._slice:
            self._add(difference)
        else:
            at = slice_ % RING
            if self._ids[at] != slice_ or slice_ < self._slice - self._last_back:
                return
            self._total += difference
            self._totals[self._seat] = self._total
            self._counts[at] += difference
        self.seen += difference

    def wait(self, amount: int, now: float) -> float | None:
        """Seconds until enough slices have left the window."""
        if amount > self.limit:
            return None
        self._refresh(now)
        over, until = self.seen + amount - self.limit, now
        for slice_, count in sorted(self._live().items()):
            if over <= 0:
                break
            over -= count
            until = (slice_ + SLICES + 1) * self._width
        return max(until - now, 0.0)

    def reset(self, now: float) -> float:
        """Seconds until what was taken now has left the window."""
        return max((self._slice + SLICES + 1) * self._width - now, 0.0) if self.seen > 0 else 0.0

    def _room(self, amount: int, now: float) -> bool:
        if now - self._read >= _REREAD_S or now < self._read:
            self._refresh(now)
        self.seen = self._total + self._others.sum() - self._gone
        return self.seen + amount <= self.limit

    def _refresh(self, now: float) -> None:
        """Moves on to the slice of `now`, and finds what has left the window."""
        width = self._width
        self._slice = slice_ = int(now // width)
        self._floor, self._due, self._read = (slice_ - 1) * width, min((slice_ + 1) * width, now + REFRESH_S), now
        self._at = at = slice_ % RING
        if self._ids[at] != slice_:
            self._counts[at] = 0  # before the slice has its new name, so that the old number never counts as new
            self._ids[at] = slice_
        self._count = self._counts[at]
        total = sum(self._totals)  # before the slices: what is taken in between counts too much, never too little
        self._gone = total - sum(self._live().values())
        self.seen = total - self._gone

    def _live(self) -> dict[int, int]:
        """What counts now, by slice."""
        found: dict[int, int] = defaultdict(int)
        first, last = self._slice - SLICES, self._slice + 1
        words, totals = self._rings.tolist(), self._totals.tolist()
        for seat, total in enumerate(totals):
            if not total and seat != self._seat:
                continue
            begins = seat * 2 * RING
            for at in range(begins, begins + RING):
                if first <= words[at] <= last:
                    found[words[at]] += words[at + RING]
        return found


class Gate(Meter):
    """`limit.amount` requests at the same time. A worker that died frees its part (see Limits.reap)."""

    __slots__ = ("_others", "_own", "_row", "_seat")

    def __init__(self, limit: Limit, board: Board, name: str, seat: int) -> None:
        super().__init__(limit)
        self._seat = seat
        self._row = board.row(name, board.seats)
        self._others = Others(self._row, seat)
        self._own = self._row[seat]  # which nobody else writes

    def take(self, amount: int, now: float) -> bool:  # noqa: ARG002 -- a Meter; time does not matter here
        """One more, if there is room for it."""
        if self.seen + amount > self.limit and not self._room(amount):
            return False
        for _ in range(_TRIES):
            self._own += amount
            self._row[self._seat] = self._own
            _barrier.acquire()
            _barrier.release()
            self.seen = self._own + self._others.sum()
            if self.seen <= self.limit:
                return True
            self.undo(amount)
            if not self._room(amount):
                return False
        return False

    def undo(self, amount: int) -> None:
        """One less."""
        self._own -= amount
        self._row[self._seat] = self._own
        self.seen -= amount

    def wait(self, amount: int, now: float) -> float | None:  # noqa: ARG002
        """Nobody knows when a request ends; a second is worth another try."""
        return 1.0

    def reset(self, now: float) -> float:  # noqa: ARG002
        """Nobody knows."""
        return 0.0

    def _room(self, amount: int) -> bool:
        self.seen = self._own + self._others.sum()
        return self.seen + amount <= self.limit


class Limits:
    """Every limit that this worker has met, each once, whoever asks for it."""

    def __init__(self, board: Board, seat: int) -> None:
        self.board = board
        self.seat = seat
        self._meters: dict[str, Window | Gate] = {}

    def meter(self, owner: str, limit: Limit) -> Window | Gate:
        """The meter of `owner`'s limit. A limit whose amount was changed goes on with what is counted."""
        gate = limit.kind == "concurrent"
        name = f"c:{owner}" if gate else f"w:{limit.kind}:{limit.window}:{owner}"
        found = self._meters.get(name)
        if found is None:
            kind = Gate if gate else Window
            found = self._meters[name] = kind(limit, self.board, name, self.seat)
        found.limit = limit.amount
        return found

    def free(self, seat: int) -> None:
        """Nobody lives in this seat: whatever its last worker had in flight is over."""
        for row in self.board.rows("c:").values():
            row[seat] = 0
