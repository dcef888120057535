"""A line on stderr for each finished exchange: who, where, how it ended, how long. No prompt, answer, body or key.

Lines are made and written by a thread, because whoever reads stderr may be slow.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from weighbridge.gateway.behind import Behind
from weighbridge.records.exchange import Exchange

Form = Literal["json", "text", "off"]
_EVERY_S: Final = 0.2
_MS: Final = 1000.0


class Log:
    """`note` is on the request's path: an append. What a slow reader makes us leave out is counted in `dropped`."""

    def __init__(self, form: Literal["json", "text"], write: Callable[[str], Any] | None = None) -> None:
        self._line = line if form == "json" else text
        self._write = write or _to_stderr
        self._behind: Behind[Exchange] = Behind(self._written, "log", every=_EVERY_S)

    @property
    def dropped(self) -> int:
        return self._behind.dropped

    def note(self, record: Exchange) -> None:
        self._behind.put(record)

    def close(self, limit: float = 2.0) -> None:
        """Writes what is left; may take `limit` seconds, so call it in a thread."""
        self._behind.close(limit)

    def _written(self, records: list[Exchange]) -> None:
        self._write("".join([f"{self._line(record)}\n" for record in records]))


def log(form: Form) -> Log | None:
    """What `--log` asks for."""
    return None if form == "off" else Log(form)


def _to_stderr(lines: str) -> None:
    sys.stderr.write(lines)
    sys.stderr.flush()


def line(record: Exchange) -> str:
    """As JSON. A failure's own words stay out: a vendor may quote the prompt in them."""
    return msgspec.json.encode({name: value for name, value in _fields(record).items() if value is not None}).decode()


def text(record: Exchange) -> str:
    """For people: time, outcome, status, endpoint, target, tokens, cost, duration, id."""
    said = _fields(record)
    failed = said["error"]
    parts = [
        said["time"],
        said["outcome"] if failed is None else f"{said['outcome']} ({failed})",
        "-" if record.status is None else str(record.status),
        said["endpoint"] or "-",
        said["target"] or "-",
        f"{_count(record.usage.input)}+{_count(record.usage.output)} tokens",
        "$?" if record.cost is None else f"${record.cost:.6f}",
        "-" if record.total is None else f"{record.total:.3f}s",
        record.id,
    ]
    if record.cache is not None:
        parts.append(f"cache={record.cache}")
    if record.shadow_of is not None:
        parts.append(f"shadow_of={record.shadow_of}")
    return " ".join(parts)


def _fields(record: Exchange) -> dict[str, Any]:
    failure, usage = record.failure, record.usage
    return {
        "time": datetime.fromtimestamp(record.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": "exchange",
        "id": record.id,
        # An endpoint that does not exist is whatever somebody wrote.
        "endpoint": None if record.status == 404 and record.outcome == "refused" else record.endpoint or None,
        "api": record.api,
        "outcome": record.outcome,
        "status": record.status,
        "key": record.key,
        "tenant": record.tenant if record.tenant != record.key else None,
        "target": record.route.target,
        "reason": record.route.reason or None,
        "attempts": len(record.attempts),
        "error": failure.error_class if failure is not None else None,
        "upstream_status": failure.status if failure is not None and record.outcome != "refused" else None,
        "streamed": record.streamed,
        "finish_reason": record.finish_reason,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cached_tokens": usage.cached,
        "reasoning_tokens": usage.reasoning,
        "cost_usd": record.cost,
        "ttft_ms": _ms(record.ttft),
        "total_ms": _ms(record.total),
        "cache": record.cache,
        "shadow_of": record.shadow_of,
        "trace": record.trace,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * _MS, 3)


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)
