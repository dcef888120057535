"""The simulated provider itself: an OpenAI-compatible server that does what its settings say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Self

import msgspec

from weighbridge.simulator import answers, embeddings, faults, replies
from weighbridge.simulator.answering import Answering, Serving
from weighbridge.simulator.answers import Answers, Asked, Recorded
from weighbridge.simulator.embeddings import EMBEDDINGS
from weighbridge.simulator.faults import Faults
from weighbridge.simulator.ledger import Entry, Ledger, Stats
from weighbridge.simulator.limiter import Limiter
from weighbridge.simulator.settings import Fault, Settings
from weighbridge.simulator.ticks import Stream
from weighbridge.transport.responder import encoded, error_body
from weighbridge.transport.server import Responder, Server, ServerRequest, serve

_JSON = encoded([("Content-Type", "application/json")])
_APIS = {"/v1/chat/completions": "chat", "/v1/completions": "completions", "/v1/embeddings": EMBEDDINGS}
_OTHER = "other"  # a path that only recorded replies know


class Simulator:
    """`async with Simulator(settings) as sim: sim.url …`. Given an equal seed and equal requests in equal order, it
    draws equal latencies and faults. `base` is the folder that `settings.answers` is relative to. Raises UsageError for
    answers that cannot be read, MeasurementError for a log that cannot be written."""

    def __init__(self, settings: Settings | None = None, *, log: Path | None = None, base: Path | None = None) -> None:
        self.settings = settings or Settings()
        found = self.settings.answers
        self._recorded = answers.load((base or Path()) / found) if found is not None else Answers()
        self.ledger = Ledger(log)
        self._dice = random.Random(self.settings.seed)  # noqa: S311 - a simulation, not a secret
        self._answering = Answering(self.settings, self._dice)
        self._faults = Faults(self.settings.faults, self._dice)
        self._limiter = Limiter(self.settings.limits)
        self._decode = msgspec.json.Decoder(Asked).decode
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """The base URL, as `base_url` of a provider takes it."""
        return f"{self._server.url}/v1" if self._server is not None else ""

    @property
    def port(self) -> int:
        return self._server.port if self._server is not None else 0

    @property
    def stats(self) -> Stats:
        return self.ledger.stats

    @property
    def log(self) -> list[Entry]:
        return self.ledger.entries

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Raises MeasurementError where it cannot listen."""
        self._server = await serve(self._handle, host=host, port=port)
        self._faults.restart()
        return self

    async def close(self) -> None:
        """Cuts off what is under way. Raises MeasurementError where the log could not be written whole."""
        if self._server is not None:
            await self._server.close()
        self.ledger.close()

    def reset(self) -> None:
        """As it was at the start: counts, keys, rate limits, the faults' schedule and the draws."""
        self.ledger.reset()
        self._limiter.restart()
        self._faults.restart()
        self._dice.seed(self.settings.seed)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- requests

    async def _handle(self, request: ServerRequest, responder: Responder) -> None:
        api = _APIS.get(request.path) or (_OTHER if self._recorded.knows(request.path) else None)
        if api is None:
            self._control(request, responder)
            return
        if request.method != "POST":
            responder.reply_encoded(405, _JSON, error_body("this route takes POST", "invalid_request_error"))
            return
        stats = self.stats
        stats.requests += 1
        stats.concurrent += 1
        stats.most_concurrent = max(stats.most_concurrent, stats.concurrent)
        entry = Entry(stats.requests, request.headers.get("idempotency-key"), request.at)
        try:
            await self._admit(api, request, responder, entry)
        except asyncio.CancelledError:
            if entry.outcome == "open":
                self._close(entry, "disconnected", 0)
            raise
        finally:
            self.stats.concurrent -= 1  # a reset may have put other stats in place

    def _control(self, request: ServerRequest, responder: Responder) -> None:
        encode = msgspec.json.encode
        if request.path == "/v1/models":
            models = [
                {"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in self.settings.models
            ]
            responder.reply_encoded(200, _JSON, encode({"object": "list", "data": models}))
        elif request.path == "/health":
            responder.reply_encoded(200, _JSON, b'{"status":"ok"}')
        elif request.path == "/sim/stats":
            responder.reply_encoded(200, _JSON, encode(self.stats))
        elif request.path == "/sim/log":
            responder.reply(200, {"Content-Type": "application/x-ndjson"}, self.ledger.lines())
        elif request.path == "/sim/reset" and request.method == "POST":
            self.reset()
            responder.reply_encoded(200, _JSON, b"{}")
        else:
            said = f"no such route: {request.method} {request.path}"
            responder.reply_encoded(404, _JSON, error_body(said, "invalid_request_error"))

    async def _admit(self, api: str, request: ServerRequest, responder: Responder, entry: Entry) -> None:
        """Refuses what must be refused, before anything is charged."""
        try:
            asked = self._decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._refuse(entry, responder, 400, f"not a request: {error}")
            return
        entry.stream = bool(asked.stream)
        if entry.key is not None and await self._again(request, responder, entry, asked):
            return
        prompt = replies.prompt_tokens(request.body)
        admitted, wait, headers = self._limiter.admit(self.stats.concurrent, prompt + (asked.limit or 0))
        if not admitted:
            self.stats.limited += 1
            self._close(entry, "limited", 429)
            faults.refuse(responder, Fault(kind="429_retry_after", retry_after=wait), headers)
            return
        fault = self._faults.strike(stream=entry.stream, prefilled=asked.prefilled)
        if fault is not None:
            self.stats.faults[fault.kind] = self.stats.faults.get(fault.kind, 0) + 1
            if not faults.within(fault):
                self._close(entry, fault.kind, faults.status(fault))
                await faults.deal(fault, responder, stream=entry.stream)
                return
        entry.paid = self.ledger.charge(entry.key, request.body)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            fault = None
        recorded = self._recorded.match(asked, request.path)
        if recorded is not None and recorded.body is not None:
            self._close(entry, "recorded", recorded.status)
            responder.reply(recorded.status, *recorded.sent())
        elif api == _OTHER:
            self._refuse(entry, responder, 404, f"nothing recorded for {request.path} fits this request")
        elif api == EMBEDDINGS:
            await self._embed(asked, responder, entry, prompt, headers, fault)
        else:
            made = self._answering.make(api, asked, _answer(recorded), prompt)
            await self._serve(Serving(asked, responder, entry, made, headers, fault))

    async def _again(self, request: ServerRequest, responder: Responder, entry: Entry, asked: Asked) -> bool:
        """Answers a request whose key was charged and whose reply was sent whole: with that reply, for nothing."""
        charged = self.ledger.remembered(entry.key)
        if charged is None:
            return False
        if charged.body != hash(request.body):
            said = "this Idempotency-Key was used with another request"
            self._refuse(entry, responder, 422, said, "idempotency_error")
            return True
        if charged.made is None:
            return False
        self.ledger.charge(entry.key, request.body)
        await self._serve(Serving(asked, responder, entry, charged.made, {}, told_again=True))
        return True

    async def _embed(
        self,
        asked: Asked,
        responder: Responder,
        entry: Entry,
        prompt: int,
        headers: Mapping[str, str],
        fault: Fault | None,
    ) -> None:
        body = embeddings.reply(asked, prompt)
        if body is None:
            self._refuse(entry, responder, 400, "the input is neither a text nor tokens, nor a list of them")
            return
        await self._answering.tarry()
        if fault is not None:
            await faults.spoil(fault, responder, body)
        else:
            responder.reply_encoded(200, _JSON + encoded(headers) if headers else _JSON, body)
        self._close(entry, fault.kind if fault is not None else "completed", 200)

    async def _serve(self, it: Serving) -> None:
        entry = it.entry
        outcome, stream = await self._answering.answer(it)
        self.stats.tokens += entry.tokens
        if outcome == "completed" and entry.key is not None:
            self.ledger.keep(entry.key, it.made)
        self._close(entry, outcome, 200, stream)

    def _refuse(
        self, entry: Entry, responder: Responder, status: int, why: str, kind: str = "invalid_request_error"
    ) -> None:
        self._close(entry, "bad_request", status)
        responder.reply_encoded(status, _JSON, error_body(why, kind))

    def _close(self, entry: Entry, outcome: str, status: int, stream: Stream | None = None) -> None:
        entry.outcome, entry.status, entry.finished = outcome, status, monotonic()
        if outcome == "completed":
            self.stats.completed += 1
        self.ledger.record(entry, stream.sent if stream is not None else None)


def _answer(recorded: Recorded | None) -> str | None:
    return recorded.answer if recorded is not None else None
