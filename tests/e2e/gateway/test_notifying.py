"""A gateway under a service manager: when it is ready, and that it asks for the time its drain takes."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.e2e.gateway.conftest import PATIENCE_S, Simulate, config
from tests.e2e.gateway.herd import herd


@contextmanager
def manager(path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager, which hears who speaks to it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(path))
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ear.settimeout(PATIENCE_S)
        yield ear


def heard(ear: socket.socket) -> tuple[list[str], int]:
    """The lines, and the process that said them: a manager listens to no other than the one it started."""
    said, ancillary, _, _ = ear.recvmsg(4096, socket.CMSG_SPACE(12))
    return said.decode().split("\n"), int.from_bytes(ancillary[0][2][:4], sys.byteorder)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_manager_hears_when_all_workers_listen_and_how_long_the_drain_may_take(
    simulate: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """From the process it started, and from no other."""
    slow = simulate(tokens={"constant": 20}, gap={"constant": 0.1})
    with manager(tmp_path / "notify") as ear:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with herd(tmp_path, {**config([slow]), "gateway": {"drain": "3m"}}, workers) as served:
            said, who = heard(ear)
            assert (said[0], who) == ("READY=1", served.process.pid)
            for _ in range(10):
                with urllib.request.urlopen(f"{served.origin}/ready", timeout=PATIENCE_S) as reply:
                    assert reply.status == 200
            got = served.client().chat.completions.create(model="it", messages=[], stream=True)
            next(got)
            served.process.send_signal(signal.SIGTERM)
            said, who = heard(ear)
            assert (said[0], said[2], who) == ("STOPPING=1", "EXTEND_TIMEOUT_USEC=210000000", served.process.pid)
            assert len(list(got)) >= 18
            assert served.process.wait(PATIENCE_S) == 0
        ear.setblocking(False)
        with pytest.raises(BlockingIOError):
            ear.recv(1)


def test_several_workers_at_one_unix_socket_are_refused(tmp_path: Path) -> None:
    """Each would take the socket from the one before it, and all but the last would serve nobody."""
    path = tmp_path / "weighbridge.yaml"
    path.write_bytes(
        msgspec.yaml.encode(
            {
                "providers": {"a": {"preset": "simulator"}},
                "models": {"a": {"provider": "a", "model": "a", "price": {"input": 1, "output": 1}}},
                "endpoints": {"it": {"candidates": ["a"]}},
            }
        )
    )
    words = ["serve", "--config", str(path), "--workers", "2", "--listen", f"unix:{tmp_path}/socket"]
    done = subprocess.run(
        [sys.executable, "-m", "weighbridge", *words],
        env={**os.environ, "WEIGHBRIDGE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert "several workers need one port" in done.stderr
