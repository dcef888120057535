"""What a simulated provider does: latencies, lengths, faults and limits, as data."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from weighbridge.errors import UsageError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h)?")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}

FaultKind = Literal[
    "429",
    "429_retry_after",
    "500",
    "503",
    "529",
    "reset",
    "cut",
    "stall",
    "malformed",
    "no_done",
    "error_event",
    "html",
    "html_502",
    "endless",
    "silent",
    "context_length",
    "content_filter",
]


def seconds(text: str | float) -> float:
    """Seconds of "50ms", "1.5s" or a number. Raises ValueError."""
    if isinstance(text, int | float):
        return float(text)
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write it as 50ms or 1.5s")
    return float(match[1]) * _UNITS[match[2]]


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of: `constant`; `lognormal` by its median and `p99`; `uniform` between two ends; `values` drawn with equal
    chance. Seconds for times, a number for counts."""

    constant: float | str | None = None
    lognormal: float | str | None = None
    p99: float | str | None = None
    uniform: tuple[float | str, float | str] | None = None
    values: tuple[float, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """Reads 50ms, lognormal:50ms,400ms (median, P99) or uniform:20ms,80ms. Raises UsageError."""
        name, colon, rest = text.partition(":")
        try:
            if not colon:
                return cls(constant=seconds(text))
            first, second = (seconds(part) for part in rest.split(","))
            if name == "lognormal":
                return cls(lognormal=first, p99=second)
            if name == "uniform":
                return cls(uniform=(first, second))
        except ValueError as error:
            raise UsageError(f"{text!r} is not a distribution: {error}") from None
        raise UsageError(
            f"{name!r} is not a distribution", mend="Write 50ms, lognormal:50ms,400ms or uniform:20ms,80ms"
        )

    def sampler(self, dice: random.Random) -> Callable[[], float]:
        """A function that draws. Raises UsageError where none or several of the forms are given."""
        given = [self.constant, self.lognormal, self.uniform, self.values]
        if sum(form is not None for form in given) != 1:
            raise UsageError("a distribution needs exactly one of constant, lognormal, uniform, values")
        if self.constant is not None:
            fixed = seconds(self.constant)
            return lambda: fixed
        if self.uniform is not None:
            low, high = (seconds(end) for end in self.uniform)
            return lambda: dice.uniform(low, high)
        if self.values is not None:
            values = self.values
            return lambda: dice.choice(values)
        median, tail = seconds(self.lognormal or 0), seconds(self.p99 or self.lognormal or 0)
        if median <= 0 or tail < median:
            raise UsageError("a lognormal needs a median above 0, and a P99 not below it")
        mu, sigma = math.log(median), math.log(tail / median) / 2.3263478740408408
        return lambda: dice.lognormvariate(mu, sigma)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of trouble and when it strikes: with a `share` of requests, on every `every`-th, or on the first
    `first`; only between `since` and `until` seconds after the start. `after` tokens for those that strike within a
    stream; `retry_after` in seconds; `seconds` for how long a silent one waits."""

    kind: FaultKind
    share: float | None = None
    every: int | None = None
    first: int | None = None
    since: float = 0.0
    until: float = 1e12
    after: int = 5
    retry_after: float = 1.0
    seconds: float = 120.0


class RateLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Beyond these a request gets a 429 with `x-ratelimit-*` headers."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scenario. `answers` is a JSON Lines file of {"ask": part of the last user text, "answer": …}, or of recorded
    replies {"ask": …, "status": …, "headers": {…}, "body": …}; without a match the answer is `tokens` words. `role`
    says whether the chunk with only a role comes with the first token or `early`, as soon as the request is read."""

    ttft: Distribution = Distribution(constant=0.0)
    gap: Distribution = Distribution(constant=0.0)
    latency: Distribution = Distribution(constant=0.0)
    tokens: Distribution = Distribution(constant=20)
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    models: tuple[str, ...] = ("simulated",)
    role: Literal["with_token", "early"] = "with_token"
    faults: tuple[Fault, ...] = ()
    limits: RateLimits = RateLimits()
    answers: str | None = None
    seed: int = 0
    fingerprint: str = "fp_simulated"

    @classmethod
    def load(cls, path: Path) -> Settings:
        """From a YAML or JSON file. Raises UsageError with one line."""
        try:
            data: Any = yaml.safe_load(path.read_bytes())
        except OSError as error:
            raise UsageError(f"the scenario cannot be read: {error.strerror}", where=str(path)) from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
            raise UsageError(f"not YAML: {getattr(error, 'problem', error)}", where=where) from None
        try:
            return msgspec.convert(data or {}, cls)
        except msgspec.ValidationError as error:
            raise UsageError(str(error), where=str(path)) from None
