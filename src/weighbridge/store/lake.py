"""Every run under one home, found by name and queried with SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from weighbridge.errors import UsageError
from weighbridge.store import exchanges, tables
from weighbridge.store.finding import home_folder
from weighbridge.store.rows import RESULT_COLUMNS, SCORE_COLUMNS, Key, score_rows
from weighbridge.store.run import Run
from weighbridge.store.sealing import result_rows


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query gave: names of its columns, and its rows in order."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Lake:
    """All runs of one home folder (`home_folder()` unless given)."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home if home is not None else home_folder()

    def runs(self) -> Iterator[Run]:
        """All readable runs, newest first."""
        return Run.all(self.home)

    def open(self, which: str = "latest") -> Run:
        """See `Run.open`."""
        return Run.open(which, home=self.home)

    def query(self, sql: str, runs: Iterable[Run] | None = None) -> Rows:
        """Runs SQL over the views `results` and `scores` of these runs (all unless given), and over `exchanges` and
        `feedback` of every gateway: sealed or still being written.

        Raises UsageError for SQL that DuckDB refuses, and for a table or journal that is damaged.
        """
        with tables.connect() as database:
            _load(database, list(self.runs() if runs is None else runs))
            exchanges.load_views(database, self.home, sql)
            try:
                found = database.execute(sql)
                named = tuple(column[0] for column in found.description or ())
                return Rows(named, found.fetchall())
            except duckdb.Error as error:
                raise UsageError(f"this query was refused: {tables.first_line(error)}", where="SQL") from error


def columns(run: Run, names: Sequence[str], *, table: str = "results") -> dict[str, list[Any]]:
    """Columns of one run, ordered by candidate, sample, repeat (and scorer); NULL is None.

    Raises UsageError for a damaged table or journal.
    """
    listed = ", ".join(f'"{name}"' for name in names)
    order = "candidate, sample, repeat" + (", scorer" if table == "scores" else "")
    with tables.connect() as database:
        _load(database, [run])
        try:
            rows = database.execute(f'SELECT {listed} FROM "{table}" ORDER BY {order}').fetchall()  # noqa: S608  (our names)
        except duckdb.Error as error:
            raise UsageError(
                f"a table cannot be read: {tables.first_line(error)}",
                where=str(run.folder),
                mend="Delete that file; the table is made again from the run's journal.",
            ) from error
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _load(database: duckdb.DuckDBPyConnection, runs: Sequence[Run]) -> None:
    sealed = [run for run in runs if run.sealed()]
    tables.load_rows(database, "live_results", RESULT_COLUMNS, ())
    tables.load_rows(database, "live_scores", SCORE_COLUMNS, ())
    for run in runs:
        if run not in sealed:
            _load_live(database, run)
    tables.view(database, "results", "live_results", RESULT_COLUMNS, [run.results_table for run in sealed])
    tables.view(database, "scores", "live_scores", SCORE_COLUMNS, [run.scores_table for run in sealed])


def _load_live(database: duckdb.DuckDBPyConnection, run: Run) -> None:
    samples, scored = run.samples(), run.scored()
    keys: list[Key] = []
    tables.load_rows(database, "live_results", RESULT_COLUMNS, result_rows(run, samples, scored, keys))
    scores = (row for key in keys if key in scored for row in score_rows(run.id, scored[key]))
    tables.load_rows(database, "live_scores", SCORE_COLUMNS, scores)
