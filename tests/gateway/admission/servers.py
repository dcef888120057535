"""A real Valkey or Redis server on a port of its own, which may be stopped, and started with its data or without."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PASSWORD = "s3cret"


class Server:
    """In memory only, so that a stop loses everything; `kept` keeps every write on the disk; `more` options are the
    program's own."""

    def __init__(
        self, program: str, folder: Path, *, kept: bool = False, more: Mapping[str, str] | None = None
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "dir": folder, "requirepass": PASSWORD}
        options |= {"appendonly": "yes", "appendfsync": "always"} if kept else {}
        options |= more or {}
        self._argv = [program, *(str(word) for name, value in options.items() for word in (f"--{name}", value))]
        self.url = f"valkey://:{PASSWORD}@127.0.0.1:{self.port}/1"
        self.start()

    def start(self, *, old: bool = True) -> None:
        """`old`: it gives money at once, for nobody has to tell it anything first."""
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < until, "it did not start"
            time.sleep(0.005)
        if old:
            self.say("SET wb:since 1 NX")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)

    def hang(self) -> None:
        """It takes what it is sent, and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def say(self, command: str) -> str:
        """The last line of what it answers to a command."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
            link.sendall(f"AUTH {PASSWORD}\r\nSELECT 1\r\n{command}\r\nQUIT\r\n".encode())
            said = b"".join(iter(lambda: link.recv(4096), b""))
        return said.decode().split("\r\n")[-3]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, IndexError):
            return self.say("PING") == "+PONG"
        return False


@contextlib.contextmanager
def running(folder: Path, *, kept: bool = False, more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """One that is stopped at the end. The test is skipped where there is no program for it, but not in CI."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs redis-server or valkey-server")
        pytest.skip("needs redis-server or valkey-server")
    server = Server(program, folder, kept=kept, more=more)
    try:
        yield server
    finally:
        server.go_on()
        server.stop()
