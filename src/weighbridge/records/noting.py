"""What is worked out for a record while requests wait: its id, and the sums over its attempts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from weighbridge.records.exchange import Attempt
from weighbridge.wire.answer import Usage

_RANDOM: Final = 12  # hex digits of an id
_BATCH: Final = 256
_MICROS: Final = 13


class _Dice:
    """Random digits for many ids at a time: to ask for each takes as long as all the rest of a name."""

    __slots__ = ("_at", "_digits")

    def __init__(self) -> None:
        self._digits = ""
        self._at = 0

    def forget(self) -> None:
        """After a fork both processes would make the same."""
        self._digits = ""
        self._at = 0

    def next(self) -> str:
        at = self._at
        if at >= len(self._digits):
            self._digits = os.urandom(_BATCH * _RANDOM // 2).hex()
            at = 0
        self._at = at + _RANDOM
        return self._digits[at : at + _RANDOM]


_dice: Final = _Dice()
os.register_at_fork(after_in_child=_dice.forget)


def new_id(at: float) -> str:
    """`wbx_` and 25 hex digits: microseconds since 1970, so that ids sort by time, and 48 random bits."""
    micros = hex(int(at * 1e6))[2:]  # noqa: FURB116 -- half the time of a format
    return "wbx_" + micros.rjust(_MICROS, "0") + _dice.next()


def summed_usage(attempts: Sequence[Attempt]) -> Usage:
    """Tokens of all attempts; a number no attempt reported stays None."""
    if len(attempts) == 1:
        return attempts[0].usage
    sums: dict[str, int] = {}
    for attempt in attempts:
        for name in Usage.__struct_fields__:
            count = getattr(attempt.usage, name)
            if count is not None:
                sums[name] = sums.get(name, 0) + count
    return Usage(**sums)


def summed_cost(attempts: Sequence[Attempt]) -> float | None:
    """USD of all attempts; None where one of them has a cost that is not known."""
    if len(attempts) == 1:
        return attempts[0].cost
    total = 0.0
    for attempt in attempts:
        if attempt.cost is None:
            return None
        total += attempt.cost
    return total
