"""OpenAI-compatible replies and chunks, encoded."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from weighbridge.simulator.answers import Asked
from weighbridge.transport.responder import chunk

_encode = msgspec.json.Encoder().encode
_ids = itertools.count(1)
_LOGPROB = -0.25


class Made(msgspec.Struct, frozen=True, gc=False):
    """What one reply is made of. The same gives the same bytes, so a reply can be told again."""

    api: str
    tokens: list[str]
    finish: str
    thoughts: int
    prompt: int
    cached: int
    id: str
    created: int

    def usage(self) -> dict[str, Any]:
        made = len(self.tokens) + self.thoughts
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": made,
            "total_tokens": self.prompt + made,
            "prompt_tokens_details": {"cached_tokens": min(self.cached, self.prompt)},
            "completion_tokens_details": {"reasoning_tokens": self.thoughts},
        }


def identity(api: str) -> str:
    return f"{'chatcmpl' if api == 'chat' else 'cmpl'}-sim{next(_ids):08d}"


def now() -> int:
    return int(time.time())


def prompt_tokens(body: bytes) -> int:
    """Counted plainly: four bytes a token, as a rule of thumb says of English."""
    return max(1, len(body) // 4)


def whole(made: Made, asked: Asked, thoughts: str, fingerprint: str) -> bytes:
    """A reply that is not streamed."""
    text = "".join(made.tokens)
    if made.api == "chat":
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if thoughts:
            message["reasoning_content"] = thoughts
        choice: dict[str, Any] = {"index": 0, "message": message}
    else:
        choice = {"index": 0, "text": text}
    choice["finish_reason"] = made.finish
    choice["logprobs"] = logprobs(made.api, asked, made.tokens)
    kind = "chat.completion" if made.api == "chat" else "text_completion"
    return _encode(
        {
            "id": made.id,
            "object": kind,
            "created": made.created,
            "model": asked.model,
            "choices": [choice],
            "usage": made.usage(),
            "system_fingerprint": fingerprint,
        }
    )


def logprobs(api: str, asked: Asked, tokens: Sequence[str], offset: int = 0) -> dict[str, Any] | None:
    """In the shape of each API; `offset` is where the first token begins in the text."""
    told = asked.alternatives
    if told is None:
        return None
    if api == "chat":
        return {"content": [_chat_logprob(token, told) for token in tokens]}
    offsets = itertools.accumulate((len(token) for token in tokens[:-1]), initial=offset)
    return {
        "tokens": list(tokens),
        "token_logprobs": [_LOGPROB] * len(tokens),
        "top_logprobs": [_alternatives(token, told) for token in tokens],
        "text_offset": list(offsets) if tokens else [],
    }


def _chat_logprob(token: str, told: int) -> dict[str, Any]:
    top = [
        {"token": text, "logprob": value, "bytes": list(text.encode())}
        for text, value in _alternatives(token, told).items()
    ]
    return {"token": token, "logprob": _LOGPROB, "bytes": list(token.encode()), "top_logprobs": top}


def _alternatives(token: str, told: int) -> dict[str, float]:
    others = {f"{token}~{place}": _LOGPROB - 2.0 * place for place in range(1, told)}
    return {token: _LOGPROB, **others} if told else {}


class Chunks:
    """The chunks of one stream, each framed and ready for the socket."""

    def __init__(self, made: Made, asked: Asked, fingerprint: str) -> None:
        self._chat = made.api == "chat"
        self._made = made
        self._asked = asked
        self._base = {
            "id": made.id,
            "object": "chat.completion.chunk" if self._chat else "text_completion",
            "created": made.created,
            "model": asked.model,
            "system_fingerprint": fingerprint,
        }

    def _framed(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        if self._asked.include_usage:
            more.setdefault("usage", None)
        return chunk(b"data: " + _encode({**self._base, "choices": choices, **more}) + b"\n\n")

    def role(self) -> bytes:
        return self._framed([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])

    def token(self, text: str, *, reasoning: bool = False, offset: int = 0) -> bytes:
        said = None if reasoning else logprobs(self._made.api, self._asked, [text], offset)
        choice: dict[str, Any] = {"index": 0}
        if self._chat:
            choice["delta"] = {"reasoning_content": text} if reasoning else {"content": text}
        else:
            choice["text"] = text
        return self._framed([{**choice, "finish_reason": None, "logprobs": said}])

    def tokens(self, texts: list[str]) -> list[bytes]:
        """Many tokens: the frame around the text is encoded once, which is most of the work."""
        if self._asked.alternatives is not None:
            offsets = itertools.accumulate((len(text) for text in texts), initial=0)
            return [self.token(text, offset=offset) for text, offset in zip(texts, offsets, strict=False)]
        mark = "\u0001here\u0001"
        framed = self.token(mark).partition(b"\r\n")[2][:-2]
        before, _, after = framed.partition(_encode(mark))
        made: dict[str, bytes] = {}
        for text in texts:
            if text not in made:
                made[text] = chunk(before + _encode(text) + after)
        return [made[text] for text in texts]

    def finish(self) -> bytes:
        choice: dict[str, Any] = {"delta": {}} if self._chat else {"text": ""}
        return self._framed([{"index": 0, **choice, "finish_reason": self._made.finish, "logprobs": None}])

    def usage(self) -> bytes:
        return self._framed([], usage=self._made.usage())


def error_event() -> bytes:
    """An error in the midst of a stream, with the status 200 long sent."""
    return chunk(b"data: " + _encode(IN_BAND) + b"\n\n")


IN_BAND = {"error": {"message": "The server had an error while processing", "type": "server_error", "code": None}}
DONE = chunk(b"data: [DONE]\n\n")
MALFORMED = chunk(b'data: {"id":"chatcmpl-sim","choices":[{"index":0,"delta":{"cont\n\n')
