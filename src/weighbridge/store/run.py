"""One run's folder: its manifest, journal, samples, scores and sealed tables."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from weighbridge.errors import UsageError
from weighbridge.replay.result import Result
from weighbridge.samples.sample import Sample
from weighbridge.store import atomic, lines, manifest
from weighbridge.store.finding import by_position_or_id, home_folder, run_ids
from weighbridge.store.manifest import Manifest
from weighbridge.store.rows import Key, Scored


class Run:
    """`.weighbridge/runs/<id>/`. `Run.create` begins one, `Run.open` finds one."""

    def __init__(self, folder: Path, record: Manifest) -> None:
        self.folder = folder
        self.manifest = record

    @classmethod
    def create(cls, home: Path, record: Manifest) -> Run:
        """Makes the folder and writes the manifest. Raises MeasurementError where the disk refuses, UsageError if a
        run of this id is there already."""
        folder = home / "runs" / record.id
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise UsageError(f"run {record.id} exists already", where=str(folder)) from error
        except OSError as error:
            raise atomic.unwritable(folder, error) from error
        atomic.write(folder / "manifest.json", manifest.encode(record))
        return cls(folder, record)

    @classmethod
    def at(cls, folder: Path) -> Run:
        """The run in this very folder. Raises UsageError where it is none or its manifest is damaged."""
        path = folder / "manifest.json"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"no run here: {error.strerror or error}", where=str(path)) from error
        return cls(folder, manifest.decode(data, where=str(path)))

    @classmethod
    def open(cls, which: str = "latest", *, home: Path | None = None) -> Run:
        """A run by id, the beginning of an id, the name of an evaluation (its newest run), `latest` or `latest~N`.

        Raises UsageError where there is none, several fit, or it cannot be read.
        """
        home = home_folder() if home is None else home
        ids = run_ids(home)
        found = by_position_or_id(which, ids, home)
        if found is not None:
            return cls.at(home / "runs" / found)
        for run in cls.all(home):
            if run.manifest.evaluation == which:
                return run
        raise UsageError(
            f"no run, and no evaluation that was run, is called {which!r}",
            where=str(home),
            mend=f"The newest run is {ids[-1]}.",
        )

    @classmethod
    def all(cls, home: Path) -> Iterator[Run]:
        """All readable runs, newest first; one whose manifest is damaged is passed over, and `open` says why."""
        for name in reversed(run_ids(home)):
            try:
                yield cls.at(home / "runs" / name)
            except UsageError:
                continue

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def score_log(self) -> Path:
        return self.folder / "scores.jsonl"

    @property
    def samples_file(self) -> Path:
        return self.folder / "samples.jsonl"

    @property
    def results_table(self) -> Path:
        return self.folder / "results.parquet"

    @property
    def scores_table(self) -> Path:
        return self.folder / "scores.parquet"

    def update(self, **changes: Any) -> None:
        """Rewrites the manifest with these fields changed, in one step."""
        record = manifest.changed(self.manifest, changes)
        atomic.write(self.folder / "manifest.json", manifest.encode(record))
        self.manifest = record

    def write_samples(self, samples: Iterable[Sample]) -> None:
        """Keeps the samples as replayed, one a line."""
        encode = msgspec.json.Encoder().encode
        with atomic.replacing(self.samples_file) as temporary, temporary.open("wb") as file:
            file.writelines(encode(sample) + b"\n" for sample in samples)

    def samples(self) -> dict[str, Sample]:
        """By id, in the order replayed. Raises UsageError for a damaged line."""
        return lines.samples(self.samples_file)

    def each_sample(self) -> Iterator[Sample]:
        """As `samples`, one at a time."""
        return lines.each_sample(self.samples_file)

    def results(self) -> dict[Key, Result]:
        """Every result so far, from the journal: of a killed run too."""
        return {result.key: result for result in self.each_result()}

    def each_result(self) -> Iterator[Result]:
        """As `results`, one at a time."""
        return lines.journalled(self.journal)

    def scored(self) -> dict[Key, Scored]:
        """Every verdict so far, from the score log."""
        return lines.scored(self.score_log)

    def each_scored(self) -> Iterator[Scored]:
        """As written, one at a time; where a result was judged twice, the later one counts."""
        return lines.each_scored(self.score_log)

    def scoring(self) -> ScoreLog:
        """Opens the score log for appending."""
        return ScoreLog(self.score_log)

    def sealed(self) -> bool:
        """True where the tables are there and no line was added to a log since."""
        try:
            made = min(self.results_table.stat().st_mtime_ns, self.scores_table.stat().st_mtime_ns)
        except OSError:
            return False
        return all(_modified(log) <= made for log in (self.journal, self.score_log, self.samples_file))


class ScoreLog:
    """Appends verdicts to `scores.jsonl`. They can be computed again from the journal, so they are written without
    waiting for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encode = msgspec.json.Encoder().encode
        try:
            _mend_tail(path)
            self._file: io.BufferedWriter = path.open("ab")
        except OSError as error:
            raise atomic.unwritable(path, error) from error

    def append(self, scored: Scored) -> None:
        try:
            self._file.write(self._encode(scored) + b"\n")
        except OSError as error:
            raise atomic.unwritable(self._path, error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise atomic.unwritable(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _mend_tail(path: Path) -> None:
    """Cuts a line that a killed process left half-written, so that the next one begins on its own."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            file.truncate(whole)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
