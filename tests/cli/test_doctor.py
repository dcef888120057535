"""`weighbridge doctor` against real servers on the loopback: what it finds, and how it ends."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from weighbridge import compiled
from weighbridge.cli.main import run

KEY = "sk-doctor-secret-0123456789"
SAMPLE = '{"request": {"messages": [{"role": "user", "content": "Hi"}]}, "expected": ["Hi"]}\n'
MODELS = {"object": "list", "data": [{"id": "gpt-5-mini"}, {"id": "models/other"}]}


class Vendor:
    """A server that answers every request the same way, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps(MODELS).encode()
        self.asked: list[tuple[str, str | None]] = []
        self.silent = threading.Event()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                vendor.asked.append((self.path, self.headers.get("Authorization")))
                vendor.silent.wait(timeout=5 if vendor.status == 0 else 0)
                if vendor.status == 0:
                    return
                self.send_response(vendor.status)
                self.send_header("Content-Length", str(len(vendor.body)))
                self.end_headers()
                self.wfile.write(vendor.body)

            def log_message(self, *_: Any) -> None:
                """Keeps test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    made = Vendor()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.silent.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "WEIGHBRIDGE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    Path("s.jsonl").write_text(SAMPLE)


def write(url: str, model: str = "gpt-5-mini", scorers: str = "{ok: {exact: {}}}", price: str = "") -> None:
    Path("weighbridge.yaml").write_text(
        f"providers:\n  p: {{preset: openai, base_url: {url}}}\nmodels:\n  m: {{provider: p, model: {model}{price}}}\n"
        "candidates:\n  c: {model: m, system: Be brief.}\nendpoints:\n  e: {candidates: [m, c], success: ok}\n"
        f"evaluations:\n  v: {{endpoint: e, samples: {{file: s.jsonl}}, scorers: {scorers}}}\n"
    )


def examined(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """Exit code, and the checks by (subject, of what)."""
    code = run(["doctor", "--json", *options])
    written = capsys.readouterr()
    assert KEY not in written.out + written.err
    found = json.loads(written.out)
    assert found["schema"] == "weighbridge.doctor/1"
    assert (found["ok"], found["exit_code"]) == (code == 0, code)
    return code, {(check["subject"], check["what"]): check for check in found["checks"]}


def test_all_is_well(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    """Each thing an evaluation needs is looked at, with the provider's own list of models, and nothing is paid for."""
    write(vendor.url)
    code, checks = examined(capsys)
    assert code == 0
    assert {check["status"] for check in checks.values()} == {"ok"}
    assert list(dict.fromkeys(subject for subject, _ in checks)) == [
        "configuration", "data folder", "compiled code",
        "key", "provider", "model", "price", "candidate", "samples", "scorers",
    ]  # fmt: skip
    assert checks["compiled code", "gateway"]["says"] == "plain Python: WEIGHBRIDGE_PURE is set"
    assert checks["key", "p"]["says"] == "from $OPENAI_API_KEY"
    assert checks["price", "m"]["says"].startswith("$0.25 in, $2 out per million, from genai-prices")
    assert vendor.asked == [("/v1/models", f"Bearer {KEY}")]


def test_a_build_that_does_not_fit_is_a_warning(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything works without compiled modules, so that doctor ends well; but it says what is wrong with them."""
    monkeypatch.setattr(
        compiled, "status", lambda: compiled.Status(False, "plain Python: errors.py is new", fault=True)
    )
    write(vendor.url)
    code, checks = examined(capsys)
    found = checks["compiled code", "gateway"]
    assert (code, found["status"], found["says"]) == (0, "warning", "plain Python: errors.py is new")
    assert "make compiled" in found["mend"]


def test_people_get_a_table(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    write(vendor.url, model="gpt-5-min")
    assert run(["doctor"]) == 0
    written = capsys.readouterr().out
    assert "'gpt-5-min' is not listed by p" in written
    assert "Did you mean gpt-5-mini?" in written
    assert KEY not in written


def test_a_missing_key_is_to_be_mended_here(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    write(vendor.url)
    code, checks = examined(capsys)
    assert (code, checks["key", "p"]["status"]) == (2, "failed")
    assert checks["key", "p"]["mend"] == "export OPENAI_API_KEY=…"
    assert vendor.asked == [], "a provider without its key is not called"


@pytest.mark.parametrize(
    ("status", "body", "code", "outcome", "says"),
    [
        (401, f'{{"error": "bad key {KEY}"}}', 2, "failed", "refuses the key (HTTP 401)"),
        (403, "no", 2, "failed", "refuses the key (HTTP 403)"),
        (500, "oops", 3, "failed", "answers HTTP 500"),
        (404, "not found", 0, "warning", "lists no models (HTTP 404)"),
        (200, "<html>hello</html>", 0, "warning", "lists no models (HTTP 200)"),
        (200, '{"data": "none"}', 0, "warning", "lists no models (HTTP 200)"),
        (200, '{"data": [1, {"id": 2}]}', 0, "ok", "lists 0 models"),
    ],
)
def test_what_a_provider_answers_decides(
    status: int, body: str, code: int, outcome: str, says: str, vendor: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    """2: the mend is here. 3: it is there. A list of models is welcome and not needed."""
    vendor.status, vendor.body = status, body.encode()
    write(vendor.url)
    ended, checks = examined(capsys)
    assert (ended, checks["provider", "p"]["status"]) == (code, outcome)
    assert says in checks["provider", "p"]["says"]


def test_a_provider_that_is_not_there_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:  # taken, and nobody listens
        bound.bind(("127.0.0.1", 0))
        write(f"http://127.0.0.1:{bound.getsockname()[1]}/v1")
        code, checks = examined(capsys)
    assert code == 3
    assert "no connection" in checks["provider", "p"]["says"]


def test_a_provider_that_never_answers_is_not_waited_for(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    vendor.status = 0
    write(vendor.url)
    code, checks = examined(capsys, "--timeout", "200ms")
    assert code == 3
    assert "after 0.2 s" in checks["provider", "p"]["says"]


def test_a_price_nobody_knows_is_a_warning_with_its_mend(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    write(vendor.url, model="no-such-model")
    code, checks = examined(capsys)
    assert (code, checks["price", "m"]["status"]) == (0, "warning")
    assert "unknown" in checks["price", "m"]["says"]
    assert "weighbridge.yaml:4" in checks["price", "m"]["mend"]
    write(vendor.url, price=", price: {input: 1, output: 2}")
    _, checks = examined(capsys)
    assert checks["price", "m"]["says"] == "$1 in, $2 out per million, from weighbridge.yaml"


def test_samples_that_cannot_be_read_are_found_before_a_run(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    write(vendor.url)
    Path("s.jsonl").write_text(f"{SAMPLE}{{bad\n")
    code, checks = examined(capsys)
    assert (code, checks["samples", "v"]["status"]) == (2, "failed")
    assert "s.jsonl:2" in checks["samples", "v"]["says"]
    Path("s.jsonl").write_text("\n")
    code, checks = examined(capsys)
    assert (code, checks["samples", "v"]["says"]) == (2, "s.jsonl: it holds no sample")
    Path("s.jsonl").unlink()
    code, checks = examined(capsys)
    assert (code, checks["samples", "v"]["status"]) == (2, "failed")


def test_bad_lines_that_may_be_skipped_are_a_warning(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    write(vendor.url)
    source = Path("weighbridge.yaml").read_text()
    Path("weighbridge.yaml").write_text(source.replace("file: s.jsonl", "file: s.jsonl, skip_bad: true"))
    Path("s.jsonl").write_text(f"{SAMPLE}{{bad\n\n")
    code, checks = examined(capsys)
    assert (code, checks["samples", "v"]["status"]) == (0, "warning")
    assert checks["samples", "v"]["says"] == "1 in s.jsonl, 1 unreadable left out"


def test_a_scorer_that_cannot_be_built_is_found_before_a_run(
    vendor: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    write(vendor.url, scorers="{ok: {exakt: {}}}")
    code, checks = examined(capsys)
    assert (code, checks["scorers", "v"]["status"]) == (2, "failed")
    assert checks["scorers", "v"]["says"] == "weighbridge.yaml:10: no scorer is of the kind 'exakt'"
    assert checks["scorers", "v"]["mend"] == "Did you mean exact?"


def test_checks_that_samples_bring_are_built_too(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    write(vendor.url)
    check = '{"request": {"messages": [{"role": "user", "content": "Hi"}]}, "checks": {"own": {"KIND": {}}}}\n'
    Path("s.jsonl").write_text(check.replace("KIND", "exact"))
    code, checks = examined(capsys)
    assert (code, checks["scorers", "v"]["says"]) == (0, "ok, own (from samples)")
    Path("s.jsonl").write_text(check.replace("KIND", "exakt"))
    code, checks = examined(capsys)
    assert (code, checks["scorers", "v"]["status"]) == (2, "failed")


def test_a_prompt_file_that_is_missing_is_found_before_a_run(
    vendor: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    write(vendor.url)
    source = Path("weighbridge.yaml").read_text()
    Path("weighbridge.yaml").write_text(source.replace("Be brief.", "brief.md"))
    code, checks = examined(capsys)
    assert (code, checks["candidate", "c"]["status"]) == (2, "failed")


def test_a_data_folder_that_cannot_be_written_is_found(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_HOME", "s.jsonl/home")
    write(vendor.url)
    code, checks = examined(capsys)
    check = checks["data folder", "s.jsonl/home"]
    assert (code, check["status"]) == (2, "failed")
    assert "cannot be written: not a directory" in check["says"]


def test_nothing_is_left_in_the_folder(vendor: Vendor, tmp_path: Path) -> None:
    write(vendor.url)
    run(["doctor"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.jsonl", "weighbridge.yaml"]


def test_offline_calls_nobody(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    write(vendor.url)
    Path("weighbridge.yaml").rename("other.yaml")
    code, checks = examined(capsys, "--offline", "--config", "other.yaml")
    assert (code, vendor.asked) == (0, [])
    assert not [subject for subject, _ in checks if subject in {"provider", "model"}]


def test_a_broken_configuration_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Path("weighbridge.yaml").write_text("modls: {}\nproviders: {p: {}}\n")
    assert run(["doctor"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_timeout_without_a_unit_is_bad_usage(vendor: Vendor, capsys: pytest.CaptureFixture[str]) -> None:
    write(vendor.url)
    assert run(["doctor", "--timeout", "10"]) == 2
    assert capsys.readouterr().err.startswith("error: --timeout must be a duration with its unit")
