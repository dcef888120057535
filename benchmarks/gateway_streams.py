"""What one gateway worker adds to streams, a thousand at the same time, and to a single request at 1,000 a second.

The worker has one core; the simulated provider and the measuring client (the replay engine) have the other. The same
requests go straight to the provider and through the gateway, in turn. Of each request the provider's own ledger says
when a chunk really left: what is compared is how much later the client had it, straight and through the gateway.

    python benchmarks/gateway_streams.py [--json] [--quick] [--streams 1000] [--gap 20,50]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import _gateway
import _nginx
import _open_loop
import _processes
from _gateway import Gateway
from _marked_simulator import simulating
from weighbridge.providers.candidate import Candidate
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.replay import plan as plans
from weighbridge.replay.arrivals import Closed
from weighbridge.replay.caller import ProviderCaller
from weighbridge.replay.engine import Replay
from weighbridge.replay.journal import Journal
from weighbridge.replay.plan import Plan
from weighbridge.replay.result import Result
from weighbridge.samples.sample import Sample
from weighbridge.simulator.answers import words
from weighbridge.simulator.ledger import Entry
from weighbridge.simulator.process import Running
from weighbridge.simulator.settings import Distribution, Settings
from weighbridge.transport.client import Client
from weighbridge.transport.loop import run

CHUNKS = 50
TTFT_S = 0.050
RATE = 1000.0


class Size(NamedTuple):
    """`rounds` requests for each stream, `repeats` of straight and through in turn."""

    streams: int
    rounds: int
    repeats: int
    single_s: float


class Told(NamedTuple):
    """How much later the client had things than the provider sent them, in seconds, and what was counted.

    `load_cpu` is processor time of client and provider over `span` seconds: near one core, they were the limit.
    """

    ttft: np.ndarray[Any, Any]
    gaps: np.ndarray[Any, Any]
    chunks_in: int
    chunks_out: int
    span: float
    load_cpu: float


def main() -> None:
    arguments = parsed()
    size = Size(arguments.streams, 4, 5, 10.0)
    if arguments.quick:
        size = Size(min(arguments.streams, 200), 1, 2, 1.0)
    load_cpu, _ = _processes.cores()
    os.sched_setaffinity(0, [load_cpu])
    with tempfile.TemporaryDirectory() as name:
        streams = streaming(Path(name), size, arguments.gap)
        singles = single(Path(name), size)
    report = {"streams": size.streams, **streams, **singles}
    print(json.dumps(report) if arguments.json else table(report))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument(
        "--gap",
        type=lambda text: [float(part) / 1000 for part in text.split(",")],
        default=[0.020, 0.050],
        help="least and most ms between chunks",
    )
    return parser.parse_args()


# --- streams


def streaming(folder: Path, size: Size, gap: list[float]) -> dict[str, Any]:
    load_cpu, cpu = _processes.cores()
    settings = Settings(
        ttft=Distribution(constant=TTFT_S),
        gap=Distribution(uniform=(gap[0], gap[-1])),
        tokens=Distribution(constant=CHUNKS),
    )
    ramp = TTFT_S + CHUNKS * (gap[0] + gap[-1]) / 2
    plan = plans.of([_gateway.ENDPOINT], [sample(number) for number in range(size.streams * size.rounds)])
    with simulating(folder, settings, cpus=[load_cpu]) as simulator:
        said = _gateway.configuration([simulator.url, simulator.url])
        with _gateway.serving(folder, said, cpus=[cpu]) as gateway:
            warm = plans.of([_gateway.ENDPOINT], [sample(number) for number in range(50)])
            for url in (simulator.url, gateway.url):
                told(simulator, url, warm, 25, 0.1)
            runs = [compared(simulator, gateway, plan, size.streams, ramp) for _ in range(size.repeats)]
            check(gateway)
            rss = gateway.child.rss_mb()
    median = {key: statistics.median(entry[key] for entry in runs) for key in runs[0] if key != "chunks_lost"}
    return {**median, "chunks_lost": sum(entry["chunks_lost"] for entry in runs), "rss_mb": rss, "runs": runs}


def sample(number: int) -> Sample:
    text = f"Question {number}: what will the weather be in the mountains tomorrow, and what should one wear?"
    return Sample(request={"messages": [{"role": "user", "content": text}], "user": f"mark-{number}"})


def compared(simulator: Running, gateway: Gateway, plan: Plan, streams: int, ramp: float) -> dict[str, Any]:
    straight = told(simulator, simulator.url, plan, streams, ramp)
    spent = gateway.child.cpu_s()
    through = told(simulator, gateway.url, plan, streams, ramp)
    spent = gateway.child.cpu_s() - spent
    added: dict[str, Any] = {}
    for name, q in (("p50", 0.5), ("p99", 0.99)):
        added[f"added_ttft_{name}_ms"] = 1000 * (quantile(through.ttft, q) - quantile(straight.ttft, q))
        added[f"added_gap_{name}_ms"] = 1000 * (quantile(np.abs(through.gaps), q) - quantile(np.abs(straight.gaps), q))
        added[f"direct_ttft_error_{name}_ms"] = 1000 * quantile(straight.ttft, q)
    return {
        **added,
        "chunks_in": through.chunks_in,
        "chunks_lost": through.chunks_in - through.chunks_out,
        "cpu_ms_per_1000_chunks": 1e6 * spent / through.chunks_out,
        "gateway_core": spent / through.span,
        "load_core": through.load_cpu / through.span,
        "direct_load_core": straight.load_cpu / straight.span,
    }


def told(simulator: Running, url: str, plan: Plan, streams: int, ramp: float) -> Told:
    """Every sample once, so many at a time. Raises AssertionError where an answer is not the one that was sent."""
    simulator.reset()
    began, load = time.monotonic(), time.process_time() + _processes.cpu_s(simulator.pid)
    results = run(replayed(url, plan, streams, ramp))
    span, load = time.monotonic() - began, time.process_time() + _processes.cpu_s(simulator.pid) - load
    ledger = {entry.key: entry for entry in simulator.log()}
    assert len(ledger) == len(plan) == len(results)
    right = "".join(words(CHUNKS))
    ttft: list[float] = []
    gaps: list[float] = []
    chunks_in = chunks_out = 0
    for result in results:
        assert result.answer is not None, f"{url}: {result.failure}"
        assert len(result.attempts) == 1, f"{url}: asked again after {result.attempts[0].failure}"
        assert result.answer.text == right, f"{url}: {result.answer.text!r}"
        assert result.answer.finish_reason == "stop"
        latency = result.answer.latency
        assert latency is not None
        assert latency.ttft is not None
        entry: Entry = ledger[plan.samples[result.sample].request["user"]]
        ttft.append(latency.ttft - (entry.sent[0] - entry.received))
        sent = entry.sent[: entry.tokens]
        gaps.extend(b - (later - earlier) for b, (earlier, later) in zip(latency.gaps, pairwise(sent), strict=True))
        chunks_in += entry.tokens
        chunks_out += len(latency.gaps) + 1
    return Told(np.asarray(ttft), np.asarray(gaps), chunks_in, chunks_out, span, load)


async def replayed(url: str, plan: Plan, streams: int, ramp: float) -> list[Result]:
    provider = Provider("measured", url, PRESETS["simulator"], key=_gateway.KEY)
    name = _gateway.ENDPOINT
    candidates = {name: Candidate(name, Model(name, provider, name))}
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        async with Client() as client:
            with Journal(Path(folder) / "journal.jsonl", run="benchmark", plan=plan.digest) as journal:
                caller = ProviderCaller("benchmark", candidates, plan.samples, client)
                arrivals = Closed(streams, ramp=ramp)
                await Replay(plan, caller, journal, arrivals=arrivals, on_result=results.append).run()
    return results


def check(gateway: Gateway) -> None:
    """The gateway's own books: every request well, each with its record."""
    _gateway.settle(gateway)
    outcomes = gateway.outcomes()
    assert set(outcomes) == {"ok"}, f"the gateway says: {outcomes}"
    assert gateway.records() == outcomes["ok"], f"{outcomes['ok']} requests, {gateway.records()} records"


def quantile(values: np.ndarray[Any, Any], q: float) -> float:
    return float(np.quantile(values, q))


# --- single requests


def single(folder: Path, size: Size) -> dict[str, Any]:
    """What the gateway adds to a whole request, 1,000 of them a second."""
    load_cpu, cpu = _processes.cores()
    place = folder / "single"
    place.mkdir()
    with _nginx.null_server(place, 2, cpus=[load_cpu]) as ports:
        urls = [f"http://127.0.0.1:{port}/v1" for port in ports]
        with _gateway.serving(place, _gateway.configuration(urls), cpus=[cpu]) as gateway:
            for url in (urls[0], gateway.url):
                took(url, 0.5)
            runs = []
            for _ in range(size.repeats):
                straight, spent = took(urls[0], size.single_s), gateway.child.cpu_s()
                through, spent = took(gateway.url, size.single_s), gateway.child.cpu_s() - spent
                entry = {
                    f"single_added_{name}_ms": 1000 * (quantile(through, q) - quantile(straight, q))
                    for name, q in (("p50", 0.5), ("p99", 0.99))
                }
                entry["single_direct_p50_ms"] = 1000 * quantile(straight, 0.5)
                entry["single_direct_p99_ms"] = 1000 * quantile(straight, 0.99)
                entry["single_cpu_us"] = 1e6 * spent / len(through)
                runs.append(entry)
    median = {key: statistics.median(entry[key] for entry in runs) for key in runs[0]}
    return {**median, "single_runs": runs}


def took(url: str, seconds: float) -> np.ndarray[Any, Any]:
    """Seconds from the intended sending to the end of the reply."""
    headers = {"Authorization": _gateway.AUTHORIZATION}
    asking = _open_loop.constant(f"{url}/chat/completions", _gateway.QUESTION, headers, rate=RATE, seconds=seconds)
    return np.asarray([end - intended for intended, end in run(asking)])


def table(report: dict[str, Any]) -> str:
    def spread(key: str, runs: str) -> str:
        values = [entry[key] for entry in report[runs]]
        return f"{report[key]:.2f} ms ({min(values):.2f} to {max(values):.2f})"

    def added(name: str, key: str, runs: str) -> str:
        return f"{name}: P50 {spread(f'{key}_p50_ms', runs)}, P99 {spread(f'{key}_p99_ms', runs)}"

    runs, streams = report["runs"], report["streams"]
    chunks = sum(run["chunks_in"] for run in runs)
    shares = [report[key] for key in ("gateway_core", "load_core", "direct_load_core")]
    lines = [
        f"{streams} streams of {CHUNKS} chunks at a time through one worker, {len(runs)} repeats: median and spread",
        added("added to the first token", "added_ttft", "runs"),
        added("added to a gap between chunks", "added_gap", "runs"),
        f"chunks lost: {report['chunks_lost']:,} of {chunks:,}",
        f"CPU for 1,000 chunks: {report['cpu_ms_per_1000_chunks']:.1f} ms; resident memory {report['rss_mb']:.1f} MB",
        "of a core: the gateway {:.0%}, client and provider {:.0%} ({:.0%} straight)".format(*shares),
        added(f"added to a whole request at {RATE:,.0f}/s", "single_added", "single_runs"),
        f"CPU for such a request: {report['single_cpu_us']:.0f} us",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
