"""What the benchmarks measure with: a wrong reply is never counted as speed, and a wrong count never as a right one."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import _gateway
import _load
import _nginx
import _open_loop
import _processes
from _marked_simulator import simulating
from weighbridge.config.load import loads
from weighbridge.simulator.process import start
from weighbridge.simulator.settings import Distribution, Fault, Settings
from weighbridge.transport.loop import run
from weighbridge.transport.responder import Responder
from weighbridge.transport.server import ServerRequest, serve

CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture
def null(tmp_path: Path) -> Iterator[str]:
    """A null server's URL for chat."""
    with _nginx.null_server(tmp_path, 1, cpus=CPUS) as (port,):
        yield f"http://127.0.0.1:{port}/v1/chat/completions"


@pytest.mark.parametrize("installed", [True, False])
def test_the_load_counts_what_was_answered(null: str, monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    if not installed:
        monkeypatch.setattr(_load, "find", lambda _: None)
    found = _load.load(null, _gateway.QUESTION, {}, seconds=1, cpu=CPUS[0], connections=8)
    assert found.requests > 100
    assert found.wrong == 0
    assert found.bytes > 200 * found.requests
    assert 0.9 < found.seconds < 5


@pytest.mark.parametrize("installed", [True, False])
def test_replies_that_are_errors_are_no_throughput(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    if not installed:
        monkeypatch.setattr(_load, "find", lambda _: None)
    with start(Settings(faults=(Fault(kind="500", every=50),))) as simulator:
        url, body = f"{simulator.url}/chat/completions", b'{"model": "simulated", "messages": []}'
        with pytest.raises(AssertionError, match="went wrong"):
            _load.load(url, body, {}, seconds=1, cpu=CPUS[0], connections=4)


def test_an_open_loop_sends_on_time_and_misses_nothing(null: str) -> None:
    took = run(_open_loop.constant(null, _gateway.QUESTION, {}, rate=200, seconds=0.5))
    assert len(took) == 100
    intended = sorted(one for one, _ in took)
    assert intended[-1] - intended[0] == pytest.approx(99 / 200)
    assert all(end > at for at, end in took)


def test_an_open_loop_does_not_take_a_wrong_answer() -> None:
    async def handler(request: ServerRequest, responder: Responder) -> None:
        del request
        responder.reply(200, {}, b'{"choices": []}')

    async def asked() -> None:
        server = await serve(handler)
        with pytest.raises(AssertionError):
            await _open_loop.constant(server.url, b"{}", {}, rate=100, seconds=0.1)
        await server.close()

    run(asked())


def test_the_simulators_ledger_is_keyed_by_the_user_of_the_body(tmp_path: Path) -> None:
    settings = Settings(tokens=Distribution(constant=3))
    with simulating(tmp_path, settings, cpus=CPUS) as simulator:
        for mark in ("mark-1", "mark-2"):
            body = b'{"model": "simulated", "messages": [], "user": "%b"}' % mark.encode()
            _gateway.ask(f"{simulator.url}/chat/completions", body, {})
        assert sorted(entry.key or "" for entry in simulator.log()) == ["mark-1", "mark-2"]


def test_processor_time_and_memory_are_those_of_the_whole_family(tmp_path: Path) -> None:
    spin = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ntime.sleep(60)"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {spin!r}])"
    with _processes.child([sys.executable, "-c", parent], tmp_path, cpus=CPUS) as child:
        until = time.monotonic() + 30
        while child.cpu_s() < 0.3 and time.monotonic() < until:
            time.sleep(0.05)
        assert child.cpu_s() >= 0.3
        family = _processes.tree(child.pid)
        assert len(family) == 2
        assert child.rss_mb() > 5
    until = time.monotonic() + 10
    while any(_runs(pid) for pid in family):
        assert time.monotonic() < until, "a process is left behind"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Not gone, nor dead and waiting for somebody to be told."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_child_that_ends_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    with (
        _processes.child(command, tmp_path, cpus=CPUS) as child,
        pytest.raises(AssertionError, match="no such luck"),
    ):
        child.wait_for(_processes.free_port())


def test_the_configuration_is_one(tmp_path: Path) -> None:
    said = _gateway.configuration(["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"], concurrent=7)
    config = loads(msgspec.yaml.encode(said).decode(), tmp_path / "weighbridge.yaml")
    assert config.keys["benchmark"].limits.concurrent == 7
    assert len(config.endpoints[_gateway.ENDPOINT].candidates) == 2


def test_a_gateway_is_asked_and_its_books_are_read(null: str, tmp_path: Path) -> None:
    base = null.removesuffix("/chat/completions")
    with _gateway.serving(tmp_path, _gateway.configuration([base, base]), cpus=CPUS) as gateway:
        for _ in range(3):
            status, reply = gateway.ask()
            assert status == 200
            assert reply["choices"][0]["message"]["content"] == "42"
        _gateway.settle(gateway)
        assert gateway.outcomes() == {"ok": 3}
        assert gateway.records() == 3
        assert gateway.metrics()["output_tokens_total", "ok"] == 3


KEYS = {
    "gateway_throughput": {"requests_per_s", "nginx_requests_per_s", "ratio_to_nginx", "rss_mb", "peers"},
    "gateway_streams": {
        *("streams", "added_ttft_p99_ms", "added_gap_p99_ms", "chunks_lost"),
        *("single_added_p50_ms", "single_added_p99_ms"),
    },
    "gateway_soak": {"requests", "rss_start_mb", "rss_end_mb", "leaked_slots"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KEYS)
def test_each_benchmark_of_the_gateway_runs(name: str) -> None:
    if name == "gateway_throughput" and _nginx.command() is None:
        pytest.skip("nginx is not installed")
    script = Path(_gateway.__file__).with_name(f"{name}.py")
    done = subprocess.run(
        [sys.executable, str(script), "--quick", "--json"], capture_output=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    report = msgspec.json.decode(done.stdout)
    assert KEYS[name] <= report.keys()
    assert report.get("chunks_lost", 0) == report.get("leaked_slots", 0) == report.get("lost_records", 0) == 0
