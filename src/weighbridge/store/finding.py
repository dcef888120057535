"""Which run a person means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from weighbridge.errors import UsageError


def home_folder() -> Path:
    """`$WEIGHBRIDGE_HOME`, or `.weighbridge` in the working directory."""
    return Path(os.environ.get("WEIGHBRIDGE_HOME") or ".weighbridge")


def run_ids(home: Path) -> list[str]:
    """Ids of all runs, oldest first. A folder without a manifest is not a run (yet)."""
    try:
        return sorted(entry.parent.name for entry in (home / "runs").glob("*/manifest.json"))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=str(home)) from error


def by_position_or_id(which: str, ids: Sequence[str], home: Path) -> str | None:
    """The id meant by `latest`, `latest~N`, an id or the beginning of one; None where nothing fits.

    Raises UsageError where several fit or there are too few runs.
    """
    if not ids:
        raise UsageError("no runs yet", where=str(home), mend="Start one with: weighbridge eval")
    name, tilde, back = which.partition("~")
    if name == "latest" and (not tilde or back.isdecimal()):
        return _nth(int(back or 0), ids, home)
    if which in ids:
        return which
    fits = [run for run in ids if which and run.startswith(which)]
    if len(fits) > 1:
        newest = ", ".join(fits[:-4:-1])
        raise UsageError(f"{len(fits)} runs begin with {which!r}: {newest}", where=str(home), mend="Type more of it.")
    return fits[0] if fits else None


def _nth(back: int, ids: Sequence[str], home: Path) -> str:
    if back >= len(ids):
        count = f"only {len(ids)} run{'s' if len(ids) > 1 else ''}"
        raise UsageError(f"there is no latest~{back}: {count} yet", where=str(home))
    return ids[-1 - back]
