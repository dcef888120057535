"""What is answered: recorded answers by what was asked, or words made up for the length that is wanted."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.errors import UsageError

_SAYING = "the scale reads what the road has brought and the road brings what the scale has read"
_WORDS = _SAYING.split(" ")
_HOP = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive"})


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of the answers file: when it fits, and what is then said.

    It fits by `messages` (see `digest`), by `text` (the last user text or the prompt, exactly), or by `ask` (a part of
    that text; empty: any), and where given only for this `model` and this `path`. It says either `answer`, or a whole
    reply as it is: `status`, `headers`, and `body`, a text (an SSE body too) or a JSON document."""

    ask: str = ""
    text: str | None = None
    messages: str | None = None
    model: str | None = None
    path: str | None = None
    answer: str | None = None
    status: int = 200
    headers: dict[str, str] = {}
    body: Any = None

    def sent(self) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body as they go out: without those that told of the recorded connection."""
        body = self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)
        kept = [(name, value) for name, value in self.headers.items() if name.lower() not in _HOP]
        if not any(name.lower() == "content-type" for name, _ in kept):
            stream = body.startswith((b"data:", b"event:", b":"))
            kept.append(("Content-Type", "text/event-stream" if stream else "application/json"))
        return kept, body


class Asked(msgspec.Struct, frozen=True):
    """The parts of a request that the simulator looks at."""

    model: str = "simulated"
    messages: list[dict[str, Any]] | None = None
    prompt: str | list[Any] | None = None
    input: str | list[Any] | None = None
    encoding_format: str | None = None
    dimensions: int | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    logprobs: bool | int | None = None
    top_logprobs: int | None = None

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def prefilled(self) -> bool:
        """Whether it ends with an assistant's message, for the model to go on with."""
        return bool(self.messages and self.messages[-1].get("role") == "assistant")

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.get("include_usage"))

    @property
    def alternatives(self) -> int | None:
        """How many most likely tokens are told beside each; None: no log probabilities."""
        if self.logprobs is None or self.logprobs is False:
            return None
        return (self.top_logprobs or 0) if self.logprobs is True else self.logprobs

    def text(self) -> str:
        """The last user message, or the prompt, or what is to be embedded."""
        if self.messages is None:
            said = self.prompt if self.prompt is not None else self.input
            return said if isinstance(said, str) else str(said or "")
        for message in reversed(self.messages):
            if message.get("role") == "user":
                content = message.get("content")
                if isinstance(content, str):
                    return content
                if isinstance(content, list):
                    return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        return ""


class Answers:
    """Recorded answers, found at once by exact text or messages, and one after the other by a part of the text."""

    def __init__(self, recorded: Iterable[Recorded] = ()) -> None:
        self._by_messages: dict[str, list[Recorded]] = {}
        self._by_text: dict[str, list[Recorded]] = {}
        self._in_turn: list[Recorded] = []
        self._paths: set[str] = set()
        for entry in recorded:
            self._paths |= {entry.path} if entry.path is not None else set()
            if entry.messages is not None:
                self._by_messages.setdefault(entry.messages, []).append(entry)
            elif entry.text is not None:
                self._by_text.setdefault(entry.text, []).append(entry)
            else:
                self._in_turn.append(entry)
        self._any = bool(self._by_messages or self._by_text or self._in_turn)

    def knows(self, path: str) -> bool:
        """Whether some answer is for this path in particular."""
        return path in self._paths

    def match(self, asked: Asked, path: str = "") -> Recorded | None:
        """The first that fits, the most exact first."""
        if not self._any:
            return None
        text = asked.text()
        exact = self._by_messages.get(digest(asked.messages), []) if self._by_messages and asked.messages else []
        for entry in itertools.chain(exact, self._by_text.get(text, ()), self._in_turn):
            here = (entry.model or asked.model, entry.path or path) == (asked.model, path)
            if here and (entry.text is not None or entry.messages is not None or entry.ask in text):
                return entry
        return None


def digest(messages: Any) -> str:
    """The SHA-256 of messages as JSON with sorted keys and no spaces, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(messages, order="sorted")).hexdigest()


def load(path: Path) -> Answers:
    """Raises UsageError for a line that cannot be read."""
    found = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    found.append(_decoded(line, f"{path}:{number}"))
    except OSError as error:
        raise UsageError(f"the answers cannot be read: {error.strerror}", where=str(path)) from None
    return Answers(found)


def _decoded(line: bytes, where: str) -> Recorded:
    try:
        found = msgspec.json.decode(line, type=Recorded)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not an answer: {error}", where=where) from None
    if (found.answer is None) == (found.body is None):
        raise UsageError("not an answer: it needs one of answer and body", where=where)
    return found


def words(count: int) -> list[str]:
    """`count` tokens that join to a text."""
    return [(" " if place else "") + _WORDS[place % len(_WORDS)] for place in range(count)]


def tokens_of(text: str) -> list[str]:
    """A text cut into token-like pieces, each word with the space before it; joined they give it back."""
    first, *rest = text.split(" ")
    return [piece for piece in (first, *(f" {word}" for word in rest)) if piece]
