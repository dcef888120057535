"""OpenAI-compatible replies and chunks, encoded."""

from __future__ import annotations

import itertools
import time
from typing import Any

import msgspec

from weighbridge.simulator.answers import Asked
from weighbridge.transport.server_connection import chunk

_encode = msgspec.json.Encoder().encode
_ids = itertools.count(1)


def identity(api: str) -> str:
    return f"{'chatcmpl' if api == 'chat' else 'cmpl'}-sim{next(_ids):08d}"


def usage(prompt: int, completion: int, cached: int, reasoning: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": min(cached, prompt)},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def prompt_tokens(body: bytes) -> int:
    """Counted plainly: four bytes a token, as a rule of thumb says of English."""
    return max(1, len(body) // 4)


def whole(
    api: str, asked: Asked, tokens: list[str], thoughts: list[str], finish: str, used: dict[str, Any], fingerprint: str
) -> bytes:
    """A reply that is not streamed."""
    text = "".join(tokens)
    if api == "chat":
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if thoughts:
            message["reasoning_content"] = "".join(thoughts)
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        if asked.logprobs:
            choice["logprobs"] = {"content": [_logprob(token) for token in tokens]}
    else:
        choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
    kind = "chat.completion" if api == "chat" else "text_completion"
    return _encode(
        {
            "id": identity(api),
            "object": kind,
            "created": int(time.time()),
            "model": asked.model,
            "choices": [choice],
            "usage": used,
            "system_fingerprint": fingerprint,
        }
    )


def _logprob(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.25, "bytes": list(token.encode()), "top_logprobs": []}


class Chunks:
    """The chunks of one stream, each framed and ready for the socket."""

    def __init__(self, api: str, asked: Asked, fingerprint: str) -> None:
        self._api = api
        self._asked = asked
        self._base = {
            "id": identity(api),
            "object": "chat.completion.chunk" if api == "chat" else "text_completion",
            "created": int(time.time()),
            "model": asked.model,
            "system_fingerprint": fingerprint,
        }

    def _framed(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        if self._asked.include_usage:
            more.setdefault("usage", None)
        return chunk(b"data: " + _encode({**self._base, "choices": choices, **more}) + b"\n\n")

    def role(self) -> bytes:
        return self._framed([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])

    def token(self, text: str, *, reasoning: bool = False) -> bytes:
        if self._api != "chat":
            return self._framed([{"index": 0, "text": text, "finish_reason": None, "logprobs": None}])
        delta = {"reasoning_content": text} if reasoning else {"content": text}
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}
        if self._asked.logprobs and not reasoning:
            choice["logprobs"] = {"content": [_logprob(text)]}
        return self._framed([choice])

    def tokens(self, texts: list[str]) -> list[bytes]:
        """Many tokens: the frame around the text is encoded once, which is most of the work."""
        if self._asked.logprobs:
            return [self.token(text) for text in texts]
        mark = "\u0001here\u0001"
        framed = self.token(mark).partition(b"\r\n")[2][:-2]
        before, _, after = framed.partition(_encode(mark))
        made: dict[str, bytes] = {}
        for text in texts:
            if text not in made:
                made[text] = chunk(before + _encode(text) + after)
        return [made[text] for text in texts]

    def finish(self, reason: str) -> bytes:
        if self._api != "chat":
            return self._framed([{"index": 0, "text": "", "finish_reason": reason, "logprobs": None}])
        return self._framed([{"index": 0, "delta": {}, "finish_reason": reason, "logprobs": None}])

    def usage(self, used: dict[str, Any]) -> bytes:
        return self._framed([], usage=used)

    def error(self) -> bytes:
        said = {"error": {"message": "The server had an error while processing", "type": "server_error", "code": None}}
        return chunk(b"data: " + _encode(said) + b"\n\n")


DONE = chunk(b"data: [DONE]\n\n")
MALFORMED = chunk(b'data: {"id":"chatcmpl-sim","choices":[{"index":0,"delta":{"cont\n\n')
