"""Stops sending to a target that fails, asks it now and then whether it is back, and believes it when it is.

closed ──failures──▶ open ──time──▶ half-open (one probe) ──success──▶ closed
                       ▲──────────────────┘ failure
"""

from __future__ import annotations

from math import exp, inf
from typing import Final, Literal

State = Literal["closed", "open", "half_open"]

STRIKES: Final = 5.0
"""Failures in a row that open it …"""
SILENT: Final = 0.1
"""… once the last success is so many seconds ago: of what ends in one turn of a busy loop, failures may come last."""
SHARE: Final = 0.5
"""Share of failures among recent attempts that opens it, where no run of failures does …"""
ENOUGH: Final = 20.0
"""… and how many recent attempts, decayed, that takes."""
RECENT: Final = 10.0
"""Seconds after which an attempt counts 1/e of a new one."""
FIRST: Final = 2.0
"""Seconds it stays open the first time; each time in a row twice as long …"""
MOST: Final = 15.0
"""… but never longer than this, so that a target which comes back is found within half a minute."""
PROBE: Final = 10.0
"""Seconds after which a probe without an outcome is given up, and another may go."""
CALM: Final = 30.0
"""Seconds closed after which the next opening is a first one again."""
_STALE: Final = 1e-6


class Breaker:
    """One target's breaker. `now` and `began` (when the attempt was sent) are monotonic seconds.

    `until` is when the next attempt may be sent: 0 while closed. Outcomes of attempts begun before the last change of
    state are not counted: what was sent into an outage says nothing about what came after it.
    """

    __slots__ = ("_at", "_bad", "_good", "_praised", "_since", "_strikes", "_trips", "opened", "probing", "until")

    def __init__(self) -> None:
        self.opened = False
        self.probing = False
        self.until = 0.0
        self._since = -inf
        self._praised = -inf
        self._strikes = 0.0
        self._trips = 0
        self._good = 0.0
        self._bad = 0.0
        self._at = 0.0

    def state(self, now: float) -> State:
        if not self.opened:
            return "closed"
        return "half_open" if self.probing or now >= self.until else "open"

    def started(self, now: float) -> None:
        """An attempt is being sent: where the breaker is open and its time is up, this one is the probe."""
        if self.opened and now >= self.until:
            self.probing = True
            self.until = now + PROBE

    def succeeded(self, now: float, began: float) -> None:
        if began < self._since - _STALE:
            return
        if self.opened:
            self._close(now)
            return
        self._strikes = 0.0
        self._praised = now
        self._count(now, good=1.0, bad=0.0)
        if self._trips and now - self._since > CALM:
            self._trips = 0

    def failed(self, now: float, began: float, strikes: float = 1.0) -> None:
        """A failure of the target's own making, worth so many `strikes`."""
        if began < self._since - _STALE:
            return
        if self.opened:
            if self.probing:
                self._open(now)
            return
        self._strikes += strikes
        self._count(now, good=0.0, bad=1.0)
        seen = self._good + self._bad
        silent = now - self._praised >= SILENT
        if (self._strikes >= STRIKES and silent) or (seen >= ENOUGH and self._bad >= SHARE * seen):
            self._open(now)

    def answered(self, now: float, began: float) -> None:
        """It answered, and what it said was the client's fault or a matter of rate: alive, but no credit for more."""
        if self.probing and began >= self._since - _STALE:
            self._close(now)

    def released(self, now: float, began: float) -> None:
        """An attempt was given up by us. A probe's place is free again."""
        if self.probing and began >= self._since - _STALE:
            self.probing = False
            self.until = min(self.until, now)

    def _count(self, now: float, *, good: float, bad: float) -> None:
        kept = exp((self._at - now) / RECENT) if now > self._at else 1.0
        self._good = self._good * kept + good
        self._bad = self._bad * kept + bad
        self._at = now

    def _open(self, now: float) -> None:
        self.opened = True
        self.probing = False
        self.until = now + min(MOST, FIRST * 2.0 ** min(self._trips, 10))
        self._trips += 1
        self._since = now

    def _close(self, now: float) -> None:
        self.opened = False
        self.probing = False
        self.until = 0.0
        self._since = now
        self._strikes = self._good = self._bad = 0.0
