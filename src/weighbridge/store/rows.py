"""Results and scores as flat rows: the columns a person queries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from weighbridge.replay.result import Attempt, Result
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer, Latency, Usage

Key = tuple[str, str, int]


class Scored(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the scorers said of one result. `success` is None where the success rule could not be decided."""

    candidate: str
    sample: str
    repeat: int
    success: bool | None
    scores: tuple[Score, ...] = ()

    @property
    def key(self) -> Key:
        return (self.candidate, self.sample, self.repeat)


# Column name to DuckDB type, in the order they are stored. Times are seconds, cost is USD.
RESULT_COLUMNS: dict[str, str] = {
    "run": "VARCHAR",
    "candidate": "VARCHAR",
    "sample": "VARCHAR",
    "repeat": "INTEGER",
    "cluster": "VARCHAR",
    "tags": "VARCHAR[]",
    "weight": "DOUBLE",
    "ok": "BOOLEAN",
    "success": "BOOLEAN",
    "error_class": "VARCHAR",
    "error_message": "VARCHAR",
    "status": "INTEGER",
    "attempts": "INTEGER",
    "retried": "VARCHAR[]",
    "intended": "DOUBLE",
    "cost": "DOUBLE",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cached_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "reasoning_tokens": "BIGINT",
    "ttfb": "DOUBLE",
    "ttft": "DOUBLE",
    "ttfa": "DOUBLE",
    "last_token": "DOUBLE",
    "total": "DOUBLE",
    "gave_up_after": "DOUBLE",
    "lateness": "DOUBLE",
    "gaps": "DOUBLE[]",
    "chunks": "INTEGER",
    "finish_reason": "VARCHAR",
    "complete": "BOOLEAN",
    "model": "VARCHAR",
    "fingerprint": "VARCHAR",
    "response_id": "VARCHAR",
    "text": "VARCHAR",
    "reasoning": "VARCHAR",
    "refusal": "VARCHAR",
    "tool_calls": "VARCHAR",
}

SCORE_COLUMNS: dict[str, str] = {
    "run": "VARCHAR",
    "candidate": "VARCHAR",
    "sample": "VARCHAR",
    "repeat": "INTEGER",
    "scorer": "VARCHAR",
    "value": "DOUBLE",
    "passed": "BOOLEAN",
    "explanation": "VARCHAR",
    "extracted": "VARCHAR",
}


def result_row(run: str, result: Result, sample: Sample | None, scored: Scored | None) -> dict[str, Any]:
    """One row of `results`. A failed result is a failed sample: `success` is False and its latencies are NULL.

    An answer nobody scored has `success` NULL.
    """
    row = {
        "run": run,
        "candidate": result.candidate,
        "sample": result.sample,
        "repeat": result.repeat,
        "cluster": sample.cluster if sample else None,
        "tags": sample.tags if sample else (),
        "weight": sample.weight if sample else 1.0,
        "ok": result.answer is not None,
        "success": _success(result, scored),
        "status": result.attempts[-1].status if result.attempts else None,
        "attempts": len(result.attempts),
        "retried": [attempt.failure.error_class for attempt in result.attempts[:-1] if attempt.failure],
        "intended": result.intended,
        "cost": result.cost,
        **_tokens(result),
    }
    return row | (_failure(result) if result.answer is None else _answer(result.answer))


def _success(result: Result, scored: Scored | None) -> bool | None:
    if result.answer is None:
        return False
    return scored.success if scored else None


def _failure(result: Result) -> dict[str, Any]:
    last: Attempt | None = result.attempts[-1] if result.attempts else None
    failure = result.failure if last else None
    return {
        "error_class": failure.error_class if failure else "unknown",
        "error_message": failure.message if failure else "",
        "gave_up_after": last.started + last.took - result.intended if last else None,
    }


def _answer(answer: Answer) -> dict[str, Any]:
    latency = answer.latency
    return {
        **(_latency(latency) if latency else {}),
        "chunks": answer.chunks,
        "finish_reason": answer.finish_reason,
        "complete": answer.complete,
        "model": answer.model,
        "fingerprint": answer.fingerprint,
        "response_id": answer.response_id,
        "text": answer.text,
        "reasoning": answer.reasoning,
        "refusal": answer.refusal,
        "tool_calls": msgspec.json.encode(answer.tool_calls).decode() if answer.tool_calls else None,
    }


def _latency(latency: Latency) -> dict[str, Any]:
    return {
        "ttfb": latency.ttfb,
        "ttft": latency.ttft,
        "ttfa": latency.ttfa,
        "last_token": latency.last_token,
        "total": latency.total,
        "lateness": latency.lateness,
        "gaps": latency.gaps,
    }


def _tokens(result: Result) -> dict[str, int | None]:
    """Of the answer; of a failed result, what its attempts are known to have used."""
    usages = [result.answer.usage] if result.answer else [attempt.usage for attempt in result.attempts]
    return {f"{name}_tokens": _total(usages, name) for name in _TOKEN_KINDS}


_TOKEN_KINDS = ("input", "output", "cached", "cache_write", "reasoning")


def _total(usages: list[Usage], name: str) -> int | None:
    known = [count for usage in usages if (count := getattr(usage, name)) is not None]
    return sum(known) if known else None


def score_rows(run: str, scored: Scored) -> Iterator[dict[str, Any]]:
    """Rows of `scores`, one for each scorer; `extracted` is JSON text."""
    for score in scored.scores:
        yield {
            "run": run,
            "candidate": scored.candidate,
            "sample": scored.sample,
            "repeat": scored.repeat,
            "scorer": score.scorer,
            "value": score.value,
            "passed": score.passed,
            "explanation": score.explanation,
            "extracted": None if score.extracted is None else msgspec.json.encode(score.extracted).decode(),
        }
