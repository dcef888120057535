"""What README.md and docs/ tell a reader to do works: every command, configuration and link."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.docs import pages
from tests.docs.pages import PAGES, Command
from tests.docs.worlds import WORLDS, World

from weighbridge.config.load import load
from weighbridge.providers.presets import PRESETS
from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Settings

NOT_RUN: Final = {
    r"git clone .*": "needs a network",
    r"make quickstart": "installs everything and starts two real models; tests/quickstart starts them",
    r"make (test|test-slow|lint|bench)\b.*": "this suite is part of it",
    r"make compiled|WEIGHBRIDGE_COMPILE=1 pip wheel .*": "takes minutes; tests/compiled builds less, and a wheel of it",
    r"(.*/)?weighbridge quickstart --serve &": "starts two real models; a simulator stands in for them here",
    r"pip install weighbridge.*": "needs an index of packages",
    r"sudo .*": "changes the machine; tests/deploy and tests/e2e/gateway do the same in a folder",
    r"(WEIGHBRIDGE_CONFIG=\S+ )?docker .*": "needs a Docker daemon; tests/deploy plays the image's build step by step",
    r"(\S*/)?python benchmarks/\S+\.py.*": "takes minutes; .ci/run starts each with --quick",
}
"""Commands that no test runs, and why. Anything else in a block of a shell is run here."""
RUN: Final = re.compile(r"(weighbridge|curl -s|cd) .+")
SIMULATOR: Final = "http://127.0.0.1:8089"  # as the pages have it; here it is another port
GATEWAY: Final = "http://127.0.0.1:8900"  # the same
STARTS: Final = {"weighbridge simulate": "--port {}", "weighbridge serve": "--listen 127.0.0.1:{}"}
"""What a page leaves running with `&`, and how it is told its port here."""
EXITS: Final = {"weighbridge eval": {0, 1}}  # 1 is an answer: measured, and a criterion failed


def names() -> list[Any]:
    return [pytest.param(page, id=page.name) for page in PAGES]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A provider that runs wherever a page says that one does."""
    with process.start(Settings(tokens=Distribution(constant=8), models=("mini", "sonnet", "simulated"))) as running:
        yield running.url


class Reader:
    """Someone who types a page's commands, in order, in a folder of their own."""

    def __init__(self, page: Path, folder: Path, provider: str) -> None:
        self.page, self.folder, self.provider = page, folder, provider
        self.world = WORLDS.get(page.name, World())
        self.cwd = folder / "begin"
        self.cwd.mkdir()
        self.section = ""
        self.port = _free_port()
        self.gateway = _free_port()
        self.background: subprocess.Popen[str] | None = None

    def prepare(self) -> None:
        if self.world.before is not None:
            self.world.before(self.cwd, self.provider)
        for block in pages.blocks(self.page):
            if block.file is not None:
                target = self.cwd / block.file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self._here(block.text), "utf-8")
        for text in self.world.first:
            self.type(Command(f"{self.page.name}, before it", "", text))

    def type(self, command: Command) -> None:
        if command.section != self.section and command.section in self.world.fresh:
            self.cwd = self.folder / "fresh"
            self.cwd.mkdir()
        self.section = command.section
        text = re.sub(r"^\S*\.venv/bin/", "", self._here(command.text))
        if any(re.fullmatch(pattern, command.text) for pattern in NOT_RUN):
            return
        if text == "kill %1":
            self.stop()
        elif text.endswith(" &") and (start := " ".join(text.split()[:2])) in STARTS:
            port = self.gateway if start == "weighbridge serve" else self.port
            self._start(command, f"{text.removesuffix(' &')} {STARTS[start].format(port)}", port)
        elif RUN.fullmatch(text):
            self._run(command, text)
        else:
            pytest.fail(f"{command.where}: `{command.text}` is unknown here; run it, or say in NOT_RUN why not")
        made = self.world.after.get(command.text)
        if made is not None:
            made(self.cwd, self.provider)

    def _here(self, text: str) -> str:
        text = text.replace(SIMULATOR, f"http://127.0.0.1:{self.port}").replace('"port":8089', f'"port":{self.port}')
        return text.replace(GATEWAY, f"http://127.0.0.1:{self.gateway}")

    def _environment(self) -> dict[str, str]:
        keys = {preset.key_variable for preset in PRESETS.values()}
        kept = {name: value for name, value in os.environ.items() if name not in keys}
        return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "160"}

    def _run(self, command: Command, text: str) -> None:
        if text.startswith("cd "):
            self.cwd /= text.removeprefix("cd ")
            assert self.cwd.is_dir(), f"{command.where}: {self.cwd} is no folder"
            return
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.cwd,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        allowed = next((codes for begin, codes in EXITS.items() if text.startswith(begin)), {0})
        assert done.returncode in allowed, f"{command.where}: `{text}` ended with {done.returncode}: {done.stderr}"
        assert "Traceback" not in done.stderr
        for line in command.shown:
            assert pages.shows(self._here(line), done.stdout), f"{command.where}: `{text}` printed {done.stdout!r}"

    def _start(self, command: Command, text: str, port: int) -> None:
        words = ["bash", "-c", f"exec {text}"]
        self.background = subprocess.Popen(
            words, cwd=self.cwd, env=self._environment(), stdout=subprocess.PIPE, text=True
        )
        assert self.background.stdout is not None
        printed = self.background.stdout.readline()
        assert printed, f"{command.where}: `{text}` did not start"
        assert f":{port}" in json.loads(printed)["url"]
        for line in command.shown:
            assert pages.shows(self._here(line), printed), f"{command.where}: `{text}` printed {printed!r}"

    def stop(self) -> None:
        if self.background is not None:
            self.background.terminate()
            self.background.communicate(timeout=60)
            assert self.background.returncode == 0
            self.background = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@pytest.mark.parametrize("page", names())
def test_every_command_of_a_page_works_and_prints_what_the_page_shows(
    page: Path, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the page's order and with the files it speaks of; one that is not known here fails, so that no page rots."""
    monkeypatch.delenv("WEIGHBRIDGE_HOME", raising=False)
    found = list(pages.commands(page))
    if not found:
        return
    reader = Reader(page, tmp_path, provider)
    reader.prepare()
    try:
        for command in found:
            reader.type(command)
    finally:
        reader.stop()


@pytest.mark.parametrize("page", names())
def test_every_whole_configuration_on_a_page_loads(page: Path, tmp_path: Path) -> None:
    """A block of YAML with providers is a weighbridge.yaml that a reader may copy."""
    for block in pages.blocks(page):
        if block.language in {"yaml", "yml"} and re.search("^providers:", block.text, re.MULTILINE):
            path = tmp_path / f"line-{block.line}" / "weighbridge.yaml"
            path.parent.mkdir()
            path.write_text(block.text, "utf-8")
            assert load(path).providers


@pytest.mark.parametrize("page", names())
def test_every_file_a_page_links_to_exists(page: Path) -> None:
    missing = [target for target in pages.links(page) if not (page.parent / target).exists()]
    assert missing == []


def test_every_page_of_the_documentation_is_linked_from_the_readme() -> None:
    readme = PAGES[0]
    linked = {(readme.parent / target).resolve() for target in pages.links(readme)}
    assert {page for page in PAGES[1:] if page.resolve() not in linked} == set()


def test_a_pages_commands_are_read_with_their_output_and_without_their_comments(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "## One\n```console\n$ weighbridge a \\\n    --b   # why\nshown …\n$ weighbridge c#d\n```\n"
        "## Two\n```bash\nweighbridge e\nweighbridge f  # g\n```\n```text\n$ not a command\n```\n"
    )
    found = [(command.section, command.text.split(), command.shown) for command in pages.commands(page)]
    assert found == [
        ("One", ["weighbridge", "a", "--b"], ["shown …"]),
        ("One", ["weighbridge", "c#d"], []),
        ("Two", ["weighbridge", "e"], []),
        ("Two", ["weighbridge", "f"], []),
    ]
    assert pages.shows("shown …", "a\n  shown all\n")
    assert not pages.shows("shown …", "not shown")


@pytest.mark.parametrize("text", ["rm -rf build", "weighbridge-old eval", "python setup.py install", "make install"])
def test_an_unknown_command_fails(text: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "page.md", tmp_path, "")
    with pytest.raises(pytest.fail.Exception, match=r"page\.md:3: .* is unknown here"):
        reader.type(Command("page.md:3", "", text))
