"""Sample files: JSON Lines, read one line at a time, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.samples.sample import Sample, too_deep

_decode = msgspec.json.Decoder(Sample).decode
_encode = msgspec.json.Encoder().encode
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class SampleSet:
    """`digest` is the SHA-256 of the file as read. `bad` names lines left out, `twice` counts equal samples, which are
    one sample."""

    samples: list[Sample]
    path: Path | None = None
    digest: str = ""
    bad: list[str] = field(default_factory=list)
    twice: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    @classmethod
    def load(cls, path: Path, *, skip_bad: bool = False) -> SampleSet:
        """Reads a file. Raises UsageError with the first bad line and how many more there are, unless `skip_bad`; and
        where there is no file, or no sample in it."""
        digest = hashlib.sha256()
        found: dict[str, Sample] = {}
        bad: list[str] = []
        twice = 0
        for number, line in _lines(path):
            digest.update(line)
            line = line.removeprefix(_BOM) if number == 1 else line  # noqa: PLW2901 -- the digest is of the file as it is
            if not line.strip():
                continue
            try:
                sample = _checked(line)
            except (ValueError, RecursionError) as error:  # msgspec's and the codec's own are ValueErrors
                bad.append(f"{path}:{number}: {_why(error, line)}")
                continue
            before = len(found)
            found.setdefault(sample.id, sample)
            twice += len(found) == before
        if bad and not skip_bad:
            more = f" (and {len(bad) - 1} more bad lines)" if len(bad) > 1 else ""
            where, _, what = bad[0].partition(": ")
            raise UsageError(
                f"{what}{more}", where=where, mend="Mend the line, or set skip_bad to leave such lines out"
            )
        if not found:
            what = "no line of it is a sample" if bad else "it holds no sample"
            raise UsageError(
                what, where=str(path), mend='A line is like {"request": {"messages": […]}, "expected": ["…"]}'
            )
        return cls(list(found.values()), path, digest.hexdigest(), bad, twice)

    def save(self, path: Path) -> None:
        """Writes a file, whole or not at all. Raises MeasurementError where the disk refuses."""
        save(self.samples, path)


def save(samples: Iterable[Sample], path: Path) -> int:
    """Writes samples, whole or not at all; gives how many. Raises MeasurementError where the disk refuses."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            for sample in samples:
                file.write(_encode(sample) + b"\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise MeasurementError(f"samples cannot be written: {error.strerror or error}", where=str(path)) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return count


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(file, 1)
    except OSError as error:
        raise UsageError(f"samples cannot be read: {error.strerror or error}", where=str(path)) from None


def _checked(line: bytes) -> Sample:
    sample = _decode(line)
    key = "messages" if sample.api == "chat" else "prompt"
    if key not in sample.request:
        raise ValueError(f"`request` has no `{key}`, which a sample for {sample.api} needs")
    if sample.api == "chat":
        messages = sample.request["messages"]
        if not isinstance(messages, list) or not messages:
            raise ValueError("`request.messages` must be a list of at least one message")
        if not all(isinstance(message, dict) and "role" in message for message in messages):
            raise ValueError("each of `request.messages` must be an object with a `role`")
    if too_deep((sample.request, sample.expected, sample.checks, sample.origin)):
        raise RecursionError
    if not sample.weight > 0:
        raise ValueError("`weight` must be above 0")
    return sample


def _why(error: Exception, line: bytes) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, msgspec.ValidationError) or (
        isinstance(error, ValueError) and not isinstance(error, msgspec.DecodeError)
    ):
        return str(error)
    shown = line[:60].decode("utf-8", "replace").strip()
    return f"not JSON ({error}): {shown!r}"
