"""How many requests a second one core replays, and how many samples a second a whole evaluation manages.

A null server runs on one core; the replay engine on the other. `requests_per_s_per_core` is replay alone: plan, pace,
request, reply read and understood, journalled. `samples_per_s_end_to_end` is `weighbridge.evaluation` from the
configuration to sealed tables: samples loaded, replayed, scored, stored.

    python benchmarks/replay_throughput.py [--json] [--quick] [--peers]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import _peers
from weighbridge.config.load import loads
from weighbridge.evaluation.plan import prepare
from weighbridge.evaluation.run import begin, evaluate
from weighbridge.providers.candidate import Candidate
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.replay import plan as plans
from weighbridge.replay.arrivals import Closed
from weighbridge.replay.caller import ProviderCaller
from weighbridge.replay.engine import Replay
from weighbridge.replay.journal import Journal
from weighbridge.samples.sample import Sample
from weighbridge.transport.client import Client
from weighbridge.transport.loop import run

CONFIG = """
providers: {{null: {{preset: simulator, base_url: "{url}"}}}}
models: {{null: {{provider: null, model: null, price: {{input: 1, output: 2}}}}}}
endpoints: {{sums: {{candidates: [null], success: answer}}}}
evaluations:
  throughput:
    endpoint: sums
    samples: {{file: samples.jsonl}}
    scorers: {{answer: {{exact: {{}}}}}}
    arrivals: {{concurrency: {concurrency}}}
    stream: false
""".replace("null", "nothing")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--concurrency", type=int, default=64)
    arguments = parser.parse_args()
    requests, samples, repeats = (4_000, 1_000, 1) if arguments.quick else (40_000, 10_000, 5)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, [cores[0]])
    with null_server(cores[-1]) as url:
        replayed = [replay(url, requests, arguments.concurrency) for _ in range(repeats)]
        whole = [evaluated(url, samples, arguments.concurrency) for _ in range(repeats)]
        peers = {"inspect": _peers.inspect(url, 500, cores)} if arguments.peers else {}
    report: dict[str, Any] = {
        "requests_per_s_per_core": statistics.median(replayed),
        "requests_per_s_runs": replayed,
        "samples_per_s_end_to_end": statistics.median(whole),
        "samples_per_s_runs": whole,
        "samples": samples,
        "peers": peers,
    }
    if arguments.json:
        print(json.dumps(report))
        return
    print(f"replay: {spread(replayed)} requests/s on one core")
    print(f"a whole evaluation of {samples:,} samples: {spread(whole)} samples/s")
    for name, found in peers.items():
        print(f"{name}: {found}")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f}, {len(values)} runs)"


@contextmanager
def null_server(cpu: int) -> Iterator[str]:
    script = Path(__file__).with_name("_null_server.py")
    with subprocess.Popen(["taskset", "-c", str(cpu), sys.executable, str(script)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def question(number: int) -> Sample:
    request = {"messages": [{"role": "user", "content": f"What is {number} + {42 - number}?"}], "max_tokens": 8}
    return Sample(request=request, expected=(42,), tags=("sums",))


def replay(url: str, requests: int, concurrency: int) -> float:
    """Requests a second, journal included."""
    plan = plans.of(["it"], [question(number) for number in range(requests)])
    provider = Provider("null", url, PRESETS["simulator"])
    candidates = {"it": Candidate("it", Model("it", provider, "null"))}

    async def replayed(folder: Path) -> float:
        async with Client() as client:
            with Journal(folder / "journal.jsonl", run="benchmark", plan=plan.digest) as journal:
                caller = ProviderCaller("benchmark", candidates, plan.samples, client, stream=False)
                engine = Replay(plan, caller, journal, arrivals=Closed(concurrency))
                began = time.perf_counter()
                outcome = await engine.run()
                assert outcome.done == requests
                return requests / (time.perf_counter() - began)

    with tempfile.TemporaryDirectory() as folder:
        return run(replayed(Path(folder)))


def evaluated(url: str, samples: int, concurrency: int) -> float:
    """Samples a second from the configuration to sealed tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = (json.dumps(line(number)) for number in range(samples))
        (folder / "samples.jsonl").write_text("\n".join(lines))
        began = time.perf_counter()
        config = loads(CONFIG.format(url=url, concurrency=concurrency), folder / "weighbridge.yaml")
        prepared = prepare(config)
        found, _ = begin(prepared, folder / ".weighbridge")
        finished = evaluate(prepared, found)
        took = time.perf_counter() - began
        assert finished.outcome.done == samples
        assert finished.run.results_table.exists()
    return samples / took


def line(number: int) -> dict[str, Any]:
    sample = question(number)
    return {"request": sample.request, "expected": list(sample.expected), "tags": list(sample.tags)}


if __name__ == "__main__":
    main()
