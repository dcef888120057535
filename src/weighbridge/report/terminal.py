"""The leaderboard and comparisons as terminal tables: read in 100 columns, in more, without colour, and in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weighbridge.evaluation import wording
from weighbridge.evaluation.estimate import Estimate
from weighbridge.evaluation.figures import CandidateFigures, Figures
from weighbridge.evaluation.judging import check_value
from weighbridge.evaluation.verdict import Assessment, Check, Verdict
from weighbridge.evaluation.weighing import Weighed
from weighbridge.evaluation.wording import MoneyScale

WIDE = 164
NARROW = 96
_SIGNS = {"meets": ("✓", "green"), "fails": ("✕", "red"), "not shown": ("?", "yellow")}
_POINTS = ("p50", "p95", "p99")


def leaderboard(weighed: Weighed, *, width: int = 100, by_tag: bool = False) -> RenderableType:
    """Everything a run came to, the sentence last, where the eye is. `width` is the terminal's, in columns."""
    figures, verdict = weighed.figures, weighed.verdict
    money = MoneyScale.fitting(found.cost_per_success.value for found in figures.candidates)
    parts: list[RenderableType] = [_heading(figures)]
    if width >= WIDE:
        parts.append(_one_table(figures, verdict, money))
    else:
        joint = " " if width >= NARROW else "\n"
        parts += [_quality_table(figures, verdict, money, joint), Text(), _latency_table(figures, joint)]
    parts += [Text(), tags(figures)] if by_tag else []
    parts.append(Text())
    parts += [*_unmet(verdict), *_footnotes(figures), *(Text(note, style="yellow") for note in figures.notes)]
    parts += [Text(), Text(verdict.sentence, style="bold")]
    return Group(*parts)


def tags(figures: Figures) -> Table:
    """Quality of each candidate on the samples of each tag."""
    table = _table("tag", *(found.candidate for found in figures.candidates))
    for tag in sorted({tag for found in figures.candidates for tag in found.tags}):
        cells = [found.tags.get(tag) for found in figures.candidates]
        table.add_row(Text(tag), *(_estimate(cell.quality, None) if cell else Text("—") for cell in cells))
    return table


def _heading(figures: Figures) -> Text:
    parts = [
        figures.evaluation,
        wording.counted(len(figures.candidates), "candidate"),
        wording.counted(figures.samples, "sample"),
        *([f"{figures.repeats} repeats"] if figures.repeats > 1 else []),
        f"run {figures.run}",
    ]
    return Text.assemble((parts[0], "bold"), " · " + " · ".join(parts[1:]))


def _one_table(figures: Figures, verdict: Verdict, money: MoneyScale) -> Table:
    latencies = [f"{name} {point.upper()}" for name in ("TTFT", "total") for point in ("p50", "p99")]
    table = _table("", "candidate", "quality", f"per {money.label}", *latencies, "errors", "tokens in·out", "spent")
    for found in figures.candidates:
        times = [kind.get(point) for kind in (found.ttft, found.total) for point in ("p50", "p99")]
        table.add_row(
            _sign(found.candidate, verdict),
            _name(found, verdict),
            _quality(found),
            _estimate(found.cost_per_success, money.text),
            *(_estimate(time, wording.seconds) for time in times),
            _estimate(found.error_rate, None),
            _tokens(found),
            _spent(found),
        )
    return table


def _quality_table(figures: Figures, verdict: Verdict, money: MoneyScale, joint: str) -> Table:
    table = _table("", "candidate", "quality", f"per {money.label}", "errors", "in·out", "spent")
    for found in figures.candidates:
        table.add_row(
            _sign(found.candidate, verdict),
            _name(found, verdict),
            _quality(found, joint),
            _estimate(found.cost_per_success, money.text, joint),
            _estimate(found.error_rate, None, joint),
            _tokens(found),
            _spent(found),
        )
    return table


def _latency_table(figures: Figures, joint: str) -> Table:
    table = _table("candidate", "time to", "P50", "P95", "P99")
    for found in figures.candidates:
        measured = [("first token", found.ttft), ("whole answer", found.total)]
        for place, (name, times) in enumerate((name, times) for name, times in measured if times):
            cells = (_estimate(times.get(point), wording.seconds, joint) for point in _POINTS)
            table.add_row(Text("" if place else found.candidate, style="bold"), Text(name), *cells)
    return table


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim", show_edge=False)
    for place, name in enumerate(names):
        leading = not name or name in ("candidate", "tag", "time to", "")
        table.add_column(Text(name), justify="left" if leading else "right", overflow="fold", no_wrap=place < 2)
    return table


def _sign(candidate: str, verdict: Verdict) -> Text:
    if candidate == verdict.pick:
        return Text("★", style="bold green")
    found = _assessed(candidate, verdict)
    return Text(*_SIGNS[found.outcome]) if found and found.checks else Text()


def _assessed(candidate: str, verdict: Verdict) -> Assessment | None:
    return next((found for found in verdict.assessments if found.candidate == candidate), None)


def _name(found: CandidateFigures, verdict: Verdict) -> Text:
    return Text(found.candidate, style="bold green" if found.candidate == verdict.pick else "bold")


def _quality(found: CandidateFigures, joint: str = " ") -> Text:
    text = _estimate(found.quality, None, joint)
    if found.unscored:
        text.append(f" ({found.unscored} not judged)", style="yellow")
    return text


def _estimate(estimate: Estimate | None, show: Callable[[float], str] | None, joint: str = " ") -> Text:
    """Value in bold, interval dim; `show` None: a share."""
    if estimate is None:
        return Text("—")
    show = show or wording.shares(estimate)
    middle = "—" if "estimable" in estimate.why else wording.middle(estimate, show)
    range_ = wording.interval(estimate, show)
    return Text.assemble((middle, "bold"), joint if range_ else "", (range_, "dim"))


def _tokens(found: CandidateFigures) -> Text:
    shown = (f"{found.tokens[kind]:,.0f}" if kind in found.tokens else "—" for kind in ("input", "output"))
    return Text("·".join(shown))


def _spent(found: CandidateFigures) -> Text:
    return Text(wording.UNKNOWN if found.total_cost is None else wording.dollars(found.total_cost))


def _unmet(verdict: Verdict) -> Iterable[Text]:
    """A line for each constraint that a candidate fails or is not shown to meet."""
    for found in verdict.assessments:
        for check in found.checks:
            if check.outcome != "meets":
                sign, style = _SIGNS[check.outcome]
                yield Text.assemble((f"{sign} ", style), (found.candidate, "bold"), f" {check_sentence(check)}")


def check_sentence(check: Check) -> str:
    """`fails quality at least 90%: it is 71% [62, 79%]`."""
    said = "fails" if check.outcome == "fails" else "is not shown to meet"
    more = f"; about {wording.counted(check.more, 'more result')} would tell" if check.more else ""
    return f"{said} {wording.limit_words(check.figure, check.limit)}: {check_value(check)}{more}"


def _footnotes(figures: Figures) -> Iterable[Text]:
    """Why figures are missing, each reason once with the candidates it holds for."""
    reasons: dict[str, list[str]] = {}
    for found in figures.candidates:
        estimates: Sequence[Estimate] = (found.cost_per_success, *found.ttft.values(), *found.total.values())
        for why in dict.fromkeys(estimate.why for estimate in estimates if estimate.why):
            reasons.setdefault(why, []).append(found.candidate)
    for why, names in reasons.items():
        who = "" if len(names) == len(figures.candidates) else f" ({wording.listed(names)})"
        yield Text(f"— {why}{who}", style="dim")
