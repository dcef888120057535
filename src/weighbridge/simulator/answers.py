"""What is answered: recorded answers by what was asked, or words made up for the length that is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from weighbridge.errors import UsageError

_WORDS = [
    "the",
    "scale",
    "reads",
    "what",
    "the",
    "road",
    "has",
    "brought",
    "and",
    "the",
    "road",
    "brings",
    "what",
    "the",
    "scale",
    "has",
    "read",
]


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of the answers file. `ask`: a part of the last user text (empty: any). Either `answer`, or a whole reply
    to be sent as it is: `status`, `headers`, `body` (an SSE body too)."""

    ask: str = ""
    answer: str | None = None
    status: int = 200
    headers: dict[str, str] = {}
    body: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """The parts of a request that the simulator looks at."""

    model: str = "simulated"
    messages: list[dict[str, Any]] | None = None
    prompt: str | list[Any] | None = None
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    logprobs: bool | int | None = None

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.get("include_usage"))

    def text(self) -> str:
        """The last user message, or the prompt."""
        if self.messages is None:
            return self.prompt if isinstance(self.prompt, str) else str(self.prompt or "")
        for message in reversed(self.messages):
            if message.get("role") == "user":
                content = message.get("content")
                if isinstance(content, str):
                    return content
                if isinstance(content, list):
                    return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        return ""


def load(path: Path) -> list[Recorded]:
    """Raises UsageError for a line that cannot be read."""
    found = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    found.append(_decoded(line, f"{path}:{number}"))
    except OSError as error:
        raise UsageError(f"the answers cannot be read: {error.strerror}", where=str(path)) from None
    return found


def _decoded(line: bytes, where: str) -> Recorded:
    try:
        return msgspec.json.decode(line, type=Recorded)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not an answer: {error}", where=where) from None


def match(recorded: list[Recorded], text: str) -> Recorded | None:
    """The first whose `ask` is part of the text."""
    return next((entry for entry in recorded if entry.ask in text), None)


def words(count: int) -> list[str]:
    """`count` tokens that join to a text."""
    return [(" " if place else "") + _WORDS[place % len(_WORDS)] for place in range(count)]


def tokens_of(text: str) -> list[str]:
    """A text cut into token-like pieces; joined they give it back."""
    pieces: list[str] = []
    for word in text.split(" "):
        pieces.append(word if not pieces else " " + word)
    return [piece for piece in pieces if piece]
