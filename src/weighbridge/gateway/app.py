"""The gateway's front: which path is which API, who may call it, and the record of how it ended."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from functools import partial
from time import monotonic, time
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.keys import Grant, Keys
from weighbridge.gateway.admission.ticket import Ticket
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.attempts import Attempting
from weighbridge.gateway.cache import Cache, Look
from weighbridge.gateway.embeddings import embeddings
from weighbridge.gateway.endpoints import Endpoint
from weighbridge.gateway.logs import Log
from weighbridge.gateway.messages import count_tokens, messages
from weighbridge.gateway.metrics import Metrics
from weighbridge.gateway.refusal import Refusal, refuse
from weighbridge.gateway.responses import responses
from weighbridge.gateway.second_look import SecondLook
from weighbridge.gateway.serving import Serving
from weighbridge.gateway.shadow import Shadow, Shadowed
from weighbridge.gateway.tape import Tape
from weighbridge.gateway.telemetry import Telemetry
from weighbridge.providers.candidate import Api
from weighbridge.records.capture import MOST_BYTES, Capture
from weighbridge.records.exchange import Api as RecordedApi
from weighbridge.records.exchange import (
    Exchange,
    Features,
    Feedback,
    Route,
    new_id,
    summed_cost,
    summed_usage,
)
from weighbridge.records.recorder import Recorder
from weighbridge.routing.health import Health
from weighbridge.transport.client import Client
from weighbridge.transport.responder import Responder
from weighbridge.transport.server import Handler, ServerRequest
from weighbridge.wire.failure import Failure

log = logging.getLogger(__name__)

_BYTES_PER_TOKEN: Final = 4
_USUAL_OUTPUT: Final = 1024  # tokens to count with where the client sets no limit
_MOST_OUTPUT: Final = 16_384  # and to hold money back for: what is reserved must not be less than what is spent
_ONE_MODEL: Final = "/v1/models/"
_JSON: Final = b"Content-Type: application/json\r\n"
_GONE: Final = Refusal(503, "the gateway is shutting down", code="shutting_down", mend="Try again", retry_after=1.0)
_feedback = msgspec.json.Decoder(type=dict[str, object]).decode


class Setup(msgspec.Struct, frozen=True):
    """What changes when the configuration is read anew; a request keeps the one it began with."""

    endpoints: Mapping[str, Endpoint]
    keys: Keys
    admission: Admission
    captures: Mapping[str, Capture]
    caches: Mapping[str, Cache] = {}
    shadows: Mapping[str, Shadowed] = {}
    second: SecondLook | None = None


class Watching(msgspec.Struct, frozen=True):
    """Who is told of finished exchanges beside the records; nobody unless it is configured."""

    telemetry: Telemetry | None = None
    log: Log | None = None


_NOBODY: Final = Watching()


class _Came:
    """A request as it came, and what has been found out about it. `at` is Unix seconds, `line` its id for the reply.

    `recorded_as` is the API the client spoke, where another one was made of it.
    """

    __slots__ = ("api", "asked", "at", "grant", "id", "line", "look", "recorded_as", "request", "setup", "ticket")

    def __init__(self, api: Api, request: ServerRequest, setup: Setup, recorded_as: RecordedApi) -> None:
        self.api: Api = api
        self.recorded_as: RecordedApi = recorded_as
        self.request = request
        self.setup = setup
        self.at = time()
        self.id = new_id(self.at)
        self.line = b"X-Request-Id: %b\r\n" % self.id.encode()
        self.grant: Grant | None = None
        self.asked: Asked | None = None
        self.ticket: Ticket | None = None
        self.look: Look | None = None


class Gateway:
    """Serves one worker's requests. `setup` may be replaced at any time, between two requests."""

    def __init__(
        self,
        setup: Setup,
        *,
        client: Client,
        health: Health,
        recorder: Recorder,
        metrics: Metrics,
        watching: Watching = _NOBODY,
    ) -> None:
        self.setup = setup
        self.shadow = Shadow(self._shadowed, client)
        self._watching = watching
        self.draining = False
        self._client = client
        self._health = health
        self._recorder = recorder
        self._metrics = metrics
        self._apis: dict[str, Literal["chat", "completions"]] = {
            "/v1/chat/completions": "chat",
            "/v1/completions": "completions",
        }
        self._others: dict[tuple[str, str], Handler] = {
            ("GET", "/health"): self._healthy,
            ("GET", "/ready"): self._ready,
            ("GET", "/metrics"): self._metered,
            ("GET", "/v1/models"): self._models,
            ("POST", "/v1/feedback"): self._fed_back,
            ("POST", "/v1/messages"): messages(self),
            ("POST", "/v1/messages/count_tokens"): count_tokens(self),
            ("POST", "/v1/responses"): responses(self),
            ("POST", "/v1/embeddings"): embeddings(self),
        }

    @property
    def lost(self) -> int:
        """How many records this worker's disk refused."""
        return self._recorder.lost

    def handle(self, request: ServerRequest, responder: Responder) -> Awaitable[None] | None:
        """The server's handler: answers at once, in a callback, or in what is to be awaited."""
        api = self._apis.get(request.path)
        if api is not None and request.method == "POST":
            return self.complete(api, request, responder, recorded_as=api)
        other = self._others.get((request.method, request.path))
        if other is not None:
            return other(request, responder)
        if request.path.startswith(_ONE_MODEL) and request.method == "GET":
            self._models(request, responder)
            return None
        known = api is not None or any(path == request.path for _, path in self._others)
        what = f"{request.path} does not take {request.method}" if known else f"nothing is served at {request.path}"
        mend = "See GET /v1/models for the endpoints, and POST /v1/chat/completions to ask one"
        refuse(responder, Refusal(405 if known else 404, what, code="unknown_url", mend=mend))
        return None

    # --- completions

    def complete(
        self, api: Api, request: ServerRequest, responder: Responder, *, recorded_as: RecordedApi, again: bool = False
    ) -> Awaitable[None] | None:
        """Lets a request in, or not, and serves it; what is to be awaited, if anything. `again`: at a second look."""
        came = _Came(api, request, self.setup, recorded_as)
        setup = came.setup
        try:
            came.grant = grant = setup.keys.authenticate(_key_of(request.headers), came.at)
            came.asked = asked = Asked(api, request.body)
            endpoint = _endpoint(setup, asked, grant)
            tokens = asked.size // _BYTES_PER_TOKEN
            usual, most = _outputs(api, asked)
            came.ticket = ticket = setup.admission.admit(
                grant, endpoint.name, tokens=tokens + usual, usd=endpoint.at_most(tokens, most), now=came.at
            )
        except (Denied, Refusal) as error:
            if again or setup.second is None or not self._looks_again(came, setup.second, error, responder):
                self._refused(came, error)
                refuse(responder, error, came.line)
            return None
        lines = came.line + ticket.headers
        cache = setup.caches.get(endpoint.name)
        if cache is not None:
            came.look = look = cache.look(asked, grant, request.headers)
            if look.hit is not None:
                self._from_cache(came, look, grant, responder, lines)
                return None
        calls = Attempting(self._client, self._health, endpoint, asked, request.at)
        serving = Serving(calls, endpoint, asked, responder, lines, partial(self._over, came))
        if asked.stream:
            serving.tape = self._tape(came, endpoint)
        return serving.begin()

    def _looks_again(self, came: _Came, second: SecondLook, error: Denied | Refusal, responder: Responder) -> bool:
        """Whether the request is served later, because other machines may have left money for it."""
        grant, asked = came.grant, came.asked
        endpoint = came.setup.endpoints.get(asked.name) if asked is not None else None
        if grant is None or asked is None or endpoint is None or not second.helps(error):
            return False
        usd = endpoint.at_most(asked.size // _BYTES_PER_TOKEN, _outputs(came.api, asked)[1])
        again = partial(self.complete, came.api, came.request, responder, recorded_as=came.recorded_as, again=True)
        gone = partial(self._refused, came, error)
        return second.take(grant, endpoint.name, usd, came.at, responder=responder, again=again, gone=gone)

    def _tape(self, came: _Came, endpoint: Endpoint) -> Tape | None:
        """Takes a stream down where the cache or a capture wants it."""
        tape = came.look.tape() if came.look is not None else None
        capture = came.setup.captures.get(endpoint.name)
        return Tape(MOST_BYTES) if tape is None and capture is not None and capture.wants(came.id) else tape

    def _from_cache(self, came: _Came, look: Look, grant: Grant, responder: Responder, lines: bytes) -> None:
        """Answers at once with what was answered before. It counts as a request, and takes nothing of a budget."""
        request, asked = came.request, came.asked
        assert asked is not None  # noqa: S101 - it was looked for
        body = look.reply(asked, responder, lines)
        if came.ticket is not None:
            came.ticket.settle(0, 0.0)
        total, trace = monotonic() - request.at, _trace(request.headers)
        record = look.record(
            id_=came.id, at=came.at, api=came.recorded_as, asked=asked, grant=grant, total=total, trace=trace
        )
        capture = came.setup.captures.get(record.endpoint)
        self._note(record if capture is None else _captured(record, capture, request.body, body), request)

    def _over(self, came: _Came, serving: Serving) -> None:
        """The request has ended: its limits and budgets are settled, and its record is made."""
        record = self._record(came, serving)
        usage = record.usage
        if came.ticket is not None:
            known = usage.input is not None and usage.output is not None
            # What was turned away cost nothing; what nobody counted keeps its reservation.
            nothing = 0 if record.cost == 0.0 else None
            came.ticket.settle((usage.input or 0) + (usage.output or 0) if known else nothing, record.cost)
        self._note(record, came.request)
        if came.look is not None:
            came.look.offer(record, serving.body, serving.tape)
        shadowed = came.setup.shadows.get(record.endpoint)
        if shadowed is not None and came.grant is not None and record.outcome != "cancelled":
            self.shadow.consider(came.id, serving.asked, shadowed, came.grant)

    def _note(self, record: Exchange, request: ServerRequest) -> None:
        """The exchange has ended: everybody who counts it is told."""
        self._metrics.note(record)
        self._recorder.append(record)
        watching = self._watching
        if watching.telemetry is not None:
            watching.telemetry.note(record, request.headers.get("traceparent"))
        if watching.log is not None:
            watching.log.note(record)

    def _shadowed(self, record: Exchange) -> None:
        """A shadow's exchange: on record, and in no figure of what was served."""
        self._recorder.append(record)
        if self._watching.telemetry is not None:
            self._watching.telemetry.note(record)
        if self._watching.log is not None:
            self._watching.log.note(record)

    def _record(self, came: _Came, serving: Serving) -> Exchange:
        attempts = tuple(serving.calls.attempts)
        asked, request, first, grant = serving.asked, came.request, serving.first, came.grant
        target = serving.target
        won = next((one for one in reversed(attempts) if one.target == target and one.failure is None), None)
        record = Exchange(
            id=came.id,
            at=came.at,
            endpoint=serving.endpoint.name,
            api=came.recorded_as,
            outcome=serving.outcome,
            key=grant.name if grant is not None else None,
            tenant=grant.tenant if grant is not None else None,
            streamed=asked.stream,
            status=serving.status,
            failure=serving.failure,
            route=Route(target, serving.reason),
            attempts=attempts,
            usage=summed_usage(attempts),
            cost=summed_cost(attempts) if attempts else 0.0,
            ttft=first - request.at if first is not None else None,
            total=monotonic() - request.at,
            finish_reason=won.finish_reason if won is not None else None,
            trace=_trace(request.headers),
            features=Features(body_bytes=asked.size, max_tokens=asked.limit),
        )
        capture = came.setup.captures.get(record.endpoint)
        if capture is None:
            return record
        body = serving.body
        if body is None and serving.tape is not None and capture.wants(record.id):
            body = serving.tape.reply(record.usage)
        return _captured(record, capture, request.body, body)

    def _refused(self, came: _Came, error: Denied | Refusal) -> None:
        asked, grant = came.asked, came.grant
        record = Exchange(
            id=came.id,
            at=came.at,
            endpoint=asked.name[:200] if asked is not None else "",
            api=came.recorded_as,
            outcome="refused",
            key=grant.name if grant is not None else None,
            tenant=grant.tenant if grant is not None else None,
            streamed=asked.stream if asked is not None else False,
            status=error.status,
            failure=Failure("invalid_request", error.message[:500], status=error.status, code=error.code),
        )
        self._note(record, came.request)

    # --- the rest

    def _healthy(self, request: ServerRequest, responder: Responder) -> None:
        del request
        responder.reply_encoded(200, _JSON, b'{"status":"ok"}')

    def _ready(self, request: ServerRequest, responder: Responder) -> None:
        del request
        if self.draining:
            responder.reply_encoded(503, _JSON, b'{"status":"draining"}')
            return
        now = monotonic()
        ready = {
            name: any(self._health.available(target, now) for target in endpoint.upstreams)
            for name, endpoint in self.setup.endpoints.items()
        }
        body = {"status": "ready", "endpoints": ready, "records_lost": self._metrics.lost(self._recorder.lost)}
        responder.reply_encoded(200, _JSON, msgspec.json.encode(body))

    def _metered(self, request: ServerRequest, responder: Responder) -> None:
        del request
        lines = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        responder.reply_encoded(200, lines, self._metrics.text(lost=self._recorder.lost))

    def _models(self, request: ServerRequest, responder: Responder) -> None:
        try:
            grant = self.setup.keys.authenticate(_key_of(request.headers), time())
        except Denied as error:
            refuse(responder, error)
            return
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "weighbridge"}
            for name in self.setup.endpoints
            if grant.covers(name)
        ]
        if request.path.startswith(_ONE_MODEL):
            wanted = unquote(request.path.removeprefix(_ONE_MODEL))
            found = next((one for one in data if one["id"] == wanted), None)
            if found is None:
                refuse(responder, _no_endpoint(wanted, [str(one["id"]) for one in data]))
            else:
                responder.reply_encoded(200, _JSON, msgspec.json.encode(found))
            return
        responder.reply_encoded(200, _JSON, msgspec.json.encode({"object": "list", "data": data}))

    def _fed_back(self, request: ServerRequest, responder: Responder) -> None:
        try:
            grant = self.setup.keys.authenticate(_key_of(request.headers), time())
            self._recorder.append(_said(request.body, grant))
        except (Denied, Refusal) as error:
            refuse(responder, error)
            return
        responder.reply_encoded(200, _JSON, b'{"status":"recorded"}')


def _captured(record: Exchange, capture: Capture, request: bytes, reply: bytes | None) -> Exchange:
    if not capture.wants(record.id):
        return record
    bodies = capture.bodies(request, reply)
    return msgspec.structs.replace(record, request=bodies.request, reply=bodies.reply, capture=bodies.mark)


def _said(body: bytes, grant: Grant) -> Feedback:
    try:
        said = _feedback(body)
        fields = {name: said.get(name) for name in ("score", "comment")}
        exchange = said["exchange"]
        return msgspec.convert(
            {"t": "feedback", "exchange": exchange, "at": time(), "key": grant.name, **fields}, Feedback
        )
    except KeyError:
        raise Refusal.bad("the feedback names no `exchange`", mend="It is the X-Request-Id of the reply") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        what = 'Send {"exchange": id, "score": 0 to 1, "comment": text}'
        raise Refusal.bad(f"not feedback: {error}", mend=what) from None


def _endpoint(setup: Setup, asked: Asked, grant: Grant) -> Endpoint:
    found = setup.endpoints.get(asked.name)
    if found is not None:
        return found
    raise _no_endpoint(asked.name, [name for name in setup.endpoints if grant.covers(name)])


def _no_endpoint(wanted: str, names: list[str]) -> Refusal:
    known = ", ".join(names)[:500]
    what = f"there is no endpoint {wanted[:100]!r}"
    mend = f"There are: {known}" if known else ""
    return Refusal(404, what, code="model_not_found", kind="invalid_request_error", mend=mend)


def _outputs(api: Api, asked: Asked) -> tuple[int, int]:
    """Tokens of answer: to count against limits, and to reserve money for."""
    if api in {"embeddings", "count_tokens"}:
        return 0, 0
    return asked.limit or _USUAL_OUTPUT, asked.limit or _MOST_OUTPUT


def _key_of(headers: Mapping[str, str]) -> str | None:
    return headers.get("authorization") or headers.get("x-api-key") or headers.get("api-key")


def _trace(headers: Mapping[str, str]) -> str | None:
    """The trace id of a `traceparent` header (W3C Trace Context)."""
    said = headers.get("traceparent")
    if said is None:
        return None
    parts = said.split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None
