"""`kill -9` at any moment: the same command goes on, pays for nothing twice, and ends with the same results."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Settings
from weighbridge.store.run import Run

pytestmark = pytest.mark.timeout(900)

KILLS = 50
SAMPLES = 260
CONFIG = """
providers:
  sim: {{preset: simulator, base_url: "{url}"}}
models:
  one: {{provider: sim, model: simulated, price: {{input: 1, output: 2}}}}
  two: {{provider: sim, model: simulated, price: {{input: 2, output: 4}}}}
endpoints:
  it: {{candidates: [one, two], success: answer}}
evaluations:
  killed:
    endpoint: it
    samples: {{file: samples.jsonl}}
    scorers:
      answer: {{contains: {{expected: [scale]}}}}
    repeats: 2
    arrivals: {{concurrency: 6}}
"""


@pytest.fixture(scope="module")
def simulator() -> Iterator[process.Running]:
    latency = Distribution(uniform=(0.001, 0.030))
    with process.start(
        Settings(ttft=latency, gap=Distribution(constant=0.0005), tokens=Distribution(constant=8))
    ) as it:
        yield it


def prepared(folder: Path, url: str) -> list[str]:
    folder.mkdir()
    (folder / "weighbridge.yaml").write_text(CONFIG.format(url=url))
    lines = (f'{{"request": {{"messages": [{{"role": "user", "content": "Say {n}"}}]}}}}\n' for n in range(SAMPLES))
    (folder / "samples.jsonl").write_text("".join(lines))
    return [sys.executable, "-m", "weighbridge", "eval", "killed", "--json"]


def outcomes(folder: Path) -> dict[tuple[str, str, int], tuple[str, float | None]]:
    """Text and cost of every result."""
    run = Run.open(home=folder / ".weighbridge")
    return {key: (found.answer.text if found.answer else "", found.cost) for key, found in run.results().items()}


def test_a_run_killed_fifty_times_ends_like_one_that_was_not(simulator: process.Running, tmp_path: Path) -> None:
    """Fifty SIGKILLs at random moments of one run: the same set of results, the same cost, and each request paid for
    once as the provider counts it (lm-evaluation-harness#2533, #2548)."""
    dice = random.Random(20261124)
    killed = tmp_path / "killed"
    command = prepared(killed, simulator.url)
    kills = 0
    while kills < KILLS:
        with subprocess.Popen(command, cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            journal = wait_for_growth(killed, running)
            time.sleep(dice.uniform(0.0, 0.06))
            if running.poll() is not None:
                assert journal, "the run ended before it could be killed"
                break
            running.kill()
        kills += 1
    done = subprocess.run(command, cwd=killed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stats = simulator.stats()
    assert kills == KILLS
    assert stats.paid == SAMPLES * 2 * 2
    assert len(list((killed / ".weighbridge" / "runs").iterdir())) == 1

    whole = tmp_path / "whole"
    assert subprocess.run(prepared(whole, simulator.url), cwd=whole, capture_output=True, check=False).returncode == 0
    assert outcomes(killed) == outcomes(whole)
    assert len(outcomes(killed)) == SAMPLES * 2 * 2


def wait_for_growth(folder: Path, running: subprocess.Popen[bytes]) -> bool:
    """Waits until this process has written to the journal, so that the kill strikes while requests are out."""
    before = size(folder)
    while size(folder) == before and running.poll() is None:
        time.sleep(0.002)
    return size(folder) > before


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / ".weighbridge").glob("runs/*/journal.jsonl"))
