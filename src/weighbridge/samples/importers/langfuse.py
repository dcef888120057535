"""Langfuse: exported observations or traces, as JSON, JSON Lines or CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from weighbridge.samples.importers.record import BadRow, Record, answer_text, parsed, prompt, seconds, sent


def read(where: str, row: dict[str, Any]) -> Iterator[Record]:
    """Generations become samples; spans and events of other types are passed over. A trace with its observations gives
    one for each generation in it."""
    inner = parsed(row.get("observations"))
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        whole = row["trace"] if isinstance(row.get("trace"), dict) else row
        trace = {"sessionId": whole.get("sessionId"), "tags": whole.get("tags"), "traceId": whole.get("id")}
        for number, observation in enumerate(inner, 1):
            own = {name: value for name, value in observation.items() if value is not None}
            yield from _one(f"{where}, observation {number}", {**trace, **own})
    else:
        yield from _one(where, row)


def _one(where: str, row: dict[str, Any]) -> Iterator[Record]:
    kind = row.get("type")
    if isinstance(kind, str) and kind.upper() not in {"GENERATION", "TRACE"}:
        return
    asked = parsed(row.get("input"))
    if asked is None:
        raise BadRow(where, "a generation without its input")
    tags = parsed(row.get("tags"))
    params = parsed(row.get("modelParameters", row.get("model_parameters")))
    cluster = row.get("sessionId") or row.get("session_id") or row.get("traceId") or row.get("trace_id")
    yield Record(
        where=where,
        request={**_request(where, asked), **(_params(params) if isinstance(params, dict) else {})},
        answer=answer_text(row.get("output")),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        cluster=str(cluster) if cluster else None,
        at=seconds(row.get("startTime") or row.get("start_time") or row.get("timestamp")),
        model=row.get("model") or row.get("providedModelName"),
        id=row.get("id"),
    )


_NUMBERS = frozenset({"temperature", "top_p", "max_tokens", "max_completion_tokens", "seed"})
_OTHERS = frozenset({"stop", "response_format"})


def _params(params: dict[str, Any]) -> dict[str, Any]:
    """Langfuse writes numbers as texts too, and an endless `max_tokens` where none was asked for."""
    numbers = {name: _number(value) for name, value in params.items() if name in _NUMBERS}
    others = {name: parsed(value) for name, value in params.items() if name in _OTHERS and value is not None}
    return {name: value for name, value in numbers.items() if value is not None} | others


def _number(value: Any) -> int | float | None:
    if isinstance(value, str):
        for read in (int, float):
            with suppress(ValueError):
                value = read(value)
                break
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _request(where: str, asked: Any) -> dict[str, Any]:
    if isinstance(asked, str):
        return prompt(asked)
    if isinstance(asked, list) and asked:
        return {"messages": asked}
    if isinstance(asked, dict) and isinstance(asked.get("messages"), list):
        return sent(asked)
    if isinstance(asked, dict) and "role" in asked:
        return {"messages": [asked]}
    raise BadRow(where, "its input is neither a text nor a list of messages")
