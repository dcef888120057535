"""Recorded exchanges of hosts that speak OpenAI's dialect."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

PATHS = ("/chat/completions", "/completions")


@cache
def exchanges(folder: Path) -> list[dict[str, Any]]:
    """Those whose path is a chat or text completion."""
    with gzip.open(folder / "wire" / "recorded.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    return [row for row in rows if row["uri"].partition("?")[0].endswith(PATHS)]


def streamed(row: dict[str, Any]) -> bool:
    return bool(row["response_body"].lstrip().startswith(("data:", ":", "event:")))


def events(body: str) -> Iterator[str]:
    """Data of each event, read naively: the recorded streams have one `data:` line each."""
    for line in body.splitlines():
        if line.startswith("data:"):
            yield line[5:].strip()


def chunks(body: str) -> list[dict[str, Any]]:
    return [json.loads(data) for data in events(body) if data != "[DONE]"]
