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
    from weighbridge.config.serving import GatewaySection
    from weighbridge.gateway.manager import Manager
    from weighbridge.gateway.worker import Options
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
    from weighbridge.gateway.manager import Manager  # noqa: PLC0415

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr, level=logging.WARNING)
    section = load(config).gateway
    count = workers if workers is not None else section.workers
    manager = Manager()
    if count > 1 and worker is None:
        _sharable(listen or section.listen)
        return _supervised(config, listen, count, log, manager, section)
    from weighbridge.gateway.worker import Options  # noqa: PLC0415

    options = Options(config, _home(), worker=worker or 0, workers=count, listen=listen, log=log)
    return _work(options, manager, section)


def _sharable(listen: str) -> None:
    """Raises UsageError for an address that only one worker can have."""
    if listen.endswith(":0") or listen.startswith("unix:"):
        from weighbridge.errors import UsageError  # noqa: PLC0415

        raise UsageError("several workers need one port to share", mend="Name it: --listen 127.0.0.1:8900")


def _work(options: Options, manager: Manager, section: GatewaySection) -> int:
    from weighbridge.gateway.worker import Worker  # noqa: PLC0415
    from weighbridge.transport.loop import run  # noqa: PLC0415

    def started(server: Server) -> None:
        sys.stdout.write(f'{{"url": "{server.url}", "worker": {options.worker}}}\n')  # whole: others write theirs
        sys.stdout.flush()
        manager.ready(server.url, worker=options.worker)
        manager.see_off(server, section.drain)
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


def _supervised(
    config: Path, listen: str | None, count: int, log: str, manager: Manager, section: GatewaySection
) -> int:
    """Keeps `count` workers running; a signal to end is passed on, and they drain."""
    own = [sys.executable, "-m", "weighbridge", "serve", "--config", str(config), "--workers", str(count)]
    own += ["--log", log, *(["--listen", listen] if listen else [])]
    herd = _Herd(own, count, lambda: manager.stopping(section.drain))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, herd.signalled)
    waiting = True
    while herd.running:
        time.sleep(0.1)
        herd.look()
        if waiting and herd.listening.all():
            waiting = False
            manager.ready(f"{listen or section.listen}, by {count} workers")
    return herd.code


class _Herd:
    """The workers of one gateway. `ending` is called when they are told to end."""

    def __init__(self, command: list[str], count: int, ending: Callable[[], None]) -> None:
        from weighbridge.gateway.manager import Listening  # noqa: PLC0415

        self._command = command
        self._began: dict[int, float] = {}
        self._ending = False
        self._told = ending
        self.listening = Listening(count)
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.code = 0
        for worker in range(count):
            self._start(worker)

    def _start(self, worker: int) -> None:
        self._began[worker] = time.monotonic()
        self.running[worker] = subprocess.Popen(  # noqa: S603 - our own
            [*self._command, "--worker", str(worker)],
            env=self.listening.environment(),
            pass_fds=[self.listening.mouth],
        )

    def signalled(self, number: int, frame: object) -> None:
        """Passes a signal on; all but SIGHUP end the gateway."""
        del frame
        self._ending = self._ending or number != signal.SIGHUP
        for process in self.running.values():
            process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)
        if self._ending:
            self._told()

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
