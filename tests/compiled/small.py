"""A small package with the real loader in it, and builds of it: made up, or made by the real build script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from weighbridge import compiled

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = {
    "__init__.py": "from weighbridge import compiled\n\n__version__ = '0.1.0'\n\ncompiled.offer()\n",
    "__main__.py": "from weighbridge import told\n\ntold.tell()\n",
    "units.py": "from typing import Final\n\nGRAMS: Final = 1000\n",
    "scale.py": (
        "from abc import ABC, abstractmethod\n\n"
        "from weighbridge.units import GRAMS\n\n\n"
        "class Scale:\n"
        "    def __init__(self, kilos: int) -> None:\n"
        "        self.kilos = kilos\n\n"
        "    def grams(self) -> int:\n"
        "        return self.kilos * GRAMS\n\n\n"
        "def broken(kilos: int) -> int:\n"
        "    return kilos // 0  # the scale broke here\n\n\n"
        "class Load(ABC):\n    @abstractmethod\n    def kilos(self) -> int: ...\n\n\n"
        "class Parcel(Load):\n    def kilos(self) -> int:\n        return 1\n\n\n"
        "class Crate(Load):\n    def kilos(self) -> int:\n        return 50\n"
    ),
    "deep/__init__.py": "",
    "deep/beam.py": (
        "from weighbridge.scale import Scale\n\n\n"
        "def beam(kilos: int) -> int:\n    return sum(each.grams() for each in [Scale(kilos), Scale(1)])\n"
    ),
    "deep/note.txt": "beside the beam",
    "told.py": (
        "import json\nimport sys\n\n"
        "from weighbridge import compiled\n\n\n"
        "def tell() -> None:\n"
        "    from weighbridge.deep import beam\n\n"
        "    said = compiled.status()\n"
        "    kind = type(beam.beam).__name__\n"
        "    json.dump({**said._asdict(), 'kind': kind, 'sum': beam.beam(1)}, sys.stdout)\n"
    ),
}
PYPROJECT: Final = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "weighbridge"
version = "0.1.0"
requires-python = ">=3.11"
[tool.hatch.build.targets.wheel]
packages = ["src/weighbridge"]
[tool.hatch.build.targets.wheel.hooks.custom]
[tool.weighbridge.compiled]
modules = ["scale", "deep/beam"]
"""
NAMES: Final = ("weighbridge.scale", "weighbridge.deep.beam")


class Small:
    """The package in a folder. Whatever runs in it, runs in a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root / "src" / "weighbridge"
        for name, text in SOURCES.items():
            self.write(name, text)
        for file in (compiled.__file__, ROOT / "build_compiled.py", ROOT / "hatch_build.py", ROOT / ".gitignore"):
            target = self.package if file == compiled.__file__ else root
            shutil.copy(file, target)
        (root / "pyproject.toml").write_text(PYPROJECT)

    def write(self, name: str, text: str) -> None:
        file = self.package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def python(
        self, *words: str, path: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Weighbridge is this one, and is compiled where nothing else is said."""
        given = {name: value for name, value in os.environ.items() if name != compiled.PURE}
        given |= {"PYTHONPATH": str(path or self.package.parent), **(env or {})}
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=self.root, env=given, capture_output=True, text=True, check=False, timeout=110
        )

    def told(self, path: Path | None = None, **env: str) -> dict[str, Any]:
        """What `python -m weighbridge` found: the status, the kind of a function of ours, and a sum that is right."""
        done = self.python("-m", "weighbridge", path=path, env=env)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert found.pop("sum") == 2000
        return found

    def build(self, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.python("build_compiled.py", *options, env=env)

    def pretend(self, library: bytes = b"no library", **changes: Any) -> compiled.Manifest:
        """A build that is right in every way, but for its libraries, which hold no code."""
        sources = {name: _digest(self.package / name) for name in ("scale.py", "deep/beam.py", "units.py")}
        digests = {name: sha256(library).hexdigest() for name in (compiled.GROUP, *NAMES)}
        manifest = compiled.Manifest(compiled.TAG, "mypyc 0", "r", "f", digests, sources)._replace(**changes)
        for name in digests:
            place = manifest.library(self.package, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(library)
        self.manifest.write_text(manifest.text())
        return manifest

    @property
    def manifest(self) -> Path:
        return self.package / compiled.FOLDER / compiled.MANIFEST


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()
