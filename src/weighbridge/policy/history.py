"""The policies applied to an endpoint, every one of them kept, and the way back.

`<home>/policies/<endpoint>/history/<number>-<digest>.yaml` holds each, its first line saying when and why; the one
served by is a copy, `current.yaml`. History is written before `current.yaml` and each in one step: whatever dies when,
what is served is whole and stands in the history.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from weighbridge.config import policies
from weighbridge.config.problem import dotted
from weighbridge.errors import MeasurementError, UsageError
from weighbridge.routing.document import Document
from weighbridge.store import atomic

MAX_NOTE: Final = 500
"""Characters of a note."""

_FILE = re.compile(r"(\d{1,9})-([0-9a-f]{12})\.yaml", re.ASCII)
_OPENING: Final = "# weighbridge policy "


class Applied(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line of an applied policy. `when` is ISO 8601 in UTC; `before` the number that was served until then;
    `restores` the number that a rollback went back to."""

    number: int
    when: str
    note: str = ""
    before: int | None = None
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One applied policy. `current`: the endpoint is served by it."""

    applied: Applied
    digest: str
    document: Document
    path: Path
    current: bool

    @property
    def number(self) -> int:
        return self.applied.number


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one policy to another: a unified diff of their YAML, and the paths that differ, sorted."""

    text: str
    paths: tuple[str, ...]


def apply(home: Path, document: Document, note: str = "") -> Entry:
    """Makes a policy the one its endpoint is served by, and keeps it in the history.

    Raises UsageError for a note of several lines or too long and for a policy that its file could not say (a number
    that is not finite, over a megabyte), MeasurementError where the disk refuses; what was served before still is.
    """
    if len(note) > MAX_NOTE or not note.isprintable():
        raise UsageError(f"a note is one line of at most {MAX_NOTE} characters", mend="Write it shorter.")
    folder = policies.folder(home, document.endpoint)
    with _alone(folder):
        return _put(folder, document, note, before=_current(folder), restores=None)


def rollback(home: Path, endpoint: str, to: int | None = None, note: str = "") -> Entry:
    """Goes back to the policy that was served before the current one, or to a number; a new entry of the history.

    Going back twice goes back two: a rollback is not itself what is gone back to. Raises UsageError where there is
    nothing to go back to, or it is damaged; nothing is changed then.
    """
    folder = policies.folder(home, endpoint)
    if not folder.is_dir():
        raise UsageError(f"no policy has been applied to {endpoint!r}", where=str(folder))
    with _alone(folder):
        now = _current(folder)
        wanted = to if to is not None else _before(folder, now, endpoint)
        target = _entry(_numbered(folder, wanted, endpoint), now)
        return _put(
            folder, target.document, note, before=target.applied.before, restores=target.applied.restores or wanted
        )


def entries(home: Path, endpoint: str) -> list[Entry]:
    """Every policy ever applied to an endpoint, oldest first. Raises UsageError, one line, at the first damaged."""
    folder = policies.folder(home, endpoint)
    now = _current(folder)
    return [_entry(path, now) for _, path in _files(folder)]


def entry(home: Path, endpoint: str, number: int) -> Entry:
    """One of an endpoint's policies; the others may be damaged. Raises UsageError where it is not there or damaged."""
    folder = policies.folder(home, endpoint)
    return _entry(_numbered(folder, number, endpoint), _current(folder))


def diff(a: Document, b: Document, names: tuple[str, str] = ("before", "after")) -> Difference:
    """What changed from `a` to `b`; the text is empty where nothing did."""
    one, two = policies.encode(a).splitlines(), policies.encode(b).splitlines()
    lines = difflib.unified_diff(one, two, *names, lineterm="")
    return Difference("\n".join(lines), tuple(sorted(_changed(msgspec.to_builtins(a), msgspec.to_builtins(b), ()))))


def _put(folder: Path, document: Document, note: str, *, before: int | None, restores: int | None) -> Entry:
    """Writes the next entry, then makes it the current one. The lock is held."""
    number = max((number for number, _ in _files(folder)), default=0) + 1
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    applied = Applied(number, when, note, before, restores)
    digest = policies.digest(document)
    path = folder / "history" / f"{number}-{digest}.yaml"
    text = f"{_OPENING}{msgspec.json.encode(applied).decode()}\n{policies.encode(document)}"
    read = policies.parse(text, str(path))  # what cannot be read back is not applied
    atomic.write(path, text.encode())
    atomic.write(folder / policies.CURRENT, text.encode())
    return Entry(applied, digest, read, path, current=True)


def _files(folder: Path) -> list[tuple[int, Path]]:
    """The history's files by number; other files are nobody's business."""
    history = folder / "history"
    named = ((match, path) for path in history.glob("*.yaml") if (match := _FILE.fullmatch(path.name)))
    return sorted((int(match[1]), path) for match, path in named)


def _numbered(folder: Path, number: int, endpoint: str) -> Path:
    found = dict(_files(folder))
    if number not in found:
        there = ", ".join(map(str, found)) or "none"
        raise UsageError(f"{endpoint!r} has no policy number {number}", where=str(folder), mend=f"There are: {there}")
    return found[number]


def _entry(path: Path, current: int | None) -> Entry:
    number, _, digest = path.stem.partition("-")
    applied, document = _applied(path), policies.load(path)
    if applied is None or applied.number != int(number) or policies.digest(document) != digest:
        raise UsageError(
            "was changed since it was applied",
            where=str(path),
            mend="Put back what it was, or apply it as it is as a new policy.",
        )
    return Entry(applied, digest, document, path, applied.number == current)


def _applied(path: Path) -> Applied | None:
    """The first line of an applied policy; None where it is not one."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(10_000)
        return msgspec.json.decode(line.removeprefix(_OPENING.encode()), type=Applied)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _current(folder: Path) -> int | None:
    """The number served by. A `current.yaml` without its first line came from elsewhere: it has none."""
    applied = _applied(folder / policies.CURRENT)
    return applied.number if applied is not None else None


def _before(folder: Path, now: int | None, endpoint: str) -> int:
    """What was served before the current policy."""
    found = dict(_files(folder))
    if now is None or now not in found:
        raise UsageError(
            f"which policy of {endpoint!r} came before is not known: current.yaml is not of its history",
            mend="Name the number to go back to.",
        )
    before = _entry(found[now], now).applied.before
    if before is None:
        raise UsageError(f"{endpoint!r} has no policy before number {now}", mend="Name the number to go to.")
    return before


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Makes the folders, and waits until nobody else changes this endpoint's policy."""
    try:
        (folder / "history").mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("ab")
    except OSError as error:
        raise MeasurementError(f"cannot write: {error.strerror or error}", where=str(folder)) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file lets go
        yield


def _changed(a: Any, b: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            if key not in a or key not in b:
                yield dotted((*path, key))
            else:
                yield from _changed(a[key], b[key], (*path, key))
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        for place, (one, two) in enumerate(zip(a, b, strict=True)):
            yield from _changed(one, two, (*path, place))
    elif a != b:
        yield dotted(path)
