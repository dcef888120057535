"""What a target's times were lately: a decaying mean, and the 95th percentile of the last few."""

from __future__ import annotations

from math import ceil, exp
from typing import Final

TAU: Final = 10.0
"""Seconds after which a sample counts 1/e of a new one."""
FORGET: Final = 30.0
"""Seconds after which an estimate nobody renewed has fallen to 1/e, so that a target found slow once is tried again."""
KEPT: Final = 64
ENOUGH: Final = 10
_RENEW: Final = 8


class Ewma:
    """A mean in which a sample's weight decays with time, not with the number of those after it.

    On each sample, x += (1 − exp(−Δt/τ)) (s − x), with at least 1/16 for the newest: samples that come in one burst
    would otherwise count for nothing. `value` is None before the first.
    """

    __slots__ = ("at", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self.at = 0.0

    def add(self, sample: float, now: float) -> None:
        """One time in seconds, seen at `now`."""
        if self.value is None:
            self.value = sample
        else:
            weight = max(0.0625, 1.0 - exp((self.at - now) / TAU)) if now > self.at else 0.0625
            self.value += weight * (sample - self.value)
        self.at = now

    def guess(self, now: float) -> float | None:
        """What to expect now: the mean, believed less the older it is (as in Finagle's Peak EWMA)."""
        if self.value is None:
            return None
        age = now - self.at
        return self.value * exp(-age / FORGET) if age > 0.0 else self.value


class Recent:
    """The last 64 times, and their 95th percentile (the ⌈0.95 n⌉-th smallest, no interpolation)."""

    __slots__ = ("_fresh", "_next", "_p95", "_ring")

    def __init__(self) -> None:
        self._ring: list[float] = []
        self._next = 0
        self._fresh = 0
        self._p95: float | None = None

    def add(self, seconds: float) -> None:
        if len(self._ring) < KEPT:
            self._ring.append(seconds)
        else:
            self._ring[self._next] = seconds
            self._next = (self._next + 1) % KEPT
        self._fresh += 1

    def p95(self) -> float | None:
        """In seconds; None before the tenth time. Worked out at every eighth new time, for it is asked more often."""
        if len(self._ring) < ENOUGH:
            return None
        if self._p95 is None or self._fresh >= _RENEW:
            self._p95 = sorted(self._ring)[ceil(0.95 * len(self._ring)) - 1]
            self._fresh = 0
        return self._p95
