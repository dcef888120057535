"""Embeddings made of nothing but the text: equal texts get equal vectors, all of length 1."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any, Final

import msgspec

from weighbridge.simulator.answers import Asked

EMBEDDINGS: Final = "embeddings"
_DIMENSIONS: Final = 64
_MOST: Final = 16_384
_encode = msgspec.json.Encoder().encode


def reply(asked: Asked, prompt: int) -> bytes | None:
    """As OpenAI writes it; None for an input that is none."""
    inputs = _inputs(asked.input)
    if not inputs:
        return None
    size = min(max(asked.dimensions or _DIMENSIONS, 1), _MOST)
    packed = asked.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": place, "embedding": _said(vector(text, size), packed=packed)}
        for place, text in enumerate(inputs)
    ]
    usage = {"prompt_tokens": prompt, "total_tokens": prompt}
    return _encode({"object": "list", "data": data, "model": asked.model, "usage": usage})


def vector(text: str, size: int) -> list[float]:
    """Drawn from the text's hash, so that it is the same on every machine and in every process."""
    raw = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(2 * size)
    numbers = [value + 0.5 for value in struct.unpack(f"<{size}h", raw)]  # never all 0
    length = math.sqrt(sum(value * value for value in numbers))
    return [value / length for value in numbers]


def _inputs(given: Any) -> list[str]:
    """A text, a list of texts, tokens, or a list of tokens' lists."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        return []
    if all(isinstance(token, int) for token in given):
        return [str(given)] if given else []
    return [str(one) for one in given]


def _said(numbers: list[float], *, packed: bool) -> list[float] | str:
    if not packed:
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
