"""Latency distributions: the share of all requests done by a time, failures never among them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from weighbridge.evaluation import wording
from weighbridge.evaluation.distributions import Distribution
from weighbridge.report.svg import Scale, chart, line, path, scale_for, stairs, text

WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 46, 536, 16, 276


def latency(
    distributions: Sequence[Distribution], places: dict[str, int], *, name: str, title: str, limit: float | None = None
) -> str:
    """An SVG, or nothing where no latency of this kind was measured. `limit` is a constraint in seconds."""
    if not distributions:
        return ""
    times = [seconds for found in distributions for seconds, _ in found.points]
    across = scale_for([*times, *([limit] if limit else [])], LEFT, RIGHT, spread=4.0)
    up = Scale(0.0, 1.0, BOTTOM, TOP)
    parts = [*_grid(across, up, title)]
    if limit is not None:
        parts += [line(across(limit), TOP, across(limit), BOTTOM, "limit")]
        parts += [text(across(limit) + 5, BOTTOM - 7, f"limit {wording.seconds(limit)}", "limit-text", "start")]
    parts += [_curve(found, across, up, places[found.candidate]) for found in distributions]
    summary = "; ".join(
        f"{found.candidate}: {found.n:,} requests, {found.failed:,} failed and so never done" for found in distributions
    )
    return chart(WIDTH, HEIGHT, title, summary, parts, name)


def _grid(across: Scale, up: Scale, title: str) -> list[str]:
    parts = []
    for share, words in ((0.0, "0%"), (0.25, "25%"), (0.5, "P50"), (0.75, "75%"), (0.95, "P95"), (1.0, "")):
        css = "grid strong" if words.startswith("P") else "grid"
        parts += [line(LEFT, up(share), RIGHT, up(share), css), text(LEFT - 8, up(share) + 4, words, "tick", "end")]
    for tick in across.ticks(5):
        parts += [line(across(tick), TOP, across(tick), BOTTOM, "grid")]
        parts += [text(across(tick), BOTTOM + 18, wording.seconds(tick), "tick")]
    parts += [text((LEFT + RIGHT) / 2, BOTTOM + 40, title, "axis")]
    return parts


def _curve(found: Distribution, across: Scale, up: Scale, place: int) -> str:
    points = [(across(seconds), up(share)) for seconds, share in found.points]
    corners = [(points[0][0], BOTTOM), *stairs([(points[0][0], BOTTOM), *points])[1:]]
    css = f"curve c{place % 8} d{place % 5}"
    told = f"{found.candidate}: {found.n:,} requests"
    drawn = path(corners, css)
    if found.failed:
        x, y = points[-1]
        told += f", {found.failed:,} failed (censored: their time is beyond every time shown)"
        drawn += path([(x, y), (RIGHT, y)], f"censored c{place % 8}")
        drawn += f'<path d="M{RIGHT - 4} {y - 4:g}l8 8m0 -8l-8 8" class="curve c{place % 8}"/>'
    return f'<g class="point">{drawn}<title>{escape(told)}</title></g>'
