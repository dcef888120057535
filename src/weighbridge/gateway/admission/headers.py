"""`x-ratelimit-*` header lines and durations, as OpenAI writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.gateway.admission.limits import Meter

NO_RETRY = b"x-should-retry: false\r\n"
"""OpenAI's SDKs try every 429 again, unless told not to."""


_said: dict[int, str] = {}
_MOST_SAID: Final = 10_000


def duration(seconds: float) -> str:
    """`0s`, `20ms`, `1.5s`, `6m0s`, `23h59m0s`."""
    if seconds < 1:
        return f"{max(round(seconds * 1000), 1)}ms" if seconds > 0 else "0s"
    tenths = int(seconds * 10 + 0.5)
    said = _said.get(tenths)
    if said is None:
        if len(_said) >= _MOST_SAID:
            _said.clear()
        said = _said[tenths] = _in_words(tenths)
    return said


def _in_words(tenths: int) -> str:
    minutes, rest = divmod(tenths, 600)
    second = f"{rest // 10}.{rest % 10}s" if rest % 10 else f"{rest // 10}s"
    if minutes < 60:
        return f"{minutes}m{second}" if minutes else second
    return f"{minutes // 60}h{minutes % 60}m{second}"


def lines(meters: Sequence[Meter], now: float) -> bytes:
    """Limit, remaining and reset of that meter, of one kind, which will be reached first."""
    if not meters:
        return b""
    tight = meters[0] if len(meters) == 1 else min(meters, key=lambda meter: meter.limit - meter.seen)
    rest = max(tight.limit - tight.seen, 0)
    return f"{tight.told()}{rest}\r\nx-ratelimit-reset-{tight.kind}: {duration(tight.reset(now))}\r\n".encode()
