"""LiteLLM's spend logs, as JSON, JSON Lines or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from weighbridge.samples.importers.record import BadRow, Record, answer_text, parsed, seconds, sent

_CUT: Final = b"(litellm_truncated "
_PROXY: Final = frozenset(
    {
        "api_base",
        "api_key",
        "base_url",
        "cache",
        "custom_llm_provider",
        "fallbacks",
        "guardrails",
        "mock_response",
        "num_retries",
        "secret_fields",
        "tags",
        "timeout",
    }
)
"""What a request says to the proxy and not to the model."""


def read(where: str, row: dict[str, Any]) -> Iterator[Record]:
    """Rows of chat and text completions; embeddings and the like are passed over. Prompts are in the logs only where
    `store_prompts_in_spend_logs` was set."""
    kind = str(row.get("call_type", ""))
    if kind and "completion" not in kind:
        return
    body = _body(row)
    messages = parsed(row.get("messages")) or body.get("messages")
    text = "text" in kind and body.get("prompt")
    if not text and not (isinstance(messages, list) and messages):
        raise BadRow(where, "no messages: set `store_prompts_in_spend_logs: true` to have them in the logs")
    request = sent(body) if text else {**sent(body), "messages": messages}
    if _CUT in msgspec.json.encode(request):
        raise BadRow(where, "the log cut its prompt: raise MAX_STRING_LENGTH_PROMPT_IN_DB of the proxy")
    answer = answer_text(row.get("response"))
    tags = parsed(row.get("request_tags"))
    yield Record(
        where=where,
        request=request,
        api="completions" if text else "chat",
        answer=answer if answer is None or _CUT not in answer.encode() else None,
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        cluster=_session(row),
        at=seconds(row.get("startTime") or row.get("start_time")),
        model=_text(row.get("model")),
        id=_text(row.get("request_id")),
    )


def _body(row: dict[str, Any]) -> dict[str, Any]:
    request = parsed(row.get("proxy_server_request"))
    body = parsed(request.get("body", request)) if isinstance(request, dict) else {}
    if not isinstance(body, dict):
        return {}
    return {name: value for name, value in body.items() if name not in _PROXY and not name.startswith("litellm_")}


def _session(row: dict[str, Any]) -> str | None:
    metadata = parsed(row.get("metadata"))
    return _text(row.get("session_id") or (metadata.get("session_id") if isinstance(metadata, dict) else None))


def _text(value: Any) -> str | None:
    return str(value) if value else None
