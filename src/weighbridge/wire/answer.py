"""What a model answered, however it was sent: whole or streamed, chat or completion."""

from __future__ import annotations

from typing import Any

import msgspec


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens as the provider counted them. Parts are included in their whole: `cached` and `cache_write` in
    `input`, `reasoning` in `output`, audio in either. None: the provider did not say."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """One function the model asks to be called; `arguments` is the JSON text as sent, never parsed here."""

    id: str
    name: str
    arguments: str
    type: str = "function"


class TokenLogprob(msgspec.Struct, frozen=True, omit_defaults=True):
    """Natural-log probability of one generated token, and of its rivals where asked for."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Latency(msgspec.Struct, frozen=True, omit_defaults=True):
    """Seconds from the intended send time. None: not measured (not streamed, or no such token came).

    `ttft` is to the first token of any kind (reasoning, text, tool-call argument; a chunk with only a role is not a
    token), `ttfa` to the first token of the answer proper, `last_token` to the last, `total` to the end of the reply.
    `gaps` are the times between successive token-bearing chunks. `lateness` is how late the client itself sent.
    """

    total: float
    ttfb: float | None = None
    ttft: float | None = None
    ttfa: float | None = None
    last_token: float | None = None
    lateness: float = 0.0
    gaps: tuple[float, ...] = ()


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One choice of a successful reply, ready to be scored and priced.

    `complete` is False where a stream ended without a finish reason. `model` and `fingerprint` are what the provider
    reported. `extra` keeps what has no field here (further choices, citations, …).
    """

    text: str = ""
    reasoning: str = ""
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    complete: bool = True
    model: str | None = None
    response_id: str | None = None
    fingerprint: str | None = None
    usage: Usage = Usage()
    logprobs: tuple[TokenLogprob, ...] = ()
    latency: Latency | None = None
    chunks: int = 0
    extra: dict[str, Any] = {}
