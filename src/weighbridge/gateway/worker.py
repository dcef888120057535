"""One serving process: it listens, keeps house off the request's path, follows the configuration, and drains."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from time import time

import msgspec

from weighbridge.config.load import Config, load
from weighbridge.errors import UsageError, WeighbridgeError
from weighbridge.gateway.admission.fleet import Fleet
from weighbridge.gateway.alone import has_room, is_alone
from weighbridge.gateway.app import Gateway, Watching
from weighbridge.gateway.cache import Stores
from weighbridge.gateway.logs import Form
from weighbridge.gateway.logs import log as lines_of
from weighbridge.gateway.metrics import Metrics
from weighbridge.gateway.serves import Setup
from weighbridge.gateway.setup import Redacting, setup
from weighbridge.gateway.telemetry import telemetry
from weighbridge.records.recorder import Recorder
from weighbridge.routing.health import Health
from weighbridge.transport.client import Client, Limits
from weighbridge.transport.outbox import Outbox
from weighbridge.transport.server import Server, ServerLimits, serve

log = logging.getLogger(__name__)

_TICK_S = 0.5
_FLUSH_TICKS = 8
_SEAL_S = 600.0
_LOOPBACK = ("127.", "localhost", "::1", "[::1]")


class Options(msgspec.Struct, frozen=True):
    """How a worker is run. `worker` names it among `workers`; `listen` None: as the configuration says."""

    config: Path
    home: Path
    worker: int = 0
    workers: int = 1
    listen: str | None = None
    log: Form = "off"


class Worker:
    """`serve` runs until SIGTERM or SIGINT. `redacting` makes the redaction of captured bodies; `sealing` is a command
    that seals finished segments, run now and then as a process of its own (it needs more memory than serving does).
    """

    def __init__(self, options: Options, redacting: Redacting, sealing: Sequence[str] = ()) -> None:
        self._sealing = sealing
        self._options = options
        self._redacting = redacting
        self._config = load(options.config)
        self._fleet = self._config.gateway.fleet
        self._health = Health()
        self._stores = Stores()
        self._watching = Watching(telemetry(self._config.gateway.telemetry, os.environ), lines_of(options.log))
        self._stop = asyncio.Event()
        self._seen = self._stamp()

    async def serve(self, started: Callable[[Server], None]) -> None:
        """Raises WeighbridgeError where it cannot begin; `started` is called once it listens."""
        options, section = self._options, self._config.gateway
        gateway: Gateway | None = None
        recorder = Recorder(options.home, f"w{options.worker}")
        share = options.home / "metrics" if options.workers > 1 else None
        metrics = Metrics(share, str(options.worker))
        limits = Limits(body_bytes=256 * 2**20)
        outbox = Outbox()
        async with Client(limits=limits, outbox=outbox) as client:
            gateway = Gateway(
                self._setup(self._config),
                client=client,
                health=self._health,
                recorder=recorder,
                metrics=metrics,
                watching=self._watching,
            )
            self._known(gateway.setup)
            server = await self._listening(gateway, outbox)
            self._signals(gateway)
            started(server)
            # What lives as long as the process is not looked at again, and garbage in cycles is rare: a full collection
            # would stop every stream for a tenth of a second.
            gc.freeze()
            gc.set_threshold(50_000, 50, 1_000)
            house = [
                asyncio.ensure_future(keeping)
                for keeping in (self._ticks(gateway, metrics), self._seals(), self._syncs(gateway, metrics))
            ]
            try:
                await self._stop.wait()
                gateway.draining = True
                gateway.shadow.stop()
                await server.close(drain=section.drain)
            finally:
                for keeping in house:
                    keeping.cancel()
                await gateway.shadow.close()
                await recorder.close()
                await asyncio.to_thread(self._unwatched)
                metrics.leave(lost=gateway.lost)
                if gateway.setup.second is not None:
                    await gateway.setup.second.fleet.close()
                gateway.setup.admission.close()
                gateway.setup.keys.close()

    def _setup(self, config: Config, before: Setup | None = None) -> Setup:
        options = self._options
        listen = options.listen or config.gateway.listen
        local = config.gateway.open or listen.startswith(("unix:", *_LOOPBACK))
        if not config.keys and not local and not (options.home / "keys.db").exists():
            what = f"listening at {listen} without keys would let anybody spend on your accounts"
            raise UsageError(what, mend="Make a key with `weighbridge keys create NAME`, or set gateway.open: true")
        return setup(
            config,
            self._health,
            home=options.home,
            workers=options.workers,
            redacting=self._redacting,
            local=local,
            before=before,
            stores=self._stores,
        )

    def _known(self, made: Setup) -> None:
        """Telemetry names providers as they are configured now."""
        if self._watching.telemetry is not None:
            self._watching.telemetry.know(made.endpoints.values())

    def _unwatched(self) -> None:
        """What was noted and not sent yet."""
        for one in (self._watching.log, self._watching.telemetry):
            if one is not None:
                one.close()

    async def _listening(self, gateway: Gateway, outbox: Outbox) -> Server:
        section, options = self._config.gateway, self._options
        listen = options.listen or section.listen
        limits = ServerLimits(body_bytes=section.body_megabytes * 2**20)
        context = None
        if section.tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            try:
                context.load_cert_chain(self._config.file(section.tls.certificate), self._config.file(section.tls.key))
            except (OSError, ssl.SSLError) as error:
                raise UsageError(f"the TLS certificate or key cannot be used: {error}", where="gateway.tls") from None
        if listen.startswith("unix:"):
            unix = Path(listen.removeprefix("unix:"))
            return await serve(gateway.handle, unix=unix, ssl_context=context, limits=limits, outbox=outbox)
        host, port = address(listen)
        return await serve(
            gateway.handle,
            host=host,
            port=port,
            ssl_context=context,
            limits=limits,
            reuse_port=options.workers > 1,
            outbox=outbox,
        )

    # --- keeping house

    def _signals(self, gateway: Gateway) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload, gateway)

    async def _ticks(self, gateway: Gateway, metrics: Metrics) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_S)
            ticks += 1
            try:
                self._tick(gateway, metrics)
                if ticks % _FLUSH_TICKS == 0:
                    self._with_room(gateway)
                    await asyncio.to_thread(gateway.setup.admission.flush)
            except Exception:
                log.exception("housekeeping failed; serving goes on")

    async def _syncs(self, gateway: Gateway, metrics: Metrics) -> None:
        """Keeps in touch with the other machines. No request waits for it, nor does anything else here."""
        was = True
        while self._fleet is not None:
            second = gateway.setup.second  # there is none while the disk is full
            up = await self._synced(second.fleet, was=was) if second is not None else None
            if up is not None:
                was = metrics.fleet_up = up
            await asyncio.sleep(_TICK_S)

    async def _synced(self, fleet: Fleet, *, was: bool) -> bool | None:
        """Whether the fleet's server answers, said where that `was` otherwise; None: not known."""
        try:
            up = await fleet.sync(time())
        except Exception:
            log.exception("keeping in touch with the fleet failed; serving goes on")
            return None
        if was and not up:
            log.warning("the fleet's server is away, so this machine goes by what it knows: %s", fleet.trouble)
        elif up and not was:
            log.warning("the fleet's server is back")
        return up

    async def _seals(self) -> None:
        """One worker sees to it for all."""
        while self._sealing and self._options.worker == 0:
            await asyncio.sleep(_SEAL_S)
            try:
                process = await asyncio.create_subprocess_exec(*self._sealing, stdin=asyncio.subprocess.DEVNULL)
                if await process.wait():
                    log.warning("finished segments were not sealed; the next turn tries again")
            except OSError as error:
                log.warning("finished segments cannot be sealed: %s", error)

    def _tick(self, gateway: Gateway, metrics: Metrics) -> None:
        now = time()
        gateway.setup.admission.tick(now)
        gateway.setup.keys.refresh()
        metrics.leave(lost=gateway.lost)
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self.reload(gateway)

    def _with_room(self, gateway: Gateway) -> None:
        """Limits and budgets as they should be, where the disk was full when serving began and has room by now."""
        if is_alone(gateway.setup.admission) and has_room(self._options.home):
            self._take_over(gateway, self._setup(self._config))
            log.warning("the disk has room again: limits are shared, and budgets are kept")

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self._options.config.stat()
        except OSError:
            return (0, 0)
        return found.st_mtime_ns, found.st_size

    def reload(self, gateway: Gateway) -> None:
        """Reads the configuration anew. A bad one changes nothing, and the log says why."""
        try:
            config = load(self._options.config)
            made = self._setup(config, gateway.setup)
        except WeighbridgeError as error:
            for line in error.lines():
                log.error("the configuration is not taken over: %s", line)  # noqa: TRY400 - a line, no traceback
            return
        if config.gateway.fleet != self._fleet:
            log.warning("gateway.fleet was changed, which takes effect when the gateway is started anew")
        self._config = config
        self._take_over(gateway, made)
        log.warning("the configuration was read anew")

    def _take_over(self, gateway: Gateway, made: Setup) -> None:
        old, gateway.setup = gateway.setup, made
        old.keys.close()
        self._known(made)


def address(listen: str) -> tuple[str, int]:
    """Host and port of `host:port`. Raises UsageError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise UsageError(
            f"{listen!r} is no address to listen at", mend="Write it as 127.0.0.1:8900 or unix:/run/wb.sock"
        )
    return host.strip("[]"), int(port)
