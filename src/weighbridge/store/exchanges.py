"""What gateways recorded: segments sealed to Parquet, and both queried as one.

    exchanges/live/<segment>.jsonl                  being written, or left by a process that ended
    exchanges/<date>/<segment>.parquet              sealed
    exchanges/<date>/<segment>.feedback.parquet     beside it, where the segment held feedback
    exchanges/bad/<segment>.jsonl                   lines of it that were no records

A segment counts as sealed when its first table is there, which is written last. From then on readers pass its live file
by, so it is never lost and never counted twice, whenever the sealing is interrupted.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import duckdb

from weighbridge.errors import UsageError
from weighbridge.records import segments
from weighbridge.records.exchange import Exchange, Feedback
from weighbridge.store import tables
from weighbridge.store.atomic import replacing, unwritable
from weighbridge.store.exchange_rows import (
    EXCHANGE_COLUMNS,
    FEEDBACK_COLUMNS,
    exchange_of,
    exchange_row,
    feedback_of,
    feedback_row,
)

_log = logging.getLogger("weighbridge.store")
_OURS: Final = re.compile(r"\b(exchanges|feedback)\b", re.IGNORECASE)
_AT_ONCE: Final = 256  # rows with bodies held in memory
_FEEDBACK: Final = ".feedback.parquet"
_MEND: Final = "Move that file away to read the others."


def seal(home: Path) -> list[Path]:
    """Turns finished segments into tables, and gives the tables of exchanges that were made. Segments that a process
    still writes to, or that somebody else is sealing, are left alone.

    Raises MeasurementError where the disk refuses; what was sealed before stays, and the rest is as it was.
    """
    made: list[Path] = []
    for path in segments.live(home):
        with _finished(path) as file:
            if file is not None:
                made += _sealed(home, path, file)
    return made


@contextlib.contextmanager
def _finished(path: Path) -> Iterator[BinaryIO | None]:
    """The segment, locked; None where it is not finished, or gone."""
    try:
        file = path.open("rb")
    except OSError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            gone = os.fstat(file.fileno()).st_nlink == 0
        except OSError:
            gone = True
        yield None if gone else file


def _sealed(home: Path, path: Path, file: BinaryIO) -> list[Path]:
    table = segments.folder(home) / segments.date_of(path.stem) / f"{path.stem}.parquet"
    made = []
    try:
        if not table.exists():
            table.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _tidied(table)
            if _written(home, path, file, table):
                made = [table]
        path.unlink()
    except OSError as error:
        raise unwritable(path, error) from error
    return made


def _tidied(table: Path) -> None:
    """Removes what an interrupted sealing of this segment left. We hold its lock, so nobody is using them."""
    for left in table.parent.glob(f".{glob.escape(table.stem)}.*"):
        left.unlink(missing_ok=True)


def _written(home: Path, path: Path, file: BinaryIO, table: Path) -> bool:
    """Whether there was anything to write. The segment is read three times rather than held in memory."""
    exchanges, feedback = _counted(home, path, file)
    if feedback:
        target = table.with_name(table.stem + _FEEDBACK)
        rows = (feedback_row(record) for record in _records(file) if isinstance(record, Feedback))
        tables.write_parquet(target, FEEDBACK_COLUMNS, rows)
        target.chmod(0o600)
    if exchanges or feedback:
        tables.write_parquet(table, EXCHANGE_COLUMNS, _exchange_rows(file, path.stem))
        table.chmod(0o600)
        _folder_to_disk(table.parent)
    return bool(exchanges or feedback)


def _counted(home: Path, path: Path, file: BinaryIO) -> tuple[int, int]:
    """Exchanges and feedback in a segment. Lines that are neither are kept aside."""
    counts = {Exchange: 0, Feedback: 0}
    bad, first = 0, ""
    aside = segments.folder(home) / "bad" / path.name
    with contextlib.ExitStack() as stack:
        kept: BinaryIO | None = None

        def damaged(number: int, line: bytes, why: str) -> None:
            nonlocal kept, bad, first
            if kept is None:
                first = f"line {number}: {why}"
                aside.parent.mkdir(mode=0o700, exist_ok=True)
                kept = stack.enter_context(stack.enter_context(replacing(aside)).open("wb"))
            kept.write(line if line.endswith(b"\n") else line + b"\n")
            bad += 1

        for record in _records(file, damaged):
            counts[type(record)] += 1
    if bad:
        _log.warning("%s: lines that are no records: %d, kept in %s; the first: %s", path.name, bad, aside, first)
    return counts[Exchange], counts[Feedback]


def _records(file: BinaryIO, damaged: segments.Damaged | None = None) -> Iterator[Exchange | Feedback]:
    file.seek(0)
    return segments.records(file, damaged)


def _exchange_rows(file: BinaryIO, stem: str) -> Iterator[dict[str, Any]]:
    worker = segments.worker_of(stem)
    return (exchange_row(record, worker) for record in _records(file) if isinstance(record, Exchange))


def _folder_to_disk(folder: Path) -> None:
    """So that a power cut after the segment is removed cannot take the table's name with it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Every record once: tables, and segments that are not among them, held open in case they are sealed meanwhile."""

    tables: list[Path]
    feedback: list[Path]
    live: list[tuple[str, BinaryIO]]


@contextlib.contextmanager
def _parts(home: Path) -> Iterator[_Parts]:
    with contextlib.ExitStack() as stack:
        opened: list[tuple[str, BinaryIO]] = []
        for path in segments.live(home):
            with contextlib.suppress(FileNotFoundError):
                opened.append((path.stem, stack.enter_context(path.open("rb"))))
        # Looked for after the segments were opened: one that is sealed in between is found here or is still open there.
        found = sorted(path for path in segments.folder(home).glob("*/*.parquet") if not path.name.startswith("."))
        sealed = {path.stem: path for path in found if not path.name.endswith(_FEEDBACK)}
        feedback = [path for path in found if path.name.removesuffix(_FEEDBACK) in sealed]
        yield _Parts(list(sealed.values()), feedback, [part for part in opened if part[0] not in sealed])


def load_views(database: duckdb.DuckDBPyConnection, home: Path, sql: str = "exchanges") -> None:
    """Makes the views `exchanges` and `feedback`, if `sql` speaks of either. Raises UsageError for a damaged table."""
    if not _OURS.search(sql):
        return
    with _parts(home) as parts:
        _load(database, "exchanges", EXCHANGE_COLUMNS, parts.tables, _live_exchanges(parts))
        _load(database, "feedback", FEEDBACK_COLUMNS, parts.feedback, _live_feedback(parts))


def _live_exchanges(parts: _Parts) -> Iterator[dict[str, Any]]:
    return (row for stem, file in parts.live for row in _exchange_rows(file, stem))


def _live_feedback(parts: _Parts) -> Iterator[dict[str, Any]]:
    found = (record for _, file in parts.live for record in _records(file))
    return (feedback_row(record) for record in found if isinstance(record, Feedback))


def _load(
    database: duckdb.DuckDBPyConnection,
    name: str,
    columns: dict[str, str],
    paths: list[Path],
    live: Iterable[dict[str, Any]],
) -> None:
    tables.load_rows(database, f"live_{name}", columns, live)
    try:
        tables.view(database, name, f"live_{name}", columns, paths)
    except UsageError as error:
        raise UsageError(error.what, where=error.where, mend=_MEND) from None


def captured(
    home: Path, *, endpoint: str | None = None, since: float | None = None, outcome: str | None = None
) -> Iterator[tuple[Exchange, tuple[Feedback, ...]]]:
    """Exchanges that have their request's body, with what was said of them; `since` is Unix seconds. In the order of
    the files: sorting would hold every body in memory.

    Raises UsageError for a damaged table.
    """
    asked = {"endpoint = ?": endpoint, "arrived >= ?": since, "outcome = ?": outcome}
    given = {condition: value for condition, value in asked.items() if value is not None}
    where = " AND ".join(["request IS NOT NULL", *given])
    with tables.connect() as database:
        load_views(database, home)
        try:
            said = _feedback(database)
            found = database.execute(f"SELECT * FROM exchanges WHERE {where}", [*given.values()])  # noqa: S608  (our own words)
            while rows := found.fetchmany(_AT_ONCE):
                for row in rows:
                    exchange = exchange_of(dict(zip(EXCHANGE_COLUMNS, row, strict=True)))
                    yield exchange, tuple(said.get(exchange.id, ()))
        except duckdb.Error as error:
            raise UsageError(
                f"a table cannot be read: {tables.first_line(error)}", where=str(segments.folder(home)), mend=_MEND
            ) from error


def _feedback(database: duckdb.DuckDBPyConnection) -> dict[str, list[Feedback]]:
    """By exchange, of those that have bodies."""
    sql = "SELECT * FROM feedback WHERE exchange IN (SELECT id FROM exchanges WHERE request IS NOT NULL) ORDER BY said"
    said: dict[str, list[Feedback]] = {}
    for row in database.execute(sql).fetchall():
        feedback = feedback_of(dict(zip(FEEDBACK_COLUMNS, row, strict=True)))
        said.setdefault(feedback.exchange, []).append(feedback)
    return said
