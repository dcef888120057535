"""Wheels with compiled modules in them, where WEIGHBRIDGE_COMPILE=1 asks for it; a source install needs no compiler."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build_compiled


class Compiled(BuildHookInterface[Any]):
    """Builds if need be, and adds the build to the wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What a build environment needs besides: the compiler, and everything whose types it reads."""
        return [*self.metadata.core.dependencies, "mypy>=2.1", "setuptools>=70"] if _asked() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not _asked() or version == "editable":
            return
        root = Path(self.root)
        project = build_compiled.Project(root)
        self.app.display_info(f"compiled: {project.build()}")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {str(file): str(file.relative_to(root / "src")) for file in project.files()}


def _asked() -> bool:
    return os.environ.get("WEIGHBRIDGE_COMPILE", "") not in {"", "0"}
