"""How many requests a provider gets at once: halved when it says 429, grown again while it does not."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic


class Pace:
    """One provider's gate. At most `ceiling` are inside at any time, fewer after a 429, none while it asks to wait.

    Additive increase, multiplicative decrease (Chiu and Jain 1989): a 429 halves the limit once for each window, that
    is, replies to requests sent before the last cut do not cut again. A 5xx says nothing about our rate and changes
    nothing.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = float(ceiling)
        self.inside = 0
        self.most_inside = 0
        self.cuts = 0
        self._cut_at = 0.0
        self._paused_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def _open(self) -> bool:
        return self.inside < max(1, int(self.limit)) and monotonic() >= self._paused_until

    async def enter(self) -> None:
        """Waits for a place. Pair with `leave`."""
        if self._waiting or not self._open():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            self._wake()
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():  # let in and cancelled at once: the place is free again
                    self.leave()
                raise
            return
        self._take()

    def _take(self) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)

    def leave(self) -> None:
        self.inside -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._open():
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._take()
                waiter.set_result(None)
        wait = self._paused_until - monotonic()
        if self._waiting and wait > 0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._rested)

    def _rested(self) -> None:
        self._timer = None
        self._wake()

    def went_well(self) -> None:
        """A reply that was no 429: after a limit's worth of them, one more at a time."""
        if self.limit < self.ceiling:
            self.limit = min(float(self.ceiling), self.limit + 1.0 / self.limit)

    def told_to_slow_down(self, sent_at: float, retry_after: float | None) -> None:
        """A 429 to a request sent at `sent_at` (monotonic seconds)."""
        if sent_at >= self._cut_at:
            self.limit = max(1.0, self.limit / 2)
            self._cut_at = monotonic()
            self.cuts += 1
        if retry_after:
            self.pause(retry_after)

    def pause(self, seconds: float) -> None:
        """Let nobody in for so long: the provider said when it will take more."""
        self._paused_until = max(self._paused_until, monotonic() + seconds)
