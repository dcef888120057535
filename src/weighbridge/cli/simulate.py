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
    from weighbridge.simulator.settings import Fault, RateLimits, Settings


def simulate(
    *,
    port: int = 8089,
    host: str = "127.0.0.1",
    scenario: Path | None = None,
    ttft: str | None = None,
    gap: str | None = None,
    tokens: str | None = None,
    answers: Path | None = None,
    fault: list[str] | None = None,
    model: list[str] | None = None,
    limit: list[str] | None = None,
    log: Path | None = None,
    seed: int | None = None,
) -> int:
    """Serve a simulated provider until Ctrl-C: /v1/chat/completions, /v1/completions, /v1/models.

    GET /sim/stats counts requests, what was paid for and what went wrong; GET /sim/log says when each chunk was really
    sent; POST /sim/reset starts the counts and the faults anew. An Idempotency-Key is paid for once.

    Parameters
    ----------
    port
        Where to listen; 0 takes any free port. The port is printed as a line of JSON once it answers.
    host
        The address to listen on.
    scenario
        A YAML or JSON file, such as {ttft: 50ms, faults: [{kind: cut, every: 50, after: 3}]}. The flags win over it.
    ttft
        Time to first token: 50ms, lognormal:50ms,400ms (median, P99), uniform:20ms,80ms or values:10ms,20ms,40ms.
    gap
        Time between tokens, in the same forms.
    tokens
        Tokens of each answer: 50, or a distribution in the same forms.
    answers
        A JSON Lines file of {"ask": part of the last user text, "answer": …} or {"text": the whole of it, "answer": …}.
    fault
        A kind of trouble, such as 500, cut or 429_retry_after, with its share: 500=5%. May be repeated.
    model
        A name for /v1/models to list. May be repeated.
    limit
        Answer 429 beyond requests_per_minute=60, tokens_per_minute=9000 or concurrent=8. May be repeated.
    log
        Also write the log to this file.
    seed
        Equal seeds and equal requests make equal draws.
    """
    from weighbridge.simulator.settings import Settings  # noqa: PLC0415 -- `--help` answers without it
    from weighbridge.transport.loop import run  # noqa: PLC0415

    settings = Settings.load(scenario) if scenario is not None else Settings()
    settings = _changed(
        _timed(settings, ttft=ttft, gap=gap, tokens=tokens),
        faults=(*settings.faults, *(_fault(text) for text in fault or ())),
        limits=_limits(settings.limits, limit or []),
        models=tuple(model) if model else None,
        answers=str(answers.resolve()) if answers is not None else None,
        seed=seed,
    )
    return run(_serve(settings, host, port, log, scenario.parent if scenario is not None else Path()))


def _timed(settings: Settings, **texts: str | None) -> Settings:
    from weighbridge.simulator.settings import Distribution  # noqa: PLC0415

    given = {name: Distribution.parse(text) for name, text in texts.items() if text is not None}
    return _changed(settings, **given)


def _limits(limits: RateLimits, texts: list[str]) -> RateLimits:
    import msgspec  # noqa: PLC0415

    from weighbridge.errors import UsageError  # noqa: PLC0415
    from weighbridge.simulator.settings import RateLimits  # noqa: PLC0415

    for text in texts:
        name, _, number = text.partition("=")
        try:
            given = msgspec.to_builtins(limits) | {name: int(number)}
            limits = msgspec.convert(given, RateLimits)
        except (ValueError, msgspec.ValidationError) as error:
            raise UsageError(f"--limit {text}: {error}", mend="Write it as concurrent=8") from None
    return limits


def _changed(settings: Settings, **given: Any) -> Settings:
    """With what was given on the command line; None: not given."""
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})


def _fault(text: str) -> Fault:
    import msgspec  # noqa: PLC0415

    from weighbridge.errors import UsageError  # noqa: PLC0415
    from weighbridge.simulator.settings import Fault  # noqa: PLC0415

    kind, _, share = text.partition("=")
    try:
        part = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1) if share else 1.0
        return msgspec.convert({"kind": kind, "share": part}, Fault)
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageError(f"--fault {text}: {error}", mend="Write it as 500=5%") from None


async def _serve(settings: Settings, host: str, port: int, log: Path | None, base: Path) -> int:
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
    return 0
