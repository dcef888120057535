"""A Converse reply as a chat reply, and what a stream's events share with it."""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

import msgspec

from weighbridge.wire.translation import sent

FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_TOLD_APART: Final = frozenset({"end_turn", "tool_use", "max_tokens"})


def chat_reply_from_converse(reply: dict[str, Any], model: str) -> dict[str, Any]:
    """The chat reply. Neither the reply's id nor its model are told in the body, so the id is made here.

    Raises Unreadable for what is no reply, and for a turn that came out unusable.
    """
    sent.bounded(reply, "the reply")
    message = sent.object(reply.get("output"), "output").get("message")
    if not isinstance(message, dict):
        raise sent.fail("a reply without output.message")
    said = _message(sent.objects(message.get("content"), "output.message.content"))
    choice = {
        "index": 0,
        "message": said,
        "logprobs": None,
        **finish(reply.get("stopReason"), called="tool_calls" in said),
    }
    document = head(model) | {"object": "chat.completion", "choices": [choice]}
    if (usage := usage_from(reply.get("usage"))) is not None:
        document["usage"] = usage
    return document


def _message(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for place, block in enumerate(blocks):
        at = f"output.message.content[{place}]"
        if "toolUse" in block:
            message.setdefault("tool_calls", []).append(_call(block["toolUse"], at))
        elif "reasoningContent" in block:
            thought, kept = thought_from(block["reasoningContent"], at)
            thoughts.append(thought)
            if kept:
                message.setdefault("thinking_blocks", []).append(kept)
        elif "citationsContent" in block:
            cited = sent.object(block["citationsContent"], at)
            texts += [sent.text(one.get("text"), at) for one in sent.objects(cited.get("content"), at)]
        elif "text" in block:
            texts.append(sent.text(block["text"], f"{at}.text"))
        elif block:
            message.setdefault("content_blocks", []).append(block)  # images and results of AWS's own tools
    if texts:
        message["content"] = "".join(texts)
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    return message


def _call(value: Any, where: str) -> dict[str, Any]:
    use = sent.object(value, f"{where}.toolUse")
    arguments = sent.object(use.get("input"), f"{where}.toolUse.input")
    return {
        "id": sent.needed(use.get("toolUseId"), f"{where}.toolUse.toolUseId"),
        "type": "function",
        "function": {
            "name": sent.needed(use.get("name"), f"{where}.toolUse.name"),
            "arguments": msgspec.json.encode(arguments).decode(),
        },
    }


def thought_from(value: Any, where: str) -> tuple[str, dict[str, Any] | None]:
    """A whole thought: its text, and the block that has to come back with the next turn where it is signed."""
    content = sent.object(value, f"{where}.reasoningContent")
    if redacted := sent.text(content.get("redactedContent"), f"{where}.redactedContent"):
        return "", {"type": "redacted_thinking", "data": redacted}
    told = sent.object(content.get("reasoningText"), f"{where}.reasoningText")
    text = sent.text(told.get("text"), f"{where}.reasoningText.text")
    signature = sent.text(told.get("signature"), f"{where}.reasoningText.signature")
    return text, {"type": "thinking", "thinking": text, "signature": signature} if signature else None


def head(model: str) -> dict[str, Any]:
    """What every chunk of a reply repeats."""
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}


def finish(value: Any, *, called: bool) -> dict[str, Any]:
    """Why a turn ended, as fields of a choice. Raises Unreadable for a turn that came out unusable."""
    reason = sent.needed(value, "stopReason")
    said = FINISH_REASONS.get(reason)
    if said is None:  # malformed_model_output, malformed_tool_use, and what is not known yet: never a success
        raise sent.fail(f"the model's turn ended as {reason}")
    native = {} if reason in _TOLD_APART else {"native_finish_reason": reason}
    return {"finish_reason": "tool_calls" if called and said == "stop" else said, **native}


def usage_from(value: Any) -> dict[str, Any] | None:
    """`usage` as OpenAI's; None where there is none. What was read from and written to the cache is beside the input's
    tokens there, and within them here."""
    counted = sent.object(value, "usage")
    if not counted:
        return None
    counts = {name: sent.count(counted.get(name), f"usage.{name}") for name in _COUNTS}
    cached, written = counts["cacheReadInputTokens"], counts["cacheWriteInputTokens"]
    given, made = counts["inputTokens"] + cached + written, counts["outputTokens"]
    return {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }


_COUNTS: Final = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
