"""Processes on a core of their own, and what the kernel says they cost: processor time and resident memory."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_STOP_S = 20.0
_SAID = 2000


def cores() -> tuple[int, int]:
    """One for the load and what stands upstream, one for what is measured. With a single core they are the same."""
    found = sorted(os.sched_getaffinity(0))
    return found[0], found[-1]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Child:
    """A process that was started here, pinned."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.pid = process.pid
        self._log = log

    def cpu_s(self) -> float:
        """Processor time of the process and those it started, user and system."""
        return sum(cpu_s(pid) for pid in tree(self.pid))

    def rss_mb(self) -> float:
        return sum(_rss_mb(pid) for pid in tree(self.pid))

    def said(self) -> str:
        """The end of what it wrote to stderr, and to stdout unless that is a pipe."""
        return self._log.read_text(errors="replace")[-_SAID:].strip()

    def wait_for(self, port: int, patience: float = 30.0) -> None:
        """Until somebody listens there. Raises AssertionError where the process ends before, or never does."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            assert self.process.poll() is None, f"{self.process.args!r} ended: {self.said()}"
            with socket.socket() as sock:
                sock.settimeout(1.0)
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{self.process.args!r} does not listen: {self.said()}")


@contextmanager
def child(
    command: Sequence[str],
    folder: Path,
    *,
    cpus: Sequence[int],
    env: Mapping[str, str] | None = None,
    piped: bool = False,
) -> Iterator[Child]:
    """Runs it in `folder` until the block ends. `piped`: its stdout is for us to read, else it goes to the log."""
    log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
    pinned = ["taskset", "-c", ",".join(map(str, cpus)), *command]
    with log.open("wb") as said:
        process = subprocess.Popen(
            pinned,
            stdout=subprocess.PIPE if piped else said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **(env or {})},
        )
        try:
            yield Child(process, log)
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends it and whatever it started."""
    family = tree(process.pid)
    process.terminate()
    try:
        process.wait(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
    for pid in family[1:]:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue


def tree(pid: int) -> list[int]:
    """A process and its descendants, itself first."""
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found.extend(int(word) for word in path.read_text().split())
            except OSError:
                continue
    return found


def cpu_s(pid: int) -> float:
    """Processor time of one process so far, user and system; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _rss_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0.0)
