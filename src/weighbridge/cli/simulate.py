"""`weighbridge simulate`: an OpenAI-compatible provider with known latencies and faults."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.cli import console

if TYPE_CHECKING:
    from weighbridge.simulator.settings import Settings


def simulate(
    *,
    port: int = 8089,
    host: str = "127.0.0.1",
    scenario: Path | None = None,
    ttft: str | None = None,
    gap: str | None = None,
    tokens: int | None = None,
    answers: Path | None = None,
    fault: list[str] | None = None,
    log: Path | None = None,
    seed: int | None = None,
) -> int:
    """Serve a simulated provider until Ctrl-C. It logs when it really sent each chunk (GET /sim/log).

    Parameters
    ----------
    port
        Where to listen; 0 takes any free port. The port is printed as a line of JSON once it answers.
    host
        The address to listen on.
    scenario
        A YAML or JSON file with everything below and more: see docs/simulator.md. Flags win over it.
    ttft
        Time to first token: 50ms, lognormal:50ms,400ms (median, P99) or uniform:20ms,80ms.
    gap
        Time between tokens, in the same forms.
    tokens
        Tokens of each answer.
    answers
        A JSON Lines file of {"ask": …, "answer": …}.
    fault
        A kind of trouble, such as 500, cut or 429_retry_after, with its share: 500=5%. May be repeated.
    log
        Also write the log to this file.
    seed
        Equal seeds and equal requests make equal draws.
    """
    from weighbridge.simulator.settings import Settings  # noqa: PLC0415 -- `--help` answers without it
    from weighbridge.transport.loop import run  # noqa: PLC0415

    settings = Settings.load(scenario) if scenario is not None else Settings()
    settings = _with_flags(settings, ttft, gap, tokens, fault, seed)
    if answers is not None:
        settings = _changed(settings, answers=str(answers.resolve()))
    base = scenario.parent if scenario is not None else Path()
    run(_serve(settings, host, port, log, base))
    return 0


def _with_flags(
    settings: Settings, ttft: str | None, gap: str | None, tokens: int | None, fault: list[str] | None, seed: int | None
) -> Settings:
    from weighbridge.simulator.settings import Distribution  # noqa: PLC0415

    given: dict[str, Any] = {}
    if ttft is not None:
        given["ttft"] = Distribution.parse(ttft)
    if gap is not None:
        given["gap"] = Distribution.parse(gap)
    if tokens is not None:
        given["tokens"] = Distribution(constant=tokens)
    if seed is not None:
        given["seed"] = seed
    if fault:
        given["faults"] = (*settings.faults, *(_fault(text) for text in fault))
    return _changed(settings, **given)


def _changed(settings: Settings, **given: Any) -> Settings:
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(settings, **given)


def _fault(text: str) -> Any:
    import msgspec  # noqa: PLC0415

    from weighbridge.errors import UsageError  # noqa: PLC0415
    from weighbridge.simulator.settings import Fault  # noqa: PLC0415

    kind, _, share = text.partition("=")
    try:
        part = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1) if share else 1.0
        return msgspec.convert({"kind": kind, "share": part}, Fault)
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageError(f"--fault {text}: {error}", mend="Write it as 500=5%") from None


async def _serve(settings: Settings, host: str, port: int, log: Path | None, base: Path) -> None:
    import msgspec  # noqa: PLC0415

    from weighbridge.simulator.app import Simulator  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    simulator = Simulator(settings, log=log, base=base)
    await simulator.start(host=host, port=port)
    # A full collection stops every stream for a tenth of a second, and the truth would not be what was set.
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    try:
        print(msgspec.json.encode({"port": simulator.port, "url": simulator.url}).decode(), flush=True)
        if sys.stderr.isatty():
            console.print_note(f"simulating at {simulator.url}; Ctrl-C stops")
        await stop.wait()
    finally:
        await simulator.close()
