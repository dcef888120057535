"""Typed views of OpenAI-compatible replies and chunks: what is read of them, decoded straight from bytes.

What a view does not name is skipped at C speed; `weighbridge.wire.documents` keeps everything.
"""

from __future__ import annotations

from typing import Any

import msgspec

from weighbridge.wire.usage import UsageView


class View(msgspec.Struct, frozen=True, gc=False):
    """Base of all views."""


class FunctionView(View, frozen=True, gc=False):
    """`arguments` is JSON text; some servers send the object itself."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCallView(View, frozen=True, gc=False):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionView | None = None
    custom: dict[str, Any] | None = None


class MessageView(View, frozen=True, gc=False):
    """A message, or a chunk's delta. Reasoning comes under two names, or as parts of `content` (Mistral)."""

    role: str | None = None
    content: str | list[Any] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallView] | None = None
    function_call: FunctionView | None = None
    audio: dict[str, Any] | None = None


class TopLogprobView(View, frozen=True, gc=False):
    token: str = ""
    logprob: float = 0.0


class LogprobView(View, frozen=True, gc=False):
    token: str = ""
    logprob: float = 0.0
    top_logprobs: list[TopLogprobView] | None = None


class LogprobsView(View, frozen=True, gc=False):
    """Chat: `content`. Completions: `tokens` beside `token_logprobs` and `top_logprobs`."""

    content: list[LogprobView] | None = None
    refusal: list[LogprobView] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class ChoiceView(View, frozen=True, gc=False):
    """One choice: `message` whole, `delta` streamed, `text` of a completion."""

    index: int = 0
    message: MessageView | None = None
    delta: MessageView | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: LogprobsView | None = None


class GroqView(View, frozen=True, gc=False):
    usage: UsageView | None = None


class ToldView(View, frozen=True, gc=False):
    """What every reply and chunk tells of itself. `error` stands in a 200 where something failed on the way."""

    id: str | None = None
    model: str | None = None
    usage: UsageView | None = None
    x_groq: GroqView | None = None
    error: Any = None

    def usage_view(self) -> UsageView | None:
        """Usage, wherever it stands."""
        if self.usage is not None:
            return self.usage
        return self.x_groq.usage if self.x_groq is not None else None


class ReplyView(ToldView, frozen=True, gc=False):
    """A reply or a chunk."""

    system_fingerprint: str | None = None
    choices: list[ChoiceView] | None = None


decode_reply = msgspec.json.Decoder(ReplyView).decode


class EndView(View, frozen=True, gc=False):
    """How one choice ended."""

    finish_reason: str | None = None


class GlanceView(ToldView, frozen=True, gc=False):
    """What a whole reply is looked at for on its way through: whether it is one, how it ended and what it used. The
    answer itself is not decoded."""

    choices: list[EndView] | None = None


glance = msgspec.json.Decoder(GlanceView).decode
