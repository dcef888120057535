"""A run's journal and scores, turned into the two tables people query."""

from __future__ import annotations

from collections.abc import Iterable

from weighbridge.store.rows import RESULT_COLUMNS, SCORE_COLUMNS, Scored, result_row, score_rows
from weighbridge.store.run import Run
from weighbridge.store.tables import write_parquet


def seal(run: Run, scored: Iterable[Scored] | None = None) -> None:
    """Writes `results.parquet` and `scores.parquet` from the journal; each is there whole or not at all, and sealing
    again gives the same tables. `scored` replaces the run's score log where given.

    Raises UsageError for a damaged journal line and MeasurementError where the disk refuses.
    """
    verdicts = run.scored() if scored is None else {entry.key: entry for entry in scored}
    samples = run.samples()
    results = run.results()
    rows = (
        result_row(run.id, result, samples.get(result.sample), verdicts.get(result.key)) for result in results.values()
    )
    kept = (verdicts[key] for key in results if key in verdicts)
    scores = (row for entry in kept for row in score_rows(run.id, entry))
    write_parquet(run.scores_table, SCORE_COLUMNS, scores)
    write_parquet(run.results_table, RESULT_COLUMNS, rows)
