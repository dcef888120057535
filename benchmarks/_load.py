"""A load of equal requests over kept connections: wrk where it is installed, else a generator of our own.

Both count what was answered wrong, so that an error is never taken for speed. Run as a script it is our generator.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from _peers import find

CONNECTIONS = 64
_PATIENCE_S = 60.0
_END_OF_HEAD = b"\r\n\r\n"

_LUA = """
wrk.method = "POST"
local function read(path) local file = io.open(path, "rb"); local text = file:read("*a"); file:close(); return text end
wrk.body = read("{folder}/body")
{headers}
function done(summary, latency, requests)
  local wrong = summary.errors
  io.write(string.format('\\n{{"requests": %d, "seconds": %f, "bytes": %d, "wrong": %d, "p99_ms": %f}}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    wrong.status + wrong.connect + wrong.read + wrong.write + wrong.timeout, latency:percentile(99) / 1000))
end
"""


class Load(NamedTuple):
    """What one stretch of load came to. `wrong`: replies that were no 200 of the size expected, and broken sockets."""

    requests: int
    seconds: float
    bytes: int
    wrong: int
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds


def generator() -> str:
    """Its name and version, for the report."""
    wrk = find("wrk")
    if wrk is None:
        return "benchmarks/_load.py"
    said = subprocess.run([wrk, "-v"], capture_output=True, text=True, check=False).stdout
    return said.split("[")[0].strip()


def load(
    url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, cpu: int, connections: int = CONNECTIONS
) -> Load:
    """Asks for so many seconds, from one core. Raises AssertionError where any reply was wrong or none came."""
    lines = {"Content-Type": "application/json", **headers}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(body)
        wrk = find("wrk")
        if wrk is not None:
            script = Path(folder) / "load.lua"
            said = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in lines.items())
            script.write_text(_LUA.format(folder=folder, headers=said))
            span = ["-d", f"{max(1, round(seconds))}s", "--timeout", f"{_PATIENCE_S:.0f}s"]
            command = [wrk, "-t", "1", "-c", str(connections), *span, "-s", str(script), url]
        else:
            options = {"headers": lines, "seconds": seconds, "connections": connections, "body": f"{folder}/body"}
            command = [sys.executable, __file__, url, json.dumps(options)]
        pinned = ["taskset", "-c", str(cpu), *command]
        done = subprocess.run(
            pinned, capture_output=True, text=True, check=False, timeout=seconds + 2 * _PATIENCE_S, cwd=folder
        )
    assert done.returncode == 0, f"the load generator failed: {(done.stdout + done.stderr)[-500:]}"
    found = Load(**json.loads(done.stdout.strip().splitlines()[-1]))
    assert found.requests > 0, f"nothing was answered: {done.stdout[-500:]}"
    assert found.wrong == 0, f"{found.wrong} of {found.requests} requests went wrong"
    return found


class _Asking(asyncio.Protocol):
    """One connection: the same request again and again, each after the whole reply to the one before."""

    def __init__(self, request: bytes, tally: _Tally) -> None:
        self._request = request
        self._tally = tally
        self._held = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by what it does
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        held = self._held + data if self._held else data
        end = held.find(_END_OF_HEAD)
        if end < 0:
            self._held = held
            return
        whole = end + 4 + _length(held[:end])
        if len(held) < whole:
            self._held = held
            return
        self._held = b""
        self._tally.note(len(held), time.perf_counter() - self._sent, right=held[:12] == b"HTTP/1.1 200")
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._tally.lost()


class _Tally:
    def __init__(self) -> None:
        self.requests = self.bytes = self.wrong = 0
        self.took: list[float] = []
        self.over = False

    def note(self, size: int, took: float, *, right: bool) -> None:
        if self.over:
            return
        self.requests += 1
        self.bytes += size
        self.wrong += not right
        self.took.append(took)

    def lost(self) -> None:
        self.wrong += not self.over


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        raise ValueError("a reply without Content-Length: this generator does not read chunked ones")
    return int(lower[at + 15 :].split(b"\r\n", 1)[0])


async def _generate(
    url: str, headers: Mapping[str, str], body: bytes, *, seconds: float, connections: int
) -> dict[str, float]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    lines = {"Host": parts.netloc, **headers, "Content-Length": str(len(body))}
    head = f"POST {parts.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    request, tally = head.encode() + b"\r\n" + body, _Tally()
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Asking(request, tally), parts.hostname, parts.port)
    await asyncio.sleep(seconds)
    tally.over = True
    took = sorted(tally.took) or [0.0]
    return {
        "requests": tally.requests,
        "seconds": time.perf_counter() - began,
        "bytes": tally.bytes,
        "wrong": tally.wrong,
        "p99_ms": 1000 * took[int(0.99 * (len(took) - 1))],
    }


def main() -> None:
    import uvloop  # noqa: PLC0415 -- only where it is run

    options = json.loads(sys.argv[2])
    body = Path(options.pop("body")).read_bytes()
    print(json.dumps(uvloop.run(_generate(sys.argv[1], options.pop("headers"), body, **options))))


if __name__ == "__main__":
    main()
