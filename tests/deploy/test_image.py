"""The Dockerfile, without Docker: what it copies is there, what it runs works, what it says of the gateway is true."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from packaging.requirements import Requirement
from tests.deploy.files import COMPOSE, DOCKERFILE, ROOT, UNIT, Stage, health, options, seconds, sent, stages, unit

from weighbridge.config.serving import GatewaySection

BUILD, IMAGE = stages()
ENTRY: Final[list[str]] = json.loads(IMAGE.one("ENTRYPOINT"))
COMMAND: Final[list[str]] = json.loads(IMAGE.one("CMD"))


def copied(stage: Stage) -> list[str]:
    """Paths that come from the repository."""
    return [word for step in stage.all("COPY") if not step.rest.startswith("--from=") for word in step.words[:-1]]


def test_everything_the_image_copies_is_in_the_repository_and_reaches_the_build() -> None:
    for path in copied(BUILD):
        assert (ROOT / path).exists(), path
        assert sent(path), f"{path} is held back by .dockerignore"


def test_nothing_but_what_the_image_copies_reaches_the_build() -> None:
    """Keys, records and history of whoever builds stay where they are."""
    shipped = copied(BUILD)
    for path in (".git/config", ".env", "keys.env", "weighbridge.yaml", ".weighbridge/keys.db", ".venv/bin/python"):
        assert not sent(path)
    for path in ("src/weighbridge/__pycache__/errors.pyc", "src/weighbridge/_compiled/manifest", "tests/conftest.py"):
        assert not sent(path)
    there = [str(path.relative_to(ROOT)) for path in sorted(ROOT.iterdir())]
    assert [path for path in there if sent(path)] == sorted(path for path in shipped if "/" not in path)


def test_the_image_is_small_and_nobodys() -> None:
    """No compiler, no installer's cache, no root; and a base whose Debian does not change unasked."""
    assert re.fullmatch(r"python:3\.11(\.\d+)?-slim-[a-z]+", IMAGE.base)
    assert BUILD.base == IMAGE.base
    ran = " ".join(step.rest for step in [*BUILD.all("RUN"), *IMAGE.all("RUN")])
    assert not re.search(r"\b(gcc|g\+\+|make|build-essential|apt-get|curl)\b", ran)
    assert [step.words for step in IMAGE.all("COPY")] == [["--from=build", "/opt/weighbridge", "/opt/weighbridge"]]
    user, _, group = IMAGE.one("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert f"--uid {user}" in IMAGE.one("RUN")


def test_every_package_is_installed_by_its_hash() -> None:
    installs = [step.rest for step in BUILD.all("RUN") if " install " in step.rest]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-index" in command
    assert BUILD.environment()["PIP_ONLY_BINARY"] == ":all:"


def test_the_locked_builder_is_the_one_that_the_project_asks_for() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    lock = (ROOT / "deploy" / "docker" / "build.lock").read_text("utf-8")
    locked = dict(re.findall(r"^([a-z-]+)==(\S+) \\$", lock, re.MULTILINE))
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[requirement.name])
        assert f'"{requirement}"' in lock, "the command that makes it names another one"


def test_the_command_is_one_that_serve_takes() -> None:
    assert ENTRY == ["weighbridge"]
    assert COMMAND[0] == "serve"
    given = {word for word in COMMAND if word.startswith("-")}
    assert given
    assert given <= options("serve")


def test_port_home_and_signal_of_the_image_are_the_gateways() -> None:
    port = IMAGE.one("EXPOSE")
    assert GatewaySection().listen.endswith(f":{port}")
    assert COMMAND[COMMAND.index("--listen") + 1] == f"0.0.0.0:{port}"
    assert f"'127.0.0.1', {port}," in IMAGE.one("HEALTHCHECK")
    home = IMAGE.environment()["WEIGHBRIDGE_HOME"]
    assert json.loads(IMAGE.one("VOLUME")) == [home] == [IMAGE.one("WORKDIR")]
    assert f"install -d -o weighbridge -g weighbridge -m 0700 {home} " in IMAGE.one("RUN")
    assert IMAGE.one("STOPSIGNAL") == "SIGTERM"


def test_containers_and_units_keep_their_things_at_the_same_places() -> None:
    assert unit()["Environment"] == [f"WEIGHBRIDGE_HOME={IMAGE.environment()['WEIGHBRIDGE_HOME']}"]
    assert f"--config {COMMAND[COMMAND.index('--config') + 1]}" in UNIT.read_text("utf-8")


def test_compose_runs_this_image_with_its_port_and_its_home_and_waits_for_a_drain() -> None:
    gateway: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]["gateway"]
    context = COMPOSE.parent / gateway["build"]["context"]
    assert context.resolve() == ROOT
    assert (context / gateway["build"]["dockerfile"]).resolve() == DOCKERFILE
    port = IMAGE.one("EXPOSE")
    assert gateway["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert [mount.split(":")[-2:] for mount in gateway["volumes"]] == [
        ["/etc/weighbridge", "ro"],
        ["home", IMAGE.environment()["WEIGHBRIDGE_HOME"]],
    ]
    assert seconds(gateway["stop_grace_period"]) >= GatewaySection().drain + 20
    assert gateway["read_only"] is True


def command(config: Path) -> list[str]:
    """The image's, for another configuration and any free port."""
    at = {"/etc/weighbridge/weighbridge.yaml": str(config), "0.0.0.0:8900": "0.0.0.0:0"}
    return [at.get(word, word) for word in COMMAND]


class Rehearsal:
    """The build, in a folder that stands for the file system of its stage; `python` is a fresh one like the image's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opt = folder / "opt" / "weighbridge"
        self.at = folder
        subprocess.run([sys.executable, "-m", "venv", str(folder / "python")], check=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
        self.environment = {**kept, "PATH": f"{folder / 'python' / 'bin'}:{os.environ['PATH']}"}
        self.environment.pop("VIRTUAL_ENV", None)

    def here(self, text: str) -> str:
        return text.replace("/opt/weighbridge", str(self.opt))

    def play(self, stage: Stage) -> None:
        for step in stage.steps:
            if step.word == "ENV":
                self.environment |= {name: value for name, _, value in (word.partition("=") for word in step.words)}
            elif step.word == "WORKDIR":
                self.at = self.folder / step.rest.strip("/")
                self.at.mkdir(parents=True)
            elif step.word == "COPY":
                *sources, target = step.words
                self._copy(sources, self.at / target)
            else:
                assert step.word == "RUN"
                done = subprocess.run(
                    ["sh", "-ec", self.here(step.rest)],
                    cwd=self.at,
                    env=self.environment,
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                )
                assert done.returncode == 0, f"{step.rest}: {done.stderr[-2000:]}"

    def _copy(self, sources: list[str], target: Path) -> None:
        """Only what .dockerignore sends; a folder's contents, as COPY does."""
        for source in map(ROOT.__truediv__, sources):
            files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else [source]
            for path in files:
                if sent(str(path.relative_to(ROOT))):
                    within = path.relative_to(source) if source.is_dir() else path.name
                    (target / within).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target / within)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_build_works_step_by_step_and_what_it_installs_serves(tmp_path: Path) -> None:
    """Every step as it stands, but for the place; then the image's own command, as its own health check sees it."""
    rehearsal = Rehearsal(tmp_path)
    rehearsal.play(BUILD)
    programs = rehearsal.opt / "bin"
    assert not (programs / "pip").exists(), "the image needs no installer"
    source = ROOT / "src" / "weighbridge"
    (installed,) = rehearsal.opt.glob("lib/python*/site-packages/weighbridge")
    for path in source.rglob("*"):
        if sent(str(path.relative_to(ROOT))):
            assert (installed / path.relative_to(source)).exists()
    config = tmp_path / "weighbridge.yaml"
    model = {"provider": "nobody", "model": "any", "price": {"input": 1, "output": 2}}
    said = {
        "providers": {"nobody": {"preset": "vllm"}},
        "models": {"any": model},
        "endpoints": {"it": {"candidates": ["any"]}},
    }
    config.write_text(yaml.safe_dump(said))
    there = {"PATH": f"{programs}:/usr/bin:/bin", "WEIGHBRIDGE_HOME": str(tmp_path / "home")}
    refused = subprocess.run(
        [*ENTRY, *command(config)], env=there, capture_output=True, text=True, timeout=60, check=False
    )
    assert (refused.returncode, "without keys" in refused.stderr) == (2, True)
    subprocess.run([*ENTRY, "keys", "create", "app"], env=there, capture_output=True, timeout=60, check=True)
    with subprocess.Popen([*ENTRY, *command(config)], env=there, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
        checked = subprocess.run(health(port), env=there, timeout=60, check=False)
        process.terminate()
        assert (checked.returncode, process.wait(60)) == (0, 0)
