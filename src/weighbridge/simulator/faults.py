"""Trouble, dealt on schedule: refusals before an answer, and replies that go wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from time import monotonic

import msgspec

from weighbridge.simulator.replies import IN_BAND, MALFORMED, error_event
from weighbridge.simulator.settings import Fault, FaultKind
from weighbridge.transport.responder import error_body
from weighbridge.transport.server import Responder

# Those that replace the answer by a refusal: status, message, type, code.
_REFUSALS: dict[FaultKind, tuple[int, str, str, str | None]] = {
    "429": (429, "Rate limit reached for requests", "requests", "rate_limit_exceeded"),
    "429_retry_after": (429, "Rate limit reached for requests", "requests", "rate_limit_exceeded"),
    "500": (500, "The server had an error while processing your request", "server_error", None),
    "503": (503, "The engine is currently overloaded, please try again later", "server_error", None),
    "529": (529, "Overloaded", "overloaded_error", None),
    "context_length": (
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "invalid_request_error",
        "context_length_exceeded",
    ),
    "content_filter": (
        400,
        "The response was filtered due to the prompt triggering the policy",
        "invalid_request_error",
        "content_filter",
    ),
    "no_prefill": (
        400,
        "This model does not support assistant message prefill. The conversation must end with a user message.",
        "invalid_request_error",
        None,
    ),
}
_STATUS: dict[FaultKind, int] = {
    **{kind: said[0] for kind, said in _REFUSALS.items()},
    "html": 200,
    "html_502": 502,
    "endless": 200,
}
_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_WITHIN = frozenset({"cut", "stall", "malformed", "no_done", "error_event", "slow"})
_BROKEN_OFF = frozenset({"cut", "stall", "error_event"})


def within(fault: Fault) -> bool:
    """Whether it strikes within an answer, and not in its place."""
    return fault.kind in _WITHIN


def breaks_off(fault: Fault | None) -> bool:
    """Whether a stream never comes to its finish reason."""
    return fault is not None and fault.kind in _BROKEN_OFF


def status(fault: Fault) -> int:
    """What the client sees; 0: nothing."""
    return _STATUS.get(fault.kind, 503 if fault.kind == "silent" else 0)


class Faults:
    """Which request is struck by what."""

    def __init__(self, faults: Sequence[Fault], dice: random.Random) -> None:
        self._faults = faults
        self._dice = dice
        self._seen = 0
        self._start = monotonic()

    def restart(self) -> None:
        """The schedule begins anew."""
        self._seen = 0
        self._start = monotonic()

    def strike(self, *, stream: bool, prefilled: bool = False) -> Fault | None:
        """The fault that strikes this request, the first that fits; None: none. `prefilled`: its last message is an
        assistant's, begun for the model to go on with."""
        if not self._faults:
            return None
        self._seen += 1
        passed = monotonic() - self._start
        for fault in self._faults:
            fits = stream if fault.kind == "no_done" else prefilled if fault.kind == "no_prefill" else True
            if fault.since <= passed < fault.until and self._hits(fault) and fits:
                return fault
        return None

    def _hits(self, fault: Fault) -> bool:
        if fault.first is not None and self._seen > fault.first:
            return False
        if fault.every is not None:
            return self._seen % fault.every == 0
        if fault.share is not None:
            return self._dice.random() < fault.share
        return True


async def deal(fault: Fault, responder: Responder, *, stream: bool) -> None:
    """Trouble in place of an answer."""
    if fault.kind in _REFUSALS:
        refuse(responder, fault)
    elif fault.kind == "reset":
        responder.abort()
    elif fault.kind in {"html", "html_502"}:
        responder.reply(status(fault), {"Content-Type": "text/html"}, _HTML)
    elif fault.kind == "silent":
        await asyncio.sleep(fault.seconds)
        refuse(responder, Fault(kind="503"))
    else:
        await _endless(responder, stream=stream)


async def _endless(responder: Responder, *, stream: bool) -> None:
    """A reply that never ends."""
    responder.start(200, [("Content-Type", "text/event-stream" if stream else "application/json")])
    said = b'{"id":"chatcmpl-sim","choices":[{"index":0,"%b":{"role":"assistant","content":"'
    on = b"and so on "
    if stream:
        on = b"data: " + said % b"delta" + on + b'"},"finish_reason":null}]}\n\n'
    else:
        responder.write(said % b"message")
    while not responder.disconnected:
        responder.write(on)
        await responder.drain()
        await asyncio.sleep(0.02)


def bend(fault: Fault, pieces: list[bytes]) -> list[bytes]:
    """The pieces of a stream that goes wrong after `fault.after` tokens."""
    if fault.kind in {"cut", "stall"}:
        return pieces[: fault.after]
    if fault.kind == "error_event":
        return [*pieces[: fault.after], error_event()]
    if fault.kind == "malformed":
        return [*pieces[: fault.after], MALFORMED, *pieces[fault.after + 1 :]]
    return pieces


async def spoil(fault: Fault, responder: Responder, body: bytes) -> None:
    """A whole reply that goes wrong: broken off, not JSON, or an error under a status of 200."""
    json = {"Content-Type": "application/json"}
    if fault.kind == "malformed":
        responder.reply(200, json, body[: len(body) // 2])
    elif fault.kind == "error_event":
        responder.reply(200, json, msgspec.json.encode(IN_BAND))
    else:
        responder.start(200, json)
        responder.write(body[: len(body) // 2])
        await end(fault, responder)


async def end(fault: Fault | None, responder: Responder) -> None:
    """How a reply ends: properly, cut off, or not at all."""
    if fault is not None and fault.kind == "cut":
        responder.cut()
    elif fault is not None and fault.kind == "stall":
        gone = asyncio.Event()
        responder.on_disconnect = gone.set
        if not responder.disconnected:
            await gone.wait()
    else:
        responder.end()


def refuse(responder: Responder, fault: Fault, headers: Mapping[str, str] | None = None) -> None:
    """An error reply as OpenAI writes it."""
    code, message, kind, name = _REFUSALS[fault.kind]
    lines = {"Content-Type": "application/json", **(headers or {})}
    if fault.kind == "429_retry_after":
        lines["Retry-After"] = str(max(1, round(fault.retry_after))) if fault.retry_after >= 1 else "0"
        lines["retry-after-ms"] = str(round(fault.retry_after * 1000))
    responder.reply(code, lines, error_body(message, kind, name))
