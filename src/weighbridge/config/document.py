"""A YAML file as plain values, with the line of every one of them.

YAML is read by libyaml's event parser, not its composer: the composer recurses in C and a deeply nested file kills the
process; here depth, size and what aliases expand to are limits. Scalars follow YAML 1.2's core schema, so `no`, `on`,
`12:30` and `1_000` are text and nobody's country becomes false.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any, Final, NamedTuple

import yaml

from weighbridge.config.problem import ConfigError, Path, Problem, dotted

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 50
MAX_VALUES: Final = 100_000


class Form(NamedTuple):
    """What kind of file is read, in the words of its errors: what it `holds`, the mends for one that does not (`begin`,
    `see`) and for one too large (`split`), and what is `rare` about that."""

    holds: str
    begin: str
    see: str
    rare: str = ""
    split: str = ""


CONFIGURATION: Final = Form(
    holds="sections, such as `models:`",
    begin="`weighbridge init` writes a starter.",
    see="See `weighbridge init`.",
    rare=", which no configuration is",
    split="Keep samples, shots and prompts in files of their own.",
)

_MERGE: Final = "<<"
_INT = re.compile(r"[-+]?\d+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """`value` is the top-level mapping; `marks` gives the line (from 1) of the key or list item at each path."""

    file: str
    source: str
    value: dict[str, Any]
    marks: dict[Path, int] = field(repr=False)

    def line(self, path: Path) -> int | None:
        """The line of `path`, or of its nearest ancestor that stands in the file."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.marks:
                return self.marks[path[:end]]
        return None


def read(path: File, form: Form = CONFIGURATION) -> Document:
    """The document in a file. Raises ConfigError, with line and mend, for anything but one YAML mapping."""
    return parse(_text(path, form), str(path), form)


def parse(source: str, file: str, form: Form = CONFIGURATION) -> Document:
    """The document in a text; `file` names it in errors. Raises ConfigError."""
    reader = _Reader(file, source)
    try:
        value = reader.document()
    except yaml.YAMLError as error:
        raise ConfigError(file, [_explain(error, source)]) from None
    if value is None:
        raise ConfigError(file, [Problem(None, "the file is empty", form.begin)])
    if not isinstance(value, dict):
        raise ConfigError(file, [Problem(1, f"the file must hold {form.holds}", form.see)])
    return Document(file=file, source=source, value=value, marks=reader.marks)


def _text(path: File, form: Form) -> str:
    file = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(file, [Problem(None, "no such file", form.begin)]) from None
    except OSError as error:
        raise ConfigError(file, [Problem(None, f"cannot be read: {(error.strerror or str(error)).lower()}")]) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(file, [Problem(None, f"larger than {MAX_BYTES // 1_000_000} MB{form.rare}", form.split)])
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, [Problem(line, "not UTF-8 text", "Save the file as UTF-8.")]) from None


class _Reader:
    """Builds values from parser events; `marks` fills as it goes.

    An alias stands for the events of its anchor and they are read again, so each use counts against the limits. What
    an alias brings is marked with the alias's line.
    """

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.marks: dict[Path, int] = {}
        self._events: Iterator[Any] = iter(yaml.parse(source, Loader=yaml.CSafeLoader))
        self._anchors: dict[str, list[Any]] = {}
        self._recording: list[list[Any]] = []
        self._replaying: list[Iterator[Any]] = []
        self._alias_line: int | None = None
        self._values = 0

    def document(self) -> Any:
        first = self._next()
        while isinstance(first, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            first = self._next()
        if isinstance(first, yaml.StreamEndEvent):
            return None
        value = self._value(first, ())
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._refusal(after, "a second document (`---`) in the file", "Keep one document.")
        return value

    def _next(self) -> Any:
        if self._replaying:
            return next(self._replaying[-1])
        event = next(self._events)
        for record in self._recording:
            record.append(event)
        return event

    def _line(self, event: Any) -> int:
        return self._alias_line or int(event.start_mark.line) + 1

    def _refusal(self, event: Any, what: str, mend: str) -> ConfigError:
        return ConfigError(self.file, [Problem(self._line(event), what, mend)])

    def _value(self, event: Any, path: Path) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            what = f"more than {MAX_VALUES:,} values once anchors are expanded"
            raise self._refusal(event, what, "Use fewer anchors.")
        if len(path) > MAX_DEPTH:
            raise self._refusal(event, f"nested deeper than {MAX_DEPTH} levels", "No section needs that.")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if event.tag is not None and event.tag != "tag:yaml.org,2002:str":
            raise self._refusal(event, f"YAML tag {event.tag!r} is not accepted", "Write the plain value.")
        if event.anchor is None or self._replaying:
            return self._content(event, path)
        record: list[Any] = [event]
        self._recording.append(record)
        value = self._content(event, path)
        self._recording.pop()
        self._anchors[event.anchor] = record
        return value

    def _content(self, event: Any, path: Path) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return scalar(event.value) if event.implicit[0] else event.value

    def _alias(self, event: Any, path: Path) -> Any:
        record = self._anchors.get(event.anchor)
        if record is None:
            what = f"*{event.anchor} has no finished anchor &{event.anchor} before it"
            raise self._refusal(event, what, "Define the anchor first.")
        outer, self._alias_line = self._alias_line, self._line(event)
        self._replaying.append(iter(record))
        value = self._value(self._next(), path)
        self._replaying.pop()
        self._alias_line = outer
        return value

    def _mapping(self, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            name = self._key(key, path)
            place = (*path, name)
            if place in self.marks and (name in result or name == _MERGE):
                what = f"{dotted(place)} is given twice (first on line {self.marks[place]})"
                raise self._refusal(key, what, "Keep one of them.")
            self.marks[place] = self._line(key)
            value = self._value(self._next(), place)
            if name == _MERGE and key.implicit[0]:
                merged = self._merged(key, value, path)
            else:
                result[name] = value
        inherited = {name: value for name, value in merged.items() if name not in result}
        self.marks |= dict.fromkeys(((*path, name) for name in inherited), self.marks.get((*path, _MERGE), 1))
        return result | inherited

    def _merged(self, event: Any, value: Any, path: Path) -> dict[str, Any]:
        """What `<<` brings: one mapping, or several of which the first wins. A mapping's own keys win over it."""
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            what = f"`<<` under {dotted(path) or 'the top'} does not lead to a mapping"
            raise self._refusal(event, what, "Write it as `<<: *name`.")
        return {name: item for part in reversed(parts) for name, item in part.items()}

    def _key(self, event: Any, path: Path) -> str:
        under = dotted(path) or "the top"
        if not isinstance(event, yaml.ScalarEvent):
            raise self._refusal(event, f"a key under {under} is not a word", "Write `name: value`.")
        if not event.value:
            raise self._refusal(event, f"an empty key under {under}", "Give it a name.")
        return str(event.value)

    def _sequence(self, path: Path) -> list[Any]:
        result: list[Any] = []
        while not isinstance(item := self._next(), yaml.SequenceEndEvent):
            place = (*path, len(result))
            self.marks[place] = self._line(item)
            result.append(self._value(item, place))
        return result


def scalar(text: str) -> Any:
    """A plain scalar under YAML 1.2's core schema (octal and hexadecimal stay text)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) and len(text) < 20:
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def _explain(error: Any, source: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # ReaderError: a control character, with its position only
        position = getattr(error, "position", 0)
        return Problem(source.count("\n", 0, position) + 1, "a control character", "Delete it.")
    lines = source.split("\n")
    number = min(mark.line, len(lines) - 1)
    for line in (number, number - 1):
        if line >= 0 and "\t" in lines[line][: len(lines[line]) - len(lines[line].lstrip())]:
            return Problem(line + 1, "a tab in the indentation", "YAML takes spaces only.")
    what = str(error.problem) if error.problem else str(error.context)
    for opening, mend in _UNCLOSED.items():
        if opening in (error.context or "") and what.startswith(
            ("did not find expected ',' or", "found unexpected end")
        ):
            return Problem(error.context_mark.line + 1, f"not YAML: {opening} that is never closed", mend)
    return Problem(number + 1, f"not YAML: {what} (column {mark.column + 1})", _MENDS.get(what, ""))


_UNCLOSED: Final = {
    "a flow sequence": "Close the [ that opens here.",
    "a flow mapping": "Close the { that opens here.",
    "a quoted scalar": "Close the quotes that open here.",
}
_MENDS: Final = {
    "mapping values are not allowed in this context": "Put text that holds `: ` in quotes, or mend the indentation.",
    "found character that cannot start any token": "Put text that starts with @, ` or % in quotes.",
    "did not find expected key": "Mend the indentation.",
}
