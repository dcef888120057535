"""One exchange: attempts as its course says, one answer to the client, one record of what happened."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from weighbridge.gateway.asked import Asked
from weighbridge.gateway.attempts import Attempting, Opened, Whole
from weighbridge.gateway.came import Came
from weighbridge.gateway.refusal import Refusal, refuse
from weighbridge.gateway.relay import error_event
from weighbridge.gateway.tape import Tape
from weighbridge.gateway.upstream import Endpoint
from weighbridge.providers.dialect import FailedCall
from weighbridge.records.exchange import Outcome
from weighbridge.routing.course import Course, Stop, Try
from weighbridge.transport.faults import CallFailed
from weighbridge.transport.responder import Responder
from weighbridge.wire.failure import Failure

monotonic: Final = time.monotonic  # a Final: compiled code finds it at once

_random: Final = random.random  # the choice of a target is no secret
_SLOW_AFTER_S: Final = 5.0  # a stream's speed is judged when it has run this long
STREAM_LINES: Final = b"Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
JSON_LINES: Final = b"Content-Type: application/json\r\n"

T = TypeVar("T", Whole, Opened)


class Serving:
    """Answers one admitted request; `over` is called once, with `came`, when it has ended, however it did. Then
    `outcome`, `status`, `failure`, `target` and `calls.attempts` say what happened.

    `lines` are header lines of every reply to it.
    """

    __slots__ = (
        *(
            "_at_once",
            "_came",
            "_course",
            "_over",
            "_responder",
            "_step",
            "asked",
            "body",
            "calls",
            "endpoint",
            "failure",
            "first",
        ),
        *("lines", "outcome", "reason", "status", "tape", "target"),
    )

    def __init__(
        self,
        calls: Attempting,
        endpoint: Endpoint,
        asked: Asked,
        responder: Responder,
        lines: bytes,
        came: Came,
        over: Callable[[Came, Serving], None],
    ) -> None:
        started = calls.started
        self.calls = calls
        self._responder = responder
        self._course = Course(endpoint.routes, endpoint.features(asked), started, started + endpoint.total)
        self._came = came
        self._over = over
        self._at_once = False
        self._step: Try | None = None  # of an attempt made at once
        self.endpoint = endpoint
        self.asked = asked
        self.lines = lines
        self.outcome: Outcome = "cancelled"  # until it is known to have ended otherwise
        self.status: int | None = None
        self.failure: Failure | None = None
        self.target: str | None = None
        self.reason = ""
        self.first: float | None = None
        self.body: bytes | None = None
        self.tape: Tape | None = None  # takes the stream down, where somebody wants it

    def begin(self) -> Awaitable[None] | None:
        """Sends at once where that needs no task, and answers in a callback; else what is to be awaited."""
        course = self._course
        step = course.next(None, monotonic(), _random())
        if self.asked.stream or not isinstance(step, Try) or step.after > 0 or course.hedge_after() is not None:
            return self._run(step)
        if not self.calls.at_once(step, self._answered):
            return self._run(step)
        self._at_once = True
        self._step = step
        self._responder.when_gone(self._left)
        return None

    def _answered(self, found: Whole | Failure | None) -> None:
        """What came of the attempt that was made at once. Runs in the provider's callback."""
        self._at_once = False
        if found is None:  # the same attempt, on another connection
            again = self._step
            assert again is not None  # noqa: S101 - set when it was sent
            self._responder.go_on(self._run(again))
            return
        if isinstance(found, Failure):
            step = self._course.next(found, monotonic(), _random())
            self._responder.go_on(self._run(step))
            return
        try:
            self._reply(found)
        finally:
            self._over(self._came, self)

    def _left(self) -> None:
        """The client has gone while the attempt made at once was under way."""
        if self._at_once:
            self._at_once = False
            self.calls.give_up()
            self._over(self._came, self)

    async def _run(self, step: Try | Stop) -> None:
        """Everything that waits. Raises CancelledError where the client has gone (its upstream call is cancelled)."""
        try:
            if self.asked.stream:
                await self._stream(step)
            else:
                self._reply(await self._until_answered(self.calls.whole, step))
        except Refusal as error:
            self._refuse(error)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self.outcome, self.status = "failed", self.status or 500
            raise
        finally:
            self._over(self._came, self)

    def _refuse(self, error: Refusal) -> None:
        self.outcome, self.status = "failed", error.status
        refuse(self._responder, error, self.lines)

    # --- one reply, whole

    def _reply(self, found: Whole) -> None:
        self._won(found.target, found.reason)
        self.body = found.body
        self.outcome, self.status = "ok", 200
        lines = JSON_LINES + self.endpoint.upstreams[found.target].lines + self.lines
        try:
            self._responder.reply_encoded(200, lines, found.body)
        except FailedCall as error:  # the API the client speaks has no words for it; what it cost is paid for
            self.failure, self.body = error.failure, None
            self._refuse(Refusal.of(error.failure, ""))

    async def _until_answered(self, send: Callable[[Try], Awaitable[T | Failure]], step: Try | Stop) -> T:
        """Follows the course from a step on to an answer. Raises Refusal at its end."""
        course = self._course
        while True:
            due = await self._due(step)
            after = course.hedge_after()
            found = await send(due) if after is None else await self._hedged(send, due, after)
            if type(found) is not Failure:
                return found  # type: ignore[return-value]  # T is Whole or Opened; a Failure is neither
            step = course.next(found, monotonic(), _random())

    async def _due(self, step: Try | Stop) -> Try:
        """Waits until a step is due. Raises Refusal where there is none."""
        while type(step) is Try and step.after > 0:
            await asyncio.sleep(step.after)
            step = self._course.resume(monotonic(), _random())
        if type(step) is Try:
            return step
        assert isinstance(step, Stop)  # noqa: S101 - there is no third kind
        self.failure, self.reason = step.failure, step.reason
        raise Refusal.of(step.failure, step.reason)

    async def _hedged(self, send: Callable[[Try], Awaitable[T | Failure]], step: Try, after: float) -> T | Failure:
        """The first answer of one request, and of a second one where the first is late."""
        running = {asyncio.ensure_future(send(step))}
        found: T | Failure | None = None
        try:
            done, running = await asyncio.wait(running, timeout=after)
            if not done and (second := self._course.hedge(monotonic(), _random())) is not None:
                running.add(asyncio.ensure_future(send(second)))
            while running and not done:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                found = next((task.result() for task in done if type(task.result()) is not Failure), None)
                if found is None and running:
                    done = set()
            return found if found is not None else next(iter(done)).result()
        finally:
            for task in running:
                task.cancel()
                task.add_done_callback(_closed)

    def _won(self, target: str, reason: str) -> None:
        self.target, self.reason = target, reason

    # --- a stream

    async def _stream(self, step: Try | Stop) -> None:
        opened = await self._until_answered(self.calls.opened, step)
        responder = self._responder
        lines = STREAM_LINES + self.endpoint.upstreams[opened.target].lines + self.lines
        self.status = 200
        self.first = opened.relay.first_token
        self._won(opened.target, opened.reason)
        responder.start_encoded(200, lines)
        delivered = ""
        while True:
            failure = await self._pumped(opened)
            if failure is None:
                self.outcome = "ok"
                responder.end()
                return
            delivered += "".join(opened.relay.text)
            following = await self._rescued(opened, failure, delivered)
            if following is None:
                return
            opened = following

    async def _pumped(self, opened: Opened) -> Failure | None:
        """Passes a stream on to its end; the failure where it broke."""
        responder, relay = self._responder, opened.relay
        failure: Failure | None = None
        try:
            tape = self.tape
            if opened.held:
                responder.write(opened.held)
                if tape is not None:
                    tape.write(opened.held)
            while not opened.ended:
                out = await opened.read()
                if out:
                    responder.write(out)
                    if tape is not None:
                        tape.write(out)
                    await responder.drain()
                slow = self._too_slow(opened)
                if slow is not None:
                    failure = slow
                    break
        except FailedCall as error:
            failure = error.failure
            with suppress(FailedCall):
                responder.write(relay.owed)  # it came in the same read as what broke the stream
        except CallFailed as error:
            failure = self.endpoint.upstreams[opened.target].dialect.failure_of(error)
        except asyncio.CancelledError:
            await opened.close(None, cancelled=True)
            raise
        relay.last = relay.last or monotonic()
        await opened.close(failure)
        return failure

    def _too_slow(self, opened: Opened) -> Failure | None:
        least, relay = opened.min_speed, opened.relay
        if least is None or relay.first_token is None:
            return None
        ran = relay.last - relay.first_token
        if ran < _SLOW_AFTER_S or relay.tokens >= least * ran:
            return None
        return Failure("timeout", f"a stream of {relay.tokens / ran:.1f} tokens/s, where {least:g} are asked for")

    async def _rescued(self, opened: Opened, failure: Failure, delivered: str) -> Opened | None:
        """Another stream that goes on where this one broke; None where there is none, and the client was told."""
        course = self._course
        rescuable = self.endpoint.routes.policy.rescue is not None and opened.relay.only_text
        while rescuable:
            step = course.next(failure, monotonic(), _random(), delivered=True)
            try:
                due = await self._due(step)
            except Refusal:
                break
            found = await self.calls.opened(due, delivered)
            if type(found) is Opened:
                self._won(found.target, found.reason)
                return found
            assert isinstance(found, Failure)  # noqa: S101 - there is no third kind
            failure = found
        self.outcome, self.failure = "cut", failure
        self.reason = self.reason or failure.error_class
        error = Refusal.of(failure, "").object()
        self._responder.write(error_event(error))
        self._responder.end()
        return None


def _closed(task: asyncio.Task[Any]) -> None:
    """A hedge that lost: a stream it had opened all the same is closed."""
    if task.cancelled() or task.exception() is not None:
        return
    found = task.result()
    if type(found) is Opened:
        found.drop()
