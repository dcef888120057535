"""A gateway in a process of its own, before simulated providers in theirs; asked by the official SDK."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from weighbridge.records.exchange import Exchange, Feedback, decode
from weighbridge.simulator.process import Running, start
from weighbridge.simulator.settings import Settings

PATIENCE_S = 30.0


class Served:
    """A running gateway. `url` ends in /v1."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, home: Path, config: Path) -> None:
        self.process = process
        self.origin = url
        self.url = f"{url}/v1"
        self.home = home
        self.config = config
        self._clients: list[openai.OpenAI] = []

    def close(self) -> None:
        """Closes the clients that were made."""
        for client in self._clients:
            client.close()

    def client(self, key: str = "none", **options: Any) -> openai.OpenAI:
        made = openai.OpenAI(base_url=self.url, api_key=key, max_retries=0, **options)
        self._clients.append(made)
        return made

    def records(self, count: int = 1) -> list[Exchange]:
        """The exchanges recorded so far, oldest first, once there are `count`."""
        until = time.monotonic() + PATIENCE_S
        while True:
            found = [one for one in self.lines() if isinstance(one, Exchange)]
            if len(found) >= count or time.monotonic() > until:
                assert len(found) >= count, f"{len(found)} exchanges recorded, {count} wanted"
                return sorted(found, key=lambda one: one.id)
            time.sleep(0.02)

    def lines(self) -> list[Exchange | Feedback]:
        found = []
        for path in sorted(self.home.glob("exchanges/live/*.jsonl")):
            for line in path.read_bytes().split(b"\n"):
                if line.strip():
                    one = decode(line)
                    if one is not None:
                        found.append(one)
        return found


Simulate = Callable[..., Running]
Serve = Callable[..., Served]


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Starts simulated providers, and stops them after the test."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> Running:
            return stack.enter_context(start(msgspec.convert(settings, Settings)))

        yield begin


def config(targets: Sequence[Running], **endpoint: Any) -> dict[str, Any]:
    """A configuration of one endpoint, `it`, whose candidates a, b, … are simulated providers."""
    names = "abcdefgh"[: len(targets)]
    pairs = list(zip(names, targets, strict=True))
    return {
        "providers": {name: {"preset": "simulator", "base_url": one.url} for name, one in pairs},
        "models": {
            name: {"provider": name, "model": "simulated", "price": {"input": 1 + n, "output": 2 + n}}
            for n, (name, _) in enumerate(pairs)
        },
        "endpoints": {"it": {"candidates": list(names), **endpoint}},
    }


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a gateway on a configuration (any free port), and stops it after the test."""
    running: list[subprocess.Popen[bytes]] = []
    begun: list[Served] = []

    def begin(said: dict[str, Any], *words: str, env: dict[str, str] | None = None) -> Served:
        path = tmp_path / "weighbridge.yaml"
        path.write_bytes(msgspec.yaml.encode(said))
        home = tmp_path / ".weighbridge"
        command = [sys.executable, "-m", "weighbridge", "serve", "--config", str(path), "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(
            [*command, *words],
            stdout=subprocess.PIPE,
            env={**os.environ, "WEIGHBRIDGE_HOME": str(home), **(env or {})},
            cwd=tmp_path,
        )
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the gateway did not start"
        begun.append(Served(process, msgspec.json.decode(line)["url"], home, path))
        return begun[-1]

    yield begin
    for served in begun:
        served.close()
    for process in running:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
        if process.stdout is not None:
            process.stdout.close()


def ask(served: Served, text: str = "Say something", **options: Any) -> Any:
    """One chat completion, whole."""
    return served.client().chat.completions.create(model="it", messages=[{"role": "user", "content": text}], **options)


def stream(served: Served, text: str = "Say something", **options: Any) -> str:
    """One chat completion, streamed; the text. Raises what the SDK raises."""
    pieces = served.client().chat.completions.create(
        model="it", messages=[{"role": "user", "content": text}], stream=True, **options
    )
    return "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
