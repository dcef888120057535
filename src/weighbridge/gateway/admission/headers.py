"""`x-ratelimit-*` header lines and durations, as OpenAI writes them."""

from __future__ import annotations

from collections.abc import Iterable

from weighbridge.gateway.admission.limits import Meter

NO_RETRY = b"x-should-retry: false\r\n"
"""OpenAI's SDKs try every 429 again, unless told not to."""


def duration(seconds: float) -> str:
    """`0s`, `20ms`, `1.5s`, `6m0s`, `23h59m0s`."""
    if seconds <= 0:
        return "0s"
    if seconds < 1:
        return f"{max(round(seconds * 1000), 1)}ms"
    minutes, rest = divmod(round(seconds, 1), 60)
    text = f"{rest:.1f}".removesuffix(".0") + "s"
    if not minutes:
        return text
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"


def tightest(meters: Iterable[Meter]) -> Meter:
    """The limit that will be reached first."""
    return min(meters, key=lambda meter: meter.limit - meter.seen)


def lines(meters: Iterable[Meter], now: float) -> bytes:
    """Limit, remaining and reset of each meter, one meter a kind."""
    found = []
    for meter in meters:
        kind, remaining = meter.kind, max(meter.limit - meter.seen, 0)
        found.append(
            f"x-ratelimit-limit-{kind}: {meter.limit}\r\n"
            f"x-ratelimit-remaining-{kind}: {remaining}\r\n"
            f"x-ratelimit-reset-{kind}: {duration(meter.reset(now))}\r\n"
        )
    return "".join(found).encode()
