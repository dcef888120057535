"""The simulator, with its ledger keyed by the request's `user`: a gateway hands that on, and no Idempotency-Key.

python benchmarks/_marked_simulator.py scenario.json
"""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

import _processes
from weighbridge.simulator.app import Simulator
from weighbridge.simulator.process import Running
from weighbridge.simulator.settings import Settings
from weighbridge.transport.loop import run
from weighbridge.transport.responder import Responder
from weighbridge.transport.server import ServerRequest

_MARK = re.compile(rb'"user": ?"([^"]+)"')


class Marked(Simulator):
    """A request is known by the `user` its body names."""

    async def _handle(self, request: ServerRequest, responder: Responder) -> None:
        found = _MARK.search(request.body)
        if found is not None:
            request.headers["idempotency-key"] = found[1].decode()
        await super()._handle(request, responder)


@contextmanager
def simulating(folder: Path, settings: Settings, *, cpus: Sequence[int]) -> Iterator[Running]:
    """Runs in a process of its own until the block ends."""
    scenario = folder / "scenario.json"
    scenario.write_bytes(msgspec.json.encode(settings))
    with _processes.child([sys.executable, __file__, str(scenario)], folder, cpus=cpus, piped=True) as child:
        assert child.process.stdout is not None
        line = child.process.stdout.readline()
        assert line, f"the simulator did not start: {child.said()}"
        yield Running(int(line), child.pid)


async def main() -> None:
    simulator = Marked(Settings.load(Path(sys.argv[1])))
    await simulator.start()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    print(simulator.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(main())
