"""Shadow traffic: some requests are put to another candidate too, after their client has its answer.

What comes of it is recorded under an id of its own, with `shadow_of`, and goes to nobody. It is asked once, without a
fallback, and its health is kept apart, so that no routing of real requests depends on it. It is on the key's record and
on nobody's budget. What there is no room for is dropped and counted; it never waits for its turn.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from time import monotonic, time
from typing import Final

import msgspec

from weighbridge.config.load import Config
from weighbridge.config.sections import EndpointSection
from weighbridge.config.serving import RouteSection
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.attempts import Attempting, Opened, Whole
from weighbridge.gateway.endpoints import endpoints
from weighbridge.gateway.refusal import Refusal
from weighbridge.gateway.tape import Tape
from weighbridge.gateway.upstream import Endpoint
from weighbridge.providers.dialect import FailedCall
from weighbridge.records.capture import Capture
from weighbridge.records.exchange import Exchange, Features, Outcome, Route
from weighbridge.records.noting import new_id
from weighbridge.routing.course import Course, Stop, Try
from weighbridge.routing.health import Health
from weighbridge.transport.client import Client
from weighbridge.transport.faults import CallFailed
from weighbridge.wire.failure import Failure

log = logging.getLogger(__name__)

_MOST: Final = 64
"""Shadows under way at once, in one worker."""
_MOST_BYTES: Final = 32 * 2**20
"""Of request bodies held for them."""
_LONGEST: Final = 2**20
"""Bytes of a captured stream."""
_DRAWN_DIGITS: Final = 8
_Record = Callable[[Exchange], None]


class Shadowed(msgspec.Struct, frozen=True):
    """What is asked beside an endpoint: `endpoint` has one target, and `share` of the requests go to it too."""

    share: float
    endpoint: Endpoint
    capture: Capture | None = None


def shadowed(config: Config, captures: Mapping[str, Capture]) -> dict[str, Shadowed]:
    """By endpoint. Raises ConfigError and UsageError."""
    sections = {
        name: _alone(section, section.shadow.candidate)
        for name, section in config.endpoints.items()
        if section.shadow is not None
    }
    made = endpoints(dataclasses.replace(config, endpoints=sections), Health())
    shares = {name: section.shadow.share for name, section in config.endpoints.items() if section.shadow is not None}
    return {name: Shadowed(shares[name], endpoint, captures.get(name)) for name, endpoint in made.items()}


def _alone(section: EndpointSection, candidate: str) -> EndpointSection:
    """The endpoint with one target that is asked once, under the time limits of the endpoint."""
    route = section.route
    once = RouteSection(
        retries=0,
        attempts=1,
        connect=route.connect,
        first_token=route.first_token,
        answer=route.answer,
        gap=route.gap,
        total=route.total,
    )
    return EndpointSection(candidates=(candidate,), route=once, drop_params=section.drop_params)


class Shadow:
    """The shadows of a worker. `record` takes their exchanges; `dropped` counts requests that were to be shadowed and
    were not: there was no room, or the candidate cannot do it or is down. After `stop` there are no new ones."""

    def __init__(self, record: _Record, client: Client, *, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        self._record = record
        self._client = client
        self._most = most
        self._most_bytes = most_bytes
        self._held = 0
        self._running: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.dropped = 0

    def consider(self, exchange_id: str, asked: Asked, shadowed: Shadowed, grant: Grant) -> None:
        """Call it when the client has been answered. Which share it is depends on the id alone. Never waits, never
        raises."""
        if self._stopped or asked.api == "count_tokens" or not _drawn(exchange_id, shadowed.share):
            return
        if len(self._running) >= self._most or self._held + asked.size > self._most_bytes:
            self.dropped += 1
            return
        try:
            step = _step(shadowed.endpoint, asked)
        except Exception:
            log.exception("a shadow was not sent")
            step = None
        if step is None:
            self.dropped += 1
            return
        self._held += asked.size
        task = asyncio.ensure_future(self._one(_Copy(exchange_id, asked, shadowed, grant), step))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def stop(self) -> None:
        """The worker drains: what is under way may end."""
        self._stopped = True

    async def close(self) -> None:
        """Ends what is under way; its record says so."""
        self.stop()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _one(self, copy: _Copy, step: Try) -> None:
        began, at = monotonic(), time()
        endpoint = copy.shadowed.endpoint
        calls = Attempting(self._client, endpoint.routes.health, endpoint, copy.asked, began)
        try:
            await copy.ask(calls, step)
        except Exception:
            log.exception("a shadow failed")
            copy.outcome = "failed"
        finally:
            self._held -= copy.asked.size
            self._record(copy.exchange(calls, at, monotonic() - began))


class _Copy:
    """A request put to a shadow, and what came of it."""

    __slots__ = ("_id", "_wanted", "asked", "body", "failure", "grant", "outcome", "shadowed")

    def __init__(self, exchange_id: str, asked: Asked, shadowed: Shadowed, grant: Grant) -> None:
        self._id = exchange_id
        self.asked = asked
        self.shadowed = shadowed
        self.grant = grant
        self.outcome: Outcome = "cancelled"  # until it is known to have ended otherwise
        self.failure: Failure | None = None
        self.body: bytes | None = None
        capture = shadowed.capture
        self._wanted = capture if capture is not None and capture.wants(exchange_id) else None

    async def ask(self, calls: Attempting, step: Try) -> None:
        """As the client asked, whole or streamed, and read to the end."""
        try:
            found = await (calls.opened(step) if self.asked.stream else calls.whole(step))
        except Refusal as error:
            self.outcome, self.failure = "failed", Failure("invalid_request", error.message, status=error.status)
            return
        if isinstance(found, Failure):
            self.outcome, self.failure = "failed", found
        elif isinstance(found, Whole):
            self.outcome, self.body = "ok", found.body
        else:
            await self._read(calls, found)

    async def _read(self, calls: Attempting, opened: Opened) -> None:
        tape = Tape(_LONGEST if self._wanted is not None else 0)
        tape.write(opened.held)
        failure: Failure | None = None
        try:
            while not opened.ended:
                tape.write(await opened.read())
        except FailedCall as error:
            failure = error.failure
        except CallFailed as error:
            failure = self.shadowed.endpoint.upstreams[opened.target].dialect.failure_of(error)
        except asyncio.CancelledError:
            await opened.close(None, cancelled=True)
            raise
        await opened.close(failure)
        self.outcome, self.failure = "ok" if failure is None else "cut", failure
        self.body = tape.reply(calls.attempts[-1].usage) if failure is None else None

    def exchange(self, calls: Attempting, at: float, total: float) -> Exchange:
        attempts = tuple(calls.attempts)
        last = attempts[-1] if attempts else None
        ok, asked = self.outcome == "ok" and last is not None, self.asked
        record = Exchange(
            id=new_id(at),
            at=at,
            endpoint=asked.name,
            api="messages" if asked.api == "count_tokens" else asked.api,
            outcome=self.outcome,
            key=self.grant.name,
            tenant=self.grant.tenant,
            streamed=asked.stream,
            failure=self.failure,
            route=Route(last.target if ok and last is not None else None, "shadow"),
            attempts=attempts,
            usage=calls.usage,
            cost=calls.cost,
            ttft=last.ttft if last is not None else None,
            total=total,
            finish_reason=last.finish_reason if last is not None else None,
            shadow_of=self._id,
            features=Features(body_bytes=asked.size, max_tokens=asked.limit),
        )
        if self._wanted is None:
            return record
        bodies = self._wanted.bodies(asked.body, self.body)
        return msgspec.structs.replace(record, request=bodies.request, reply=bodies.reply, capture=bodies.mark)


def _step(endpoint: Endpoint, asked: Asked) -> Try | None:
    """The one attempt; None where the candidate cannot do it, or is cooling down."""
    now = monotonic()
    course = Course(endpoint.routes, endpoint.features(asked), now, now + endpoint.total)
    step = course.next(None, now, 0.0)
    return None if isinstance(step, Stop) or step.after > 0 else step


def _drawn(exchange_id: str, share: float) -> bool:
    """By the random end of an id; a capture draws by a hash of the whole, so the two are independent."""
    return int(exchange_id[-_DRAWN_DIGITS:], 16) < share * 16**_DRAWN_DIGITS
