"""The simulated provider itself: an OpenAI-compatible server that does what its settings say."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, Self

import msgspec

from weighbridge.simulator import answers, replies
from weighbridge.simulator.answers import Asked, Recorded
from weighbridge.simulator.faults import Faults, refuse
from weighbridge.simulator.ledger import Entry, Ledger, Stats
from weighbridge.simulator.limiter import Limiter
from weighbridge.simulator.settings import Fault, Settings
from weighbridge.simulator.ticks import Stream, Ticker
from weighbridge.transport.server import Responder, Server, ServerRequest, serve
from weighbridge.transport.server_connection import encoded, error_body

_JSON = encoded([("Content-Type", "application/json")])
_SSE = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache")]
_APIS = {"/v1/chat/completions": "chat", "/v1/completions": "completions"}


class _Serving(NamedTuple):
    """One request that is being answered, and what with."""

    api: str
    asked: Asked
    responder: Responder
    entry: Entry
    tokens: list[str]
    finish: str
    prompt: int
    headers: dict[str, str]


class Simulator:
    """`async with Simulator(settings) as sim: sim.url …`. Given an equal seed and equal requests in equal order, it
    draws equal latencies and faults."""

    def __init__(self, settings: Settings | None = None, *, log: Path | None = None, base: Path | None = None) -> None:
        self.settings = settings or Settings()
        self.ledger = Ledger(log)
        dice = random.Random(self.settings.seed)  # noqa: S311 - a simulation, not a secret
        self._ttft = self.settings.ttft.sampler(dice)
        self._gap = self.settings.gap.sampler(dice)
        self._even_gap = self.settings.gap.constant is not None
        self._latency = self.settings.latency.sampler(dice)
        self._tokens = self.settings.tokens.sampler(dice)
        self._faults = Faults(self.settings.faults, dice)
        self._limiter = Limiter(self.settings.limits)
        self._ticker = Ticker()
        self._recorded = answers.load((base or Path()) / self.settings.answers) if self.settings.answers else []
        self._decode = msgspec.json.Decoder(Asked).decode
        self._server: Server | None = None
        self._words: dict[int, list[str]] = {}

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
        return self

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()
        self.ledger.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- requests

    async def _handle(self, request: ServerRequest, responder: Responder) -> None:
        api = _APIS.get(request.path)
        if api is None:
            self._control(request, responder)
            return
        stats = self.stats
        stats.requests += 1
        stats.concurrent += 1
        stats.most_concurrent = max(stats.most_concurrent, stats.concurrent)
        entry = Entry(stats.requests, request.headers.get("idempotency-key"), request.at)
        try:
            await self._answer(api, request, responder, entry)
        finally:
            stats.concurrent -= 1

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
            self.ledger.reset()
            responder.reply_encoded(200, _JSON, b"{}")
        else:
            said = f"no such route: {request.method} {request.path}"
            responder.reply_encoded(404, _JSON, error_body(said, "invalid_request_error"))

    async def _answer(self, api: str, request: ServerRequest, responder: Responder, entry: Entry) -> None:
        try:
            asked = self._decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._close(entry, "bad_request", 400)
            responder.reply_encoded(400, _JSON, error_body(f"not a request: {error}", "invalid_request_error"))
            return
        entry.stream = asked.stream
        prompt = replies.prompt_tokens(request.body)
        admitted, wait, headers = self._limiter.admit(self.stats.concurrent, prompt + (asked.limit or 0))
        if not admitted:
            self.stats.limited += 1
            self._close(entry, "limited", 429)
            refuse(responder, Fault(kind="429_retry_after", retry_after=wait), headers)
            return
        fault = self._faults.strike()
        if fault is not None:
            self.stats.faults[fault.kind] = self.stats.faults.get(fault.kind, 0) + 1
            if fault.kind not in _IN_STREAM:  # those strike within a stream, and a whole reply not at all
                self._close(entry, fault.kind, 0)
                await self._faults.deal(fault, responder)
                return
        entry.paid = self.ledger.charge(entry.key)
        recorded = answers.match(self._recorded, asked.text())
        if recorded is not None and recorded.body is not None:
            self._close(entry, "recorded", recorded.status)
            responder.reply(recorded.status, recorded.headers, recorded.body.encode())
            return
        tokens, finish = self._tokens_for(asked, recorded)
        serving = _Serving(api, asked, responder, entry, tokens, finish, prompt, headers)
        await (self._stream(serving, fault) if asked.stream else self._whole(serving))

    def _tokens_for(self, asked: Asked, recorded: Recorded | None) -> tuple[list[str], str]:
        if recorded is not None and recorded.answer is not None:
            tokens = answers.tokens_of(recorded.answer)
        else:
            count = max(0, round(self._tokens()))
            tokens = self._words.get(count) or self._words.setdefault(count, answers.words(count))
        if asked.limit is not None and asked.limit < len(tokens):
            return tokens[: asked.limit], "length"
        return tokens, "stop"

    def _usage(self, prompt: int, made: int) -> dict[str, Any]:
        thoughts = self.settings.reasoning_tokens
        return replies.usage(prompt, made + thoughts, self.settings.cached_tokens, thoughts)

    async def _whole(self, it: _Serving) -> None:
        wait = self._latency() + self._ttft() + sum(self._gap() for _ in range(len(it.tokens) - 1))
        if wait > 0:
            await asyncio.sleep(wait)
        thoughts = answers.words(self.settings.reasoning_tokens)
        used = self._usage(it.prompt, len(it.tokens))
        body = replies.whole(it.api, it.asked, it.tokens, thoughts, it.finish, used, self.settings.fingerprint)
        lines = _JSON + encoded(it.headers.items()) if it.headers else _JSON
        gone = it.responder.disconnected
        it.responder.reply_encoded(200, lines, body)
        it.entry.tokens = len(it.tokens)
        self.stats.tokens += len(it.tokens)
        self._close(it.entry, "disconnected" if gone else "completed", 200)

    async def _stream(self, it: _Serving, fault: Fault | None) -> None:
        responder, entry = it.responder, it.entry
        chunks = replies.Chunks(it.api, it.asked, self.settings.fingerprint)
        borne = self._token_chunks(it, chunks, fault)
        responder.start(200, [*_SSE, *it.headers.items()])
        if it.api == "chat" and self.settings.role == "early":
            responder.write_framed(chunks.role())
        elif it.api == "chat" and borne:
            borne[0] = chunks.role() + borne[0]
        ending = self._ending(it, chunks, fault)
        done = asyncio.get_running_loop().create_future()
        due = self._due(entry.received + self._ttft(), len(borne), bool(ending))
        stream = Stream(responder.write_framed, [*borne, *ending], due, lambda: _resolve(done))

        def gone() -> None:
            stream.stop()
            _resolve(done)

        responder.on_disconnect = gone
        if stream.pieces:
            self._ticker.add(stream)
            await done
        responder.on_disconnect = None
        entry.tokens = min(stream.place, len(borne))
        self.stats.tokens += entry.tokens
        if responder.disconnected:
            self._close(entry, "disconnected", 200, stream)
            return
        self._close(entry, fault.kind if fault is not None else "completed", 200, stream)
        await self._faults.end(fault, responder)

    def _token_chunks(self, it: _Serving, chunks: replies.Chunks, fault: Fault | None) -> list[bytes]:
        thoughts = [chunks.token(text, reasoning=True) for text in answers.words(self.settings.reasoning_tokens)]
        borne = thoughts + chunks.tokens(it.tokens)
        return borne if fault is None else self._faults.bend(fault, borne, chunks)

    def _ending(self, it: _Serving, chunks: replies.Chunks, fault: Fault | None) -> list[bytes]:
        """Finish reason, usage and [DONE], as one write: they leave together. Nothing for a stream that breaks off."""
        if fault is not None and fault.kind in _BROKEN_OFF:
            return []
        ending = chunks.finish(it.finish)
        if it.asked.include_usage:
            ending += chunks.usage(self._usage(it.prompt, len(it.tokens)))
        return [ending if fault is not None and fault.kind == "no_done" else ending + replies.DONE]

    def _due(self, first: float, pieces: int, ending: bool) -> list[float]:
        if self._even_gap:
            gap = self._gap()
            due = [first + gap * place for place in range(pieces)]
        else:
            due = [first]
            for _ in range(pieces - 1):
                due.append(due[-1] + self._gap())
        return [*due[:pieces], due[-1] if pieces else first] if ending else due[:pieces]

    def _close(self, entry: Entry, outcome: str, status: int, stream: Stream | None = None) -> None:
        entry.outcome, entry.status, entry.finished = outcome, status, monotonic()
        if outcome == "completed":
            self.stats.completed += 1
        self.ledger.record(entry, stream.sent if stream is not None else None)


_BROKEN_OFF = frozenset({"cut", "stall", "error_event"})
_IN_STREAM = frozenset({"cut", "stall", "malformed", "no_done", "error_event"})


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
