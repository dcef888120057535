"""A comparison as terminal tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weighbridge.evaluation import wording
from weighbridge.evaluation.changes import Change
from weighbridge.evaluation.comparison import Comparison, Criterion, Shift
from weighbridge.evaluation.estimate import Estimate

_STYLES = {"worse": "bold red", "better": "bold green", "no difference shown": "bold"}


def comparison(found: Comparison, *, most: int = 5) -> RenderableType:
    """What broke and what was fixed (at most `most` of each in full), the tests, and the sentence last."""
    parts: list[RenderableType] = [
        Text.assemble(("before ", "dim"), found.before),
        Text.assemble(("after  ", "dim"), found.after),
        Text(),
        _criteria(found.criteria),
        Text(),
        _shifts(found.shifts),
        Text(),
        *_changed("broke", "red", found.broke, found.broken, most),
        *_changed("fixed", "green", found.fixed, found.mended, most),
        *(Text(note, style="yellow") for note in found.notes),
        Text(found.sentence, style=_STYLES[found.finding]),
    ]
    return Group(*parts)


def _criteria(criteria: Sequence[Criterion]) -> Table:
    table = _table("criterion", "before", "after", "difference (points)", "is it noise?")
    for one in criteria:
        noise = f"{wording.p_value(one.p_adjusted)} ({one.test})"
        table.add_row(Text(one.name), *map(_share, (one.before, one.after)), _difference(one.difference), Text(noise))
    return table


def _shifts(shifts: Sequence[Shift]) -> Table:
    table = _table("figure", "before", "after", "difference")
    for one in shifts:
        show = wording.figure_show(one.name)
        signed = wording.points if one.name == "error_rate" else show
        values = (wording.full(estimate, show) for estimate in (one.before, one.after))
        table.add_row(
            Text(wording.figure_name(one.name)),
            *map(Text, values),
            Text(wording.full(one.difference, signed), style="bold" if one.sure else ""),
        )
    return table


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim", show_edge=False)
    for place, name in enumerate(names):
        table.add_column(Text(name), justify="right" if place else "left", overflow="fold")
    return table


def _share(value: float) -> Text:
    return Text(wording.share(value, 0.01))


def _difference(estimate: Estimate) -> Text:
    return Text(wording.full(estimate, wording.points))


def _changed(word: str, style: str, changes: Sequence[Change], count: int, most: int) -> list[Text]:
    if not count:
        return []
    lines = [Text(f"{count:,} {word}", style=f"bold {style}")]
    for change in changes[:most]:
        asked = _short(change.prompt or change.sample, 90)
        lines.append(Text.assemble("  ", (change.sample[:8], "dim"), " ", asked))
        if change.expected:
            lines.append(Text.assemble("    ", ("expected ", "dim"), _short(change.expected[0], 80)))
        lines.append(Text.assemble("    ", ("before   ", "dim"), _short(change.before, 80)))
        lines.append(Text.assemble("    ", ("after    ", "dim"), _short(change.after, 80)))
    if count > most:
        lines.append(Text(f"  and {count - most:,} more: see --html or --json", style="dim"))
    return lines


def _short(text: str, most: int) -> str:
    """One line without control characters, which a hostile answer could send to the terminal."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
