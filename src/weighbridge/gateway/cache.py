"""Answers kept for equal requests: what counts as equal, what is kept, for how long, and how it is served again.

Equal is what cannot be told apart by the answer: the same tenant (OmniRoute#3740), endpoint, upstreams and what is
sent to them (headroom#3346), API, and every parameter of the body (litellm PR#25673, lobster PR#130). Requests at a
temperature above 0 are kept too: the operator asked for a cache at this endpoint, and whoever wants another draw says
`Cache-Control: no-cache`. Nothing here waits, and nothing is shared between workers.

A semantic cache also answers where all is equal but the last text a user wrote, and that means the same (`meaning`).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.meaning import Meaning, meaning
from weighbridge.gateway.refusal import Refusal, refuse
from weighbridge.gateway.relay import error_event
from weighbridge.gateway.tape import Tape, played
from weighbridge.gateway.upstream import Endpoint, Upstream
from weighbridge.providers.dialect import FailedCall
from weighbridge.records.exchange import Api, Exchange, Features, Outcome, Route
from weighbridge.transport.responder import Responder
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure
from weighbridge.wire.views import decode_reply

if TYPE_CHECKING:
    from weighbridge.gateway.semantic import Embedder, Index, Probe

How = Literal["exact", "semantic"]

IGNORED: Final = frozenset(
    {"model", "stream", "stream_options", "user", "metadata", "store", "safety_identifier", "prompt_cache_key"}
)
"""Parameters that do not change an answer. `model` is the endpoint's name; the last two are what became of `user`."""
_COMPLETE: Final = frozenset({"stop", "length", "tool_calls", "function_call"})
_OVERHEAD: Final = 600
"""Bytes an entry takes beside its reply: its key, its fields, its places in two tables. Measured: about 520."""
_LONGEST_TAPE: Final = 8 * 2**20
"""Bytes of a stream; about 40,000 tokens."""
_MALFORMED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_STREAM: Final = b"Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
_JSON: Final = b"Content-Type: application/json\r\n"
_UNSAID: Final = 502


def _as_written(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


_exactly = msgspec.json.Decoder(dict[str, Any], float_hook=_as_written).decode
"""Numbers with a point stay as they were written, so that no two of them become one."""
_sorted: Final = msgspec.json.Encoder(order="sorted").encode


class _Vectors(msgspec.Struct):
    """What is looked at of a reply with embeddings; they have no finish reason."""

    data: list[msgspec.Raw] = []


_vectors = msgspec.json.Decoder(_Vectors).decode


class Kept(msgspec.Struct, frozen=True):
    """One whole reply in OpenAI's words, and what the record tells of it. `since` and `until` are monotonic seconds."""

    reply: bytes
    target: str
    usage: Usage
    finish_reason: str | None
    since: float
    until: float

    @property
    def size(self) -> int:
        return len(self.reply) + _OVERHEAD


class Store:
    """Replies by key, within a bound of bytes: who was not asked for longest goes first."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.bytes = 0
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, now: float) -> Kept | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if now >= kept.until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: bytes, kept: Kept) -> None:
        self._drop(key)
        if kept.size > self.bound:
            return
        self._kept[key] = kept
        self.bytes += kept.size
        self._fit()

    def resize(self, bound: int) -> None:
        self.bound = bound
        self._fit()

    def _fit(self) -> None:
        while self.bytes > self.bound:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= gone.size

    def _drop(self, key: bytes) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self.bytes -= gone.size


def _word_vectors() -> Embedder:
    from weighbridge.gateway.wordvectors import WordVectors  # noqa: PLC0415 - an extra, and 40 MB of memory

    return WordVectors()


class Stores:
    """The stores of a worker, by endpoint. They live on when the configuration is read anew: what has changed so that
    an old answer would not be given any more is part of its key. `embedder` is made once somebody needs it."""

    def __init__(self, embedder: Callable[[], Embedder] = _word_vectors) -> None:
        self._stores: dict[str, Store] = {}
        self._indexes: dict[str, Index] = {}
        self._make = embedder
        self._embedder: Embedder | None = None

    def caches(self, endpoints: Mapping[str, Endpoint]) -> dict[str, Cache]:
        """A cache for each endpoint that has one. A store that nobody uses any more is let go of. Raises UsageError
        where the extra for a semantic cache is missing."""
        found: dict[str, Cache] = {}
        stores: dict[str, Store] = {}
        indexes: dict[str, Index] = {}
        for name, endpoint in endpoints.items():
            section = endpoint.section.cache
            if section is None:
                continue
            bound = section.megabytes * 2**20
            store = stores[name] = self._stores.get(name) or Store(bound)
            store.resize(bound)
            if section.semantic is not None:
                indexes[name] = self._index(name, section.semantic.threshold)
            found[name] = Cache(endpoint, store, section.keep, indexes.get(name))
        self._stores, self._indexes = stores, indexes
        return found

    def _index(self, name: str, threshold: float) -> Index:
        from weighbridge.gateway.semantic import Index  # noqa: PLC0415 - numpy, which no other cache needs

        if self._embedder is None:
            self._embedder = self._make()
        index = self._indexes.get(name)
        if index is None:
            return Index(self._embedder, threshold)
        index.threshold = threshold
        return index


class Cache:
    """The answers of one endpoint as it is configured; `keep` is how long they are good for, in seconds."""

    def __init__(self, endpoint: Endpoint, store: Store, keep: float, index: Index | None = None) -> None:
        self.store = store
        self.keep = keep
        self._index = index
        self._endpoint = endpoint
        self._digest = digest(endpoint)

    def look(self, asked: Asked, grant: Grant, headers: Mapping[str, str]) -> Look:
        """Whether there is an answer to this. A client may say `Cache-Control: no-cache` (do not look) or `no-store`
        (do not keep)."""
        said = headers.get("cache-control", "").lower()
        try:
            body = _exactly(asked.body)
            for name in IGNORED & body.keys():
                del body[name]
            key = self._key(asked, grant, body)
        except _MALFORMED:  # not JSON all through: somebody else will say so
            return Look(self, None, None)
        keep, now = "no-store" not in said, monotonic()
        hit = self.store.get(key, now) if "no-cache" not in said else None
        if hit is not None or self._index is None:
            return Look(self, key if keep else None, hit)
        probe = self._probe(self._index, asked, grant, body)
        if probe is not None and "no-cache" not in said:
            hit = self._meant(self._index, probe, now)
        return Look(self, key if keep else None, hit, "exact" if hit is None else "semantic", probe)

    def _key(self, asked: Asked, grant: Grant, body: dict[str, Any]) -> bytes:
        said = _sorted((grant.tenant, self._endpoint.name, self._digest, asked.api, body))
        return hashlib.blake2b(said, digest_size=32).digest()

    def _probe(self, index: Index, asked: Asked, grant: Grant, body: dict[str, Any]) -> Probe | None:
        """None where the request does not end with a text of its user's."""
        found = _last_text(body) if asked.api == "chat" else None
        if found is None:
            return None
        context = self._key(asked, grant, {**body, "messages": [*body["messages"][:-1], None]})
        return index.probe(context, found)

    def _meant(self, index: Index, probe: Probe, now: float) -> Kept | None:
        return next((kept for key in index.find(probe) if (kept := self.store.get(key, now)) is not None), None)

    def put(self, key: bytes, kept: Kept, probe: Probe | None) -> None:
        self.store.put(key, kept)
        if self._index is not None and probe is not None:
            self._index.add(probe, key)

    def lines(self, kept: Kept, how: How) -> bytes:
        """Header lines of a reply from here: who made it, and that it is not new."""
        upstream = self._endpoint.upstreams.get(kept.target)
        own = b"X-Weighbridge-Cache: %b\r\nAge: %d\r\n" % (how.encode(), monotonic() - kept.since)
        return own if upstream is None else upstream.lines + own


class Look:
    """One request before a cache. `hit` is the answer it has; else ask, and offer what came to `offer`."""

    __slots__ = ("_cache", "_failure", "_key", "_probe", "hit", "how")

    def __init__(
        self, cache: Cache, key: bytes | None, hit: Kept | None, how: How = "exact", probe: Probe | None = None
    ) -> None:
        self._cache = cache
        self._key = key
        self._probe = probe
        self.hit = hit
        self.how: How = how
        self._failure: Failure | None = None

    def tape(self) -> Tape | None:
        """Takes a stream down while it is passed on; None where nobody would keep it."""
        return None if self._key is None else Tape(min(self._cache.store.bound, _LONGEST_TAPE))

    def reply(self, asked: Asked, responder: Responder, lines: bytes) -> bytes:
        """Answers with the hit, as it was asked for: whole or streamed. Returns the whole reply.

        A client of another API whose words do not hold it is told so, and so is the record.
        """
        kept = self.hit
        assert kept is not None  # noqa: S101 - for who has looked at it
        own = self._cache.lines(kept, self.how) + lines
        try:
            if asked.stream:
                responder.start_encoded(200, _STREAM + own)
                responder.write(played(kept.reply, include_usage=asked.include_usage))
                responder.end()
            else:
                responder.reply_encoded(200, _JSON + own, kept.reply)
        except FailedCall as error:
            self._failure = error.failure
            refused = Refusal.of(error.failure, "")
            if asked.stream:
                responder.write(error_event(refused.object()))
                responder.end()
            else:
                refuse(responder, refused, lines)
        return kept.reply

    def record(
        self,
        *,
        id_: str,
        at: float,
        api: Api,
        asked: Asked,
        grant: Grant,
        total: float,
        trace: str | None = None,
    ) -> Exchange:
        """The record of a request that was answered from here: tokens as they were, and nothing spent."""
        kept = self.hit
        assert kept is not None  # noqa: S101 - as above
        failure = self._failure
        outcome: Outcome = "ok" if failure is None else "cut" if asked.stream else "failed"
        return Exchange(
            id=id_,
            at=at,
            endpoint=asked.name,
            api=api,
            outcome=outcome,
            key=grant.name,
            tenant=grant.tenant,
            streamed=asked.stream,
            status=200 if outcome != "failed" else _UNSAID,
            failure=failure,
            route=Route(kept.target, "cache"),
            usage=kept.usage,
            cost=0.0,
            ttft=total if asked.stream else None,
            total=total,
            finish_reason=kept.finish_reason,
            cache=self.how,
            trace=trace,
            features=Features(body_bytes=asked.size),
        )

    def offer(self, record: Exchange, reply: bytes | None, tape: Tape | None = None) -> None:
        """What was answered, whole or on tape: kept where it is a complete answer of one target. Never raises."""
        if self._key is None or record.outcome != "ok" or record.status != 200:
            return
        made = record.served
        # A rescued stream is put together from two targets' answers: it is nobody's.
        if made is None or any(one.failure is not None and one.ttft is not None for one in record.attempts):
            return
        if reply is None and tape is not None:
            reply = tape.reply(made.usage)
        if reply is None or not (_embedded(reply) if record.api == "embeddings" else complete(reply)):
            return
        now = monotonic()
        keep = self._cache.keep
        kept = Kept(reply, made.target, made.usage, made.finish_reason, now, now + keep)
        self._cache.put(self._key, kept, self._probe)


def _last_text(body: dict[str, Any]) -> Meaning | None:
    """What the text means that a request ends with, if a user wrote it and nothing else stands beside it."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.keys() != {"role", "content"} or last["role"] != "user":
        return None
    content = last["content"]
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        part = content[0]
        content = part.get("text") if part.keys() == {"type", "text"} and part["type"] == "text" else None
    return meaning(content) if isinstance(content, str) else None


def complete(reply: bytes) -> bool:
    """Whether every choice of a reply came to its end, and none was filtered."""
    try:
        view = decode_reply(reply)
    except _MALFORMED:
        return False
    choices = view.choices or ()
    return view.error is None and bool(choices) and all(one.finish_reason in _COMPLETE for one in choices)


def _embedded(reply: bytes) -> bool:
    try:
        return bool(_vectors(reply).data)
    except _MALFORMED:
        return False


def digest(endpoint: Endpoint) -> str:
    """Of everything configured that decides what is answered: whom we ask, and what is sent beside the request."""
    said = [_upstream(one) for one in endpoint.upstreams.values()]
    return hashlib.blake2b(_sorted((said, endpoint.section.drop_params)), digest_size=16).hexdigest()


def _upstream(upstream: Upstream) -> tuple[Any, ...]:
    candidate = upstream.candidate
    model, provider = candidate.model, candidate.model.provider
    # Headers may name an organization or a deployment; of their values only this digest is ever seen.
    asked = (provider.name, provider.base_url, provider.headers, provider.preset, model.model)
    return (*asked, candidate.system, candidate.shots, candidate.template, candidate.api, candidate.params)
