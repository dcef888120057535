"""`weighbridge leaderboard`: what a run came to, and which candidate to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weighbridge.cli import console

if TYPE_CHECKING:
    from weighbridge.evaluation.weighing import Weighed
    from weighbridge.store.run import Run

SCHEMA = "weighbridge.leaderboard/1"


def leaderboard(
    run: str = "latest",
    /,
    *,
    json: bool = False,
    html: Path | None = None,
    by: Literal["tag"] | None = None,
) -> int:
    """Show quality, cost per success, latency and errors of a run's candidates, each with its interval.

    Parameters
    ----------
    run
        A run: `latest`, `latest~1` (the one before), its id or the beginning of it, or the name of an evaluation.
    json
        Print one JSON object on stdout instead.
    html
        Also write the report as one self-contained HTML file.
    by
        Add a table of quality by tag.
    """
    from weighbridge.store.run import Run  # noqa: PLC0415 -- `--help` answers without it

    shown(Run.open(run), json=json, html=html, by_tag=by == "tag")
    return 0


def shown(run: Run, *, json: bool, html: Path | None, by_tag: bool = False) -> Weighed:
    """Prints what a run came to, and gives it. Raises UsageError where the run's tables or journal are damaged."""
    from weighbridge.evaluation.weighing import weigh  # noqa: PLC0415 -- `--help` answers without it

    weighed = weigh(run)
    if html is not None:
        write_report(run, weighed, html)
    if json:
        console.print_json(SCHEMA, {"figures": weighed.figures, "verdict": weighed.verdict})
        return weighed
    from weighbridge.report.terminal import leaderboard as table  # noqa: PLC0415

    out = console.out()
    out.print(table(weighed, width=out.width, by_tag=by_tag))
    if html is not None:
        console.print_note(f"wrote {html}")
    return weighed


def write_report(run: Run, weighed: Weighed, path: Path) -> None:
    """Writes the HTML report of a run. Raises MeasurementError where the disk refuses."""
    from weighbridge.evaluation.differences import explorer  # noqa: PLC0415 -- only where a page is wanted
    from weighbridge.evaluation.setting import setting  # noqa: PLC0415
    from weighbridge.report import page  # noqa: PLC0415

    page.write(path, page.render(weighed, explorer(run), setting(run.manifest)))
