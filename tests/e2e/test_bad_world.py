"""Bad input and bad providers: one clear line each, and nothing lost."""

import asyncio
import os
import resource
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from tests.e2e.conftest import Project, the_line

from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Fault, FaultKind, RateLimits, Settings
from weighbridge.store.run import Run


@contextmanager
def provider(*faults: Fault, limits: RateLimits | None = None) -> Iterator[process.Running]:
    settings = Settings(faults=faults, tokens=Distribution(constant=6), limits=limits or RateLimits())
    with process.start(settings) as running:
        yield running


def test_an_empty_sample_file(project: Project) -> None:
    project.configure("http://127.0.0.1:9/v1")
    project.samples([])
    done = project.run("eval")
    assert done.returncode == 2
    assert the_line(done) == (
        'error: samples.jsonl: it holds no sample. A line is like {"request": {"messages": […]}, "expected": ["…"]}'
    )


def test_one_bad_line_among_a_thousand_is_named(project: Project) -> None:
    """And with skip_bad it is left out, counted and said; the other 999 are measured."""
    good = {"request": {"messages": [{"role": "user", "content": "x"}]}}
    lines: list[dict[str, object] | str] = [
        {**good, "tags": [str(number)], "expected": [str(number)]} for number in range(1000)
    ]
    lines[499] = '{"request": {"messages": '
    project.samples(lines)
    project.configure("http://127.0.0.1:9/v1")
    done = project.run("eval")
    assert done.returncode == 2
    assert the_line(done).startswith("error: samples.jsonl:500: not JSON")
    with provider() as running:
        project.configure(running.url, skip=True)
        found = project.evaluated()
        assert found["results"] == 999
        assert running.stats().paid == 999


def test_a_prompt_of_ten_megabytes_goes_through(project: Project) -> None:
    with provider() as running:
        project.configure(running.url)
        project.samples([{"request": {"messages": [{"role": "user", "content": "word " * 2_000_000}]}}])
        assert project.evaluated()["error_rate"]["value"] == 0


KINDS: list[tuple[FaultKind, str, str]] = [
    ("html", "protocol", "<!DOCTYPE html>"),
    ("html_502", "capacity", "HTTP 502: <!DOCTYPE html>"),
    ("endless", "timeout", "not done after 3 s"),
    ("silent", "timeout", "no answer after 2 s"),
    ("stall", "timeout", "silence after 1 s"),
    ("cut", "network", "closed before the reply was complete"),
    ("malformed", "protocol", "not a reply of this API"),
    ("error_event", "capacity", "The server had an error"),
    ("context_length", "context_length", "maximum context length"),
    ("content_filter", "content_filter", "filtered"),
    ("429", "rate_limit", "Rate limit reached"),
]


@pytest.mark.parametrize(("kind", "error_class", "said"), KINDS)
def test_a_failed_request_is_a_failed_sample_with_its_reason(
    project: Project, kind: FaultKind, error_class: str, said: str
) -> None:
    """Half of the requests fail in this way: they stay in the denominator, are classed, and say what happened."""
    with provider(Fault(kind=kind, every=2, after=3)) as running:
        project.configure(running.url)
        project.ask(8)
        found = project.evaluated()
    assert found["results"] == 8
    assert found["errors"] == {error_class: 4}
    assert found["quality"]["value"] == 0.5
    results = Run.open(home=project.folder / ".weighbridge").results().values()
    messages = [result.failure.message for result in results if result.failure is not None]
    assert len(messages) == 4
    assert all(said in message for message in messages), messages


def test_a_reset_is_tried_again_only_where_the_connection_had_grown_stale(project: Project) -> None:
    """A kept connection that is reset before any reply may just have been closed by the server: that one is sent again,
    once, on a new connection. On a new connection a reset is a failure."""
    with provider(Fault(kind="reset")) as running:
        project.configure(running.url)
        project.ask(8)
        done = project.run("eval")
        assert running.stats().requests == 8
    assert done.returncode == 3
    assert the_line(done).startswith("error: nothing could be measured: all 8 requests failed, the first with: http://")
    results = Run.open(home=project.folder / ".weighbridge").results().values()
    assert {result.failure.error_class for result in results if result.failure} == {"network"}
    assert all("closed before any reply" in result.failure.message for result in results if result.failure)


def test_p99_never_improves_by_failing(project: Project) -> None:
    """Half of the requests fail at once: the median total is at the edge of infinity, not that of the quick half."""
    with provider(Fault(kind="500", every=2)) as running:
        project.configure(running.url)
        project.ask(80)
        found = project.evaluated()
    assert found["total"]["p95"]["beyond"] in {"value", "low"}
    assert "value" not in found["total"]["p95"]


def test_retries_are_counted_and_what_they_rescue_is_a_success(project: Project) -> None:
    with provider(Fault(kind="503", first=3)) as running:
        project.configure(running.url, retries=3)
        project.ask(10)
        found = project.evaluated()
        assert running.stats().paid == 10
    assert found["quality"]["value"] == 1.0
    assert found["retries"] == 3
    assert found["retried"] == {"capacity": 3}


def test_a_rate_limit_slows_the_run_down_and_fails_nothing(project: Project) -> None:
    """600 requests a minute and a burst of 10: with Retry-After honoured every sample gets its answer."""
    with provider(limits=RateLimits(concurrent=2)) as running:
        project.configure(running.url, retries=8)
        project.ask(30)
        found = project.evaluated()
        assert running.stats().most_concurrent <= 4
    assert found["quality"]["value"] == 1.0


def test_nobody_listens(project: Project) -> None:
    """deepeval#2232: no hang and no empty table, but one line that says why nothing could be measured."""
    project.configure("http://127.0.0.1:9/v1")
    project.ask(3)
    done = project.run("eval")
    assert done.returncode == 3
    assert the_line(done).startswith(
        "error: nothing could be measured: all 3 requests failed, the first with: http://127.0.0.1:9: no connection"
    )
    assert len(Run.open(home=project.folder / ".weighbridge").results()) == 3


def test_a_certificate_that_does_not_verify(project: Project) -> None:
    """Nothing is sent over it; the line names the host and the mend. With the authority named, it works."""
    authority = trustme.CA()
    with tls_server(authority) as port:
        project.configure(f"https://localhost:{port}/v1")
        project.ask(1)
        done = project.run("eval")
        assert done.returncode == 3
        assert f"https://localhost:{port}: the certificate does not verify" in the_line(done)
        assert "SSL_CERT_FILE" in the_line(done)
        pem = project.folder / "ca.pem"
        authority.cert_pem.write_to_path(str(pem))
        verified = project.run("eval", "--json", env={"SSL_CERT_FILE": str(pem)})
        assert verified.returncode == 0, verified.stderr
        assert Run.open(home=project.folder / ".weighbridge").results().popitem()[1].answer is not None


@contextmanager
def tls_server(authority: trustme.CA) -> Iterator[int]:
    """A server with a certificate for localhost that answers every request with the same chat completion."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    body = b'{"choices":[{"index":0,"message":{"content":"scale"},"finish_reason":"stop"}]}'
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()

    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0, ssl=context))
    loop.set_exception_handler(lambda *_: None)  # refused handshakes are the point
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


def test_a_full_disk_stops_with_one_line_and_resumes_when_there_is_room(project: Project) -> None:
    """The journal may grow to 64 KB and no further: what was answered by then is kept, and not paid for again."""
    with provider() as running:
        project.configure(running.url)
        project.ask(400)

        def no_room() -> None:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))

        command = [sys.executable, "-m", "weighbridge", "eval"]
        full = subprocess.run(
            command, cwd=project.folder, capture_output=True, text=True, check=False, preexec_fn=no_room
        )
        assert full.returncode == 3
        assert "cannot be written" in the_line(full)
        kept = len(Run.open(home=project.folder / ".weighbridge").results())
        assert 50 < kept < 400
        assert project.evaluated()["results"] == 400
        assert running.stats().paid == 400


def test_a_budget_stops_before_it_is_exceeded(project: Project) -> None:
    with provider() as running:
        project.configure(running.url)
        text = (project.folder / "weighbridge.yaml").read_text()
        (project.folder / "weighbridge.yaml").write_text(text + "    budget: $0.02\n")
        project.samples(
            [{"request": {"messages": [{"role": "user", "content": f"Say {n}"}], "max_tokens": 10}} for n in range(500)]
        )
        done = project.run("eval")
        assert done.returncode == 3
        assert "the budget" in done.stderr
    results = Run.open(home=project.folder / ".weighbridge").results().values()
    assert 0 < sum(result.cost or 0 for result in results) <= 0.02


def test_secrets_are_nowhere_in_what_is_kept(project: Project) -> None:
    """The key goes to the provider, and not to the manifest, the journal or the report."""
    secret = "sk-live-0123456789abcdef0123456789"
    with provider(Fault(kind="500", every=2)) as running:
        project.configure(running.url)
        path: Path = project.folder / "weighbridge.yaml"
        path.write_text(path.read_text().replace('v1"}', 'v1", key: $MY_KEY}'))
        project.ask(4)
        done = project.run("eval", "--html", "report.html", env={"MY_KEY": secret})
        assert done.returncode == 0, done.stderr
    kept = b"".join(
        (Path(folder) / name).read_bytes() for folder, _, names in os.walk(project.folder) for name in names
    )
    assert secret.encode() not in kept
    assert secret not in done.stdout + done.stderr
