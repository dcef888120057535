"""Cost per success against quality, with both intervals and the line of candidates nothing beats on both."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from weighbridge.evaluation import wording
from weighbridge.evaluation.figures import CandidateFigures
from weighbridge.evaluation.wording import MoneyScale
from weighbridge.report.svg import Scale, chart, line, marker, path, scale_for, stairs, text

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 62, 742, 22, 384


def pareto(
    candidates: Sequence[CandidateFigures],
    places: dict[str, int],
    *,
    money: MoneyScale,
    quality_min: float | None = None,
    cost_max: float | None = None,
) -> str:
    """An SVG, or nothing where no candidate has both figures. `places` gives each candidate its colour and shape."""
    drawn = [found for found in candidates if found.cost_per_success.value and found.quality.value is not None]
    if not drawn:
        return ""
    across = _cost_scale(drawn, cost_max)
    up = _quality_scale(drawn, quality_min)
    parts = [
        *_grid(across, up, money),
        *_limits(across, up, quality_min, cost_max, money),
        _frontier(drawn, across, up),
        *(_bars(found, across, up, places[found.candidate]) for found in drawn),
        *(_mark(found, across, up, places[found.candidate], money) for found in drawn),
        *_labels(drawn, across, up),
        *_missing(candidates, drawn),
    ]
    summary = "; ".join(
        f"{found.candidate}: {wording.full(found.quality, wording.share)} at "
        f"{wording.full(found.cost_per_success, money.text)}"
        for found in drawn
    )
    title = f"Quality against cost for each {money.label}"
    return chart(WIDTH, HEIGHT, title, summary, parts, "pareto")


def frontier(drawn: Sequence[CandidateFigures]) -> list[CandidateFigures]:
    """Candidates that no other beats on both cost and quality, cheapest first."""
    found: list[CandidateFigures] = []
    for one in sorted(drawn, key=lambda one: (one.cost_per_success.value or 0, -(one.quality.value or 0))):
        if not found or (one.quality.value or 0) > (found[-1].quality.value or 0):
            found.append(one)
    return found


def _cost_scale(drawn: Sequence[CandidateFigures], cost_max: float | None) -> Scale:
    values = [
        value
        for found in drawn
        for value in (found.cost_per_success.low, found.cost_per_success.value, found.cost_per_success.high)
        if value is not None and value > 0
    ]
    if cost_max is not None and cost_max < max(values) * 30:
        values.append(cost_max)
    return scale_for(values, LEFT, RIGHT)


def _quality_scale(drawn: Sequence[CandidateFigures], quality_min: float | None) -> Scale:
    values = [
        value
        for found in drawn
        for value in (found.quality.low, found.quality.value, found.quality.high)
        if value is not None
    ]
    values += [] if quality_min is None else [quality_min]
    room = max(0.03, (max(values) - min(values)) * 0.08)
    return Scale(max(0.0, min(values) - room), min(1.0, max(values) + room), BOTTOM, TOP)


def _grid(across: Scale, up: Scale, money: MoneyScale) -> list[str]:
    parts = []
    for tick in up.ticks(6):
        parts += [line(LEFT, up(tick), RIGHT, up(tick), "grid")]
        parts += [text(LEFT - 9, up(tick) + 4, wording.share(tick, 0.01), "tick", "end")]
    for tick in across.ticks(6):
        parts += [line(across(tick), TOP, across(tick), BOTTOM, "grid")]
        parts += [text(across(tick), BOTTOM + 19, money.text(tick), "tick")]
    parts += [text((LEFT + RIGHT) / 2, BOTTOM + 42, f"cost for each {money.label}, failures paid for", "axis")]
    parts += [text(LEFT - 44, TOP - 7, "quality", "axis", "start")]
    parts += [text(LEFT + 8, TOP + 14, "\u2196 better", "hint", "start")]
    return parts


def _limits(
    across: Scale, up: Scale, quality_min: float | None, cost_max: float | None, money: MoneyScale
) -> list[str]:
    parts = []
    right = across(cost_max) if cost_max is not None else RIGHT
    bottom = up(quality_min) if quality_min is not None else BOTTOM
    if quality_min is not None or cost_max is not None:
        parts.append(
            f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT:g}" height="{max(0, bottom - TOP):g}" class="allowed"/>'
        )
    if quality_min is not None:
        words = f"quality at least {wording.share(quality_min, 0.01)}"
        parts += [line(LEFT, bottom, RIGHT, bottom, "limit"), text(LEFT + 8, bottom + 15, words, "limit-text", "start")]
    if cost_max is not None and across.low < cost_max < across.high:
        parts += [line(right, TOP, right, BOTTOM, "limit")]
        parts += [text(right - 6, BOTTOM - 8, f"at most {money.text(cost_max)}", "limit-text", "end")]
    return parts


def _frontier(drawn: Sequence[CandidateFigures], across: Scale, up: Scale) -> str:
    best = frontier(drawn)
    corners = [(across(found.cost_per_success.value or 0), up(found.quality.value or 0)) for found in best]
    return path([(corners[0][0], BOTTOM), *stairs(corners), (RIGHT, corners[-1][1])], "frontier")


def _bars(found: CandidateFigures, across: Scale, up: Scale, place: int) -> str:
    cost, quality = found.cost_per_success, found.quality
    x, y = across(cost.value or 0), up(quality.value or 0)
    css = f"whisker c{place % 8}"
    parts = []
    if quality.low is not None and quality.high is not None:
        low, high = up(quality.low), up(quality.high)
        parts += [line(x, low, x, high, css), line(x - 4, low, x + 4, low, css), line(x - 4, high, x + 4, high, css)]
    if cost.low is not None and cost.high is not None:
        low, high = across(cost.low), across(cost.high)
        parts += [line(low, y, high, y, css), line(low, y - 4, low, y + 4, css), line(high, y - 4, high, y + 4, css)]
    return "".join(parts)


def _mark(found: CandidateFigures, across: Scale, up: Scale, place: int, money: MoneyScale) -> str:
    x, y = across(found.cost_per_success.value or 0), up(found.quality.value or 0)
    told = chart_words(found, money)
    return f'<g class="point">{marker(x, y, place)}<title>{told}</title></g>'


def chart_words(found: CandidateFigures, money: MoneyScale) -> str:
    """What a pointer resting on the candidate reads; escaped."""
    quality = wording.full(found.quality, wording.shares(found.quality))
    cost = wording.full(found.cost_per_success, money.text)
    return escape(f"{found.candidate}: quality {quality}, {cost} for each {money.label}")


def _labels(drawn: Sequence[CandidateFigures], across: Scale, up: Scale) -> list[str]:
    """Names beside the marks, moved up or down where they would lie on another mark or name."""
    taken: list[tuple[float, float, float]] = [
        (across(found.cost_per_success.value or 0), up(found.quality.value or 0), 9.0) for found in drawn
    ]
    parts = []
    for found in drawn:
        x, y = across(found.cost_per_success.value or 0), up(found.quality.value or 0)
        width = 7.2 * len(found.candidate)
        left = x + 14 + width > RIGHT
        middle = x - 12 - width / 2 if left else x + 12 + width / 2
        for shift in (-9, 19, -24, 34, -39, 49):
            if all(abs(y + shift - 4 - ty) > 13 or abs(middle - tx) > (width + tw) / 2 + 4 for tx, ty, tw in taken):
                break
        taken.append((middle, y + shift - 4, width))
        anchor = "end" if left else "start"
        parts.append(text(x - 11 if left else x + 11, y + shift, found.candidate, "name", anchor))
    return parts


def _missing(candidates: Sequence[CandidateFigures], drawn: Sequence[CandidateFigures]) -> list[str]:
    left_out = [found.candidate for found in candidates if found not in drawn]
    if not left_out:
        return []
    words = f"not drawn, cost per success not known: {wording.listed(left_out)}"
    return [text(RIGHT, HEIGHT - 4, words, "hint", "end")]
