"""Telemetry as a collector gets it: a small OTLP/HTTP receiver takes it apart."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.gateway.worlds import recorded, served

from weighbridge.config.serving import TelemetrySection
from weighbridge.errors import UsageError
from weighbridge.gateway.behind import Behind
from weighbridge.gateway.telemetry import Account, telemetry
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Provider
from weighbridge.records.exchange import Attempt, Exchange, Features, Route
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER, CLIENT, ERROR = 2, 3, 2
"""Of the protocol's enumerations."""


class Collector:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resources: list[dict[str, Any]] = []
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            traces: Any = ExportTraceServiceRequest.FromString(body)
            for one in traces.resource_spans:
                self.resources.append(attributes(one.resource))
                self.spans += [span for scope in one.scope_spans for span in scope.spans]
        else:
            figures: Any = ExportMetricsServiceRequest.FromString(body)
            for one in figures.resource_metrics:
                self.metrics |= {metric.name: metric for scope in one.scope_metrics for metric in scope.metrics}

    def points(self, name: str) -> dict[tuple[Any, ...], Any]:
        """Of a histogram, by provider and token type or error."""
        found = {}
        for point in self.metrics[name].histogram.data_points:
            said = attributes(point)
            about = said.get("gen_ai.token.type", said.get("error.type"))
            found[said["gen_ai.request.model"], about] = point
        return found


def attributes(one: Any) -> dict[str, Any]:
    found = {}
    for pair in one.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = [item.string_value for item in value.values] if kind == "array_value" else value
    return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


def exported(collector: Collector, *noted: tuple[Exchange, str | None], share: float = 1.0) -> list[Any]:
    """The spans of some exchanges, once everything was sent."""
    made = telemetry(TelemetrySection(endpoint=collector.url, share=share), {})
    assert made is not None
    made.know(served(url="https://api.example.com/v1").values())
    for record, traceparent in noted:
        made.note(record, traceparent)
    made.close(30.0)
    assert made.dropped == 0
    return collector.spans


FAILED = Attempt(
    target="b",
    provider="elsewhere",
    model="m-b",
    started=0.25,
    total=0.5,
    status=429,
    failure=Failure("rate_limit", "the words of a vendor, with SECRET in them", status=429),
    cost=0.0,
)
WON = Attempt(
    target="a",
    provider="p",
    model="m-a",
    started=0.75,
    ttft=0.5,
    total=1.0,
    answered="m-a-2027",
    status=200,
    finish_reason="stop",
    usage=Usage(input=30, output=12, cached=20, reasoning=5),
    cost=0.001,
    upstream_id="chatcmpl-9",
)
BOTH = recorded(
    at=1_800_000_000.0,
    attempts=(FAILED, WON),
    usage=Usage(input=30, output=12),
    cost=0.001,
    ttft=1.25,
    total=2.0,
    finish_reason="stop",
    streamed=True,
    key="anna",
    features=Features(max_tokens=99),
    request='{"messages":"SECRET"}',
    reply="SECRET",
)


def test_an_exchange_is_a_server_span_and_each_attempt_a_client_span_in_it(collector: Collector) -> None:
    server, failed, won = exported(collector, (BOTH, None))
    assert (server.name, failed.name, won.name) == ("chat it", "chat m-b", "chat m-a")
    assert (server.kind, failed.kind, won.kind) == (SERVER, CLIENT, CLIENT)
    assert server.parent_span_id == b""
    assert failed.parent_span_id == won.parent_span_id == server.span_id
    assert len({server.trace_id, failed.trace_id, won.trace_id}) == 1
    assert len({server.span_id, failed.span_id, won.span_id}) == 3
    began = 1_800_000_000 * 10**9
    assert (server.start_time_unix_nano, server.end_time_unix_nano) == (began, began + 2 * 10**9)
    assert (won.start_time_unix_nano, won.end_time_unix_nano) == (began + 75 * 10**7, began + 175 * 10**7)


def test_an_attempts_span_speaks_the_genai_conventions(collector: Collector) -> None:
    _, failed, won = exported(collector, (BOTH, None))
    said = attributes(won)
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.provider.name"] == "p"
    assert (said["server.address"], said["server.port"]) == ("api.example.com", 443)
    assert (said["gen_ai.request.model"], said["gen_ai.response.model"]) == ("m-a", "m-a-2027")
    assert said["gen_ai.response.finish_reasons"] == ["stop"]
    assert said["gen_ai.response.id"] == "chatcmpl-9"
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (30, 12)
    assert said["gen_ai.usage.cache_read.input_tokens"] == 20
    assert said["gen_ai.usage.reasoning.output_tokens"] == 5
    assert said["weighbridge.cost_usd"] == 0.001
    assert "error.type" not in said
    assert won.status.code != ERROR
    assert attributes(failed)["error.type"] == "rate_limit"
    assert attributes(failed)["http.response.status_code"] == 429
    assert failed.status.code == ERROR


def test_an_exchanges_span_says_how_it_was_served_and_leaves_tokens_to_the_attempts(collector: Collector) -> None:
    """A backend that adds up tokens over spans would count them twice."""
    server, *_ = exported(collector, (BOTH, None))
    said = attributes(server)
    assert (said["http.route"], said["http.response.status_code"]) == ("/v1/chat/completions", 200)
    assert (said["gen_ai.request.model"], said["gen_ai.response.model"]) == ("it", "m-a-2027")
    assert (said["gen_ai.request.max_tokens"], said["gen_ai.request.stream"]) == (99, True)
    assert (said["weighbridge.exchange.id"], said["weighbridge.key"]) == (BOTH.id, "anna")
    assert not any(name.startswith("gen_ai.usage") for name in said)
    assert server.status.code != ERROR


def test_no_content_leaves(collector: Collector) -> None:
    """Neither bodies nor what a vendor says of a failure, which may quote them."""
    for span in exported(collector, (BOTH, None), (recorded(outcome="failed", failure=FAILED.failure), None)):
        assert b"SECRET" not in span.SerializeToString()


@pytest.mark.parametrize("version", ["00", "01"])
def test_an_incoming_trace_is_continued(collector: Collector, version: str) -> None:
    server, attempt = exported(collector, (recorded(), f"{version}-{TRACE}-{PARENT}-01"))
    assert server.trace_id.hex() == attempt.trace_id.hex() == TRACE
    assert server.parent_span_id.hex() == PARENT
    assert attempt.parent_span_id == server.span_id


@pytest.mark.parametrize(
    "said",
    [
        "",
        "00",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}x-{PARENT}-01",
        "\u2603" * 55,
    ],
)
def test_what_is_no_traceparent_begins_a_trace_of_its_own(collector: Collector, said: str) -> None:
    server, _ = exported(collector, (recorded(), said))
    assert server.trace_id.hex() not in {TRACE, "0" * 32}
    assert server.parent_span_id == b""


def test_a_client_that_does_not_sample_is_heeded_and_measured_all_the_same(collector: Collector) -> None:
    assert exported(collector, (BOTH, f"00-{TRACE}-{PARENT}-00")) == []
    assert collector.points("gen_ai.client.operation.duration")["m-a", None].count == 1


def test_traces_nobody_decided_on_are_sent_at_the_configured_share(collector: Collector) -> None:
    spans = exported(collector, *[(recorded(attempts=()), None)] * 400, share=0.25)
    assert 40 <= len(spans) <= 160  # 100 expected, with a standard deviation of 9


def test_durations_tokens_and_first_tokens_are_measured(collector: Collector) -> None:
    exported(collector, (BOTH, None), (BOTH, None))
    durations = collector.points("gen_ai.client.operation.duration")
    assert (durations["m-a", None].count, durations["m-a", None].sum) == (2, 2.0)
    assert durations["m-b", "rate_limit"].sum == 1.0
    tokens = collector.points("gen_ai.client.token.usage")
    assert (tokens["m-a", "input"].sum, tokens["m-a", "output"].sum) == (60, 24)
    assert collector.points("gen_ai.server.time_to_first_token")["it", None].sum == 2.5
    assert collector.points("gen_ai.server.request.duration")["it", None].sum == 4.0
    bounds = list(durations["m-a", None].explicit_bounds)
    assert (bounds[0], bounds[-1], len(bounds)) == (0.01, 81.92, 14)
    assert collector.metrics["gen_ai.client.token.usage"].unit == "{token}"


def test_a_refused_request_is_told_without_the_name_it_asked_for(collector: Collector) -> None:
    """Anybody may write anything there; as a label of a metric it would have no bound."""
    record = recorded(outcome="refused", status=404, endpoint="whatever", attempts=(), route=Route())
    (server,) = exported(collector, (record, None))
    assert server.name == "chat"
    assert attributes(server)["error.type"] == "404"
    assert "gen_ai.server.request.duration" not in collector.metrics
    assert b"whatever" not in server.SerializeToString()


def test_a_cached_answer_is_a_span_without_attempts(collector: Collector) -> None:
    record = recorded(attempts=(), cache="exact", cost=0.0, route=Route("a", "cache"))
    (server,) = exported(collector, (record, None))
    assert (attributes(server)["weighbridge.cache"], attributes(server)["weighbridge.target"]) == ("exact", "a")


def test_a_shadow_is_told_apart_and_counts_as_nobodys_request(collector: Collector) -> None:
    server, _ = exported(collector, (recorded(shadow_of="wbx_0", total=1.0), None))
    assert attributes(server)["weighbridge.shadow_of"] == "wbx_0"
    assert "gen_ai.server.request.duration" not in collector.metrics


def test_the_gateway_names_itself_unless_the_environment_does(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(collector, (recorded(), None))
    assert collector.resources[-1]["service.name"] == "weighbridge"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-gateway")
    exported(collector, (recorded(), None))
    assert collector.resources[-1]["service.name"] == "our-gateway"
    assert len({one["service.instance.id"] for one in collector.resources}) == 2


@pytest.mark.parametrize(
    ("preset", "vendor"),
    [("openai", "openai"), ("gemini-native", "gcp.gemini"), ("azure", "azure.ai.openai"), ("bedrock", "aws.bedrock")],
)
def test_vendors_are_named_as_the_conventions_name_them(preset: str, vendor: str) -> None:
    assert Account.of(Provider("ours", "https://x.example/v1", PRESETS[preset])).vendor == vendor
    local = Account.of(Provider("ours", "http://[::1]:8081/v1", PRESETS["llama.cpp"]))
    assert local == Account("ours", "::1", 8081)


def test_without_a_collector_there_is_no_telemetry() -> None:
    assert telemetry(None, {}) is None
    assert telemetry(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}) is None
    assert telemetry(TelemetrySection(), {"OTEL_SDK_DISABLED": "true"}) is None


def test_the_environment_alone_is_enough(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    made = telemetry(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert made is not None
    made.note(recorded())
    made.close(30.0)
    assert len(collector.spans) == 2


def test_a_missing_extra_is_one_line_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "weighbridge.gateway.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    with pytest.raises(UsageError, match="telemetry needs a package") as caught:
        telemetry(TelemetrySection(), {})
    assert "weighbridge[otel]" in caught.value.mend


def test_nothing_of_opentelemetry_is_loaded_unless_it_is_asked_for() -> None:
    code = (
        "import sys, weighbridge.gateway.telemetry as t; t.telemetry(None, {}); print('opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_full_queue_makes_nobody_wait() -> None:
    """A collector or a terminal that hangs costs its own records, and their number is known."""
    hung, seen = threading.Event(), list[int]()

    def work(items: list[int]) -> None:
        hung.wait()
        seen.extend(items)

    behind: Behind[int] = Behind(work, "test", every=0.0, most=3)
    for n in range(1000):
        behind.put(n)
    assert not behind.close(0.01)
    assert behind.dropped >= 1000 - 2 * 3
    behind.put(0)
    hung.set()
    assert behind.close(30.0)
    assert len(seen) + behind.dropped == 1001


def test_a_batch_that_fails_is_lost_and_said(caplog: pytest.LogCaptureFixture) -> None:
    seen = list[int]()

    def work(items: list[int]) -> None:
        if 1 in items:
            raise ValueError("no")
        seen.extend(items)

    behind: Behind[int] = Behind(work, "test", every=60.0)
    for n in range(1000):
        behind.put(n)
    assert behind.close(30.0)
    assert (seen, behind.dropped) == (list(range(500, 1000)), 500)
    assert "500 records are lost" in caplog.text
