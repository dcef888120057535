"""`weighbridge eval`: replay samples against candidates, score them, and say which to use."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from weighbridge.cli import console

if TYPE_CHECKING:
    from collections.abc import Callable

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
    from weighbridge.evaluation.run import begin, evaluate  # noqa: PLC0415
    from weighbridge.store.finding import home_folder  # noqa: PLC0415

    prepared = prepare(load(config), evaluation)
    for note in prepared.notes:
        console.print_note(f"note: {note}")
    found, resumed = begin(prepared, home_folder(), fresh=fresh)
    if resumed:
        console.print_note(f"resuming run {found.id}")
    with Progress(prepared) as progress:
        return evaluate(prepared, found, on_result=progress.result)


def show(finished: Finished, *, json: bool, html: Path | None) -> int:
    """The leaderboard of the run, and the exit code: 0, or 3 where it could not be measured to its end."""
    from weighbridge.cli.leaderboard import leaderboard  # noqa: PLC0415

    outcome = finished.outcome
    leaderboard(finished.run.id, json=json, html=html)
    if outcome.ending == "finished":
        return 0
    left = outcome.planned - outcome.done - outcome.resumed
    why = finished.run.manifest.reason or outcome.ending
    console.print_note(f"stopped with {left} of {outcome.planned} results to go ({why}); the same command goes on")
    return 3


class Progress:
    """A bar on a terminal; a line every ten seconds elsewhere. Says so when nothing comes back."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._total = len(evaluation.plan)
        self._label = evaluation.name
        self._failed = 0
        self._done = 0
        self._spent = 0.0
        self._said = time.monotonic()
        self._update: Callable[[], None] = self._plain

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
        if screen.is_terminal:
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
        if self._bar is not None:
            self._bar.stop()

    def result(self, result: Result) -> None:
        """One more."""
        self._done += 1
        self._failed += result.answer is None
        self._spent += result.cost or 0.0
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, failed=self._failed, spent=self._spent)
        elif time.monotonic() - self._said > 10:
            self._plain()

    def _plain(self) -> None:
        self._said = time.monotonic()
        console.print_note(f"{self._label}: {self._done} of {self._total}, {self._failed} failed, ${self._spent:.4f}")
