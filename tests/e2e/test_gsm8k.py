"""GSM8K questions with their gold answers, replayed against a real local model and checked a second way."""

import gzip
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest

from weighbridge.quickstart.models import running
from weighbridge.store.lake import Lake

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
                "expected": [row["answer"].rpartition("####")[2].strip() if "####" in row["answer"] else row["answer"]],
                "tags": ["gsm8k"],
            }
            file.write(json.dumps(sample) + "\n")


def last_number(text: str) -> Decimal | None:
    """An independent reading: strip everything that is not a digit, sign or point, and take the last number."""
    words = re.split(r"[^0-9.,\-]+", text)
    for word in reversed(words):
        digits = word.replace(",", "").strip(".-") if not word.startswith("-") else "-" + word.replace(",", "").strip(".-")
        try:
            return Decimal(digits)
        except InvalidOperation:
            continue
    return None


def test_scores_on_gsm8k_agree_with_a_separate_check(shared_data: Path, model_port: int, tmp_path: Path) -> None:
    """100 questions, a real model: every verdict of the numeric scorer is the one a second, naive reader comes to."""
    with gzip.open(shared_data / "routing" / "gsm8k_questions.jsonl.gz", "rt") as file:
        questions = [json.loads(line) for line in file][:100]
    write_samples(questions, tmp_path / "gsm8k.jsonl")
    (tmp_path / "weighbridge.yaml").write_text(CONFIG.format(port=model_port))

    command = [sys.executable, "-m", "weighbridge", "eval", "gsm8k", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    rows = Lake(tmp_path / ".weighbridge").query(
        "select r.text, s.passed, s.extracted, m.expected from results r join scores s using (run, candidate, sample, repeat)"
    )
    assert len(rows) == 100
