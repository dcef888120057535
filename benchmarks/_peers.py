"""Other tools on the same server in the same run: AIPerf, GuideLLM and Inspect, where they are installed.

A peer is found on PATH, or in one of the folders of $WEIGHBRIDGE_PEERS (separated by ':'; each a bin folder of a
virtual environment: the peers' dependencies do not go together).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MODEL = "simulated"
_TIMEOUT_S = 600

_TOKENIZER = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
words = {"[UNK]": 0, "[EOS]": 1} | {word: number for number, word in enumerate("a the of word".split(), 2)}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", eos_token="[EOS]").save_pretrained(sys.argv[1])
"""


def find(name: str) -> str | None:
    """The command of a peer, None where it is not installed."""
    folders = os.environ.get("WEIGHBRIDGE_PEERS", "")
    return shutil.which(name, path=f"{folders}:{os.environ.get('PATH', '')}")


def aiperf(base_url: str, streams: int, requests: int, cpus: Iterable[int]) -> dict[str, Any]:
    """TTFT as AIPerf reports it, in milliseconds; `{"missing": why}` where it cannot run."""
    command = find("aiperf")
    if command is None:
        return {"missing": "aiperf is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = f"{folder}/tokenizer"  # its own needs the network
        python = str(Path(command).parent / "python")
        _run([python, "-c", _TOKENIZER, tokenizer], cpus)
        prompts = _prompts(Path(folder) / "prompts.jsonl", "text")
        said = _run(
            [
                *(
                    command,
                    "profile",
                    "--model",
                    MODEL,
                    "--url",
                    base_url.removesuffix("/v1"),
                    "--endpoint-type",
                    "chat",
                ),
                *("--streaming", "--concurrency", str(streams), "--request-count", str(requests), "--ui", "none"),
                *("--tokenizer", tokenizer, "--use-server-token-count", "--custom-dataset-type", "single_turn"),
                *("--input-file", str(prompts), "--output-artifact-dir", f"{folder}/out"),
            ],
            cpus,
        )
        report = Path(folder) / "out" / "profile_export_aiperf.json"
        if not report.exists():
            return {"missing": f"aiperf failed: {said[-200:]}"}
        data = json.loads(report.read_bytes())
    ttft = data["time_to_first_token"]
    return {"ttft_p50_ms": ttft["p50"], "ttft_p95_ms": ttft["p95"], "ttft_p99_ms": ttft["p99"]} | {
        "requests_per_s": data["request_throughput"]["avg"]
    }


def guidellm(base_url: str, streams: int, requests: int, cpus: Iterable[int]) -> dict[str, Any]:
    """TTFT as GuideLLM reports it, in milliseconds; `{"missing": why}` where it cannot run."""
    command = find("guidellm")
    if command is None:
        return {"missing": "guidellm is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        prompts = _prompts(Path(folder) / "prompts.jsonl", "prompt")
        report = Path(folder) / "report.json"
        said = _run(
            [
                *(command, "run", "--backend"),
                f"kind=openai_http,target={base_url.removesuffix('/v1')},model={MODEL}",
                *("--profile", f"kind=concurrent,streams={streams}"),
                *("--constraint", f"kind=max_requests,count={requests}"),
                *("--data", f"kind=json_file,path={prompts}", "--output", f"kind=json,path={report}"),
                "--disable-console",
            ],
            cpus,
        )
        if not report.exists():
            return {"missing": f"guidellm failed: {said[-200:]}"}
        metrics = json.loads(report.read_bytes())["benchmarks"][0]["metrics"]
    percentiles = metrics["time_to_first_token_ms"]["successful"]["percentiles"]
    return {f"ttft_{name}_ms": percentiles[name] for name in ("p50", "p95", "p99")} | {
        "requests_per_s": metrics["requests_per_second"]["successful"]["mean"]
    }


def _prompts(path: Path, key: str) -> Path:
    lines = (json.dumps({key: f"Question {number}: what will the weather be?"}) for number in range(2000))
    path.write_text("\n".join(lines))
    return path


def _run(command: list[str], cpus: Iterable[int]) -> str:
    pinned = ["taskset", "-c", ",".join(map(str, cpus)), *command]
    done = subprocess.run(pinned, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    return done.stdout + done.stderr


_TASK = """
import sys
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import exact
from inspect_ai.solver import generate
count, url, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
samples = [Sample(input=f"What is {n} + {42 - n}?", target="42", id=n) for n in range(count)]
import time
began = time.perf_counter()
logs = eval(Task(dataset=MemoryDataset(samples), solver=generate(), scorer=exact()), model="openai/null",
            model_base_url=url, model_args={"responses_api": False}, max_connections=64,
            max_samples=64, log_dir=folder, display="none")
print(logs[0].status, count / (time.perf_counter() - began))
"""


def inspect(base_url: str, samples: int, cpus: Iterable[int]) -> dict[str, Any]:
    """Samples a second of an Inspect task with the `exact` scorer on the same server."""
    command = find("inspect")
    if command is None:
        return {"missing": "inspect-ai is not installed"}
    python = str(Path(command).parent / "python")
    os.environ["OPENAI_API_KEY"] = "none"
    with tempfile.TemporaryDirectory() as folder:
        said = _run([python, "-c", _TASK, str(samples), base_url, folder], cpus)
    words = said.split()
    if "success" not in words:
        return {"missing": f"inspect failed: {said[-300:]}"}
    return {"samples_per_s": float(words[words.index("success") + 1]), "samples": samples}
