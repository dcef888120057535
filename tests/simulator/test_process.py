"""The simulator in a process of its own."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Settings


def test_it_starts_answers_and_keeps_count() -> None:
    with process.start(Settings(tokens=Distribution(constant=2))) as running:
        body = json.dumps({"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}).encode()
        with urllib.request.urlopen(f"{running.url}/chat/completions", data=body, timeout=10) as reply:
            assert json.loads(reply.read())["usage"]["completion_tokens"] == 2
        assert running.stats().paid == 1
        assert running.log()[0].outcome == "completed"
        running.reset()
        assert running.stats().requests == 0


def test_sigterm_ends_it_cleanly_with_its_log_written(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "weighbridge", "simulate", "--port", "0", "--log", str(log), "--tokens", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        url = json.loads(running.stdout.readline())["url"]
        body = b'{"model": "simulated", "prompt": "x"}'
        urllib.request.urlopen(f"{url}/completions", data=body, timeout=10).close()
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=10) == 0
    assert json.loads(log.read_text())["tokens"] == 3
