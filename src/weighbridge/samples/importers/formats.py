"""Formats by name, how each is told from the others, and how its records become samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from weighbridge.errors import UsageError
from weighbridge.samples.importers import langfuse, litellm, openai, otel, plain
from weighbridge.samples.importers.record import BadRow, Record, rows
from weighbridge.samples.redact import Kind, redacted
from weighbridge.samples.sample import Sample
from weighbridge.samples.sampling import distinct

ReadRow = Callable[[str, dict[str, Any]], Iterator[Record]]

FORMATS: Final[dict[str, ReadRow]] = {
    "plain": plain.read,
    "openai-stored": openai.stored,
    "openai-batch": openai.batch,
    "langfuse": langfuse.read,
    "otel": otel.read,
    "litellm": litellm.read,
}


@dataclass(slots=True)
class Imported:
    """What an import came to. `bad` are rows left out, `doubles` samples that were there already, `redacted` places
    where personal data or a key stood."""

    format: str
    samples: list[Sample]
    bad: list[str] = field(default_factory=list)
    doubles: int = 0
    redacted: int = 0


def detect(path: Path) -> str:
    """The format of a file, by the keys of its first rows. Raises UsageError where there is no row."""
    first = [row for _, row in islice(rows(path), 3) if isinstance(row, dict)]
    if not first:
        raise UsageError("its first rows are no objects", where=str(path), mend=f"Formats: {', '.join(FORMATS)}")
    keys: set[str] = set().union(*first)
    if "resourceSpans" in keys or ("attributes" in keys and "spanId" in keys):
        return "otel"
    if {"custom_id", "body"} <= keys:
        return "openai-batch"
    if {"call_type", "spend"} & keys and {"messages", "proxy_server_request", "request_id"} & keys:
        return "litellm"
    if "observations" in keys or ({"traceId", "trace_id", "sessionId", "session_id"} & keys and "input" in keys):
        return "langfuse"
    if any(row.get("object") == "chat.completion" or isinstance(row.get("request"), dict) for row in first):
        return "openai-stored"
    return "plain"


def read(
    path: Path,
    *,
    format_: str | None = None,
    output_file: Path | None = None,
    prompt_column: str | None = None,
    answer_column: str | None = None,
    expect_answer: bool = False,
    tags: Sequence[str] = (),
    redact: Sequence[Kind] = ("key", "email", "card", "phone"),
    near: bool = False,
    skip_bad: bool = False,
) -> Imported:
    """Samples of an export, redacted and without doubles. `expect_answer` takes production's answers for ground truth.

    Raises UsageError with the first bad row, unless `skip_bad`.
    """
    name = format_ or detect(path)
    if name not in FORMATS:
        raise UsageError(f"no format is called {name!r}", mend=f"There are: {', '.join(FORMATS)}")
    read_row = FORMATS[name]
    if name == "plain":
        read_row = partial(plain.read, prompt_column=prompt_column, answer_column=answer_column)
    elif output_file is not None:
        read_row = partial(openai.batch, answers=openai.answers_of(output_file))
    found, bad = _collected(path, read_row, skip_bad)
    if not found:
        raise UsageError("no row of it is a request", where=str(path), mend=bad[0] if bad else f"It was read as {name}")
    first = min((record.at for record in found if record.at is not None), default=0.0)
    cleaned = [redacted(_sample(name, record, first, expect_answer, tags), redact) for record in found]
    samples, doubles = distinct([sample for sample, _ in cleaned], near=near)
    return Imported(name, samples, bad, doubles, sum(count for _, count in cleaned))


def _collected(path: Path, read_row: ReadRow, skip_bad: bool) -> tuple[list[Record], list[str]]:
    found: list[Record] = []
    bad: list[str] = []
    for where, row in rows(path):
        try:
            if isinstance(row, BadRow):
                raise row
            found.extend(read_row(where, row))
        except BadRow as error:
            bad.append(f"{error.where}: {error.what}")
    if bad and not skip_bad:
        more = f" (and {len(bad) - 1} more bad rows)" if len(bad) > 1 else ""
        where, _, what = bad[0].partition(": ")
        raise UsageError(what + more, where=where, mend="Mend the row, or leave such rows out with --skip-bad")
    return found, bad


def _sample(name: str, record: Record, first: float, expect_answer: bool, tags: Sequence[str]) -> Sample:
    origin: dict[str, Any] = {"format": name}
    for key in ("id", "model", "answer"):
        value = getattr(record, key)
        if value is not None:
            origin[key] = value
    expected = record.expected or ((record.answer,) if expect_answer and record.answer else ())
    return Sample(
        request=record.request,
        api=record.api,
        expected=expected,
        tags=(*record.tags, *tags),
        cluster=record.cluster,
        origin=origin,
        arrived=record.at - first if record.at is not None else None,
    )
