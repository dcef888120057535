"""The files in deploy/, read."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
UNIT: Final = ROOT / "deploy" / "systemd" / "weighbridge.service"
KEYS: Final = ROOT / "deploy" / "systemd" / "keys.env"
DOCKERFILE: Final = ROOT / "deploy" / "docker" / "Dockerfile"
COMPOSE: Final = ROOT / "deploy" / "docker" / "compose.yaml"
PAGE: Final = ROOT / "docs" / "deploying.md"


def unit(path: Path = UNIT) -> dict[str, list[str]]:
    """Every setting of a unit, by name, with its values in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if line and line[0] not in "#;[":
            name, _, value = line.partition("=")
            found.setdefault(name.strip(), []).append(value.strip())
    return found


def seconds(text: str) -> float:
    """A time span as systemd or Compose writes it."""
    found = re.fullmatch(r"(\d+)(s|m|min)?", text)
    assert found is not None, text
    return float(found[1]) * (60 if (found[2] or "s")[0] == "m" else 1)


def options(subcommand: str) -> set[str]:
    """Every option that `weighbridge SUBCOMMAND --help` shows."""
    words = [sys.executable, "-m", "weighbridge", subcommand, "--help"]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    return set(re.findall(r"--[a-z-]+", shown))


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a Dockerfile."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.rest)


@dataclass(slots=True)
class Stage:
    base: str
    name: str | None
    steps: list[Step] = field(default_factory=list)

    def all(self, word: str) -> list[Step]:
        return [step for step in self.steps if step.word == word]

    def one(self, word: str) -> str:
        (step,) = self.all(word)
        return step.rest

    def environment(self) -> dict[str, str]:
        pairs = [word.partition("=") for step in self.all("ENV") for word in step.words]
        return {name: value for name, _, value in pairs}


def stages(path: Path = DOCKERFILE) -> list[Stage]:
    """Of a Dockerfile, with arguments at their defaults where they name a base."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.lstrip().startswith("#")]
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "ARG" and not found:
            name, _, default = rest.partition("=")
            arguments[name] = default
        elif word == "FROM":
            base, _, name = rest.partition(" AS ")
            for argument, default in arguments.items():
                base = base.replace(f"${{{argument}}}", default)
            found.append(Stage(base, name or None))
        else:
            found[-1].steps.append(Step(word, rest.strip()))
    return found


def sent(path: str) -> bool:
    """Whether .dockerignore lets this path into the build; the last line that speaks of it, or of a folder of it,
    decides."""
    verdict = True
    ways = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        wanted = pattern.removeprefix("!")
        if any(fnmatch(way, wanted) or fnmatch(f"/{way}", f"/{wanted.replace('**/', '*/')}") for way in ways):
            verdict = pattern.startswith("!")
    return verdict


def health(port: int) -> list[str]:
    """The image's health check, for a gateway at another port."""
    _, _, command = stages()[-1].one("HEALTHCHECK").partition(" CMD ")
    words: list[str] = json.loads(command)
    return [word.replace("8900", str(port)) for word in words]
