"""How long a provider asks us to wait, wherever it says so."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_LONGEST = 24 * 3600.0


def from_reply(headers: Sequence[tuple[str, str]], body: Any, *, now: datetime | None = None) -> float | None:
    """Seconds, from `retry-after-ms`, `Retry-After` (seconds or a date), rate-limit resets of what is used up, or the
    body (Gemini's `retryDelay`, OpenRouter's metadata); None where nothing says. Never more than a day."""
    named = dict(reversed(headers))
    for found in (_milliseconds(named), _header(named, now), _in_body(body), _reset(named)):
        if found is not None:
            return min(max(found, 0.0), _LONGEST)
    return None


def _milliseconds(headers: Mapping[str, str]) -> float | None:
    value = _number(headers.get("retry-after-ms", ""))
    return value / 1000 if value is not None else None


def _header(headers: Mapping[str, str], now: datetime | None) -> float | None:
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    span_text = span(text)
    if span_text is not None:
        return span_text
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # an offset from UTC of centuries
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - (now or datetime.now(UTC))).total_seconds()


def _reset(headers: Mapping[str, str]) -> float | None:
    """Of the limits that are used up, the one that comes back last."""
    waits = [
        wait
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0"
        and (wait := span(headers.get(f"x-ratelimit-reset-{kind}", ""))) is not None
    ]
    return max(waits) if waits else None


def _in_body(body: Any) -> float | None:
    for entry in _objects(body):
        for wait in (_delay(entry.get("retryDelay", entry.get("retry_delay"))), _after(entry)):
            if wait is not None:
                return wait
    return None


def _delay(said: Any) -> float | None:
    """google.rpc.RetryInfo: "52s", or seconds and nanos apart."""
    if isinstance(said, str):
        return span(said)
    if not isinstance(said, dict):
        return None
    seconds, nanos = _bounded(said.get("seconds")), said.get("nanos")
    if seconds is None:
        return None
    return seconds + nanos / 1e9 if isinstance(nanos, int) and 0 <= nanos < 1_000_000_000 else seconds


def _after(entry: dict[str, Any]) -> float | None:
    return _bounded(entry.get("retry_after", entry.get("retry_after_seconds")))


def _bounded(value: Any) -> float | None:
    """A number of a body, which may have any size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(min(max(value, -_LONGEST), _LONGEST))  # compared as it is: a whole number may be too large for a float


def _objects(value: Any, depth: int = 0) -> Iterable[dict[str, Any]]:
    if depth > 6:
        return
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value[:20]:
            yield from _objects(inner, depth + 1)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def span(text: str) -> float | None:
    """Seconds of "52s", "6m0s", "1h2m", "120ms" or a plain number; None for anything else."""
    text = text.strip()
    if not text:
        return None
    plain = _number(text)
    if plain is not None:
        return plain
    match = _SPAN.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds, milliseconds = (float(part) if part else 0.0 for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
