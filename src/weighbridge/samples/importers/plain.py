"""Prompts and answers in CSV or JSON Lines, by the names of the columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weighbridge.samples.importers.record import BadRow, Record, parsed, prompt, seconds, sent

PROMPTS = ("prompt", "question", "input", "query", "user", "text", "instruction", "request")
ANSWERS = (
    "answer",
    "expected",
    "expected_output",
    "output",
    "completion",
    "response",
    "label",
    "target",
    "ground_truth",
)
_TAGS = ("tag", "tags", "category", "topic", "type")
_CLUSTERS = ("cluster", "conversation_id", "session_id", "session", "conversation", "thread_id", "user_id")
_TIMES = ("arrived", "timestamp", "created_at", "time", "date")


def read(
    where: str, row: dict[str, Any], *, prompt_column: str | None = None, answer_column: str | None = None
) -> Iterator[Record]:
    """A row is a prompt (or `messages`) with, where there is one, its answer, which is ground truth here."""
    names = {name.strip().lower(): name for name in row}
    asked = _named(row, names, prompt_column, ("messages", *PROMPTS))
    if asked is None:
        known = ", ".join(row)
        raise BadRow(where, f"no column is a prompt (there are: {known}); name it with --prompt-column")
    answer = parsed(_named(row, names, answer_column, ANSWERS))
    tags = parsed(_named(row, names, None, _TAGS))
    yield Record(
        where=where,
        request=_request(where, asked),
        expected=tuple(answer) if isinstance(answer, list) else () if answer is None else (answer,),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else () if tags is None else (str(tags),),
        cluster=_text(_named(row, names, None, _CLUSTERS)),
        at=seconds(_named(row, names, None, _TIMES)),
        id=_text(_named(row, names, None, ("id",))),
    )


def _named(row: dict[str, Any], names: dict[str, str], wanted: str | None, guesses: tuple[str, ...]) -> Any:
    for name in (wanted.lower(),) if wanted is not None else guesses:
        if name in names:
            return row[names[name]]
    return None


def _request(where: str, asked: Any) -> dict[str, Any]:
    inner = parsed(asked)
    if isinstance(inner, list) and inner and all(isinstance(message, dict) and "role" in message for message in inner):
        return {"messages": inner}
    if isinstance(inner, dict) and "messages" in inner:
        return sent(inner)
    if isinstance(asked, str):  # which may be JSON that the model is asked about
        return prompt(asked)
    if isinstance(asked, int | float):
        return prompt(str(asked))
    raise BadRow(where, "the prompt is neither a text nor a list of messages")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
