"""GSM8K questions with their gold answers, replayed against a real local model and checked a second way."""

import gzip
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from weighbridge.quickstart.models import running
from weighbridge.store.lake import Lake
from weighbridge.store.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.local_models, pytest.mark.timeout(900)]

CONFIG = """
providers:
  local: {{preset: llama.cpp, base_url: "http://127.0.0.1:{port}/v1"}}
models:
  smol: {{provider: local, model: smollm2, price: {{input: 0.02, output: 0.08}}}}
candidates:
  smol-sums: {{model: smol, params: {{max_tokens: 160, temperature: 0}}}}
endpoints:
  sums: {{candidates: [smol-sums], success: answer}}
evaluations:
  gsm8k:
    endpoint: sums
    samples: {{file: gsm8k.jsonl}}
    scorers:
      answer: {{numeric: {{take: last}}}}
    arrivals: {{concurrency: 2}}
"""


@pytest.fixture(scope="module")
def model_port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with running({"smollm2": port}):
        yield port


def write_samples(questions: list[dict[str, str]], path: Path) -> None:
    with path.open("w") as file:
        for row in questions:
            prompt = f"{row['question']}\nWork it out briefly and end with the answer as a number."
            sample = {
                "request": {"messages": [{"role": "user", "content": prompt}]},
                "expected": [row["answer"].lstrip("# ")],
                "tags": ["gsm8k"],
            }
            file.write(json.dumps(sample) + "\n")


def last_number(text: str) -> float | None:
    """An independent reading: cut the text at everything that is no part of a number, and take the last that is one."""
    for word in reversed(re.split(r"[^0-9.,/-]+", text)):
        plain = word.replace(",", "").strip("./-")
        sign = -1 if word.startswith("-") else 1
        if re.fullmatch(r"\d+(\.\d+)?", plain):
            return sign * float(plain)
    return None


def test_scores_on_gsm8k_agree_with_a_separate_check(shared_data: Path, model_port: int, tmp_path: Path) -> None:
    """100 questions, a real model: the numeric scorer's verdicts are those that a second, naive reader comes to."""
    with gzip.open(shared_data / "routing" / "gsm8k_questions.jsonl.gz", "rt") as file:
        questions = [json.loads(line) for line in file][:100]
    write_samples(questions, tmp_path / "gsm8k.jsonl")
    (tmp_path / "weighbridge.yaml").write_text(CONFIG.format(port=model_port))

    command = [sys.executable, "-m", "weighbridge", "eval", "gsm8k", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    run = Run.open(home=tmp_path / ".weighbridge")
    expected = {name: float(str(sample.expected[0]).replace(",", "")) for name, sample in run.samples().items()}
    found = Lake(tmp_path / ".weighbridge").query(
        "select sample, text, passed from results join scores using (run, candidate, sample, repeat)"
    )
    assert len(found.rows) == 100
    plain = [row for row in found.rows if "/" not in row[1][-60:] and "%" not in row[1][-60:]]
    disagreements = [
        (text[-80:], passed) for sample, text, passed in plain if passed != (last_number(text) == expected[sample])
    ]
    assert len(plain) > 80
    assert disagreements == []
