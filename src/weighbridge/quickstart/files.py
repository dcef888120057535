"""The bundled example, copied to where a person can change it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from weighbridge.errors import MeasurementError

_NAMES = ("weighbridge.yaml", "samples.jsonl", "shots.jsonl", "two-shots.jsonl")
PORTS = {"smollm2": 8181, "gemma3": 8182}


def copy(folder: Path, ports: Mapping[str, int]) -> list[Path]:
    """Writes the example's files that are not there yet: what a person changed stays. Ports in weighbridge.yaml are set
    to those the models are served on. Gives the files written; raises MeasurementError where the disk refuses."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _NAMES:
            target = folder / name
            if not target.exists():
                _write(target, files("weighbridge.quickstart").joinpath("example", name).read_bytes())
                written.append(target)
        config = folder / "weighbridge.yaml"
        text = config.read_text()
        moved = _with_ports(text, ports)
        if moved != text:
            _write(config, moved.encode())
    except OSError as error:
        raise MeasurementError(f"the example cannot be written: {error.strerror}", where=str(folder)) from error
    return written


def _with_ports(text: str, ports: Mapping[str, int]) -> str:
    for server, model in (("smol-server", "smollm2"), ("gemma-server", "gemma3")):
        text = re.sub(rf"({server}:[^\n]*http://127\.0\.0\.1:)\d+", rf"\g<1>{ports[model]}", text)
    return text


def _write(target: Path, data: bytes) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
