"""What a simulated provider does: latencies, lengths, faults and limits, as data."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from weighbridge.errors import UsageError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h)?")
_PAIR = 2
_Z99 = 2.3263478740408408  # the normal distribution's 99th percentile
_FORMS = "Write 50ms, lognormal:50ms,400ms, uniform:20ms,80ms or values:10ms,20ms,40ms"
_DISTRIBUTIONS = frozenset({"ttft", "gap", "latency", "tokens"})
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
    "slow",
    "context_length",
    "content_filter",
    "no_prefill",
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
    chance. Seconds for times, a number for counts. Raises ValueError where it cannot be drawn from."""

    constant: float | str | None = None
    lognormal: float | str | None = None
    p99: float | str | None = None
    uniform: tuple[float | str, float | str] | None = None
    values: tuple[float | str, ...] | None = None

    def __post_init__(self) -> None:
        given = [self.constant, self.lognormal, self.uniform, self.values]
        if sum(form is not None for form in given) != 1:
            raise ValueError("a distribution needs exactly one of constant, lognormal, uniform, values")
        if any(end < 0 for end in self._numbers()):
            raise ValueError("a distribution has no values below 0")
        if self.values is not None and not self.values:
            raise ValueError("a distribution of no values cannot be drawn from")
        if self.uniform is not None and seconds(self.uniform[0]) > seconds(self.uniform[1]):
            raise ValueError("a uniform distribution goes from its lower end to its upper")
        if self.lognormal is not None and not 0 < seconds(self.lognormal) <= seconds(self.p99 or self.lognormal):
            raise ValueError("a lognormal needs a median above 0, and a p99 not below it")

    def _numbers(self) -> list[float]:
        ends = [self.constant, self.lognormal, self.p99, *(self.uniform or ()), *(self.values or ())]
        return [seconds(end) for end in ends if end is not None]

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """Reads 50ms, lognormal:50ms,400ms (median, P99), uniform:20ms,80ms or values:10ms,20ms,40ms. Raises
        UsageError."""
        name, colon, rest = text.partition(":")
        try:
            if not colon:
                return cls(constant=seconds(text))
            numbers = tuple(seconds(part) for part in rest.split(","))
            if name == "values":
                return cls(values=numbers)
            if name == "lognormal" and len(numbers) == _PAIR:
                return cls(lognormal=numbers[0], p99=numbers[1])
            if name == "uniform" and len(numbers) == _PAIR:
                return cls(uniform=(numbers[0], numbers[1]))
        except ValueError as error:
            raise UsageError(f"{text!r} is not a distribution: {error}", mend=_FORMS) from None
        raise UsageError(f"{text!r} is not a distribution", mend=_FORMS)

    def sampler(self, dice: random.Random) -> Callable[[], float]:
        """A function that draws."""
        if self.constant is not None:
            fixed = seconds(self.constant)
            return lambda: fixed
        if self.uniform is not None:
            low, high = (seconds(end) for end in self.uniform)
            return lambda: dice.uniform(low, high)
        if self.values is not None:
            values = [seconds(value) for value in self.values]
            return lambda: dice.choice(values)
        median = seconds(self.lognormal or 0)
        mu, sigma = math.log(median), math.log(seconds(self.p99 or median) / median) / _Z99
        return lambda: dice.lognormvariate(mu, sigma)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of trouble and when it strikes: with a `share` of requests, on every `every`-th, or on the first
    `first`; only between `since` and `until` seconds after the start. `after` tokens for those that strike within a
    stream; `retry_after` in seconds; `seconds` for how long a silent or slow one waits."""

    kind: FaultKind
    share: Annotated[float, Meta(ge=0, le=1)] | None = None
    every: Annotated[int, Meta(ge=1)] | None = None
    first: Annotated[int, Meta(ge=0)] | None = None
    since: float = 0.0
    until: float = 1e12
    after: Annotated[int, Meta(ge=0)] = 5
    retry_after: Annotated[float, Meta(ge=0)] = 1.0
    seconds: Annotated[float, Meta(ge=0)] = 120.0


class RateLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Beyond these a request gets a 429 with `x-ratelimit-*` headers."""

    requests_per_minute: Annotated[int, Meta(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Meta(ge=1)] | None = None
    concurrent: Annotated[int, Meta(ge=1)] | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scenario. `latency` is added to every reply before its first token. `answers` is a JSON Lines file of recorded
    answers (see `answers.Recorded`); without a match the answer is `tokens` words, or what was asked (`otherwise:
    echo`). `role` says whether the chunk with only a role comes with the first token or `early`, as soon as the request
    is read. In a file, a distribution may be written as on the command line: `ttft: lognormal:50ms,400ms`."""

    ttft: Distribution = Distribution(constant=0.0)
    gap: Distribution = Distribution(constant=0.0)
    latency: Distribution = Distribution(constant=0.0)
    tokens: Distribution = Distribution(constant=20)
    reasoning_tokens: Annotated[int, Meta(ge=0)] = 0
    cached_tokens: Annotated[int, Meta(ge=0)] = 0
    models: tuple[str, ...] = ("simulated",)
    role: Literal["with_token", "early"] = "with_token"
    faults: tuple[Fault, ...] = ()
    limits: RateLimits = RateLimits()
    answers: str | None = None
    otherwise: Literal["words", "echo"] = "words"
    seed: int = 0
    fingerprint: str = "fp_simulated"

    @classmethod
    def load(cls, path: Path) -> Settings:
        """From a YAML or JSON file. Raises UsageError with one line."""
        data = _document(path)
        try:
            if isinstance(data, dict):
                for name in _DISTRIBUTIONS & data.keys():
                    if isinstance(data[name], str | int | float):
                        data[name] = msgspec.to_builtins(Distribution.parse(str(data[name])))
            return msgspec.convert({} if data is None else data, cls)
        except msgspec.ValidationError as error:
            raise UsageError(str(error), where=str(path)) from None
        except UsageError as error:
            raise UsageError(error.what, where=str(path), mend=error.mend) from None


def _document(path: Path) -> Any:
    try:
        raw = path.read_bytes()
        # YAML 1.1 takes JSON's 1e-05 for a text.
        return msgspec.json.decode(raw) if path.suffix == ".json" else yaml.safe_load(raw)
    except OSError as error:
        raise UsageError(f"the scenario cannot be read: {error.strerror}", where=str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not JSON: {error}", where=str(path)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise UsageError(f"not YAML: {getattr(error, 'problem', None) or error}", where=where) from None
