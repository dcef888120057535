"""The HTML report: one file, no network, everything a model wrote escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from weighbridge.errors import MeasurementError
from weighbridge.evaluation import wording
from weighbridge.evaluation.comparison import Comparison
from weighbridge.evaluation.differences import Explorer
from weighbridge.evaluation.estimate import Estimate
from weighbridge.evaluation.figures import CandidateFigures
from weighbridge.evaluation.judging import check_value
from weighbridge.evaluation.setting import Setting
from weighbridge.evaluation.verdict import Assessment
from weighbridge.evaluation.weighing import Weighed
from weighbridge.evaluation.wording import MoneyScale
from weighbridge.report.latency import latency
from weighbridge.report.pareto import pareto

_FILES = Path(__file__).parent / "page_files"


def render(weighed: Weighed, explorer: Explorer, setting: Setting) -> str:
    """The page as text. Its policy forbids every load and every script but its own."""
    script = (_FILES / "page.js").read_text(encoding="utf-8")
    figures = weighed.figures
    limits = {constraint.figure: constraint.limit for constraint in setting.constraints}
    places = {record.name: place for place, record in enumerate(setting.candidates)}
    for found in figures.candidates:
        places.setdefault(found.candidate, len(places))
    money = MoneyScale.fitting(found.cost_per_success.value for found in figures.candidates)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            figures=figures,
            verdict=weighed.verdict,
            assessed={found.candidate: found for found in weighed.verdict.assessments},
            setting=setting,
            places=places,
            money=money,
            tags=sorted({tag for found in figures.candidates for tag in found.tags}),
            chart=Markup(  # noqa: S704  (charts escape their data)
                pareto(
                    figures.candidates,
                    places,
                    money=money,
                    quality_min=limits.get("quality"),
                    cost_max=limits.get("cost_per_success"),
                )
            ),
            ttft=Markup(  # noqa: S704  (charts escape their data)
                latency(
                    weighed.ttft,
                    places,
                    name="ttft",
                    title="time to first token",
                    limit=_first(limits, "ttft_"),
                )
            ),
            total=Markup(  # noqa: S704  (charts escape their data)
                latency(
                    weighed.total,
                    places,
                    name="total",
                    title="time to the whole answer",
                    limit=_first(limits, "total_"),
                )
            ),
            explorer=explorer,
            rows=embedded({"rows": explorer.rows, "places": places}),
            style=Markup((_FILES / "page.css").read_text(encoding="utf-8")),  # noqa: S704  (our own file)
            script=Markup(script),  # noqa: S704  (our own file)
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def render_comparisons(comparisons: Sequence[Comparison]) -> str:
    """What changed, as a page that needs no script."""
    style = Markup((_FILES / "page.css").read_text(encoding="utf-8"))  # noqa: S704  (our own file)
    return _environment().get_template("comparison.html.j2").render(comparisons=comparisons, style=style)


def write(path: Path, page: str) -> None:
    """Raises MeasurementError where the disk refuses; then no half page is left."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MeasurementError(f"cannot write: {error.strerror or error}", where=str(path)) from error


def embedded(value: Any) -> Markup:
    """JSON that can stand inside <script>: nothing in it can end the element or begin another."""
    text = msgspec.json.encode(value).decode()
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)  # noqa: S704  (escaped just above)


def bar(estimate: Estimate) -> dict[str, float] | None:
    """Where a share's dot and interval lie in a bar 100 wide."""
    if estimate.value is None:
        return None
    low = estimate.value if estimate.low is None else estimate.low
    high = estimate.value if estimate.high is None else estimate.high
    return {"low": round(low * 100, 1), "value": round(estimate.value * 100, 1), "width": round((high - low) * 100, 1)}


def sort_key(estimate: Estimate | None) -> str:
    """A number as text for sorting columns: unknown sorts last, beyond the time-out after every number."""
    if estimate is None or (estimate.value is None and not estimate.known):
        return "9e99"
    return "9e98" if estimate.value is None else repr(estimate.value)


def badge(assessment: Assessment | None) -> tuple[str, str]:
    """A sign and words for what the constraints say of a candidate."""
    signs = {"meets": ("✓", "meets all constraints"), "fails": ("✕", "fails"), "not shown": ("?", "not shown")}
    if assessment is None or not assessment.checks:
        return ("", "")
    return signs[assessment.outcome]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FILES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    shown: dict[str, Callable[..., Any]] = {
        "share": wording.share,
        "seconds": wording.seconds,
        "dollars": wording.dollars,
        "middle": wording.middle,
        "interval": wording.interval,
        "counted": wording.counted,
        "p_value": wording.p_value,
        "bar": bar,
        "sort_key": sort_key,
        "badge": badge,
        "mean_tokens": mean_tokens,
        "limit_words": wording.limit_words,
        "check_words": check_value,
    }
    environment.filters.update(shown)
    environment.globals.update(
        shares=wording.shares,
        seconds=wording.seconds,
        points=wording.points,
        figure_name=wording.figure_name,
        figure_show=wording.figure_show,
    )
    return environment


def mean_tokens(found: CandidateFigures, kind: str) -> str:
    return f"{found.tokens[kind]:,.0f}" if kind in found.tokens else "—"


def _first(limits: dict[str, float], prefix: str) -> float | None:
    return next((limit for figure, limit in limits.items() if figure.startswith(prefix)), None)
