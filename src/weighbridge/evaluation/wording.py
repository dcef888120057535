"""Figures in words: the same short form in a table, a sentence and a chart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from weighbridge.evaluation.estimate import Estimate

UNKNOWN = "unknown"


def share(value: float, width: float = 1.0) -> str:
    """A share as a percentage, with a decimal where the interval is narrow enough to mean it."""
    percent = value * 100
    return f"{percent:.1f}%" if width < 0.04 and percent % 1 >= 0.05 else f"{percent:.0f}%"


def seconds(value: float) -> str:
    if value < 0.0995:
        return f"{value * 1000:.3g} ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 9.995 else f"{value:.4g} s" if value < 99.95 else f"{value:,.0f} s"


def dollars(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    if value == 0:
        return "$0"
    digits = max(2, 2 - math.floor(math.log10(abs(value))))
    text = f"{abs(value):,.{min(digits, 12)}f}"
    if "." in text and digits > 2:
        text = text.rstrip("0")
        text += "0" * (2 - len(text.partition(".")[2]))
    return f"{'-' if value < 0 else ''}${text}"


@dataclass(frozen=True, slots=True)
class MoneyScale:
    """USD figures too small to read are shown for a thousand or a million successes."""

    factor: float
    label: str

    @classmethod
    def fitting(cls, values: Iterable[float | None]) -> MoneyScale:
        """The scale at which the smallest of these costs for each success reads well."""
        smallest = min((value for value in values if value), default=1.0)
        if smallest >= 0.001:
            return cls(1.0, "success")
        return cls(1e3, "1,000 successes") if smallest >= 1e-6 else cls(1e6, "million successes")

    def text(self, value: float) -> str:
        return dollars(value * self.factor)


def interval(estimate: Estimate, show: Callable[[float], str]) -> str:
    """The interval alone, in brackets; nothing where there is none, or where all of it is beyond the time-out."""
    if estimate.low is None and estimate.high is None:
        return ""
    low = "?" if estimate.low is None else show(estimate.low)
    high = beyond(estimate, show) if estimate.beyond else "∞" if estimate.high is None else show(estimate.high)
    return f"[{_without_repeats(low, high)}]"


def _without_repeats(low: str, high: str) -> str:
    """`630, 731 ms` for `630 ms` and `731 ms`: a unit both share is said once."""
    for unit in (" ms", " s", "%"):
        if low.endswith(unit) and high.endswith(unit) and not high.startswith(">"):
            return f"{low.removesuffix(unit)}, {high}"
    return f"{low.removeprefix('$')}, {high.removeprefix('$')}"


def middle(estimate: Estimate, show: Callable[[float], str]) -> str:
    """The value alone: a number, "> 60 s" where it lies beyond the time-out, or a word where there is none."""
    if estimate.beyond in ("value", "low"):
        return beyond(estimate, show)
    if estimate.value is None:
        return "not estimable" if "estimable" in estimate.why else UNKNOWN if "unknown" in estimate.why else "—"
    return show(estimate.value)


def full(estimate: Estimate, show: Callable[[float], str]) -> str:
    """Value and interval."""
    return f"{middle(estimate, show)} {interval(estimate, show)}".rstrip()


def beyond(estimate: Estimate, show: Callable[[float], str]) -> str:
    return f"> {show(estimate.limit)}" if estimate.limit is not None else "> time-out"


def shares(estimate: Estimate) -> Callable[[float], str]:
    """How shares are shown with this interval."""
    width = (estimate.high - estimate.low) if estimate.high is not None and estimate.low is not None else 1.0
    return lambda value: share(value, width)


def p_value(p: float) -> str:
    """`p = 0.032`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p >= 0.0995 else f"p = {p:.3f}".rstrip("0")


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def counted(number: int, noun: str) -> str:
    """`1 sample`, `1,200 samples`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def figure_name(figure: str) -> str:
    """`ttft_p95` as `TTFT P95`, `cost_per_success` as `cost per success`."""
    head, _, percentile = figure.rpartition("_p")
    if head in ("ttft", "total") and percentile.isdecimal():
        return f"{'TTFT' if head == 'ttft' else 'total'} P{percentile}"
    return figure.replace("_", " ")


def figure_show(figure: str) -> Callable[[float], str]:
    """How numbers of this figure are shown."""
    if figure.startswith(("ttft_", "total_")):
        return seconds
    return dollars if figure == "cost_per_success" else lambda value: share(value, 0.01)


def limit_words(figure: str, limit: float) -> str:
    """`quality at least 90%`, `TTFT P95 at most 800 ms`."""
    side = "at least" if figure == "quality" else "at most"
    return f"{figure_name(figure)} {side} {figure_show(figure)(limit)}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{value * 100:+.1f}"
