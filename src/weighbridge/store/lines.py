"""JSON Lines that a killed process may have left torn at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from weighbridge.errors import UsageError
from weighbridge.replay.result import Result
from weighbridge.samples.sample import Sample
from weighbridge.store.rows import Scored

T = TypeVar("T")


class _Line(msgspec.Struct, frozen=True):
    t: str
    result: Result | None = None


class _Named(msgspec.Struct, frozen=True):
    candidate: str
    sample: str
    repeat: int


class _LineNamed(msgspec.Struct, frozen=True):
    """A line of which only the key is decoded."""

    result: _Named | None = None


def journalled(path: Path) -> Iterator[Result]:
    """Every result in a journal, one at a time, for the answers of a big run need more memory than there may be; the
    last one where a key was written twice. Raises UsageError for a damaged line."""
    last: dict[tuple[str, str, int], int] = {}
    named = (line.result for line in _decoded(path, msgspec.json.Decoder(_LineNamed)) if line.result is not None)
    for place, key in enumerate(named):
        last[key.candidate, key.sample, key.repeat] = place
    results = (line.result for line in _decoded(path, msgspec.json.Decoder(_Line)) if line.result is not None)
    return (result for place, result in enumerate(results) if last.get(result.key) == place)


def each_scored(path: Path) -> Iterator[Scored]:
    """Every verdict in a score log as it was written, one at a time; a later one of the same key is the one to take."""
    return _decoded(path, msgspec.json.Decoder(Scored))


def scored(path: Path) -> dict[tuple[str, str, int], Scored]:
    """Every verdict in a score log, the last one where a key was written twice."""
    return {entry.key: entry for entry in each_scored(path)}


def each_sample(path: Path) -> Iterator[Sample]:
    """Samples in the order of the file, one at a time."""
    return _decoded(path, msgspec.json.Decoder(Sample))


def samples(path: Path) -> dict[str, Sample]:
    """Samples by id, in the order of the file."""
    return {sample.id: sample for sample in each_sample(path)}


def _decoded(path: Path, decoder: msgspec.json.Decoder[T]) -> Iterator[T]:
    """Values of the file's lines; none where there is no file. A last line without its newline is a write that was cut
    off, and is left out. Any other bad line raises UsageError with its number."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                if line.isspace():
                    continue
                try:
                    yield decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise UsageError(
                        f"damaged line: {error}",
                        where=f"{path}:{number}",
                        mend="Delete that line to read the rest; its request will be sent again on resume.",
                    ) from error
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
