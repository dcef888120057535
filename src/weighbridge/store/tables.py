"""DuckDB: rows into Parquet, and Parquet or live rows into tables.

Names of tables and columns in the SQL below are our own; paths are quoted by `literal`.
"""
# ruff: noqa: S608  (see above: nothing a user typed is put into SQL)

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.store.atomic import replacing, unwritable

_LONGEST_LINE = 16 * 2**20


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory database that never reaches for the network, and prints nothing."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    database = duckdb.connect(":memory:", config=settings)
    database.execute("SET enable_progress_bar = false")  # it is on where Python was started with -c, as for sealing
    return database


def write_parquet(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as one Parquet file, whole or not at all. Raises MeasurementError where the disk refuses."""
    with replacing(path) as temporary, connect() as database:
        staged = temporary.with_suffix(".ndjson")
        try:
            longest = _stage(staged, rows)
            source = _ndjson(staged, columns, longest)
            database.execute(
                f"COPY (SELECT * FROM {source}) TO {literal(temporary)} (FORMAT parquet, COMPRESSION zstd)"
            )
        except duckdb.Error as error:
            raise MeasurementError(f"cannot write: {first_line(error)}", where=str(path)) from error
        finally:
            staged.unlink(missing_ok=True)


def load_rows(
    database: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Adds rows to `table`, which is made if it is not there."""
    named = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    database.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({named})')
    try:
        with tempfile.TemporaryDirectory(prefix="weighbridge-") as folder:
            staged = Path(folder) / "rows.ndjson"
            longest = _stage(staged, rows)
            database.execute(f'INSERT INTO "{table}" SELECT * FROM {_ndjson(staged, columns, longest)}')
    except OSError as error:
        raise unwritable(Path(tempfile.gettempdir()), error) from error


def view(
    database: duckdb.DuckDBPyConnection, name: str, live: str, columns: Mapping[str, str], paths: Sequence[Path]
) -> None:
    """Makes the view `name` over Parquet files (columns a file lacks are NULL) and the table `live`.

    Raises UsageError for a damaged file.
    """
    listed = ", ".join(f'"{column}"' for column in columns)
    source = f'SELECT {listed} FROM "{live}"'
    if paths:
        files = ", ".join(literal(path) for path in paths)
        source += f" UNION ALL BY NAME SELECT * FROM read_parquet([{files}], union_by_name=true)"
    try:
        database.execute(f'CREATE VIEW "{name}" AS SELECT {listed} FROM ({source})')
    except duckdb.Error as error:
        raise UsageError(
            f"a table cannot be read: {first_line(error)}",
            where=str(paths[0].parent if len(paths) == 1 else paths[0].parent.parent),
            mend="Delete that file; the table is made again from the run's journal.",
        ) from error


def literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _stage(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes rows as JSON Lines; the length of the longest in bytes."""
    encode = msgspec.json.Encoder().encode
    longest = 0
    with path.open("wb") as file:
        for row in rows:
            line = encode(row)
            longest = max(longest, len(line))
            file.write(line + b"\n")
    return longest


def _ndjson(path: Path, columns: Mapping[str, str], longest: int) -> str:
    named = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    # DuckDB allots buffers of this size, so it is raised only for a row that needs it.
    size = max(_LONGEST_LINE, longest + 1024)
    return (
        f"read_json({literal(path)}, format='newline_delimited', columns={{{named}}}, "
        f"maximum_object_size={size}, compression='uncompressed')"
    )
