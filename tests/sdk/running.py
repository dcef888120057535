"""Runs a command with a gateway in reach: `python -m tests.sdk.running [FILE…] -- COMMAND…`.

The command finds the gateway's base URL in WEIGHBRIDGE_URL and TEST_API_BASE_URL. Every model name that the given files
ask for is an endpoint, with the simulator behind it; without files it is `it`, before a provider that does as it is
asked.
"""

import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from tests.e2e.gateway.herd import herd
from tests.e2e.gateway.upstream import scripted
from tests.sdk.provider import provider

from weighbridge.simulator.process import start
from weighbridge.simulator.settings import Settings

_MODEL = re.compile(r"""\bmodel\s*=\s*["']([^"']+)["']""")


def models_in(files: list[str]) -> list[str]:
    """Every model that is asked for in them."""
    found = {name for file in files for name in _MODEL.findall(Path(file).read_text())}
    return sorted(found)


def config(url: str, endpoints: list[str]) -> dict[str, Any]:
    return {
        "providers": {"p": {"preset": "simulator", "base_url": url}},
        "models": {"m": {"provider": "p", "model": "simulated", "price": {"input": 1, "output": 2}}},
        "endpoints": {name: {"candidates": ["m"]} for name in endpoints},
    }


def main() -> int:
    split = sys.argv.index("--")
    files, command = sys.argv[1:split], sys.argv[split + 1 :]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if files:
            simulated = stack.enter_context(start(msgspec.convert({"tokens": {"constant": 5}}, Settings)))
            said = config(simulated.url, models_in(files))
        else:
            said = config(stack.enter_context(scripted(provider)).url, ["it", "gpt-4o-mini", "text-embedding-3-small"])
        served = stack.enter_context(herd(folder, said))
        environment = {**os.environ, "WEIGHBRIDGE_URL": served.url, "TEST_API_BASE_URL": served.url}
        done = subprocess.run(command, env=environment, check=False)
        if served.process.poll() is not None:
            print("the gateway has died:", (folder / "log").read_text()[-2000:], file=sys.stderr)  # noqa: T201
            return 1
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
