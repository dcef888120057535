"""OpenAI's exports: stored completions, and the input and output files of the Batch API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.samples.importers.record import BadRow, Record, rows, seconds, sent, text_of_reply

_PARAMS = (
    "tools",
    "tool_choice",
    "response_format",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "seed",
)


def stored(where: str, row: dict[str, Any]) -> Iterator[Record]:
    """Stored chat completions: a `chat.completion` with its request, either under `request`, or beside it as `input` or
    `messages`; or lines for fine-tuning and distillation, whose last message is the answer."""
    inner = row.get("request")
    request: dict[str, Any] = inner if isinstance(inner, dict) else row
    messages = request.get("messages") or request.get("input") or row.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRow(where, "no messages: was the completion exported with its input?")
    answer = text_of_reply(row)
    if answer is None and len(messages) > 1 and messages[-1].get("role") == "assistant":
        *messages, last = messages
        answer = text_of_reply(last)
    params = {name: request[name] for name in _PARAMS if request.get(name) is not None}
    metadata = row.get("metadata")
    yield Record(
        where=where,
        request={"messages": [_message(message) for message in messages], **params},
        answer=answer,
        cluster=_cluster(metadata) if isinstance(metadata, dict) else None,
        at=seconds(row.get("created")),
        model=row.get("model"),
        id=row.get("id"),
    )


def _message(message: Any) -> Any:
    """A message without what only its store knows: an id, and fields that are null."""
    if not isinstance(message, dict):
        return message
    kept = {name: value for name, value in message.items() if name == "content" or value is not None}
    parts = kept.pop("content_parts", None)
    if kept.get("content") is None and parts:
        kept["content"] = parts
    if str(kept.get("id", "")).startswith("chatcmpl-"):
        del kept["id"]
    return kept


def _cluster(metadata: dict[str, Any]) -> str | None:
    return next(
        (str(metadata[name]) for name in ("conversation_id", "session_id", "thread_id") if name in metadata), None
    )


def answers_of(output: Path) -> dict[str, dict[str, Any]]:
    """A Batch output file's replies by `custom_id`."""
    return {str(row.get("custom_id")): row for _, row in rows(output) if isinstance(row, dict)}


def batch(where: str, row: dict[str, Any], *, answers: dict[str, dict[str, Any]] | None = None) -> Iterator[Record]:
    """A line of Batch input; with the output file's `answers`, each request gets that of its `custom_id`."""
    body = row.get("body")
    if not isinstance(body, dict):
        raise BadRow(where, "no `body`: is this the output file? Give the input file, and this one with --output-file")
    reply = (((answers or {}).get(str(row.get("custom_id"))) or {}).get("response") or {}).get("body")
    yield Record(
        where=where,
        request=sent(body),
        api="completions" if str(row.get("url", "")).endswith("/v1/completions") else "chat",
        answer=text_of_reply(reply),
        at=seconds((reply or {}).get("created")),
        model=body.get("model"),
        id=row.get("custom_id"),
    )
