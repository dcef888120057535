"""`weighbridge quickstart`: two real models on this machine, five candidates, one answer."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from weighbridge.cli import console
from weighbridge.errors import CriterionFailed

DEFAULT_FOLDER = Path("weighbridge-quickstart")


def quickstart(*, folder: Path = DEFAULT_FOLDER, serve: bool = False, json: bool = False) -> int:
    """Start two real local models, evaluate five candidates made from them on 76 samples, and say which to use.

    Parameters
    ----------
    folder
        Where the example's configuration, samples and report are put. Files that are there already are kept.
    serve
        Only serve the two models, until Ctrl-C, for evaluations of your own.
    json
        Print one JSON object on stdout instead of a table.
    """
    from weighbridge.quickstart.files import PORTS, copy  # noqa: PLC0415 -- `--help` answers without it
    from weighbridge.quickstart.models import running  # noqa: PLC0415

    ports = {model: _free(port) for model, port in PORTS.items()}
    copy(folder, ports)
    console.print_note("starting SmolLM2-135M-Instruct and Gemma-3-270M on this machine …")
    with running(ports) as urls:
        if serve:
            return _serve(urls, folder)
        return _evaluate(folder, json=json)


def _evaluate(folder: Path, *, json: bool) -> int:
    from weighbridge.cli import eval as evaluations  # noqa: PLC0415

    os.environ.setdefault("WEIGHBRIDGE_HOME", str((folder / ".weighbridge").resolve()))
    report = folder / "report.html"
    finished = evaluations.run(folder / "weighbridge.yaml", None, fresh=True)
    code = evaluations.show(finished, json=json, html=report)
    console.print_note(f"the report: {report}")
    return 0 if code == CriterionFailed.exit_code else code  # that no candidate qualifies is an answer too


def _serve(urls: dict[str, str], folder: Path) -> int:
    for model, url in urls.items():
        console.print_note(f"{model}: {url}")
    console.print_note(
        f"now, in another terminal: cd {folder} && weighbridge eval quickstart   (Ctrl-C here stops both)"
    )
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0


def _free(port: int) -> int:
    """The port, or another where it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found
