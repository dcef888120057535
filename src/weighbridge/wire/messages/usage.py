"""Tokens and the reason for stopping, in both APIs' words.

OpenAI counts cached tokens within the prompt's, Anthropic beside `input_tokens`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from weighbridge.wire.answer import Usage
from weighbridge.wire.spent import usage_of
from weighbridge.wire.translation import sent
from weighbridge.wire.usage import UsageView

_OWN: Final = ("cache_creation", "server_tool_use", "iterations", "inference_geo", "service_tier", "speed")
"""What Anthropic says beside the counts; kept under its own names."""


def chat_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """Anthropic's usage in OpenAI's words. Raises Unreadable for counts that are none."""
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    prompt = sent.count(usage.get("input_tokens"), "usage.input_tokens")
    details = {}
    if read is not None:
        details["cached_tokens"] = sent.count(read, "usage.cache_read_input_tokens")
    if written is not None:
        details["cache_creation_tokens"] = sent.count(written, "usage.cache_creation_input_tokens")
    prompt += sum(details.values())
    made = sent.count(usage.get("output_tokens"), "usage.output_tokens")
    said: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}
    if details:
        said["prompt_tokens_details"] = details
    thought = sent.object(usage.get("output_tokens_details"), "usage.output_tokens_details").get("thinking_tokens")
    if thought is not None:
        said["completion_tokens_details"] = {"reasoning_tokens": sent.count(thought, "usage.thinking_tokens")}
    for name in _OWN:
        if usage.get(name) is not None:
            said[name] = sent.bounded(usage[name], f"usage.{name}")
    return said


def messages_usage(usage: Any, *, input_tokens: int = 0) -> dict[str, Any]:
    """Usage in any vendor's words as Anthropic's; `input_tokens` is what is known where it does not say."""
    told = sent.object(usage, "usage")
    counted = _read(told)
    given = counted.input if counted.input is not None else input_tokens
    cached = min(counted.cached or 0, given)
    written = min(counted.cache_write or 0, given - cached)  # parts of one whole; OpenRouter has told more
    said: dict[str, Any] = {
        "input_tokens": given - cached - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": counted.output or 0,
    }
    if counted.reasoning is not None:
        said["output_tokens_details"] = {"thinking_tokens": counted.reasoning}
    for name in _OWN:
        if told.get(name) is not None:
            said[name] = told[name]
    return said


def _read(told: dict[str, Any]) -> Usage:
    try:
        return usage_of(msgspec.convert(told, UsageView))
    except msgspec.ValidationError as error:
        raise sent.fail(f"usage is none: {error}") from None


_FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # Each of these leaves the answer unfinished, so none may look like a whole one.
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "compaction": "length",
}
_STOP: Final = {
    "stop": "end_turn",
    "eos": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_PLAIN: Final = frozenset({"end_turn", "max_tokens", "tool_use", "refusal"})


def chat_stop(told: dict[str, Any]) -> dict[str, Any]:
    """From `stop_reason` and what stands beside it to fields of a choice.

    A reason that OpenAI's words do not tell apart stays beside `finish_reason`, as `stop_reason`.
    """
    reason = sent.text(told.get("stop_reason"), "stop_reason")
    if not reason:
        return {"finish_reason": None}
    choice: dict[str, Any] = {"finish_reason": _FINISH.get(reason, "stop")}
    if reason not in _PLAIN:
        choice["stop_reason"] = reason
    for name in ("stop_sequence", "stop_details"):
        if told.get(name) is not None:
            choice[name] = sent.bounded(told[name], name)
    return choice


def messages_stop(choice: dict[str, Any], *, called: bool, refused: bool) -> dict[str, Any]:
    """From a choice that has ended to `stop_reason`, `stop_sequence` and, where told, `stop_details`.

    `called`: it holds calls of tools, whatever its own reason says (litellm#12481). A reason that nobody knows stays
    as it is: it may mean a cut, and that must not look like an end (bifrost#6782).
    """
    finish = sent.text(choice.get("finish_reason"), "finish_reason")
    own = choice.get("stop_reason")  # vLLM has one too: the stop text, or a token's number
    ended = choice.get("stop_sequence")
    if isinstance(own, str) and own in _FINISH:
        reason = own
    elif ended is not None:
        reason = "stop_sequence"
    else:
        reason = _STOP.get(finish, finish or "end_turn")
        if reason == "end_turn" and isinstance(own, str) and own:
            reason, ended = "stop_sequence", own
    if reason == "end_turn" and (called or refused):
        reason = "tool_use" if called else "refusal"
    said: dict[str, Any] = {"stop_reason": reason, "stop_sequence": ended}
    if choice.get("stop_details") is not None:
        said["stop_details"] = choice["stop_details"]
    return said
