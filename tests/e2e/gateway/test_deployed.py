"""A gateway as docs/deploying.md has it run: in the unit's sandbox, checked by the image, behind nginx, and followed by
another one without a gap."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import openai
import pytest
from tests.deploy.files import PAGE, health
from tests.deploy.sandbox import entering
from tests.docs.pages import blocks
from tests.e2e.gateway.conftest import PATIENCE_S, Serve, Served, Simulate, ask, config, stream
from tests.e2e.gateway.crowd import crowd
from tests.e2e.gateway.herd import herd
from tests.e2e.gateway.test_running import until

from weighbridge.gateway.admission.grant import KeySpec
from weighbridge.gateway.admission.keystore import KeyStore

SEAL = "import sys, pathlib; from weighbridge.store.exchanges import seal; print(len(seal(pathlib.Path(sys.argv[1]))))"


@pytest.mark.parametrize("workers", [1, 2])
def test_in_the_units_sandbox_a_gateway_serves_reloads_drains_and_seals(
    simulate: Simulate, tmp_path: Path, workers: int
) -> None:
    enter = entering()
    with herd(tmp_path, config([simulate()], capture={"share": 1.0}), workers, before=enter) as served:
        assert re.search(r"Seccomp:\s+2", Path(f"/proc/{served.process.pid}/status").read_text())
        assert ask(served).choices
        assert stream(served)
        served.process.send_signal(signal.SIGHUP)
        until(lambda: "read anew" in (tmp_path / "log").read_text(), "the signal did not arrive")
        assert ask(served).choices
        served.records(3)
        served.process.terminate()
        assert served.process.wait(PATIENCE_S) == 0
    done = subprocess.run(
        [sys.executable, "-c", SEAL, str(served.home)],
        preexec_fn=enter,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


def healthy(port: int, **environment: str) -> bool:
    """What the image's health check says."""
    command = [sys.executable, *health(port)[1:]]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode == 0


def test_the_images_health_check_tells_a_gateway_that_answers_from_one_that_does_not(
    simulate: Simulate, serve: Serve
) -> None:
    """Whatever proxy the environment names for calls to providers."""
    served = serve(config([simulate()]))
    port = int(served.origin.rpartition(":")[2])
    assert healthy(port)
    assert healthy(port, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
    served.process.send_signal(signal.SIGSTOP)
    assert not healthy(port)
    served.process.send_signal(signal.SIGCONT)
    served.process.terminate()
    served.process.wait(PATIENCE_S)
    assert not healthy(port)


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """Runs nginx with the page's configuration, but for TLS and where things are; the port it listens at."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs nginx, Debian's package of this name")
    (block,) = [block for block in blocks(PAGE) if block.language == "nginx"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    said = re.sub(r" *ssl_certificate.*\n", "", block.text)
    said = said.replace("listen 443 ssl", f"listen 127.0.0.1:{port}").replace("/run/weighbridge", str(folder))
    paths = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}"
    (folder / "nginx.conf").write_text(f"{main} http {{ access_log off; {paths}\n{said}}}\n")
    with subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")]) as process:
        try:
            yield port
        finally:
            process.terminate()


def test_behind_nginx_streams_come_as_they_are_made_and_figures_stay_inside(simulate: Simulate) -> None:
    """As docs/deploying.md configures it, over a Unix socket."""
    slow = simulate(tokens={"constant": 20}, gap={"constant": 0.1})
    with tempfile.TemporaryDirectory(prefix="wb-") as name, nginx(Path(name)) as port:
        folder = Path(name)
        said = {**config([slow]), "gateway": {"listen": f"unix:{folder}/gateway.sock"}}
        (folder / "weighbridge.yaml").write_bytes(msgspec.yaml.encode(said))
        command = [sys.executable, "-m", "weighbridge", "serve"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            with closing(Served(process, f"http://127.0.0.1:{port}", folder, folder)) as served:
                until(lambda: status(f"{served.origin}/ready") == 200, "nginx does not answer")
                began = time.monotonic()
                got = served.client().chat.completions.create(model="it", messages=[], stream=True)
                came = [time.monotonic() - began for _ in got]
                assert status(f"{served.origin}/metrics") == 403
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
    assert len(came) >= 20
    assert came[0] < came[-1] / 2, "it was held back"


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as reply:
            found: int = reply.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
    return found


class Clients:
    """Apps that go on asking: by the official SDK with a kept connection, or each time over a new one."""

    def __init__(self, served: Served) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._stopping = threading.Event()
        self._served = served
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._kept, self._new) for _ in range(2)
        ]
        for thread in self._threads:
            thread.start()

    def _kept(self) -> None:
        with openai.OpenAI(base_url=self._served.url, api_key="none") as client:
            self._ask(client)

    def _new(self) -> None:
        while not self._stopping.is_set():
            with openai.OpenAI(base_url=self._served.url, api_key="none") as client:
                self._ask(client, once=True)

    def _ask(self, client: openai.OpenAI, *, once: bool = False) -> None:
        while not self._stopping.is_set():
            try:
                client.chat.completions.create(model="it", messages=[])
                self.answers += 1
            except openai.OpenAIError as error:
                self.failures.append(str(error))
            if once:
                return

    def wait_for(self, more: int) -> None:
        wanted = self.answers + more
        until(lambda: self.answers >= wanted or bool(self.failures), "no answers any more")

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)


def test_a_new_gateway_follows_the_old_one_at_its_port_and_home_and_no_client_notices(
    simulate: Simulate, tmp_path: Path
) -> None:
    """The hand-over of docs/deploying.md. The SDK is as it comes: it asks again where a connection breaks."""
    with herd(tmp_path, config([simulate(latency={"constant": 0.05})]), 2) as old:
        clients = Clients(old)
        clients.wait_for(30)
        command: list[str] = list(old.process.args)  # type: ignore[arg-type]
        home = {**os.environ, "WEIGHBRIDGE_HOME": str(old.home)}
        with subprocess.Popen(command, env=home, cwd=tmp_path, stdout=subprocess.PIPE) as new:
            assert new.stdout is not None
            assert all(new.stdout.readline() for _ in range(2))
            clients.wait_for(30)
            old.process.terminate()
            assert old.process.wait(PATIENCE_S) == 0
            clients.wait_for(30)
            clients.stop()
            new.terminate()
            assert new.wait(PATIENCE_S) == 0
    assert clients.failures == []
    assert len(old.records(clients.answers)) >= clients.answers


def test_a_home_copied_while_the_gateway_serves_has_its_keys_its_budgets_and_its_records(
    simulate: Simulate, tmp_path: Path
) -> None:
    """A copy is a backup: file by file, by whatever copies files."""
    said = config([simulate(tokens={"constant": 100})], budget={"day": "$0.002"})
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    with herd(one, said, 2) as served:
        key = KeyStore(served.home).create(KeySpec("shop", ""), time.time())
        until(lambda: crowd(served, 1)[0].status == 401, "the key is not known")
        answered = 0
        while answered < 100 and crowd(served, 1, key=key)[0].status == 200:
            answered += 1
        recorded = len(served.records(answered))
        shutil.copytree(served.home, two / ".weighbridge")
    with herd(two, said, 2) as restored:
        assert crowd(restored, 1)[0].status == 401
        assert crowd(restored, 1, key=key)[0].status == 429
        assert len(restored.records(recorded)) >= recorded
