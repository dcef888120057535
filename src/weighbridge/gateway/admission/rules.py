"""Limits and budgets as people write them: `600/min`, `200k/min`, `20`, `$5/day`."""

from __future__ import annotations

import math
import re
from typing import Final, Literal

import msgspec

Kind = Literal["requests", "tokens", "concurrent"]
Period = Literal["day", "month"]

_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_UNITS: Final = {60: "min", 3600: "h", 86400: "day"}
_TIMES: Final = {"": 1, "k": 1_000, "m": 1_000_000}
_LIMIT = re.compile(r"(\d+(?:\.\d+)?) ?([kM]?)(?: ?/ ?(\d*) ?([a-z]+))?", re.ASCII)
_BUDGET = re.compile(r"\$? ?(\d+(?:\.\d+)?) ?/ ?(day|month)", re.ASCII)
NANO: Final = 1_000_000_000
"""Money is counted in whole billionths of a dollar: sums are exact, and a token at $0.02 a million is 20 of them."""


class Limit(msgspec.Struct, frozen=True):
    """At most `amount` requests or tokens in any `window` seconds, or at most `amount` requests at the same time."""

    kind: Kind
    amount: int
    window: int = 0

    def __str__(self) -> str:
        if self.kind == "concurrent":
            return f"{self.amount} at a time"
        return f"{self.amount} {self.kind}/{_UNITS.get(self.window, f'{self.window}s')}"


class Budget(msgspec.Struct, frozen=True):
    """At most `usd` in a UTC day or month."""

    usd: float
    period: Period

    def __str__(self) -> str:
        return f"${self.usd:,.2f}/{self.period}" if self.usd >= 0.01 else f"${self.usd:g}/{self.period}"


class Rules(msgspec.Struct, frozen=True):
    """What holds for one key, one endpoint, or one key at one endpoint."""

    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.limits or self.budgets)


def limit(kind: Kind, text: object) -> Limit:
    """`600/min`, `200k/min`, `1M/day`, `50/10s`; for concurrent a number. Raises ValueError with what is expected."""
    match = _LIMIT.fullmatch(str(text).strip()) if isinstance(text, int | str) and not isinstance(text, bool) else None
    if kind == "concurrent":
        if match is None or match[4] is not None:
            raise ValueError("a number of requests at the same time, such as 20")
        return Limit(kind, _amount(match))
    seconds = _SECONDS.get(match[4]) if match is not None and match[4] is not None else None
    if match is None or seconds is None:
        raise ValueError("a rate with its window, such as 600/min, 200k/min or 1M/day")
    window = seconds * int(match[3] or 1)
    if window < 1:
        raise ValueError("a window of 1 second or more")
    return Limit(kind, _amount(match), window)


def _amount(match: re.Match[str]) -> int:
    amount = float(match[1]) * _TIMES[match[2].lower()]
    if amount < 1 or amount != int(amount) or amount > 2**53:
        raise ValueError("a whole number of 1 or more")
    return int(amount)


def budget(text: object) -> Budget:
    """`$5/day`, `200/month`. Raises ValueError with what is expected."""
    match = _BUDGET.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError("an amount and its period, such as $5/day or $200/month")
    usd = float(match[1])
    if not math.isfinite(usd) or usd > 1e9:
        raise ValueError("an amount of at most $1,000,000,000")
    return Budget(usd, "day" if match[2] == "day" else "month")
