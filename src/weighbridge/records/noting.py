"""What is worked out for a record while requests wait: its id, and the sums over its attempts."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

from weighbridge.records.exchange import Attempt
from weighbridge.wire.answer import Usage

_dice = random.Random()  # noqa: S311 -- names, not secrets; our own, so that nobody's random.seed(0) makes ids repeat
os.register_at_fork(after_in_child=_dice.seed)


def new_id(at: float) -> str:
    """`wbx_` and 25 hex digits: microseconds since 1970, so that ids sort by time, and 48 random bits."""
    return "wbx_" + (int(at * 1e6) << 48 | _dice.getrandbits(48)).to_bytes(13, "big").hex()[1:]


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
