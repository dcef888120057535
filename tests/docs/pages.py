"""What a page of the documentation holds: code blocks, commands with what they print, files, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELLS: Final = frozenset({"console", "bash", "sh", "shell"})
_FENCE = re.compile(r"```(\S*)(?: +(\S+))?\s*$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_COMMENT = re.compile(r"\s+#\s.*$")


@dataclass(slots=True)
class Block:
    """A fenced block. `file` is the name after the language: what the page says that file holds."""

    line: int
    section: str
    language: str
    file: str | None
    text: str


@dataclass(slots=True)
class Command:
    """A line to type, without its comment, and the lines the page shows as its output."""

    where: str
    section: str
    text: str
    shown: list[str] = field(default_factory=list)


def blocks(page: Path) -> Iterator[Block]:
    found: Block | None = None
    section = ""
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if found is None and fence is not None:
            found = Block(number, section, fence[1], fence[2], "")
        elif found is not None and line.startswith("```"):
            yield found
            found = None
        elif found is not None:
            found.text += line + "\n"
        elif line.startswith("## "):
            section = line.removeprefix("## ")
    assert found is None, f"{page}: a block is not closed"


def commands(page: Path) -> Iterator[Command]:
    """In order. Where lines begin with `$ `, only those are commands and the others are what they print."""
    for block in blocks(page):
        if block.language not in SHELLS:
            continue
        lines = block.text.replace("\\\n", " ").splitlines()
        prompted = any(line.startswith("$ ") for line in lines)
        command: Command | None = None
        for line in filter(str.strip, lines):
            if prompted and not line.startswith("$ "):
                assert command is not None, f"{page.name}:{block.line}: output before any command"
                command.shown.append(line)
                continue
            if command is not None:
                yield command
            where = f"{page.name}:{block.line}"
            command = Command(where, block.section, _COMMENT.sub("", line.removeprefix("$ ")).strip())
        if command is not None:
            yield command


def links(page: Path) -> Iterator[str]:
    """Targets that are files: relative to the page, without a place within."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in _LINK.findall(text):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            yield target.partition("#")[0]


def shows(line: str, printed: str) -> bool:
    """Whether a shown line was printed; `…` in it stands for anything."""
    pattern = re.escape(line.strip()).replace("…", ".*")
    return any(re.fullmatch(pattern, given.strip()) for given in printed.splitlines())
