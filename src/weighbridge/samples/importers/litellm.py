"""LiteLLM's spend logs, as JSON, JSON Lines or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weighbridge.samples.importers.record import BadRow, Record, answer_text, parsed, seconds, sent


def read(where: str, row: dict[str, Any]) -> Iterator[Record]:
    """Rows of chat and text completions; embeddings and the like are passed over. Prompts are in the logs only where
    `store_prompts_in_spend_logs` was set."""
    kind = str(row.get("call_type", ""))
    if kind and "completion" not in kind:
        return
    request = parsed(row.get("proxy_server_request"))
    body = parsed(request.get("body", request)) if isinstance(request, dict) else {}
    body = body if isinstance(body, dict) else {}
    messages = parsed(row.get("messages")) or body.get("messages")
    text = "text" in kind and body.get("prompt")
    if not text and not (isinstance(messages, list) and messages):
        raise BadRow(where, "no messages: set `store_prompts_in_spend_logs: true` to have them in the logs")
    tags = parsed(row.get("request_tags"))
    metadata = parsed(row.get("metadata"))
    session = row.get("session_id") or (metadata.get("session_id") if isinstance(metadata, dict) else None)
    yield Record(
        where=where,
        request=sent(body) if text else {**sent(body), "messages": messages},
        api="completions" if text else "chat",
        answer=answer_text(row.get("response")),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        cluster=str(session) if session else None,
        at=seconds(row.get("startTime") or row.get("start_time")),
        model=_text(row.get("model")),
        id=_text(row.get("request_id")),
    )


def _text(value: Any) -> str | None:
    return str(value) if value else None
