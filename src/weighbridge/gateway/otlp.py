"""Spans and metrics of exchanges by OpenTelemetry's GenAI conventions, over OTLP/HTTP. Numbers and names, no content.

An exchange is a server span, each attempt a client span in it. Tokens are told on the attempts alone: a backend that
adds them up would count twice what stands on both. Failures say their class, not their words: a vendor may quote the
prompt in them.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from weighbridge.gateway.telemetry import Account, Noted
from weighbridge.records.exchange import Api, Attempt, Exchange

Value = str | int | float | bool | tuple[str, ...]
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ROUTES: Final[dict[Api, tuple[str, str]]] = {
    "chat": ("chat", "/v1/chat/completions"),
    "completions": ("text_completion", "/v1/completions"),
    "responses": ("chat", "/v1/responses"),
    "messages": ("chat", "/v1/messages"),
    "embeddings": ("embeddings", "/v1/embeddings"),
}
_SECONDS: Final = [0.01 * 2**n for n in range(14)]
_TOKENS: Final = [float(4**n) for n in range(14)]
_FIRST: Final = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
_VERSION: Final = version("weighbridge")
_SCOPE: Final = InstrumentationScope("weighbridge", _VERSION)
_dice = random.Random()  # noqa: S311 - names, not secrets


class Origin:
    """Where an exchange stands in a trace: under its client's span, or at the top of a trace of its own. `sampled`
    says whether its spans are sent: as the client decided; else for `share` of the traces."""

    __slots__ = ("parent", "sampled", "trace")

    def __init__(self, traceparent: str | None, share: float) -> None:
        found = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent is not None else None
        self.parent: SpanContext | None = None
        if found is None or found[1] == "ff" or (found[1] == "00" and found[5]) or not int(found[2], 16):
            self.trace = _dice.getrandbits(128) or 1
            self.sampled = (self.trace & (2**64 - 1)) < share * 2**64
            return
        self.trace = int(found[2], 16)
        self.sampled = bool(int(found[4], 16) & TraceFlags.SAMPLED)
        if int(found[3], 16):
            self.parent = self._context(int(found[3], 16), remote=True)

    def span(self) -> SpanContext:
        return self._context(_dice.getrandbits(64) or 1)

    def _context(self, span: int, *, remote: bool = False) -> SpanContext:
        return SpanContext(self.trace, span, remote, TraceFlags(TraceFlags.SAMPLED if self.sampled else 0))


class OTLP:
    """Sends to `endpoint` (None: as OTEL_EXPORTER_OTLP_ENDPOINT says); the rest of OpenTelemetry's variables hold."""

    def __init__(self, endpoint: str | None, share: float) -> None:
        self.accounts: Mapping[str, Account] = {}
        self._share = share
        known = Resource.create({"service.name": "weighbridge", "service.version": _VERSION})
        known = known.merge(Resource({"service.instance.id": str(uuid.uuid4())}))
        self._resource = known.merge(OTELResourceDetector().detect())
        base = endpoint.rstrip("/") if endpoint is not None else None
        self._spans = OTLPSpanExporter(f"{base}/v1/traces" if base is not None else None)
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{base}/v1/metrics" if base is not None else None))
        self._provider = MeterProvider([reader], self._resource, shutdown_on_exit=False)
        meter = self._provider.get_meter(_SCOPE.name, _VERSION)
        made = meter.create_histogram
        self._duration = made(
            "gen_ai.client.operation.duration",
            "s",
            "Of a call to a provider.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens = made(
            "gen_ai.client.token.usage",
            "{token}",
            "Of a call to a provider.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._served = made(
            "gen_ai.server.request.duration",
            "s",
            "Of a request, all attempts together.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first = made(
            "gen_ai.server.time_to_first_token",
            "s",
            "As the client saw it.",
            explicit_bucket_boundaries_advisory=_FIRST,
        )

    def export(self, noted: list[Noted]) -> None:
        spans: list[ReadableSpan] = []
        for record, traceparent in noted:
            origin = Origin(traceparent, self._share)
            if origin.sampled:
                spans += self._exchange(record, origin)
            self._measure(record)
        if spans:
            self._spans.export(spans)

    def close(self) -> None:
        self._provider.shutdown()
        self._spans.shutdown()  # type: ignore[no-untyped-call]  # its own

    # --- spans

    def _exchange(self, record: Exchange, origin: Origin) -> Iterator[ReadableSpan]:
        context = origin.span()
        failed = record.outcome in {"failed", "cut"}
        total = record.total or 0.0
        yield self._span(
            _named(record.api, _asked(record)),
            (context, origin.parent),
            SpanKind.SERVER,
            _served_as(record),
            (record.at, record.at + total),
            failed=failed,
        )
        for attempt in record.attempts:
            began = record.at + attempt.started
            ended = began + attempt.total if attempt.total is not None else max(began, record.at + total)
            attributes = self._called(record, attempt)
            yield self._span(
                _named(record.api, attempt.model),
                (origin.span(), context),
                SpanKind.CLIENT,
                {**attributes, **_answered(attempt)},
                (began, ended),
                failed=attempt.failure is not None,
            )

    def _span(
        self,
        name: str,
        place: tuple[SpanContext, SpanContext | None],
        kind: SpanKind,
        attributes: dict[str, Value],
        times: tuple[float, float],
        *,
        failed: bool,
    ) -> ReadableSpan:
        """`place` is its own context and its parent's; `times` are Unix seconds."""
        return ReadableSpan(
            name,
            place[0],
            place[1],
            self._resource,
            attributes,
            kind=kind,
            status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
            start_time=round(times[0] * 1e6) * 1000,
            end_time=round(times[1] * 1e6) * 1000,
            instrumentation_scope=_SCOPE,
        )

    def _called(self, record: Exchange, attempt: Attempt) -> dict[str, Value]:
        """Whom an attempt called, as spans and metrics both say it."""
        account = self.accounts.get(attempt.provider) or Account(attempt.provider)
        return _known(
            {
                "gen_ai.operation.name": _ROUTES[record.api][0],
                "gen_ai.provider.name": account.vendor,
                "gen_ai.request.model": attempt.model,
                "gen_ai.response.model": attempt.answered,
                "server.address": account.host,
                "server.port": account.port,
                "error.type": attempt.failure.error_class if attempt.failure is not None else None,
            }
        )

    # --- metrics

    def _measure(self, record: Exchange) -> None:
        for attempt in record.attempts:
            attributes = self._called(record, attempt)
            if attempt.total is not None:
                self._duration.record(attempt.total, attributes)
            for kind, count in (("input", attempt.usage.input), ("output", attempt.usage.output)):
                if count is not None:
                    self._tokens.record(count, {**attributes, "gen_ai.token.type": kind})
        if record.outcome == "refused" or record.shadow_of is not None:
            return  # nobody was served
        attributes = _known(
            {
                "gen_ai.operation.name": _ROUTES[record.api][0],
                "gen_ai.provider.name": "weighbridge",
                "gen_ai.request.model": record.endpoint,
                "error.type": _error(record),
            }
        )
        if record.total is not None:
            self._served.record(record.total, attributes)
        if record.ttft is not None:
            self._first.record(record.ttft, attributes)


def _served_as(record: Exchange) -> dict[str, Value]:
    """Attributes of the server span."""
    served = record.served
    operation, path = _ROUTES[record.api]
    return _known(
        {
            "http.request.method": "POST",
            "http.route": path,
            "http.response.status_code": record.status,
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "weighbridge",
            "gen_ai.request.model": _asked(record),
            "gen_ai.request.stream": record.streamed,
            "gen_ai.request.max_tokens": record.features.max_tokens,
            "gen_ai.response.model": served.answered if served is not None else None,
            "gen_ai.response.finish_reasons": (record.finish_reason,) if record.finish_reason is not None else None,
            "gen_ai.response.time_to_first_chunk": record.ttft,
            "error.type": _error(record),
            "weighbridge.exchange.id": record.id,
            "weighbridge.outcome": record.outcome,
            "weighbridge.target": record.route.target,
            "weighbridge.reason": record.route.reason,
            "weighbridge.key": record.key,
            "weighbridge.cost_usd": record.cost,
            "weighbridge.cache": record.cache,
            "weighbridge.shadow_of": record.shadow_of,
        }
    )


def _answered(attempt: Attempt) -> dict[str, Value]:
    """What only an attempt's span says: what came of it, and what it took."""
    usage = attempt.usage
    return _known(
        {
            "gen_ai.response.id": attempt.upstream_id,
            "gen_ai.response.finish_reasons": (attempt.finish_reason,) if attempt.finish_reason is not None else None,
            "gen_ai.response.time_to_first_chunk": attempt.ttft,
            "gen_ai.usage.input_tokens": usage.input,
            "gen_ai.usage.output_tokens": usage.output,
            "gen_ai.usage.cache_read.input_tokens": usage.cached,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
            "http.response.status_code": attempt.status,
            "weighbridge.target": attempt.target,
            "weighbridge.reason": attempt.reason,
            "weighbridge.cost_usd": attempt.cost,
        }
    )


def _asked(record: Exchange) -> str | None:
    """The endpoint; None where the name is only what somebody wrote, who was refused."""
    return None if record.outcome == "refused" else record.endpoint


def _named(api: Api, model: str | None) -> str:
    operation = _ROUTES[api][0]
    return operation if not model else f"{operation} {model}"


def _error(record: Exchange) -> str | None:
    if record.outcome == "ok":
        return None
    if record.outcome == "refused":
        return str(record.status)
    return record.failure.error_class if record.failure is not None else record.outcome


def _known(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}
