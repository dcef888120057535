"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from weighbridge.errors import MeasurementError

_MEND = "Free some space or choose another folder with WEIGHBRIDGE_HOME; nothing half-written was left."


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; what the block wrote there takes its place in one step.

    If the block fails, `path` is as it was before and the temporary file is gone. Raises MeasurementError where the
    disk refuses (full, read-only, no permission).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write(path: Path, data: bytes) -> None:
    """Raises MeasurementError where the disk refuses."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def unwritable(path: Path, error: OSError) -> MeasurementError:
    return MeasurementError(f"cannot write: {error.strerror or error}", where=str(path), mend=_MEND)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
