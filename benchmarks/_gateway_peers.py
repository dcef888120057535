"""Other gateways before the same upstream in the same run, where they are installed.

A peer is found on PATH, or in one of the folders of $WEIGHBRIDGE_PEERS (separated by ':'), each a bin folder of a
virtual environment or of a node_modules. Each runs as one process on the core that our worker has, with the least that
it can do: what we are held against is then its best.

    LiteLLM     pip install 'litellm[proxy]'       Portkey   npm install @portkey-ai/gateway
    TensorZero  pip install tensorzero             rolter    pip install rolter
    Ferro       pip install ferrogw
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import _gateway
import _load
import _processes
from _peers import find

_WARM = 10
_START_S = 120.0
_TENSORZERO = """
import sys, threading
import tensorzero.tensorzero as inner
gateway = inner._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
print(gateway.base_url, flush=True)
threading.Event().wait()
"""


class Asked(NamedTuple):
    """How a running peer is asked: the whole URL, what its `model` is called, and headers."""

    url: str
    model: str
    headers: Mapping[str, str]


class Place(NamedTuple):
    """Where a peer runs."""

    folder: Path
    upstream: str
    cpu: int


@contextmanager
def _litellm(command: str, place: Place) -> Iterator[Asked]:
    port = _processes.free_port()
    name = "answers"
    one = {
        "model_name": name,
        "litellm_params": {"model": "openai/simulated", "api_base": place.upstream, "api_key": "none"},
    }
    config = place.folder / "litellm.json"  # JSON is YAML
    config.write_text(json.dumps({"model_list": [one, one], "general_settings": {"master_key": _gateway.KEY}}))
    words = [command, "--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_DOCS": "True"}
    with _processes.child(words, place.folder, cpus=[place.cpu], env=env) as child:
        child.wait_for(port, _START_S)
        headers = {"Authorization": _gateway.AUTHORIZATION}
        yield Asked(f"http://127.0.0.1:{port}/v1/chat/completions", name, headers)


@contextmanager
def _portkey(command: str, place: Place) -> Iterator[Asked]:
    port = _processes.free_port()
    words = ["node", str(Path(command).resolve()), "--headless", f"--port={port}"]
    target = {"provider": "openai", "api_key": "none", "custom_host": place.upstream, "weight": 1}
    config = {"strategy": {"mode": "loadbalance"}, "targets": [target, target]}
    env = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    with _processes.child(words, place.folder, cpus=[place.cpu], env=env) as child:
        child.wait_for(port, _START_S)
        headers = {"x-portkey-config": json.dumps(config)}
        yield Asked(f"http://127.0.0.1:{port}/v1/chat/completions", "simulated", headers)


@contextmanager
def _tensorzero(command: str, place: Place) -> Iterator[Asked]:
    models = "".join(
        f'[models.answers.providers.{name}]\ntype = "openai"\nmodel_name = "simulated"\n'
        f'api_base = "{place.upstream}"\napi_key_location = "none"\n'
        for name in ("first", "second")
    )
    observed = "[gateway]\nobservability.enabled = false\n"
    config = place.folder / "tensorzero.toml"
    config.write_text(f'{observed}[models.answers]\nrouting = ["first", "second"]\n{models}')
    words = [command, "-c", _TENSORZERO, str(config)]
    with _processes.child(words, place.folder, cpus=[place.cpu], piped=True) as child:
        assert child.process.stdout is not None
        base = ""
        while not base.startswith("http"):  # it logs there as well
            line = child.process.stdout.readline()
            assert line, f"it did not start: {child.said()}"
            base = line.decode().strip().rstrip("/")
        yield Asked(f"{base}/chat/completions", "tensorzero::model_name::answers", {"Authorization": "Bearer none"})


@contextmanager
def _rolter(command: str, place: Place) -> Iterator[Asked]:
    port = _processes.free_port()
    root = place.upstream.removesuffix("/v1")
    targets = "".join(f'[[routes.targets]]\nprovider = "{name}"\nmodel = "simulated"\n' for name in ("first", "second"))
    providers = "".join(
        f'[[providers]]\nname = "{name}"\nkind = "openai_compatible"\napi_base = "{root}"\n'
        for name in ("first", "second")
    )
    route = f'[[routes]]\nmodel = "answers"\nstrategy = "round_robin"\n{targets}'
    key = f'[[virtual_keys]]\nkey = "{_gateway.KEY}"\n'
    config = place.folder / "rolter.toml"
    config.write_text(f'[server]\nhost = "127.0.0.1"\nport = {port}\n{providers}{route}{key}')
    words = [command, "gateway", "--config", str(config)]
    with _processes.child(words, place.folder, cpus=[place.cpu], env={"RUST_LOG": "error"}) as child:
        child.wait_for(port, _START_S)
        headers = {"Authorization": _gateway.AUTHORIZATION}
        yield Asked(f"http://127.0.0.1:{port}/v1/chat/completions", "answers", headers)


@contextmanager
def _ferro(command: str, place: Place) -> Iterator[Asked]:
    port = _processes.free_port()
    config = place.folder / "ferro.yaml"
    config.write_text("strategy: {mode: single}\ntargets: [{virtual_key: openai}]\n")
    env = {
        "GATEWAY_CONFIG": str(config),
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": place.upstream,
        "ALLOW_UNAUTHENTICATED_PROXY": "true",
        "MASTER_KEY": "fgw_0123456789abcdef0123456789abcdef",
        "LOG_LEVEL": "error",
        "RATE_LIMIT_RPS": "10000000",
        "RATE_LIMIT_BURST": "10000000",
        "GOMAXPROCS": "1",
    }
    with _processes.child([command, "serve"], place.folder, cpus=[place.cpu], env=env) as child:
        child.wait_for(port, _START_S)
        yield Asked(f"http://127.0.0.1:{port}/v1/chat/completions", "gpt-4o-mini", {})


PEERS = {
    "litellm": ("litellm", _litellm),
    "portkey": ("gateway", _portkey),
    "tensorzero": ("tensorzero", _tensorzero),
    "rolter": ("rolter", _rolter),
    "ferro": ("ferrogw", _ferro),
}


def measure(folder: Path, upstream: str, *, seconds: float, rounds: int, load_cpu: int, cpu: int) -> dict[str, Any]:
    """Requests a second of each peer, its best of some rounds; `{"missing": why}` where it cannot run."""
    found: dict[str, Any] = {}
    for name, (program, started) in PEERS.items():
        command = _found(name, program)
        if command is None:
            found[name] = {"missing": "not installed"}
            continue
        place = Place(folder / name, upstream, cpu)
        place.folder.mkdir()
        try:
            with started(command, place) as asked:
                found[name] = _asked(asked, seconds, rounds, load_cpu)
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
            found[name] = {"missing": " ".join(f"{type(error).__name__}: {error}".split())[:400]}
    return found


def versions() -> dict[str, str]:
    """As the package managers say, of those that are installed."""
    packages = {"litellm": "litellm", "tensorzero": "tensorzero", "rolter": "rolter", "ferro": "ferrogw"}
    found: dict[str, str] = {}
    for name, package in packages.items():
        command = _found(name, PEERS[name][0])
        folders = Path(command).parent.parent.glob(f"lib/*/site-packages/{package}-*.dist-info") if command else ()
        for folder in folders:
            found[name] = folder.name.removeprefix(f"{package}-").removesuffix(".dist-info")
    command = _found("portkey", "gateway")
    if command is not None:
        manifest = Path(command).resolve().parent.parent / "package.json"
        found["portkey"] = json.loads(manifest.read_bytes())["version"] if manifest.exists() else "?"
    return found


def _found(name: str, program: str) -> str | None:
    """The command of a peer; of TensorZero, which has none, the Python that has it."""
    if name == "portkey":
        command = find(program)
        return command if command is not None and "portkey" in str(Path(command).resolve()) else None
    if name != "tensorzero":
        return find(program)
    for folder in os.environ.get("WEIGHBRIDGE_PEERS", "").split(":"):
        if folder and any(Path(folder).parent.glob("lib/*/site-packages/tensorzero")):
            return str(Path(folder) / "python")
    return None


def _asked(asked: Asked, seconds: float, rounds: int, load_cpu: int) -> dict[str, Any] | float:
    body = re.sub(rb'"model": "[^"]*"', b'"model": "%b"' % asked.model.encode(), _gateway.QUESTION)
    try:
        _, reply = _gateway.ask(asked.url, body, dict(asked.headers))
    except urllib.error.HTTPError as error:
        return {"missing": f"it answers {error.code}: {error.read()[:300]!r}"}
    said = reply["choices"][0]["message"]["content"]
    assert said == "42", f"it says {said!r}"
    for _ in range(_WARM):
        _gateway.ask(asked.url, body, dict(asked.headers))
    found = [_load.load(asked.url, body, asked.headers, seconds=seconds, cpu=load_cpu) for _ in range(rounds)]
    return max(one.per_s for one in found)
