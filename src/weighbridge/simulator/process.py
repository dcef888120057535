"""The simulator in a process of its own, for benchmarks and end-to-end tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from weighbridge.errors import MeasurementError
from weighbridge.simulator.ledger import Entry, Stats, decode
from weighbridge.simulator.settings import Settings


class Running:
    """A simulator that runs elsewhere."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self.origin = f"http://127.0.0.1:{port}"
        self.url = f"{self.origin}/v1"

    def stats(self) -> Stats:
        return msgspec.json.decode(self._get("/sim/stats"), type=Stats)

    def log(self) -> list[Entry]:
        return decode(self._get("/sim/log"))

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.origin}/sim/reset", data=b"", method="POST")  # noqa: S310 - loopback
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - loopback

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.origin + path, timeout=60) as reply:  # noqa: S310 - loopback
            data: bytes = reply.read()
            return data


@contextmanager
def start(settings: Settings | None = None, *, cpus: Sequence[int] = (), log: Path | None = None) -> Iterator[Running]:
    """Runs it until the block ends; `cpus` pins it, `log` is written to as with `--log`. Raises MeasurementError where
    it does not come up, with what it said."""
    wanted = settings or Settings()
    if wanted.answers is not None:
        wanted = msgspec.structs.replace(wanted, answers=str(Path(wanted.answers).resolve()))
    with tempfile.TemporaryDirectory() as folder:
        scenario, errors = Path(folder) / "scenario.json", Path(folder) / "errors"
        scenario.write_bytes(msgspec.json.encode(wanted))
        command = [sys.executable, "-m", "weighbridge", "simulate", "--port", "0", "--scenario", str(scenario)]
        if log is not None:
            command += ["--log", str(log.resolve())]
        pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
        with (
            errors.open("wb") as stderr,
            subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                preexec_fn=pin,  # noqa: PLW1509 - one thread, before exec
            ) as process,
        ):
            try:
                assert process.stdout is not None  # noqa: S101 - a pipe
                ready = process.stdout.readline()
                if not ready:
                    process.wait()
                    raise MeasurementError(f"the simulator did not start: {errors.read_text().strip()}")
                yield Running(msgspec.json.decode(ready)["port"], process.pid)
            finally:
                _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        raise MeasurementError("the simulator did not stop when it was told to") from None
