"""A chat reply as a response, and the items and the frame that a stream's events share with it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

from weighbridge.wire.answer import Usage
from weighbridge.wire.documents import ChatReply
from weighbridge.wire.reading import StreamFailed, error_text, text_of
from weighbridge.wire.toolcalls import arguments_text
from weighbridge.wire.translation import sent
from weighbridge.wire.views import ChoiceView, LogprobsView, MessageView, ToolCallView

INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reasons of an answer that is not whole, and what a response calls them."""

_ECHOED: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": None,
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, with what stands there where the request says nothing."""


class Frame:
    """What stays the same of a response while it is made. `request` is the one it answers."""

    def __init__(self, request: dict[str, Any], *, id_: str | None, model: str | None, created: Any = None) -> None:
        self.bare = (id_ or uuid.uuid4().hex).removeprefix("chatcmpl-")
        self.created = created if isinstance(created, int) else int(time.time())
        self.model = model or str(request.get("model") or "")
        given = {name: value for name in _ECHOED if (value := request.get(name)) is not None}
        self._echo = {**_ECHOED, **given, "store": False}  # nothing is kept to be fetched later

    def response(
        self, status: str, output: Sequence[dict[str, Any]] = (), usage: Usage | None = None, **fields: Any
    ) -> dict[str, Any]:
        return {
            "id": f"resp_{self.bare}",
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self.model,
            "output": list(output),
            "usage": usage_said(usage) if usage is not None else None,
            **self._echo,
            **fields,
        }

    def ended(self, finish: str | None, output: Sequence[dict[str, Any]], usage: Usage | None) -> dict[str, Any]:
        """A response whose answer ended for this reason of a chat."""
        if (reason := INCOMPLETE.get(finish or "")) is not None:
            return self.response("incomplete", output, usage, incomplete_details={"reason": reason})
        return self.response("completed", output, usage, completed_at=int(time.time()))

    def item_id(self, kind: str, number: int) -> str:
        """Ids of items: `kind` is msg, rs, fc or ctc; `number` their place in the output."""
        return f"{kind}_{self.bare}_{number}"


def responses_reply_from_chat(reply: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The response to `request` (which it repeats) that a chat reply makes: its first choice.

    Raises Unreadable for what is no reply, StreamFailed for an error in place of one.
    """
    document = ChatReply(reply)
    view = document.view
    if not view.choices:
        if view.error is not None:
            raise StreamFailed(error_text(view.error), document.encode())
        raise sent.fail("a reply without choices")
    frame = Frame(request, id_=view.id, model=view.model, created=reply.get("created"))
    choice = view.choices[0]
    output = _output(frame, choice, citations(_message_of(reply)))
    if choice.finish_reason in INCOMPLETE and output and "status" in output[-1]:
        output[-1]["status"] = "incomplete"
    return frame.ended(choice.finish_reason, output, document.usage)


def _message_of(reply: dict[str, Any]) -> dict[str, Any]:
    message = reply["choices"][0].get("message")
    return message if isinstance(message, dict) else {}


def _output(frame: Frame, choice: ChoiceView, annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    message = choice.message or MessageView()
    calls: Sequence[ToolCallView] = message.tool_calls or ()
    text, thoughts = text_of(message.content)
    output: list[dict[str, Any]] = []
    if thoughts := message.reasoning or message.reasoning_content or thoughts:
        output.append(reasoning_item(frame.item_id("rs", 0), thoughts))
    parts = []
    if message.function_call is not None and not calls:  # the older spelling, of one call
        calls = [ToolCallView(function=message.function_call)]
    if text or not (calls or message.refusal):
        parts.append(text_part(text, logprobs_said(choice.logprobs), annotations))
    if message.refusal:
        parts.append({"type": "refusal", "refusal": message.refusal})
    if parts:
        output.append(message_item(frame.item_id("msg", len(output)), parts))
    output += [_call(frame, call, number) for number, call in enumerate(calls, len(output))]
    return output


def _call(frame: Frame, call: ToolCallView, number: int) -> dict[str, Any]:
    if call.custom is not None:
        name, text = call.custom.get("name"), call.custom.get("input")
        named = name if isinstance(name, str) else ""
        return call_item(frame, number, call.id or "", named, text if isinstance(text, str) else "", custom=True)
    function = call.function
    name = function.name if function is not None else None
    return call_item(frame, number, call.id or "", name or "", arguments_text(function.arguments if function else None))


# --- items and parts


def message_item(id_: str, parts: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    return {"id": id_, "type": "message", "status": status, "role": "assistant", "content": parts}


def text_part(
    text: str, logprobs: Sequence[dict[str, Any]] = (), annotations: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": list(logprobs)}


def reasoning_item(id_: str, text: str) -> dict[str, Any]:
    """Thoughts as a summary: that is where apps written for OpenAI's own models look for them."""
    return {"id": id_, "type": "reasoning", "summary": [{"type": "summary_text", "text": text}] if text else []}


def call_item(
    frame: Frame, number: int, call_id: str, name: str, text: str, *, custom: bool = False, status: str = "completed"
) -> dict[str, Any]:
    """A function's call, or a custom tool's; one without an id gets one, so that its result can name it."""
    kind, id_ = ("custom_tool_call", "ctc") if custom else ("function_call", "fc")
    return {
        "id": frame.item_id(id_, number),
        "type": kind,
        "status": status,
        "call_id": call_id or frame.item_id("call", number),
        "name": name,
        "input" if custom else "arguments": text,
    }


def citations(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A chat message's URL citations, as a response has them."""
    found = []
    for annotation in sent.array(message.get("annotations"), "message.annotations"):
        cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
        if isinstance(cited, dict):
            url, title = (sent.text(cited.get(name), f"url_citation.{name}") for name in ("url", "title"))
            start, end = (sent.count(cited.get(name), f"url_citation.{name}") for name in ("start_index", "end_index"))
            found.append({"type": "url_citation", "url": url, "title": title, "start_index": start, "end_index": end})
    return found


def logprobs_said(view: LogprobsView | None) -> list[dict[str, Any]]:
    """A chat's logprobs as a response has them."""
    if view is None or not view.content:
        return []
    return [
        {
            **_token(entry.token, entry.logprob),
            "top_logprobs": [_token(rival.token, rival.logprob) for rival in entry.top_logprobs or ()],
        }
        for entry in view.content
    ]


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "surrogatepass"))}


def usage_said(usage: Usage) -> dict[str, Any]:
    given, made = usage.input or 0, usage.output or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": usage.cached or 0, "cache_write_tokens": usage.cache_write or 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": given + made,
    }
