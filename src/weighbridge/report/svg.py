"""Scales, ticks and text for the page's charts. Charts are made of strings and escape everything that is data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SHAPES = ("circle", "square", "triangle", "diamond", "cross")


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] of the data to [start, end] in pixels, by logarithm where `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 2)

    def ticks(self, about: int = 6) -> list[float]:
        return _log_ticks(self.low, self.high, about) if self.log else _linear_ticks(self.low, self.high, about)


def scale_for(values: Sequence[float], start: float, end: float, *, spread: float = 6.0) -> Scale:
    """A scale that holds these positive values with room to spare; logarithmic where they span more than `spread`."""
    low, high = min(values), max(values)
    if low > 0 and high / low > spread:
        room = (high / low) ** 0.06
        return Scale(low / room, high * room, start, end, log=True)
    room = (high - low) * 0.1 or high * 0.2 or 1.0
    return Scale(max(0.0, low - room) if low >= 0 else low - room, high + room, start, end)


def _linear_ticks(low: float, high: float, about: int) -> list[float]:
    rough = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, about: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [times * 10.0**power for power in powers for times in steps if low <= times * 10.0**power <= high]
        if len(found) <= about + 2:
            break
    return found if len(found) >= 2 else _linear_ticks(low, high, about)


def text(x: float, y: float, words: str, css: str = "", anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{css}"/>'


def path(points: Sequence[tuple[float, float]], css: str) -> str:
    drawn = " ".join(f"{'L' if place else 'M'}{x:g} {y:g}" for place, (x, y) in enumerate(points))
    return f'<path d="{drawn}" class="{css}"/>'


def stairs(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points joined by steps: along first, then up or down."""
    found = list(points[:1])
    for (_, before), (x, y) in itertools.pairwise(points):
        found += [(x, before), (x, y)]
    return found


def marker(x: float, y: float, place: int, size: float = 6.5) -> str:
    """A shape of its own for each candidate, so that colour is never the only sign."""
    s, css = size, f"mark c{place % 8}"
    shape = SHAPES[place % len(SHAPES)]
    if shape == "circle":
        return f'<circle cx="{x:g}" cy="{y:g}" r="{s:g}" class="{css}"/>'
    corners = {
        "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
        "triangle": ((0, -1.15), (1.1, 0.8), (-1.1, 0.8)),
        "diamond": ((0, -1.25), (1.1, 0), (0, 1.25), (-1.1, 0)),
        "cross": (
            (-0.35, -1.1), (0.35, -1.1), (0.35, -0.35), (1.1, -0.35), (1.1, 0.35), (0.35, 0.35),
            (0.35, 1.1), (-0.35, 1.1), (-0.35, 0.35), (-1.1, 0.35), (-1.1, -0.35), (-0.35, -0.35),
        ),
    }[shape]  # fmt: skip
    points = " ".join(f"{x + s * dx:.1f},{y + s * dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" class="{css}"/>'


def chart(width: int, height: int, title: str, description: str, parts: Sequence[str], name: str) -> str:
    """A whole SVG with the title and description a screen reader speaks."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-t {name}-d" class="chart">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )
