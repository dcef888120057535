"""A stream of generateContent replies as chat chunks."""

from __future__ import annotations

from typing import Any

from weighbridge.wire.generate.reply import Head, Turn, logprobs_from, native, raise_for_feedback, usage_from
from weighbridge.wire.translation import sent


class ChatFromGenerate:
    """One stream. Each event is a reply of its own, with the parts made since the last one.

    Usage is counted up from event to event; what it has come to is the last chunk, with no choices, as OpenAI does it.
    """

    def __init__(self, model: str = "") -> None:
        self._model = model
        self._head: Head | None = None
        self._turns: dict[int, Turn] = {}
        self._ended: set[int] = set()
        self._usage: dict[str, Any] = {}

    @property
    def finished(self) -> bool:
        """True once every candidate that spoke has said why it ended: the vendor has no other end."""
        return bool(self._turns) and len(self._ended) == len(self._turns)

    def feed(self, reply: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks of one event. Raises Blocked and Unreadable, as for a whole reply."""
        sent.bounded(reply, "the event")
        candidates = sent.objects(reply.get("candidates"), "candidates")
        if not candidates:
            raise_for_feedback(reply)
        self._usage |= sent.object(reply.get("usageMetadata"), "usageMetadata")
        self._head = head = self._head or Head(reply, self._model)
        return [self._chunk(head, candidate, place) for place, candidate in enumerate(candidates)]

    def _chunk(self, head: Head, candidate: dict[str, Any], place: int) -> dict[str, Any]:
        where = f"candidates[{place}]"
        index = sent.whole(candidate.get("index"), f"{where}.index") or place
        turn = self._turns.get(index)
        role = {} if turn else {"role": "assistant"}
        turn = turn or self._turns.setdefault(index, Turn(head, index))
        delta = role | turn.take(candidate, where)
        finish = turn.finish(candidate, where)
        if finish:
            self._ended.add(index)
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish, **native(candidate)}
        if (logprobs := logprobs_from(candidate.get("logprobsResult"), where)) is not None:
            choice["logprobs"] = logprobs
        return {**head.document("chat.completion.chunk", [choice]), "usage": None}

    def finish(self) -> list[dict[str, Any]]:
        """The chunk that tells the usage, if any was told."""
        usage = usage_from(self._usage or None)
        if usage is None or self._head is None:
            return []
        return [{**self._head.document("chat.completion.chunk", []), "usage": usage}]
