"""What every importer yields: one request as it was sent, with what is known of it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Api

_NOT_SENT = frozenset(
    {"model", "stream", "stream_options", "metadata", "user", "store", "litellm_metadata", "proxy_server_request"}
)


class Record(msgspec.Struct, kw_only=True):
    """`where` is file:line. `answer` is what production answered: a reference, not ground truth. `at` is seconds since
    the epoch."""

    where: str
    request: dict[str, Any]
    api: Api = "chat"
    answer: str | None = None
    expected: tuple[Any, ...] = ()
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    at: float | None = None
    model: str | None = None
    id: str | None = None


class BadRow(ValueError):
    """A row that is no request. `where` is file:line."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(what)
        self.where = where
        self.what = what


def sent(body: dict[str, Any]) -> dict[str, Any]:
    """A request's body as samples keep it: without the model, and without what only its sender knew."""
    return {name: value for name, value in body.items() if name not in _NOT_SENT and value is not None}


def prompt(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def text_of_reply(reply: Any) -> str | None:
    """The text of a chat completion, a completion, a message, or a text itself."""
    if isinstance(reply, str):
        return reply
    if not isinstance(reply, dict):
        return None
    choices = reply.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        reply = choices[0].get("message") or choices[0]
    content = reply.get("content", reply.get("text"))
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else None


def answer_text(value: Any) -> str | None:
    """What an export's output field says: a reply's text, or else the output itself, which may be JSON of the model's
    own making (exporters parse it, or leave it as text)."""
    inner = parsed(value)
    text = text_of_reply(inner)
    if text is not None or inner is None:
        return text
    if isinstance(inner, dict) and inner.keys() & {"role", "choices", "tool_calls"}:
        return None
    if isinstance(inner, dict | list) and not inner:
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def seconds(value: Any) -> float | None:
    """Seconds since the epoch of an ISO time, or of a number of seconds, milliseconds or nanoseconds."""
    if isinstance(value, str):
        try:
            return seconds(float(value))
        except ValueError:
            return _of_iso(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e20:
        return None
    for limit, scale in ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6)):
        if value < limit:
            return value / scale
    return value / 1e9


def _of_iso(text: str) -> float | None:
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def parsed(value: Any) -> Any:
    """A value that may have been exported as JSON text."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "[", '"'}:
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return value
    return value


Row = tuple[str, "dict[str, Any] | BadRow"]


def rows(path: Path) -> Iterator[Row]:
    """Rows of a CSV, JSON or JSON Lines file as (file:line, object), a BadRow in place of what is none. A JSON file
    holds a list, or an object that holds one under `data`. Raises UsageError for a file that cannot be read."""
    data = _read(path)
    suffix = path.suffix.lower()
    begin = data.lstrip()[:1]
    if suffix in {".csv", ".tsv"}:
        yield from _csv(path, _text(path, data))
    elif begin == b"[" or (begin == b"{" and suffix == ".json"):
        yield from _json(path, data)
    else:
        yield from _lines(path, data)


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError("UTF-16, not UTF-8", where=str(path), mend="Save the file as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError("not UTF-8", where=f"{path}:{line}", mend="Save the file as UTF-8") from None


def _csv(path: Path, text: str) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)
    # Strictly: a quotation mark that never closes would else swallow the rest of the file.
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(path, text), strict=True)
    while True:
        before = reader.line_num
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UsageError(
                f"not CSV: {error}", where=f"{path}:{before + 1}", mend="Look at the quotation marks from there on"
            ) from None
        if row is None:
            return
        where = f"{path}:{reader.line_num - _breaks(row)}"
        if None in row:
            yield where, BadRow(where, "more fields than the header names")
            continue
        yield where, {name: value for name, value in row.items() if value not in {None, ""}}


def _breaks(row: dict[Any, Any]) -> int:
    """Line breaks within a row's fields."""
    fields = [*row.values(), *(row.get(None) or [])]
    return sum(len(_BREAK.findall(field)) for field in fields if isinstance(field, str))


def _delimiter(path: Path, text: str) -> str:
    """Spreadsheets in half of Europe write semicolons."""
    header = text.partition("\n")[0]
    if path.suffix.lower() == ".tsv":
        return "\t"
    return ";" if ";" in header and "," not in header else ","


def _json(path: Path, data: bytes) -> Iterator[Row]:
    try:
        whole = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        lines = list(_lines(path, data))
        if sum(isinstance(row, dict) for _, row in lines) * 2 <= len(lines):
            raise _broken(path, data, error) from None
        yield from lines  # an object a line, in a file called .json
        return
    if isinstance(whole, dict):
        whole = next((whole[name] for name in ("data", "traces") if isinstance(whole.get(name), list)), [whole])
    for number, entry in enumerate(whole, 1):
        where = f"{path}, entry {number}"
        yield where, entry if isinstance(entry, dict) else BadRow(where, "not an object")


def _broken(path: Path, data: bytes, error: Exception) -> UsageError:
    """Where a JSON document breaks off, by line."""
    if isinstance(error, RecursionError):
        return UsageError("nested too deeply", where=str(path))
    if isinstance(error, UnicodeDecodeError):
        return UsageError("not UTF-8", where=str(path), mend="Save the file as UTF-8")
    byte = _BYTE.search(str(error))
    place = int(byte[1]) if byte else len(data.rstrip())
    line = data.count(b"\n", 0, place) + 1
    return UsageError(f"not JSON: {_BYTE.sub('', str(error))}", where=f"{path}:{line}")


def _lines(path: Path, data: bytes) -> Iterator[Row]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield f"{path}:{number}", _object(f"{path}:{number}", line)


def _object(where: str, line: bytes) -> dict[str, Any] | BadRow:
    try:
        entry = msgspec.json.decode(line)
    except RecursionError:
        return BadRow(where, "nested too deeply")
    except UnicodeDecodeError:
        return BadRow(where, "not UTF-8")
    except ValueError as error:
        return BadRow(where, f"not JSON: {error}")
    return entry if isinstance(entry, dict) else BadRow(where, "not an object")


_BREAK = re.compile(r"\r\n|\r|\n")
_BYTE = re.compile(r" \(byte (\d+)\)")
