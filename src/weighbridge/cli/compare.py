"""`weighbridge compare`: what broke, what was fixed, is it noise."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.cli import console
from weighbridge.errors import UsageError

if TYPE_CHECKING:
    from weighbridge.evaluation.changes import Side
    from weighbridge.evaluation.comparison import Comparison
    from weighbridge.store.run import Run

SCHEMA = "weighbridge.compare/1"


def compare(
    before: str,
    after: str,
    /,
    *,
    json: bool = False,
    html: Path | None = None,
    fail_on_regression: bool = False,
) -> int:
    """Compare two runs, or two candidates, paired by sample.

    Parameters
    ----------
    before, after
        Two runs (every candidate both have is compared), two `run:candidate`, or two candidates of the newest run.
        A run is `latest`, `latest~1`, its id or the beginning of it, or the name of an evaluation.
    json
        Print one JSON object on stdout instead.
    html
        Also write what changed as one self-contained HTML file.
    fail_on_regression
        End with exit code 1 where quality is shown to be worse.
    """
    from weighbridge.evaluation.comparison import compare as compared  # noqa: PLC0415 -- `--help` answers without it
    from weighbridge.evaluation.comparison import overall  # noqa: PLC0415

    found = compared(pairs(before, after))
    if not found:
        raise UsageError(
            f"{before} and {after} share no sample that both judged", mend="Compare runs of the same samples."
        )
    _show(found, json=json, html=html)
    return 1 if fail_on_regression and overall(found) == "worse" else 0


def _show(found: list[Comparison], *, json: bool, html: Path | None) -> None:
    if html is not None:
        from weighbridge.report import page  # noqa: PLC0415 -- only where a page is wanted

        page.write(html, page.render_comparisons(found))
    if json:
        console.print_json(SCHEMA, {"comparisons": found})
        return
    from weighbridge.report.differences import comparison  # noqa: PLC0415

    out = console.out()
    for place, one in enumerate(found):
        out.print("\n" if place else "", comparison(one), sep="", end="\n")
    if html is not None:
        console.print_note(f"wrote {html}")


def pairs(before: str, after: str) -> list[tuple[Side, Side]]:
    """What the two words mean, as sides to compare. Raises UsageError where they mean nothing."""
    from weighbridge.evaluation.changes import Side  # noqa: PLC0415
    from weighbridge.evaluation.outcomes import load  # noqa: PLC0415

    one, other = _place(before), _place(after)
    left, right = one[0], other[0]
    old = load(left)
    new = old if left.id == right.id else load(right)
    if one[1] or other[1]:
        named = (one[1] or other[1], other[1] or one[1])
        for run, candidates, name in ((left, old, named[0]), (right, new, named[1])):
            _demand(run, candidates, name)
        return [(Side(left, old[named[0]]), Side(right, new[named[1]]))]
    if left.id == right.id:
        raise UsageError(f"{before} and {after} are the same run", mend="Name two runs, or two candidates of one.")
    common = [name for name in old if name in new]
    if not common:
        raise UsageError(
            f"no candidate is in both {left.id} and {right.id}",
            mend="Name one on each side: RUN:CANDIDATE RUN:CANDIDATE",
        )
    return [(Side(left, old[name]), Side(right, new[name])) for name in common]


def _place(word: str) -> tuple[Run, str]:
    """A run and a candidate, empty where none is named: `run`, `run:candidate` or a candidate of the newest run."""
    from weighbridge.store.run import Run  # noqa: PLC0415

    name, colon, candidate = word.partition(":")
    if colon:
        return Run.open(name or "latest"), candidate
    newest = Run.open("latest")
    if any(record.name == word for record in newest.manifest.candidates):
        return newest, word
    return Run.open(word), ""


def _demand(run: Run, known: Collection[str], name: str) -> None:
    if name not in known:
        raise UsageError(f"run {run.id} has no results of {name!r}", mend=f"It has: {', '.join(known) or 'none'}.")
