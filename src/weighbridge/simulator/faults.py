"""Trouble, dealt on schedule: refusals before an answer, and streams that go wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from time import monotonic

from weighbridge.simulator.replies import MALFORMED, Chunks
from weighbridge.simulator.settings import Fault, FaultKind
from weighbridge.transport.server import Responder
from weighbridge.transport.server_connection import error_body

_REFUSALS: dict[FaultKind, tuple[int, str, str]] = {
    "429": (429, "Rate limit reached for requests", "rate_limit_exceeded"),
    "429_retry_after": (429, "Rate limit reached for requests", "rate_limit_exceeded"),
    "500": (500, "The server had an error while processing your request", "server_error"),
    "503": (503, "The engine is currently overloaded, please try again later", "server_error"),
    "529": (529, "Overloaded", "overloaded_error"),
    "context_length": (
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "context_length_exceeded",
    ),
    "content_filter": (400, "The response was filtered due to the prompt triggering the policy", "content_filter"),
}
_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Faults:
    """Which request is struck by what, and how."""

    def __init__(self, faults: Sequence[Fault], dice: random.Random) -> None:
        self._faults = faults
        self._dice = dice
        self._seen = 0
        self._start = monotonic()

    def strike(self) -> Fault | None:
        """The fault that strikes this request, the first that fits; None: none."""
        if not self._faults:
            return None
        self._seen += 1
        passed = monotonic() - self._start
        for fault in self._faults:
            if fault.since <= passed < fault.until and self._hits(fault):
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

    async def deal(self, fault: Fault, responder: Responder) -> None:
        """Trouble in place of an answer."""
        if fault.kind in _REFUSALS:
            refuse(responder, fault)
        elif fault.kind == "reset":
            responder.abort()
        elif fault.kind in {"html", "html_502"}:
            status = 200 if fault.kind == "html" else 502
            responder.reply(status, {"Content-Type": "text/html"}, _HTML)
        elif fault.kind == "silent":
            await asyncio.sleep(fault.seconds)
            refuse(responder, Fault(kind="503"))
        else:
            await self._endless(responder)

    @staticmethod
    async def _endless(responder: Responder) -> None:
        """A reply that never ends."""
        responder.start(200, [("Content-Type", "application/json")])
        responder.write(b'{"id":"chatcmpl-sim","choices":[{"index":0,"message":{"role":"assistant","content":"')
        while not responder.disconnected:
            responder.write(b"and so on ")
            await responder.drain()
            await asyncio.sleep(0.02)

    @staticmethod
    def bend(fault: Fault, pieces: list[bytes], chunks: Chunks) -> list[bytes]:
        """The pieces of a stream that goes wrong after `fault.after` tokens."""
        if fault.kind in {"cut", "stall"}:
            return pieces[: fault.after]
        if fault.kind == "error_event":
            return [*pieces[: fault.after], chunks.error()]
        if fault.kind == "malformed":
            return [*pieces[: fault.after], MALFORMED, *pieces[fault.after + 1 :]]
        return pieces

    @staticmethod
    async def end(fault: Fault | None, responder: Responder) -> None:
        """How a stream ends: properly, cut off, or not at all."""
        if fault is not None and fault.kind == "cut":
            responder.cut()
        elif fault is not None and fault.kind == "stall":
            gone = asyncio.Event()
            responder.on_disconnect = gone.set
            if not responder.disconnected:
                await gone.wait()
        else:
            responder.end()


def refuse(responder: Responder, fault: Fault, headers: dict[str, str] | None = None) -> None:
    """An error reply as OpenAI writes it."""
    status, message, code = _REFUSALS[fault.kind]
    lines = {"Content-Type": "application/json", **(headers or {})}
    if fault.kind == "429_retry_after":
        lines["Retry-After"] = str(max(1, round(fault.retry_after))) if fault.retry_after >= 1 else "0"
        lines["retry-after-ms"] = str(round(fault.retry_after * 1000))
    responder.reply(status, lines, error_body(message, code))
