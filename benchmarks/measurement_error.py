"""How far from the truth a measured TTFT is, and a measured gap between tokens.

The simulator runs in a process of its own on one core and notes when it really sent each chunk; the replay engine runs
on the other and measures. Both clocks are the machine's monotonic one. An error is measured minus true, request by
request.

    python benchmarks/measurement_error.py [--streams 100,500,1000] [--json] [--quick] [--peers]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import _peers
from weighbridge.providers.candidate import Candidate
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.replay import plan as plans
from weighbridge.replay.arrivals import Closed
from weighbridge.replay.caller import ProviderCaller
from weighbridge.replay.engine import Outcome, Replay
from weighbridge.replay.journal import Journal
from weighbridge.replay.plan import Plan
from weighbridge.replay.result import Result
from weighbridge.samples.sample import Sample
from weighbridge.simulator.ledger import Entry
from weighbridge.simulator.process import Running, start
from weighbridge.simulator.settings import Distribution, Settings
from weighbridge.transport.client import Client
from weighbridge.transport.loop import run

CHUNKS = 50
SETTINGS = Settings(
    ttft=Distribution(constant=0.050),
    gap=Distribution(constant=0.010),
    tokens=Distribution(constant=CHUNKS),
)
ONE_STREAM_S = 0.050 + 0.010 * (CHUNKS - 1)


def main() -> None:
    arguments = parsed()
    client_cpus, server_cpus = cores()
    os.sched_setaffinity(0, client_cpus)
    runs: list[dict[str, Any]] = []
    peers: dict[str, Any] = {}
    with start(SETTINGS, cpus=server_cpus) as simulator:
        measure(simulator, 20, 40)  # both processes warm
        for streams in arguments.streams:
            runs.append(measure(simulator, streams, streams * arguments.rounds))
            say(arguments, line(runs[-1]))
        if arguments.peers:
            streams = min(arguments.streams)
            for name, peer in (("aiperf", _peers.aiperf), ("guidellm", _peers.guidellm)):
                # A peer may use both cores: it has processes of its own, and none is held back for our sake.
                peers[name] = {
                    "streams": streams,
                    **peer(simulator.url, streams, streams * 10, [*client_cpus, *server_cpus]),
                }
                say(arguments, f"{name}: {peers[name]}")
    report = {"runs": runs, "chunks_per_s_per_core": max(entry["chunks_per_s"] for entry in runs), "peers": peers}
    if arguments.json:
        print(json.dumps(report))
    else:
        print(f"chunks/s on the client's one core: {report['chunks_per_s_per_core']:,.0f}")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--streams", type=lambda text: [int(part) for part in text.split(",")], default=[100, 500, 1000]
    )
    parser.add_argument("--rounds", type=int, default=20, help="requests for each stream")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.streams, arguments.rounds = [min(100, *arguments.streams)], 4
    return arguments


def cores() -> tuple[list[int], list[int]]:
    found = sorted(os.sched_getaffinity(0))
    return [found[0]], [found[-1]]


def say(arguments: argparse.Namespace, text: str) -> None:
    if not arguments.json:
        print(text, flush=True)


def measure(simulator: Running, streams: int, requests: int) -> dict[str, Any]:
    simulator.reset()
    plan = plans.of(["it"], [sample(number) for number in range(requests)])
    results: list[Result] = []
    keys: dict[tuple[str, str, int], str] = {}
    began, cpu = time.perf_counter(), time.process_time()
    outcome = run(replayed(simulator.url, plan, streams, results, keys))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    truth = {entry.key: entry for entry in simulator.log()}
    ttft, gaps = errors(results, keys, truth)
    chunks = sum(result.answer.chunks for result in results if result.answer)
    return {
        "streams": streams,
        "requests": len(results),
        "failed": sum(result.answer is None for result in results),
        "ttft_true_p50_ms": 1000 * float(np.median([entry.sent[0] - entry.received for entry in truth.values()])),
        "ttft_error_p50_ms": 1000 * quantile(ttft, 0.5),
        "ttft_error_p99_ms": 1000 * quantile(ttft, 0.99),
        "gap_error_p99_ms": 1000 * quantile(np.abs(gaps), 0.99),
        "requests_per_s": len(results) / took,
        "chunks_per_s": chunks / took,
        "client_cpu": cpu / took,
        "saturated": outcome.saturation.saturated or cpu / took > 0.97,
    }


async def replayed(
    url: str, plan: Plan, streams: int, results: list[Result], keys: dict[tuple[str, str, int], str]
) -> Outcome:
    provider = Provider("simulator", url, PRESETS["simulator"])
    candidates = {"it": Candidate("it", Model("it", provider, "simulated"))}
    with tempfile.TemporaryDirectory() as folder:
        async with Client() as client:
            with Journal(Path(folder) / "journal.jsonl", run="benchmark", plan=plan.digest) as journal:
                caller = ProviderCaller("benchmark", candidates, plan.samples, client)
                keys.update({job.key: caller.idempotency_key(job, 0) for job in plan.jobs()})
                engine = Replay(
                    plan, caller, journal, arrivals=Closed(streams, ramp=ONE_STREAM_S), on_result=results.append
                )
                return await engine.run()


def sample(number: int) -> Sample:
    return Sample(request={"messages": [{"role": "user", "content": f"Question {number}: what is the weather?"}]})


def errors(
    results: list[Result], keys: dict[tuple[str, str, int], str], truth: dict[str | None, Entry]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Measured less true, in seconds: of each request's TTFT, and of each gap between its tokens."""
    ttft: list[float] = []
    gaps: list[float] = []
    for result in results:
        latency = result.answer.latency if result.answer else None
        entry = truth[keys[result.key]]
        if latency is None or latency.ttft is None:
            continue
        ttft.append(latency.ttft - (entry.sent[0] - entry.received))
        true_gaps = np.diff(entry.sent[:CHUNKS])
        gaps.extend(np.asarray(latency.gaps) - true_gaps)
    return np.asarray(ttft), np.asarray(gaps)


def quantile(values: np.ndarray[Any, Any], q: float) -> float:
    return float(np.quantile(values, q))


def line(entry: dict[str, Any]) -> str:
    verdict = "client saturated" if entry["saturated"] else "client not saturated"
    return (
        f"{entry['streams']:>5} streams: TTFT error P50 {entry['ttft_error_p50_ms']:.2f} ms, "
        f"P99 {entry['ttft_error_p99_ms']:.2f} ms; gap error P99 {entry['gap_error_p99_ms']:.2f} ms; "
        f"{entry['requests_per_s']:,.0f} requests/s, {entry['chunks_per_s']:,.0f} chunks/s; {verdict} "
        f"({entry['client_cpu']:.0%} of a core)"
    )


if __name__ == "__main__":
    main()
