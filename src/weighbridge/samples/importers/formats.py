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
from weighbridge.samples.sample import Sample, too_deep
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
    """The format of a file, by the keys of its first rows. Raises UsageError where there is no row, or where it is a
    sample file already."""
    seen = list(islice(rows(path), 10))
    first = [row for _, row in seen if isinstance(row, dict)]
    if not first:
        bad = next((row for _, row in seen if isinstance(row, BadRow)), BadRow(str(path), "it holds no row"))
        raise UsageError(bad.what, where=bad.where, mend=f"Formats: {', '.join(FORMATS)}")
    keys: set[str] = set().union(*first)
    if "request" in keys and keys <= set(Sample.__struct_fields__):
        raise UsageError("it holds samples already", where=str(path), mend="Use it as it is")
    if "resourceSpans" in keys or ("attributes" in keys and {"spanId", "context"} & keys):
        return "otel"
    if {"custom_id", "body"} <= keys or {"custom_id", "response"} <= keys:
        return "openai-batch"
    if {"call_type", "spend"} & keys and {"messages", "proxy_server_request", "request_id"} & keys:
        return "litellm"
    if "observations" in keys or ("input" in keys and ({"traceId", "trace_id"} & keys or len(_LANGFUSE & keys) > 1)):
        return "langfuse"
    return "openai-stored" if any(map(_is_stored, first)) else "plain"


_LANGFUSE = frozenset({"sessionId", "userId", "environment", "htmlPath", "bookmarked", "totalCost", "projectId"})


def _is_stored(row: dict[str, Any]) -> bool:
    """A completion, or a conversation whose answer is its last message."""
    messages = row.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    answered = isinstance(last, dict) and last.get("role") == "assistant" and not set(plain.ANSWERS) & row.keys()
    return row.get("object") == "chat.completion" or isinstance(row.get("request"), dict) or answered


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
    if output_file is not None:
        if name != "openai-batch":
            raise UsageError(f"--output-file goes with openai-batch, and this is {name}", where=str(path))
        read_row = partial(openai.batch, answers=openai.answers_of(output_file))
    found, bad = _collected(path, read_row, skip_bad)
    if not found:
        raise UsageError("no row of it is a request", where=str(path), mend=bad[0] if bad else f"It was read as {name}")
    if answer_column is not None and not any(record.expected for record in found):
        raise UsageError(f"no row has an answer in the column {answer_column!r}", where=str(path))
    first = min((record.at for record in found if record.at is not None), default=0.0)
    cleaned, changed = redacted([_sample(name, record, first, expect_answer, tags) for record in found], redact)
    samples, doubles = distinct(cleaned, near=near)
    return Imported(name, samples, bad, doubles, changed)


def _collected(path: Path, read_row: ReadRow, skip_bad: bool) -> tuple[list[Record], list[str]]:
    found: list[Record] = []
    bad: list[str] = []
    for where, row in rows(path):
        try:
            if isinstance(row, BadRow):
                raise row
            records = list(read_row(where, row))
            for record in records:
                _check(record)
            found.extend(records)
        except BadRow as error:
            bad.append(f"{error.where}: {error.what}")
        except RecursionError:
            bad.append(f"{where}: nested too deeply")
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            # An export may hold anything anywhere; an importer looks only where its format puts things.
            bad.append(f"{where}: not in the form of this format ({type(error).__name__}: {error})")
    if bad and not skip_bad:
        more = f" (and {len(bad) - 1} more bad rows)" if len(bad) > 1 else ""
        where, _, what = bad[0].partition(": ")
        raise UsageError(what + more, where=where, mend="Mend the row, or leave such rows out with --skip-bad")
    return found, bad


def _check(record: Record) -> None:
    """Raises BadRow for a request that a sample file would not take."""
    key = "messages" if record.api == "chat" else "prompt"
    if not record.request.get(key):
        raise BadRow(record.where, f"the request has no `{key}`")
    messages = record.request.get("messages", ())
    if record.api == "chat" and not (
        isinstance(messages, list) and all(isinstance(message, dict) and "role" in message for message in messages)
    ):
        raise BadRow(record.where, "`messages` must be a list of objects with a `role`")
    if too_deep((record.request, record.expected)):
        raise BadRow(record.where, "nested too deeply")


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
