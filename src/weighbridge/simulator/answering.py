"""Giving one answer: whole or streamed, in its time, and with the fault that struck it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from weighbridge.simulator import answers, faults, replies
from weighbridge.simulator.answers import Asked
from weighbridge.simulator.ledger import Entry
from weighbridge.simulator.replies import Chunks, Made
from weighbridge.simulator.settings import Fault, Settings
from weighbridge.simulator.ticks import Stream, Ticker
from weighbridge.transport.responder import encoded
from weighbridge.transport.server import Responder

_JSON = encoded([("Content-Type", "application/json")])
_SSE = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache")]


class Serving(NamedTuple):
    """One request that is being answered, and what with. `told_again`: the reply is a stored one and takes no time."""

    asked: Asked
    responder: Responder
    entry: Entry
    made: Made
    headers: Mapping[str, str]
    fault: Fault | None = None
    told_again: bool = False


class Answering:
    """Draws lengths and times from the settings' distributions."""

    def __init__(self, settings: Settings, dice: random.Random) -> None:
        self._settings = settings
        self._ttft = settings.ttft.sampler(dice)
        self._gap = settings.gap.sampler(dice)
        self._even_gap = settings.gap.constant is not None
        self._latency = settings.latency.sampler(dice)
        self._tokens = settings.tokens.sampler(dice)
        self._ticker = Ticker()
        self._words: dict[int, list[str]] = {}
        self._thoughts = answers.words(settings.reasoning_tokens)

    def make(self, api: str, asked: Asked, answer: str | None, prompt: int) -> Made:
        """A reply to this request: what was recorded, or as many words as are drawn."""
        if answer is not None:
            tokens = answers.tokens_of(answer)
        elif self._settings.otherwise == "echo":
            tokens = answers.tokens_of(asked.text())
        else:
            count = round(self._tokens())
            tokens = self._words.get(count) or self._words.setdefault(count, answers.words(count))
        finish = "stop"
        if asked.limit is not None and asked.limit < len(tokens):
            tokens, finish = tokens[: max(0, asked.limit)], "length"
        cached, thoughts = self._settings.cached_tokens, len(self._thoughts)
        return Made(api, tokens, finish, thoughts, prompt, cached, replies.identity(api), replies.now())

    async def tarry(self) -> None:
        """What an answer without tokens takes."""
        wait = self._latency() + self._ttft()
        if wait > 0:
            await asyncio.sleep(wait)

    async def answer(self, it: Serving) -> tuple[str, Stream | None]:
        """Sends it. Returns the outcome, and the stream with its send times."""
        if it.asked.stream:
            return await self._stream(it)
        return await self._whole(it), None

    async def _whole(self, it: Serving) -> str:
        made, responder, fault = it.made, it.responder, it.fault
        if not it.told_again:
            wait = self._latency() + self._ttft() + self._gaps(len(self._thoughts) + len(made.tokens))
            if wait > 0:
                await asyncio.sleep(wait)
        body = replies.whole(made, it.asked, "".join(self._thoughts), self._settings.fingerprint)
        if fault is not None:
            await faults.spoil(fault, responder, body)
            return fault.kind
        gone = responder.disconnected
        responder.reply_encoded(200, _JSON + encoded(it.headers) if it.headers else _JSON, body)
        it.entry.tokens = len(made.tokens) + made.thoughts
        return "disconnected" if gone else "completed"

    def _gaps(self, tokens: int) -> float:
        """The time from the first token to the last."""
        if self._even_gap:
            return self._gap() * max(0, tokens - 1)
        return sum(self._gap() for _ in range(tokens - 1))

    async def _stream(self, it: Serving) -> tuple[str, Stream]:
        responder, entry, fault = it.responder, it.entry, it.fault
        chunks = Chunks(it.made, it.asked, self._settings.fingerprint)
        borne = [chunks.token(text, reasoning=True) for text in self._thoughts] + chunks.tokens(it.made.tokens)
        entry.first_token = len(self._thoughts)
        if fault is not None:
            borne = faults.bend(fault, borne)
        responder.start(200, [*_SSE, *it.headers.items()])
        self._role(it, chunks, borne)
        ending = self._ending(it, chunks)
        done = asyncio.get_running_loop().create_future()
        finish = partial(_resolve, done)
        due = self._due(it, len(borne), bool(ending))
        stream = Stream(responder.write_framed, [*borne, *ending], due, finish)

        def gone() -> None:
            stream.stop()
            finish()

        responder.on_disconnect = gone
        if stream.pieces:
            self._ticker.add(stream)
            await done
        responder.on_disconnect = None
        entry.tokens = min(stream.place, len(borne))
        if responder.disconnected:
            return "disconnected", stream
        await faults.end(fault, responder)
        return fault.kind if fault is not None else "completed", stream

    def _role(self, it: Serving, chunks: Chunks, borne: list[bytes]) -> None:
        if it.made.api != "chat":
            return
        if self._settings.role == "early":
            it.responder.write_framed(chunks.role())
        elif borne:
            borne[0] = chunks.role() + borne[0]

    def _ending(self, it: Serving, chunks: Chunks) -> list[bytes]:
        """Finish reason, usage and [DONE], as one write: they leave together. Nothing for a stream that breaks off."""
        if faults.breaks_off(it.fault):
            return []
        ending = chunks.finish()
        if it.asked.include_usage:
            ending += chunks.usage()
        return [ending if it.fault is not None and it.fault.kind == "no_done" else ending + replies.DONE]

    def _due(self, it: Serving, pieces: int, ending: bool) -> list[float]:
        first = it.entry.received
        if it.told_again:
            return [first] * (pieces + ending)
        first += self._latency() + self._ttft()
        if self._even_gap:
            gap = self._gap()
            due = [first + gap * place for place in range(pieces)]
        else:
            due = [first][:pieces]
            for _ in range(pieces - 1):
                due.append(due[-1] + self._gap())
        return [*due, due[-1] if due else first] if ending else due


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
