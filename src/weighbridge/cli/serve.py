"""`weighbridge serve`: the gateway."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weighbridge.cli import console

if TYPE_CHECKING:
    from weighbridge.transport.server import Server

_CALM_S = 5.0
_SEAL = "import sys, pathlib; from weighbridge.store.exchanges import seal; seal(pathlib.Path(sys.argv[1]))"


def serve(
    *,
    config: Path = Path("weighbridge.yaml"),
    listen: str | None = None,
    workers: int | None = None,
    worker: int | None = None,
    log: Literal["json", "text", "off"] = "off",
) -> int:
    """Serve the endpoints of weighbridge.yaml behind one OpenAI-compatible API, until Ctrl-C or SIGTERM.

    Point an app at it by its base URL and ask for an endpoint's name as `model`. Every exchange is recorded under
    .weighbridge/. The configuration is read anew when it changes or on SIGHUP; a bad one keeps the old one.

    Parameters
    ----------
    config
        The configuration.
    listen
        host:port or unix:/path; else as the configuration says. Port 0 takes any free one.
    workers
        Processes that serve side by side; else as the configuration says.
    worker
        Used between the processes of one gateway.
    log
        A line on stderr for each finished exchange, without content: json, text or off.
    """
    from weighbridge.config.load import load  # noqa: PLC0415 -- `--help` answers without it

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr, level=logging.WARNING)
    section = load(config).gateway
    count = workers if workers is not None else section.workers
    if count > 1 and worker is None:
        if (listen or section.listen).endswith(":0"):
            from weighbridge.errors import UsageError  # noqa: PLC0415

            raise UsageError("several workers need one port to share", mend="Name it: --listen 127.0.0.1:8900")
        return _supervised(config, listen, count, log)
    return _work(config, listen, count, worker or 0, log)


def _work(config: Path, listen: str | None, workers: int, worker: int, log: Literal["json", "text", "off"]) -> int:
    from weighbridge.gateway.worker import Options, Worker  # noqa: PLC0415
    from weighbridge.transport.loop import run  # noqa: PLC0415

    options = Options(config, _home(), worker=worker, workers=workers, listen=listen, log=log)

    def started(server: Server) -> None:
        print(f'{{"url": "{server.url}", "worker": {worker}}}', flush=True)
        if sys.stderr.isatty():
            console.print_note(f"serving at {server.url}; Ctrl-C stops")

    async def main() -> None:
        await Worker(options, _redacting, [sys.executable, "-c", _SEAL, str(options.home)]).serve(started)

    run(main())
    return 0


def _home() -> Path:
    return Path(os.environ.get("WEIGHBRIDGE_HOME") or ".weighbridge")


def _redacting(kinds: Sequence[str]) -> Callable[[bytes], bytes]:
    from weighbridge.samples.capture import json_redactor  # noqa: PLC0415 - only where something is captured
    from weighbridge.samples.redact import KINDS  # noqa: PLC0415

    return json_redactor([kind for kind in KINDS if kind in kinds])


def _supervised(config: Path, listen: str | None, count: int, log: str) -> int:
    """Keeps `count` workers running; a signal to end is passed on, and they drain."""
    own = [sys.executable, "-m", "weighbridge", "serve", "--config", str(config), "--workers", str(count)]
    own += ["--log", log, *(["--listen", listen] if listen else [])]
    herd = _Herd(own, count)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, herd.signalled)
    while herd.running:
        time.sleep(0.1)
        herd.look()
    return herd.code


class _Herd:
    """The workers of one gateway."""

    def __init__(self, command: list[str], count: int) -> None:
        self._command = command
        self._began: dict[int, float] = {}
        self._ending = False
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.code = 0
        for worker in range(count):
            self._start(worker)

    def _start(self, worker: int) -> None:
        self._began[worker] = time.monotonic()
        self.running[worker] = subprocess.Popen([*self._command, "--worker", str(worker)])  # noqa: S603 - our own

    def signalled(self, number: int, frame: object) -> None:
        """Passes a signal on; all but SIGHUP end the gateway."""
        del frame
        self._ending = self._ending or number != signal.SIGHUP
        for process in self.running.values():
            process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    def look(self) -> None:
        """Starts anew who has died; where one cannot even begin, its own line says why, and all end."""
        for worker, process in list(self.running.items()):
            ended = process.poll()
            if ended is None:
                continue
            del self.running[worker]
            if self._ending:
                continue
            if ended > 0 and time.monotonic() - self._began[worker] < _CALM_S:
                self.code, self._ending = ended, True
                for other in self.running.values():
                    other.terminate()
            else:
                console.print_note(f"worker {worker} ended ({ended}); starting it anew")
                self._start(worker)
