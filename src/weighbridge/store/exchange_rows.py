"""Exchanges and feedback as flat rows, and back: the columns a person queries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from weighbridge.records.exchange import Attempt, Exchange, Features, Feedback
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure

# Column name to DuckDB type, in the order they are stored; no name is a word of SQL (`at` is one). `arrived` and `said`
# are Unix seconds, `time` is the same in UTC; other times are seconds, cost is USD; `attempts` and `failure` are
# JSON text, since a newer version may give them fields that older files lack.
EXCHANGE_COLUMNS: Final = {
    "id": "VARCHAR",
    "arrived": "DOUBLE",
    "time": "TIMESTAMP",
    "worker": "VARCHAR",
    "endpoint": "VARCHAR",
    "api": "VARCHAR",
    "key": "VARCHAR",
    "tenant": "VARCHAR",
    "streamed": "BOOLEAN",
    "ok": "BOOLEAN",
    "outcome": "VARCHAR",
    "status": "BIGINT",
    "error_class": "VARCHAR",
    "error_message": "VARCHAR",
    "candidate": "VARCHAR",
    "provider": "VARCHAR",
    "model": "VARCHAR",
    "answered": "VARCHAR",
    "reason": "VARCHAR",
    "policy": "VARCHAR",
    "chance": "DOUBLE",
    "tries": "INTEGER",
    "retried": "VARCHAR[]",
    "hedged": "BOOLEAN",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cached_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "reasoning_tokens": "BIGINT",
    "audio_input_tokens": "BIGINT",
    "audio_output_tokens": "BIGINT",
    "cost": "DOUBLE",
    "ttft": "DOUBLE",
    "total": "DOUBLE",
    "finish_reason": "VARCHAR",
    "cache": "VARCHAR",
    "trace": "VARCHAR",
    "shadow_of": "VARCHAR",
    "needs": "VARCHAR[]",
    "body_bytes": "BIGINT",
    "input_estimate": "BIGINT",
    "max_tokens": "BIGINT",
    "messages": "BIGINT",
    "tools": "BIGINT",
    "failure": "VARCHAR",
    "attempts": "VARCHAR",
    "request": "VARCHAR",
    "reply": "VARCHAR",
    "capture": "VARCHAR",
    "version": "BIGINT",
}

FEEDBACK_COLUMNS: Final = {
    "exchange": "VARCHAR",
    "said": "DOUBLE",
    "time": "TIMESTAMP",
    "score": "DOUBLE",
    "comment": "VARCHAR",
    "key": "VARCHAR",
    "version": "BIGINT",
}

_LARGEST: Final = 2**63 - 1
_SAME: Final = (
    "id",
    "endpoint",
    "api",
    "outcome",
    "key",
    "tenant",
    "streamed",
    "cost",
    "ttft",
    "total",
    "finish_reason",
    "cache",
    "trace",
    "shadow_of",
    "request",
    "reply",
    "capture",
    "version",
)
"""Fields that are columns of the same name."""

_KINDS: Final = Usage.__struct_fields__
_NOTHING_KNOWN: Final = Features()
_encode = msgspec.json.Encoder().encode


def exchange_row(exchange: Exchange, worker: str | None) -> dict[str, Any]:
    """One row of `exchanges`; what is not there is NULL. `candidate`, `provider`, `model` and `answered` are those of
    the attempt whose answer the client got; NULL where it got none, or one from the cache."""
    attempts, failure, route = exchange.attempts, exchange.failure, exchange.route
    row: dict[str, Any] = {name: value for name in _SAME if (value := getattr(exchange, name)) is not None}
    row.update(
        arrived=exchange.at,
        time=_time(exchange.at),
        worker=worker,
        ok=exchange.outcome == "ok",
        status=_whole(exchange.status),
        candidate=route.target,
        reason=route.reason,
        policy=route.policy,
        chance=route.chance,
        tries=len(attempts),
        retried=[attempt.failure.error_class for attempt in attempts if attempt.failure],
        hedged=any(attempt.hedge for attempt in attempts),
        attempts=_encode(attempts).decode(),
        **_counts(exchange),
    )
    served = exchange.served
    if served is not None:
        row.update(provider=served.provider, model=served.model, answered=served.answered)
    if failure is not None:
        row.update(error_class=failure.error_class, error_message=failure.message, failure=_encode(failure).decode())
    return row


def _counts(exchange: Exchange) -> dict[str, Any]:
    usage, features = exchange.usage, exchange.features
    counts = {f"{name}_tokens": _whole(count) for name in _KINDS if (count := getattr(usage, name)) is not None}
    if features != _NOTHING_KNOWN:
        counts.update(
            body_bytes=_whole(features.body_bytes),
            input_estimate=_whole(features.input_tokens),
            max_tokens=_whole(features.max_tokens),
            messages=_whole(features.messages),
            tools=_whole(features.tools),
        )
    return {"needs": features.needs, **counts}


def feedback_row(feedback: Feedback) -> dict[str, Any]:
    return {
        "exchange": feedback.exchange,
        "said": feedback.at,
        "time": _time(feedback.at),
        "score": feedback.score,
        "comment": feedback.comment,
        "key": feedback.key,
        "version": feedback.version,
    }


def exchange_of(row: Mapping[str, Any]) -> Exchange:
    """The exchange a row was made from. Raises ValueError where the row does not hold one."""
    features = {
        "needs": row["needs"],
        "body_bytes": row["body_bytes"],
        "input_tokens": row["input_estimate"],
        "max_tokens": row["max_tokens"],
        "messages": row["messages"],
        "tools": row["tools"],
    }
    route = {"target": row["candidate"], "reason": row["reason"], "policy": row["policy"], "chance": row["chance"]}
    usage = {name: row[f"{name}_tokens"] for name in _KINDS}
    fields = {name: row[name] for name in (*_SAME, "status")} | {
        "t": "exchange",
        "at": row["arrived"],
        "route": _said(route),
        "features": _said(features),
        "usage": usage,
    }
    exchange = msgspec.convert(_said(fields), Exchange)
    failure, attempts = row["failure"], row["attempts"]
    return msgspec.structs.replace(
        exchange,
        failure=None if failure is None else msgspec.json.decode(failure, type=Failure),
        attempts=() if attempts is None else msgspec.json.decode(attempts, type=tuple[Attempt, ...]),
    )


def feedback_of(row: Mapping[str, Any]) -> Feedback:
    """The feedback a row was made from. Raises ValueError where the row does not hold one."""
    return msgspec.convert(_said(dict(row) | {"t": "feedback", "at": row["said"]}), Feedback)


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    """Without NULLs, which stand for a field's default."""
    return {name: value for name, value in fields.items() if value is not None}


def _time(at: float) -> datetime | None:
    """In UTC, as DuckDB's TIMESTAMP wants it; None for a number that is no time of ours."""
    if not math.isfinite(at) or not 0 <= at < 2**36:
        return None
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _whole(number: int | None) -> int | None:
    """A provider may claim any number of tokens; one that fits no column must not keep the others from theirs."""
    return number if number is None or -_LARGEST <= number <= _LARGEST else None
