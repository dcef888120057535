"""The gateway's front: which path is which API, who may call it, and the record of how it ended."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic, time
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from weighbridge.gateway import recording
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.keys import Grant
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.attempts import Attempting
from weighbridge.gateway.cache import Look
from weighbridge.gateway.came import Came, key_of
from weighbridge.gateway.embeddings import embeddings
from weighbridge.gateway.logs import Log
from weighbridge.gateway.messages import count_tokens, messages
from weighbridge.gateway.metrics import Metrics
from weighbridge.gateway.refusal import Refusal, refuse
from weighbridge.gateway.responses import responses
from weighbridge.gateway.serves import Setup
from weighbridge.gateway.serving import Serving
from weighbridge.gateway.shadow import Shadow
from weighbridge.gateway.tape import Tape
from weighbridge.gateway.telemetry import Telemetry
from weighbridge.gateway.translating import Say
from weighbridge.gateway.upstream import Endpoint
from weighbridge.providers.candidate import Api
from weighbridge.records.capture import MOST_BYTES
from weighbridge.records.exchange import Api as RecordedApi
from weighbridge.records.exchange import Exchange, Feedback
from weighbridge.records.recorder import Recorder
from weighbridge.routing.health import Health
from weighbridge.transport.client import Client
from weighbridge.transport.responder import Responder
from weighbridge.transport.server import Handler, ServerRequest

log = logging.getLogger(__name__)

_BYTES_PER_TOKEN: Final = 4
_USUAL_OUTPUT: Final = 1024  # tokens to count with where the client sets no limit
_MOST_OUTPUT: Final = 16_384  # and to hold money back for: what is reserved must not be less than what is spent
_ONE_MODEL: Final = "/v1/models/"
_JSON: Final = b"Content-Type: application/json\r\n"
_GONE: Final = Refusal(503, "the gateway is shutting down", code="shutting_down", mend="Try again", retry_after=1.0)
_feedback = msgspec.json.Decoder(type=dict[str, object]).decode


class Watching(msgspec.Struct, frozen=True):
    """Who is told of finished exchanges beside the records; nobody unless it is configured."""

    telemetry: Telemetry | None = None
    log: Log | None = None


_NOBODY: Final = Watching()


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
        self._counting = metrics.counting
        self._ended: Callable[[Came, Serving], None] = self._over
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
        self,
        api: Api,
        request: ServerRequest,
        responder: Responder,
        *,
        recorded_as: RecordedApi,
        say: Say | None = None,
        again: bool = False,
    ) -> Awaitable[None] | None:
        """Lets a request in, or not, and serves it; what is to be awaited, if anything. `say` says its body in our own
        words, `again` that this is the second look at it."""
        came = Came(api, request, self.setup, recorded_as)
        setup = came.setup
        try:
            came.grant = grant = setup.keys.authenticate(key_of(request.headers), came.at)
            came.asked = asked = Asked(api, request.body if say is None else say(request.body))
            endpoint = _endpoint(setup, asked, grant)
            tokens = asked.size // _BYTES_PER_TOKEN
            usual, most = _outputs(api, asked)
            came.ticket = ticket = setup.admission.admit(
                grant, endpoint.name, tokens=tokens + usual, usd=endpoint.at_most(tokens, most), now=came.at
            )
        except (Denied, Refusal) as error:
            if again or setup.second is None or not self._looks_again(came, say, error, responder):
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
        serving = Serving(calls, endpoint, asked, responder, lines, came, self._ended)
        if asked.stream:
            serving.tape = self._tape(came, endpoint)
        return serving.begin()

    def _looks_again(self, came: Came, say: Say | None, error: Denied | Refusal, responder: Responder) -> bool:
        """Whether the request is served later, because other machines may have left money for it."""
        grant, asked, second = came.grant, came.asked, came.setup.second
        endpoint = came.setup.endpoints.get(asked.name) if asked is not None else None
        if second is None or grant is None or asked is None or endpoint is None or not second.helps(error):
            return False
        usd = endpoint.at_most(asked.size // _BYTES_PER_TOKEN, _outputs(came.api, asked)[1])
        again = partial(
            self.complete, came.api, came.request, responder, recorded_as=came.recorded_as, say=say, again=True
        )
        gone = partial(self._refused, came, error)
        return second.take(grant, endpoint.name, usd, came.at, responder=responder, again=again, gone=gone)

    def _tape(self, came: Came, endpoint: Endpoint) -> Tape | None:
        """Takes a stream down where the cache or a capture wants it."""
        tape = came.look.tape() if came.look is not None else None
        capture = came.setup.captures.get(endpoint.name)
        return Tape(MOST_BYTES) if tape is None and capture is not None and capture.wants(came.id) else tape

    def _from_cache(self, came: Came, look: Look, grant: Grant, responder: Responder, lines: bytes) -> None:
        """Answers at once with what was answered before. It counts as a request, and takes nothing of a budget."""
        request, asked = came.request, came.asked
        assert asked is not None  # noqa: S101 - it was looked for
        body = look.reply(asked, responder, lines)
        if came.ticket is not None:
            came.ticket.settle(0, 0.0)
        total, trace = monotonic() - request.at, came.trace
        record = look.record(
            id_=came.id, at=came.at, api=came.recorded_as, asked=asked, grant=grant, total=total, trace=trace
        )
        capture = came.setup.captures.get(record.endpoint)
        self._note(record if capture is None else recording.captured(record, capture, asked.body, body), request)

    def _over(self, came: Came, serving: Serving) -> None:
        """The request has ended: its limits and budgets are settled, and its record is made."""
        calls, ticket, first, at = serving.calls, came.ticket, serving.first, came.request.at
        given, made, cost = calls.given, calls.made, calls.cost
        ttft, total = first - at if first is not None else None, monotonic() - at
        if ticket is not None:
            if given is not None and made is not None:
                ticket.settle(given + made, cost)
            else:  # what was turned away cost nothing; what nobody counted keeps its reservation
                ticket.settle(0 if cost == 0.0 else None, cost)
        record = recording.served(came, serving, ttft, total)
        key = (serving.endpoint.name, serving.target or "", serving.outcome)
        self._counting.add(key, len(calls.attempts), given, made, cost, ttft, total)
        self._tell(record, came.request)
        if came.look is not None:
            came.look.offer(record, serving.body, serving.tape)
        shadowed = came.setup.shadows.get(serving.endpoint.name)
        if shadowed is not None and came.grant is not None and serving.outcome != "cancelled":
            self.shadow.consider(came.id, serving.asked, shadowed, came.grant)

    def _note(self, record: Exchange, request: ServerRequest) -> None:
        """The exchange has ended: it is counted, and everybody is told."""
        self._counting.note(record)
        self._tell(record, request)

    def _tell(self, record: Exchange, request: ServerRequest) -> None:
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

    def _refused(self, came: Came, error: Denied | Refusal) -> None:
        self._note(recording.refused(came, error), came.request)

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
            grant = self.setup.keys.authenticate(key_of(request.headers), time())
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
            grant = self.setup.keys.authenticate(key_of(request.headers), time())
            self._recorder.append(_said(request.body, grant))
        except (Denied, Refusal) as error:
            refuse(responder, error)
            return
        responder.reply_encoded(200, _JSON, b'{"status":"recorded"}')


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
