"""A run's journal and scores, turned into the two tables people query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from weighbridge.samples.sample import Sample
from weighbridge.store.rows import RESULT_COLUMNS, SCORE_COLUMNS, Key, Scored, result_row, score_rows
from weighbridge.store.run import Run
from weighbridge.store.tables import write_parquet


def seal(run: Run, scored: Iterable[Scored] | None = None) -> None:
    """Writes `results.parquet` and `scores.parquet` from the journal; each is there whole or not at all, and sealing
    again gives the same tables. `scored` replaces the run's score log where given.

    Raises UsageError for a damaged journal line and MeasurementError where the disk refuses.
    """
    verdicts = run.scored() if scored is None else {entry.key: entry for entry in scored}
    samples = run.samples()
    keys: list[Key] = []
    write_parquet(run.results_table, RESULT_COLUMNS, result_rows(run, samples, verdicts, keys))
    scores = (row for key in keys if key in verdicts for row in score_rows(run.id, verdicts[key]))
    write_parquet(run.scores_table, SCORE_COLUMNS, scores)


def result_rows(
    run: Run, samples: Mapping[str, Sample], verdicts: Mapping[Key, Scored], keys: list[Key]
) -> Iterator[dict[str, Any]]:
    """A run's rows of `results`, one at a time; their keys are added to `keys`."""
    for result in run.each_result():
        keys.append(result.key)
        yield result_row(run.id, result, samples.get(result.sample), verdicts.get(result.key))
