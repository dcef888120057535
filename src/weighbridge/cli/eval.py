"""`weighbridge eval`: replay samples against candidates, score them, and say which to use."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from weighbridge.cli import console
from weighbridge.errors import MeasurementError

if TYPE_CHECKING:
    from weighbridge.evaluation.plan import Evaluation
    from weighbridge.evaluation.run import Finished
    from weighbridge.replay.result import Result


def eval_(
    evaluation: str | None = None,
    /,
    *,
    config: Path = Path("weighbridge.yaml"),
    json: bool = False,
    html: Path | None = None,
    fresh: bool = False,
) -> int:
    """Run an evaluation; the same command goes on where an interrupted one stopped.

    Parameters
    ----------
    evaluation
        The name of an evaluation in the configuration; not needed where there is only one.
    config
        The configuration file.
    json
        Print one JSON object on stdout instead of a table.
    html
        Also write the report as one self-contained HTML file.
    fresh
        Begin a new run even where an unfinished one could be resumed.
    """
    finished = run(config, evaluation, fresh=fresh)
    return show(finished, json=json, html=html)


def run(config: Path, evaluation: str | None, *, fresh: bool = False) -> Finished:
    """Prepares, replays, scores and seals, with progress on stderr."""
    from weighbridge.config.load import load  # noqa: PLC0415 -- `--help` answers without it
    from weighbridge.evaluation.plan import prepare  # noqa: PLC0415
    from weighbridge.evaluation.run import begin, evaluate, passed_over  # noqa: PLC0415
    from weighbridge.store.finding import home_folder  # noqa: PLC0415

    prepared = prepare(load(config), evaluation)
    for note in prepared.notes:
        console.print_note(f"note: {note}")
    other = None if fresh else passed_over(prepared, home_folder())
    found, resumed = begin(prepared, home_folder(), fresh=fresh)
    if resumed:
        console.print_note(f"resuming run {found.id}")
    elif other is not None:
        console.print_note(other)
    with Progress(prepared) as progress:
        return evaluate(prepared, found, on_result=progress.result)


def show(finished: Finished, *, json: bool, html: Path | None) -> int:
    """The leaderboard of the run, and the exit code: 0; 1 where no candidate is shown to meet the constraints; 3 where
    it could not be measured to its end. Raises MeasurementError where no request got an answer."""
    from weighbridge.cli.leaderboard import shown  # noqa: PLC0415

    outcome = finished.outcome
    _demand_an_answer(finished)
    verdict = shown(finished.run, json=json, html=html).verdict
    if outcome.ending == "finished":
        return 1 if finished.run.manifest.constraints and not verdict.pick else 0
    left = outcome.planned - outcome.done - outcome.resumed
    why = finished.run.manifest.reason or outcome.ending
    console.print_note(f"stopped with {left} of {outcome.planned} results to go ({why}); the same command goes on")
    return 3


def _demand_an_answer(finished: Finished) -> None:
    """A provider that answered nothing was not measured: what its first failure said is the one line that helps."""
    from weighbridge.store.lake import Lake  # noqa: PLC0415

    asked = "SELECT count(*), count(*) FILTER (ok), arg_min(error_message, intended) FROM results"
    ((count, answered, said),) = Lake().query(asked, [finished.run]).rows
    if count and not answered:
        failed = "its only request" if count == 1 else f"all {count:,} requests"
        raise MeasurementError(f"nothing could be measured: {failed} failed, the first with: {said}")


class Progress:
    """A bar on a terminal; elsewhere a line every ten seconds, whether anything came back or not."""

    def __init__(self, evaluation: Evaluation, *, every: float = 10.0) -> None:
        self._total = len(evaluation.plan)
        self._label = evaluation.name
        self._failed = 0
        self._done = 0
        self._spent = 0.0
        self._every = every
        self._over = threading.Event()

    def __enter__(self) -> Self:
        from rich.progress import (  # noqa: PLC0415 -- only where there is something to wait for
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar  # noqa: PLC0415

        screen = console.err()
        self._bar = None
        if not screen.is_terminal:
            threading.Thread(target=self._speak, daemon=True).start()
            return self
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed, ${task.fields[spent]:.4f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=screen,
        )
        self._task = self._bar.add_task(self._label, total=self._total, failed=0, spent=0.0)
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._bar is not None:
            self._bar.stop()

    def result(self, result: Result) -> None:
        """One more."""
        self._done += 1
        self._failed += result.answer is None
        self._spent += result.cost or 0.0
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, failed=self._failed, spent=self._spent)

    def _speak(self) -> None:
        while not self._over.wait(self._every):
            said = f"{self._done} of {self._total}, {self._failed} failed, ${self._spent:.4f}"
            console.print_note(f"{self._label}: {said}")
