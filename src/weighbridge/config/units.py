"""Durations, rates, money and shares as people write them, read strictly.

Each reader takes a YAML scalar and gives a float in the base unit (seconds, events a second, USD, a fraction), or
raises `ValueError` with one clause that says what is expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_DURATION = re.compile(rf"({_NUMBER}) ?(ms|s|m|h)", re.ASCII)
_RATE = re.compile(rf"({_NUMBER}) ?/ ?(s|min|m|h)", re.ASCII)
_MONEY = re.compile(rf"\$? ?({_NUMBER})", re.ASCII)
_PERCENT = re.compile(rf"({_NUMBER}) ?%", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def duration(value: object) -> float:
    """`800ms`, `6s`, `2m`, `1h` → seconds, above 0. A bare number has no unit and is refused."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration with its unit, such as 800ms, 6s, 2m or 1h")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds <= 0:
        raise ValueError("a duration above 0")
    return seconds


def rate(value: object) -> float:
    """`4/s`, `120/min`, `600/h` → events a second, above 0."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a rate with its unit, such as 4/s or 120/min")
    per_second = float(match[1]) / _SECONDS[match[2]]
    if per_second <= 0:
        raise ValueError("a rate above 0")
    return per_second


def money(value: object) -> float:
    """`$0.002`, `"$5"`, `0.002` → USD, 0 or more."""
    if isinstance(value, str):
        match = _MONEY.fullmatch(value.strip())
        if match is not None:
            return float(match[1])
    number = _number(value)
    if number is None:
        raise ValueError("an amount in USD, such as $0.002 or 5")
    if number < 0:
        raise ValueError("an amount of $0 or more")
    return number


def share(value: object) -> float:
    """`1%`, `95%`, `0.01` → a fraction in [0, 1]."""
    match = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        fraction = float(match[1]) / 100
        if fraction > 1:
            raise ValueError("a share of at most 100%")
        return fraction
    number = _number(value)
    if number is None:
        raise ValueError("a share, such as 95% or 0.95")
    if number > 1:
        hint = f" (did you mean {number:g}%?)" if number <= 100 else ""
        raise ValueError(f"a share of at most 1 or 100%{hint}")
    if number < 0:
        raise ValueError("a share of 0 or more")
    return number


def _number(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


READERS: Final[dict[str, Callable[[object], float]]] = {
    "seconds": duration,
    "per_second": rate,
    "usd": money,
    "share": share,
}


def _typed(unit: str, types: list[str], pattern: str, example: Any) -> msgspec.Meta:
    """The unit as `decode` finds it (`extra`) and as an editor checks it (`extra_json_schema`)."""
    schema: dict[str, Any] = {"type": types, "pattern": f"^{pattern}$", "examples": [example]}
    if "number" in types:
        schema["minimum"] = 0
    if unit == "share":
        schema["maximum"] = 1
    return msgspec.Meta(extra={"unit": unit}, extra_json_schema={"x-unit": schema})


Seconds = Annotated[float, _typed("seconds", ["string"], _DURATION.pattern, "800ms")]
PerSecond = Annotated[float, _typed("per_second", ["string"], _RATE.pattern, "4/s")]
Dollars = Annotated[float, _typed("usd", ["number", "string"], rf"\$? ?{_NUMBER}", "$0.002")]
Share = Annotated[float, _typed("share", ["number", "string"], rf"{_NUMBER} ?%", "95%")]
