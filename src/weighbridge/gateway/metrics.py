"""Counters and histograms of one worker, and the sum over all of them, as Prometheus reads them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from weighbridge.gateway.counting import BOUNDS, Counting, Counts
from weighbridge.records.exchange import Exchange

_SEP: Final = "\x1f"
_LOST: Final = "lost"  # of a worker's figures: how many records its disk refused


class _Series(msgspec.Struct):
    """Counts of one label set, as workers leave them for each other. `total` and `ttft` are histograms: one count a
    bucket, the last one above all bounds."""

    requests: int = 0
    attempts: int = 0
    input: int = 0
    output: int = 0
    cost: float = 0.0
    total: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total_sum: float = 0.0
    ttft: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    ttft_sum: float = 0.0

    @classmethod
    def of(cls, counts: Counts) -> _Series:
        """The same figures."""
        return cls(
            requests=counts.requests,
            attempts=counts.attempts,
            input=counts.input,
            output=counts.output,
            cost=counts.cost,
            total=list(counts.total.counts),
            total_sum=counts.total.total,
            ttft=list(counts.ttft.counts),
            ttft_sum=counts.ttft.total,
        )

    def add(self, other: _Series) -> None:
        self.requests += other.requests
        self.attempts += other.attempts
        self.input += other.input
        self.output += other.output
        self.cost += other.cost
        self.total = [a + b for a, b in zip(self.total, other.total, strict=True)]
        self.total_sum += other.total_sum
        self.ttft = [a + b for a, b in zip(self.ttft, other.ttft, strict=True)]
        self.ttft_sum += other.ttft_sum


_decode = msgspec.json.Decoder(dict[str, _Series]).decode


class Metrics:
    """`counting` is on the request's path. `share` says where workers leave their figures for each other; None: this
    worker stands alone."""

    def __init__(self, share: Path | None = None, worker: str = "0") -> None:
        self.counting = Counting()
        self._share = share
        self._worker = worker
        self.fleet_up: bool | None = None
        """Whether other machines are in touch; None: there are none."""

    def note(self, record: Exchange) -> None:
        """As `counting.note`, for those who are in no hurry."""
        self.counting.note(record)

    def leave(self, *, lost: int = 0) -> None:
        """Writes this worker's figures where the others find them. Never raises."""
        if self._share is None:
            return
        plain = {_SEP.join(key): _Series.of(counts) for key, counts in self.counting.counts.items()}
        plain[_LOST] = _Series(requests=lost)
        target = self._share / f"{self._worker}.json"
        part = target.with_suffix(".part")
        try:
            self._share.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_bytes(msgspec.json.encode(plain))
            os.replace(part, target)  # noqa: PTH105 - atomic, and the same as Path.replace
        except OSError:
            return  # figures for others; the next turn tries again

    def lost(self, own: int) -> int:
        """Records lost by all workers; `own` are this one's."""
        others = self._all().get((_LOST,))
        return own + (others.requests if others is not None else 0)

    def text(self, *, lost: int = 0) -> bytes:
        """The Prometheus exposition of all workers."""
        found = self._all()
        others = found.pop((_LOST,), None)
        text = _exposed(found, lost + (others.requests if others is not None else 0))
        if self.fleet_up is not None:
            text += "# HELP weighbridge_fleet_up Whether the fleet's server answers this worker.\n"
            text += f"# TYPE weighbridge_fleet_up gauge\nweighbridge_fleet_up {self.fleet_up:d}\n"
        return text.encode()

    def _all(self) -> dict[tuple[str, ...], _Series]:
        found: dict[tuple[str, ...], _Series] = {}
        for key, counts in self.counting.counts.items():
            found[key] = _Series.of(counts)
        if self._share is not None:
            for path in sorted(self._share.glob("*.json")):
                if path.stem == self._worker:
                    continue
                try:
                    theirs = _decode(path.read_bytes())
                except (OSError, msgspec.DecodeError):
                    continue  # being replaced, or of a version that counted otherwise
                for name, series in theirs.items():
                    found.setdefault(tuple(name.split(_SEP)), _Series()).add(series)
        return found


def _exposed(all_series: dict[tuple[str, ...], _Series], lost: int) -> str:
    lines: list[str] = []
    counters: tuple[tuple[str, str, str], ...] = (
        ("requests_total", "Requests, by how they ended.", "requests"),
        ("attempts_total", "Calls to providers.", "attempts"),
        ("input_tokens_total", "Tokens sent, as providers counted.", "input"),
        ("output_tokens_total", "Tokens generated, as providers counted.", "output"),
        ("cost_usd_total", "What it cost, where the price is known.", "cost"),
    )
    for name, about, field in counters:
        lines += [f"# HELP weighbridge_{name} {about}", f"# TYPE weighbridge_{name} counter"]
        lines += [f"weighbridge_{name}{{{_labels(key)}}} {getattr(one, field):g}" for key, one in all_series.items()]
    for name, about in (("request_seconds", "From arrival to the end."), ("ttft_seconds", "To the first token.")):
        lines += [f"# HELP weighbridge_{name} {about}", f"# TYPE weighbridge_{name} histogram"]
        for key, one in all_series.items():
            counts, total = (one.total, one.total_sum) if name == "request_seconds" else (one.ttft, one.ttft_sum)
            lines += _histogram(f"weighbridge_{name}", _labels(key), counts, total)
    lines += [
        "# HELP weighbridge_records_lost_total Records the disk refused.",
        "# TYPE weighbridge_records_lost_total counter",
    ]
    lines.append(f"weighbridge_records_lost_total {lost}")
    return "\n".join(lines) + "\n"


def _histogram(name: str, labels: str, counts: Iterable[int], total: float) -> list[str]:
    lines, running = [], 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
        running += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {running}')
    return [*lines, f"{name}_sum{{{labels}}} {total:.6f}", f"{name}_count{{{labels}}} {running}"]


def _labels(key: tuple[str, ...]) -> str:
    names = ("endpoint", "target", "outcome")
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, key, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
