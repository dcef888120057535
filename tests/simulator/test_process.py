"""The simulator in a process of its own."""

import http.client
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from time import monotonic

import pytest

from weighbridge.errors import MeasurementError
from weighbridge.simulator import process
from weighbridge.simulator.ledger import decode
from weighbridge.simulator.settings import Distribution, Settings


def test_it_starts_answers_and_keeps_count() -> None:
    with process.start(Settings(tokens=Distribution(constant=2))) as running:
        body = json.dumps({"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}).encode()
        with urllib.request.urlopen(f"{running.url}/chat/completions", data=body, timeout=60) as reply:
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
        urllib.request.urlopen(f"{url}/completions", data=body, timeout=60).close()
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 0
    assert json.loads(log.read_text())["tokens"] == 3


def test_a_log_of_its_own_and_answers_beside_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are as the caller sees them, though the scenario is kept elsewhere."""
    monkeypatch.chdir(tmp_path)
    Path("answers.jsonl").write_text('{"answer": "as recorded"}')
    with process.start(Settings(answers="answers.jsonl"), log=Path("log.jsonl")) as running:
        body = b'{"prompt": "x"}'
        with urllib.request.urlopen(f"{running.url}/completions", data=body, timeout=60) as reply:
            assert json.loads(reply.read())["choices"][0]["text"] == "as recorded"
    assert len(decode((tmp_path / "log.jsonl").read_bytes())) == 1


def test_one_that_does_not_start_says_why() -> None:
    said = r"did not start: .*none\.jsonl: the answers cannot be read"
    with pytest.raises(MeasurementError, match=said), process.start(Settings(answers="none.jsonl")):
        pytest.fail("it started")


def test_its_clock_is_ours() -> None:
    """Send times are monotonic seconds that another process of this machine can compare with its own."""
    with process.start(Settings(tokens=Distribution(constant=3))) as running:
        before = monotonic()
        body = b'{"prompt": "x", "stream": true}'
        urllib.request.urlopen(f"{running.url}/completions", data=body, timeout=60).read()
        (entry,) = running.log()
        after = monotonic()
    assert before <= entry.received <= entry.sent[0] <= entry.sent[-1] <= entry.finished <= after


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_under_way_are_in_the_log_when_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "weighbridge", "simulate", "--port", "0", "--log", str(log)]
    command += ["--gap", "60s", "--tokens", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        port = json.loads(running.stdout.readline())["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/v1/completions", b'{"prompt": "x", "stream": true}')
        assert connection.getresponse().read(5) == b"data:"
        running.send_signal(number)
        assert running.wait(timeout=60) == 0
        connection.close()
    (entry,) = decode(log.read_bytes())
    assert (entry.outcome, len(entry.sent)) == ("disconnected", 1)
