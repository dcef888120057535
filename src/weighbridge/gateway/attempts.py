"""One attempt on one target: the call, its limits, what it cost, and what its target's health learns of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import msgspec

from weighbridge.errors import UsageError
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.relay import Relay
from weighbridge.gateway.upstream import Endpoint, Upstream
from weighbridge.providers.dialect import FailedCall
from weighbridge.records.exchange import Attempt
from weighbridge.records.noting import summed_cost, summed_usage
from weighbridge.routing.course import Bounds, Try
from weighbridge.routing.health import Health
from weighbridge.transport.client import Client, Incoming, Timeouts, stale
from weighbridge.transport.connection import Call, Connection
from weighbridge.transport.faults import CallFailed, ConnectionLost, TimedOut
from weighbridge.transport.reply import Reply
from weighbridge.transport.timing import Timing
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure
from weighbridge.wire.reading import shown
from weighbridge.wire.spent import usage_of
from weighbridge.wire.views import GlanceView, ReplyView, decode_reply, glance

monotonic: Final = time.monotonic  # a Final: compiled code finds it at once

_BYTES_PER_TOKEN: Final = 4
_LINGER_S: Final = 1.0
_NOTHING: Final = Usage()
_ANSWERED_IN_CHOICES: Final = frozenset({"chat", "completions"})
_MALFORMED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Whole:
    """A reply that came whole."""

    __slots__ = ("body", "reason", "target")

    def __init__(self, body: bytes, target: str, reason: str) -> None:
        self.body = body
        self.target = target
        self.reason = reason


class Sent:
    """One call under way: which step, to whom, since when (monotonic seconds)."""

    __slots__ = ("began", "relay", "step", "timing", "upstream")

    def __init__(self, step: Try, upstream: Upstream, began: float, relay: Relay | None = None) -> None:
        self.step = step
        self.upstream = upstream
        self.began = began
        self.relay = relay
        self.timing: Timing | None = None


class Attempting:
    """The attempts of one exchange; `attempts` are their records, in the order they ended. `usage` and `cost` are sums
    over them, `given` and `made` the tokens in and out of `usage`."""

    __slots__ = (
        *("_asked", "_client", "_connection", "_endpoint", "_health", "_then", "_under_way", "attempts", "cost"),
        *("given", "made", "started", "usage"),
    )

    def __init__(self, client: Client, health: Health, endpoint: Endpoint, asked: Asked, started: float) -> None:
        self._client = client
        self._health = health
        self._endpoint = endpoint
        self._asked = asked
        self.started = started
        self.attempts: list[Attempt] = []
        self.usage = _NOTHING
        self.given: int | None = None
        self.made: int | None = None
        self.cost: float | None = 0.0
        # Of an attempt made at once, while it is under way:
        self._under_way: Sent | None = None
        self._then: Callable[[Whole | Failure | None], None] | None = None
        self._connection: Connection | None = None

    def at_once(self, step: Try, then: Callable[[Whole | Failure | None], None]) -> bool:
        """Like `whole`, without a task: `then` is called with what came of it, unless it was given up before; None: the
        kept connection was closed before it saw the request, so nothing was. False where it cannot be made at once, and
        nothing was sent."""
        upstream = self._endpoint.upstreams[step.target]
        if not upstream.plain:
            return False
        try:
            outgoing = upstream.outgoing(self._asked)
        except UsageError:
            return False  # `whole` says what is wrong
        sent = Sent(step, upstream, monotonic())
        connection = self._client.begin(outgoing.route, outgoing.body, self._at_once_ended, _timeouts(step.limits))
        if connection is None:
            return False
        self._under_way, self._then, self._connection = sent, then, connection
        self._health.started(step.target, sent.began)
        return True

    def give_up(self) -> None:
        """The client has gone while an attempt made at once was under way."""
        sent, connection = self._under_way, self._connection
        self._under_way = self._then = self._connection = None
        if sent is not None and connection is not None:
            connection.abort()
            self.gone(sent)

    def _at_once_ended(self, call: Call) -> None:
        sent, then = self._under_way, self._then
        self._under_way = self._then = self._connection = None
        if sent is None or then is None:
            return
        if call.reply is not None and call.error is None:
            then(self._understood(sent, call.reply))
            return
        if stale(call):  # this says nothing of the target
            now = monotonic()
            self._health.ended(sent.step.target, now, ok=None, total=now - sent.began)
            then(None)
            return
        sent.timing = call.timing
        error = call.error or ConnectionLost("the connection was closed")
        failure = sent.upstream.dialect.failure_of(error)
        then(self._failed(sent, failure, free=_unsent(error)))

    async def whole(self, step: Try) -> Whole | Failure:
        """One call for a reply that is not streamed. Raises CancelledError, and Refusal for a body nobody can read."""
        upstream = self._endpoint.upstreams[step.target]
        try:
            outgoing = upstream.outgoing(self._asked)
        except UsageError as error:
            return Failure("invalid_request", str(error))
        sent = self._sent(step, upstream)
        try:
            reply = await self._client.fetch(outgoing.route, outgoing.body, timeouts=_timeouts(step.limits))
        except CallFailed as error:
            sent.timing = error.timing
            return self._failed(sent, upstream.dialect.failure_of(error), free=_unsent(error))
        except asyncio.CancelledError:
            self.gone(sent)
            raise
        return self._understood(sent, reply)

    def _understood(self, sent: Sent, reply: Reply) -> Whole | Failure:
        """What a reply that came whole is: an answer, or a failure all the same."""
        sent.timing = reply.timing
        try:
            body = self._body(sent.upstream, reply)
            view = self._view(sent.upstream, body, reply)
        except FailedCall as error:
            return self._failed(sent, error.failure, free=True)
        self._done(sent, view)
        return Whole(body, sent.step.target, sent.step.reason)

    def _body(self, upstream: Upstream, reply: Reply) -> bytes:
        """Raises FailedCall for every status but 200."""
        if reply.status != 200:
            raise FailedCall(upstream.dialect.failure(reply.status, reply.headers, reply.body))
        return reply.body if upstream.verbatim else upstream.dialect.whole(self._asked.api, reply.body)

    def _view(self, upstream: Upstream, body: bytes, reply: Reply) -> GlanceView:
        """Raises FailedCall for an error inside a 200, and for what is no answer."""
        view = _view(body)
        if view.error is not None:
            raise FailedCall(upstream.dialect.in_band(body, reply.headers))
        if not view.choices and self._asked.api in _ANSWERED_IN_CHOICES:
            raise FailedCall(Failure("protocol", f"a reply without choices: {shown(body[:400])}", status=200))
        return view

    async def opened(self, step: Try, delivered: str = "") -> Opened | Failure:
        """One call for a stream, read up to its first token (or as far as it is held back).

        `delivered` is what an earlier attempt had delivered: the stream is made to go on from there. Raises as `whole`.
        """
        upstream = self._endpoint.upstreams[step.target]
        try:
            outgoing = upstream.outgoing(self._asked, self._continued(step, delivered))
        except UsageError as error:
            return Failure("invalid_request", str(error))
        rescue = self._endpoint.routes.policy.rescue
        relay = Relay(
            upstream.dialect,
            self._asked.api,
            include_usage=self._asked.include_usage,
            keep=rescue is not None,
            skip=delivered if step.mode == "restart" else "",
        )
        calling = self._client.stream(outgoing.route, outgoing.body, timeouts=_timeouts(step.limits))
        opened = Opened(self, self._sent(step, upstream, relay), calling, relay)
        try:
            await opened.begin(_hold(rescue.hold) if rescue is not None and not delivered else 1)
        except FailedCall as error:
            failure = error.failure
        except CallFailed as error:
            failure = upstream.dialect.failure_of(error)
        except TimeoutError:
            failure = upstream.dialect.failure_of(TimedOut("first_byte", step.limits.first_token))
        except asyncio.CancelledError:
            await opened.close(None, cancelled=True)
            raise
        else:
            return opened
        await opened.close(failure)
        return failure

    def _continued(self, step: Try, delivered: str) -> list[dict[str, Any]] | None:
        if step.mode != "prefill":
            return None
        said = self._asked.document().get("messages")
        return [*(said if isinstance(said, list) else []), {"role": "assistant", "content": delivered}]

    # --- what the record and the target's health learn

    def _sent(self, step: Try, upstream: Upstream, relay: Relay | None = None) -> Sent:
        began = monotonic()
        self._health.started(step.target, began)
        return Sent(step, upstream, began, relay)

    def _done(self, sent: Sent, view: GlanceView) -> None:
        now = monotonic()
        upstream, step = sent.upstream, sent.step
        took = now - sent.began
        self._health.of(step.target).succeeded(now, None, took)
        told = view.usage_view()
        usage = usage_of(told) if told is not None else _NOTHING
        choices, bill = view.choices, upstream.bill
        cost = bill.cost(usage) if bill is not None else None
        self._add(
            Attempt(
                target=step.target,
                provider=upstream.provider,
                model=upstream.model,
                started=sent.began - self.started,
                answered=view.model,
                connect=_connect(sent.timing),
                total=took,
                status=200,
                finish_reason=choices[0].finish_reason if choices else None,
                usage=usage,
                cost=cost,
                hedge=step.reason == "hedge",
                reason=step.reason,
                upstream_id=view.id,
            ),
            usage,
            cost,
        )

    def _add(self, attempt: Attempt, usage: Usage, cost: float | None) -> None:
        attempts = self.attempts
        attempts.append(attempt)
        if len(attempts) == 1:
            self.usage, self.cost = usage, cost
        else:
            self.usage, self.cost = summed_usage(attempts), summed_cost(attempts)
        self.given, self.made = self.usage.input, self.usage.output

    def _failed(self, sent: Sent, failure: Failure, *, free: bool) -> Failure:
        now = monotonic()
        relay, took = sent.relay, now - sent.began
        # A first token that never came took at least so long: an adaptive limit learns from it.
        late = relay is not None and relay.first_token is None and failure.error_class == "timeout"
        self._health.ended(
            sent.step.target,
            now,
            ok=False,
            error_class=failure.error_class,
            retry_after=failure.retry_after,
            ttft=took if late else None,
            total=took,
        )
        self._ended(sent, now, _NOTHING if free else self._made(sent.relay), failure, free=free)
        return failure

    def finished(self, sent: Sent, relay: Relay, failure: Failure | None) -> None:
        """The record of a stream that was read to its end, or broke."""
        if failure is not None:
            self._failed(sent, failure, free=not relay.tokens)
            return
        now = monotonic()
        self._health.ended(sent.step.target, now, ok=True, total=now - sent.began)
        self._ended(sent, now, self._made(relay), None, free=False)

    def first_token(self, sent: Sent, relay: Relay) -> None:
        """A stream has begun: its target's health need not wait for its end."""
        if relay.first_token is not None:
            self._health.first_token(sent.step.target, monotonic(), relay.first_token - sent.began)

    def gone(self, sent: Sent) -> None:
        """The client has gone, or another was faster: what was made is paid for all the same."""
        now = monotonic()
        self._health.ended(sent.step.target, now, ok=None, total=now - sent.began)
        self._ended(sent, now, self._made(sent.relay), None, free=False)

    def _made(self, relay: Relay | None) -> Usage:
        """Usage as told; else what the chunks that came amount to, and the request's size; else unknown."""
        if relay is None or not (relay.tokens or relay.usage):
            return _NOTHING
        return relay.usage or Usage(input=self._asked.size // _BYTES_PER_TOKEN, output=relay.tokens)

    def _ended(self, sent: Sent, now: float, usage: Usage, failure: Failure | None, *, free: bool) -> None:
        upstream, bill, relay, began = sent.upstream, sent.upstream.bill, sent.relay, sent.began
        first = relay.first_token if relay is not None else None
        status = failure.status if failure is not None else 200 if first is not None else None
        cost = 0.0 if free else bill.cost(usage) if bill is not None else None
        self._add(
            Attempt(
                target=sent.step.target,
                provider=upstream.provider,
                model=upstream.model,
                started=began - self.started,
                answered=relay.model if relay is not None else None,
                connect=_connect(sent.timing),
                ttft=first - began if first is not None else None,
                total=now - began,
                status=status,
                failure=failure,
                finish_reason=relay.finish_reason if relay is not None else None,
                usage=usage,
                cost=cost,
                hedge=sent.step.reason == "hedge",
                reason=sent.step.reason,
                upstream_id=relay.response_id if relay is not None else None,
            ),
            usage,
            cost,
        )


class Opened:
    """A stream under way. `held` are the bytes for the client that came with its first token; `ended` says that all
    of it was read. Close it exactly once, or `drop` it from a callback."""

    __slots__ = ("_calling", "_calls", "_closed", "_entered", "_reads", "_sent", "ended", "held", "relay")

    def __init__(
        self, calls: Attempting, sent: Sent, calling: AbstractAsyncContextManager[Incoming], relay: Relay
    ) -> None:
        self._calls = calls
        self._sent = sent
        self._calling = calling
        self._entered = False
        self._closed = False
        self._reads: AsyncIterator[tuple[float, bytes]] | None = None
        self.relay = relay
        self.held = b""
        self.ended = False

    @property
    def target(self) -> str:
        return self._sent.step.target

    @property
    def reason(self) -> str:
        return self._sent.step.reason

    @property
    def min_speed(self) -> float | None:
        return self._sent.step.limits.min_speed

    async def begin(self, hold: float) -> None:
        """Sends, and reads until `hold` tokens have come. Raises FailedCall, CallFailed, TimeoutError."""
        relay = self.relay
        async with asyncio.timeout(self._sent.step.limits.first_token):
            await self._enter()
            while relay.first_token is None and not self.ended:
                self.held += await self.read()
        self._calls.first_token(self._sent, relay)
        while (relay.tokens < hold or relay.skip) and not self.ended:
            self.held += await self.read()

    async def _enter(self) -> None:
        incoming = await self._calling.__aenter__()
        self._entered = True
        self._sent.timing = incoming.timing
        reads = aiter(incoming)
        dialect = self._sent.upstream.dialect
        if incoming.status != 200:
            body = b"".join([data async for _, data in reads])
            raise FailedCall(dialect.failure(incoming.status, incoming.headers, body))
        media = next((value for name, value in incoming.headers if name == "content-type"), "")
        if media.startswith("application/json"):
            body = b"".join([data async for _, data in reads])
            raise FailedCall(_not_streamed(self._sent.upstream, incoming.headers, body))
        self._reads = reads

    async def read(self) -> bytes:
        """The client's bytes of the next read; after the last one, `ended`. Raises FailedCall and CallFailed."""
        reads, relay = self._reads, self.relay
        assert reads is not None  # noqa: S101 - set once the head has come
        relay.owed = b""
        try:
            at, data = await anext(reads)
        except StopAsyncIteration:
            self.ended = True
            out = relay.finish()
        else:
            out = relay.feed(at, data)
            if relay.done:  # nothing comes after the end: whoever keeps the connection open is not waited for
                self.ended = True
                out += relay.finish()
        relay.owed = b""
        return out

    async def close(self, failure: Failure | None, *, cancelled: bool = False) -> None:
        """Closes the socket if the stream has not ended, and tells the record and the target's health."""
        if self._closed:
            return
        self._closed = True
        if self._entered and failure is None and not cancelled and self.relay.done:
            _in_background(self._linger())
        elif self._entered:
            await self._calling.__aexit__(None, None, None)
        if cancelled:
            self._calls.gone(self._sent)
        else:
            self._calls.finished(self._sent, self.relay, failure)

    def drop(self) -> None:
        """`close` for those who cannot wait: the losers of a race."""
        _in_background(self.close(None, cancelled=True))

    async def _linger(self) -> None:
        """After [DONE] nothing is waited for; but the end of the body, if it comes, keeps the connection for others."""
        try:
            async with asyncio.timeout(_LINGER_S):
                while self._reads is not None:
                    await anext(self._reads)
        except (StopAsyncIteration, TimeoutError, CallFailed):
            pass
        finally:
            await self._calling.__aexit__(None, None, None)


_running: set[asyncio.Future[None]] = set()  # the loop keeps only weak references to tasks


def _in_background(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_running.discard)


def _not_streamed(upstream: Upstream, headers: list[tuple[str, str]], body: bytes) -> Failure:
    """A stream was asked for, and JSON came: an error inside a 200, or a server that does not stream."""
    try:
        view = decode_reply(body)
    except _MALFORMED:
        view = ReplyView()
    if view.error is not None:
        return upstream.dialect.in_band(body, headers)
    return Failure("protocol", "the provider answered a request for a stream with JSON", status=200)


def _hold(hold: int | str) -> float:
    return float("inf") if hold == "all" else max(1, int(hold))


def _timeouts(limits: Bounds) -> Timeouts:
    return Timeouts(limits.connect, limits.first_token, limits.gap, limits.total)


def _connect(timing: Timing | None) -> float | None:
    if timing is None or timing.connected is None:
        return None
    return (timing.tls_done or timing.connected) - timing.started


def _unsent(error: CallFailed) -> bool:
    return error.timing is None or error.timing.sent is None


def _view(body: bytes) -> GlanceView:
    try:
        view = glance(body)
        if not body.isascii():
            body.decode()  # what nobody looks at must be text all the same: clients read all of it
    except _MALFORMED as error:
        raise FailedCall(Failure("protocol", f"not a reply of this API: {error}", status=200)) from None
    return view
