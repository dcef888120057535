"""A gateway as it is run in earnest (key, limits, budgets, routing, records, metrics), pinned to a core of its own."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import _processes
from _processes import Child

KEY = "wb-benchmark-0123456789abcdefghijklmnop"
ENDPOINT = "answers"
AUTHORIZATION = f"Bearer {KEY}"
QUESTION = json.dumps(
    {
        "model": ENDPOINT,
        "messages": [
            {"role": "system", "content": "Answer with one number."},
            {"role": "user", "content": "What is 40 + 2? Think of nothing else, and say only the number."},
        ],
        "temperature": 0,
        "max_tokens": 16,
    }
).encode()

_SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_PLENTY = {"requests": "1000M/min", "tokens": "1000000M/min"}
_BUDGET = {"day": "$900000000", "month": "$900000000"}


def configuration(
    upstreams: Sequence[str], *, concurrent: int = 100_000, route: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One endpoint with a candidate at each upstream (base URLs that end in /v1), behind a key with limits and budgets
    of every kind. They are all counted and none of them is ever reached, but for `concurrent` where it is small."""
    names = [f"upstream{number}" for number in range(len(upstreams))]
    return {
        "providers": {
            name: {"preset": "simulator", "base_url": url} for name, url in zip(names, upstreams, strict=True)
        },
        "models": {
            name: {"provider": name, "model": "simulated", "price": {"input": 1.0, "output": 2.0}} for name in names
        },
        "endpoints": {ENDPOINT: {"candidates": names, "route": route or {"pick": "latency"}, "budget": _BUDGET}},
        "keys": {"benchmark": key_section(KEY, concurrent)},
    }


def key_section(key: str, concurrent: int) -> dict[str, Any]:
    """What the configuration says of a virtual key."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    limits = {**_PLENTY, "concurrent": concurrent}
    return {"hash": f"sha256:{digest}", "limits": limits, "budget": _BUDGET}


class Gateway:
    """A running gateway of one worker. `url` ends in /v1."""

    def __init__(self, child: Child, origin: str, home: Path) -> None:
        self.child = child
        self.origin = origin
        self.url = f"{origin}/v1"
        self.home = home

    def metrics(self) -> dict[tuple[str, str], float]:
        """What /metrics says, by (name without `weighbridge_`, outcome), summed over the other labels."""
        with urllib.request.urlopen(f"{self.origin}/metrics", timeout=60) as reply:  # noqa: S310 - loopback
            text = reply.read().decode()
        found: dict[tuple[str, str], float] = {}
        for name, labels, value in _SERIES.findall(text):
            outcome = dict(_LABEL.findall(labels)).get("outcome", "")
            key = (name.removeprefix("weighbridge_"), outcome)
            found[key] = found.get(key, 0.0) + float(value)
        return found

    def outcomes(self) -> dict[str, int]:
        """Requests so far, by how they ended."""
        found = self.metrics()
        return {outcome: round(count) for (name, outcome), count in found.items() if name == "requests_total"}

    def records(self) -> int:
        """Exchanges in the segments on the disk."""
        count = 0
        for path in self.home.glob("exchanges/**/*.jsonl"):
            with path.open("rb") as lines:
                count += sum(line.endswith(b"\n") and b'"t":"exchange"' in line for line in lines)
        return count

    def ask(self, body: bytes = QUESTION) -> tuple[int, dict[str, Any]]:
        """One request, whole. Raises urllib's HTTPError for anything but a success."""
        return ask(f"{self.url}/chat/completions", body, {"Authorization": AUTHORIZATION})


def ask(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """One request to anybody: the status, and the JSON of the reply."""
    lines = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, data=body, headers=lines, method="POST")  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - loopback
        return int(reply.status), json.loads(reply.read())


@contextmanager
def serving(folder: Path, said: dict[str, Any], *, cpus: Sequence[int]) -> Iterator[Gateway]:
    """A gateway on a free port until the block ends; its records and its log are under `folder`."""
    home, path = folder / ".weighbridge", folder / "weighbridge.yaml"
    path.write_bytes(msgspec.yaml.encode(said))
    command = [sys.executable, "-m", "weighbridge", "serve", "--config", str(path), "--listen", "127.0.0.1:0"]
    with _processes.child(command, folder, cpus=cpus, env={"WEIGHBRIDGE_HOME": str(home)}, piped=True) as child:
        assert child.process.stdout is not None
        line = child.process.stdout.readline()
        assert line, f"the gateway did not start: {child.said()}"
        try:
            yield Gateway(child, json.loads(line)["url"], home)
        except BaseException:
            print(f"the gateway's log ends: {child.said()}", file=sys.stderr)
            raise


def settle(gateway: Gateway, patience: float = 10.0) -> None:
    """Until no request is under way and every record has reached the disk."""
    until = time.monotonic() + patience
    last = (-1, -1)
    while time.monotonic() < until:
        now = (sum(gateway.outcomes().values()), gateway.records())
        if now == last and now[0] == now[1]:
            return
        last = now
        time.sleep(0.3)
