"""The arrows in ARCHITECTURE.md, checked: who may import whom."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "weighbridge"

# One row per part of the package, lowest first. A part may import only what its row names.
MAY_IMPORT: dict[str, set[str]] = {
    "compiled": set(),
    "errors": set(),
    "transport": {"errors"},
    "wire": {"errors"},
    "stats": set(),
    "providers": {"errors", "transport", "wire"},
    "routing": {"errors", "wire"},
    "records": {"errors", "wire"},
    "samples": {"errors", "wire", "records"},
    "scorers": {"errors", "wire", "samples"},
    "config": {"errors", "providers", "routing"},
    "gateway": {"errors", "transport", "wire", "providers", "routing", "records", "config"},
    "replay": {"errors", "transport", "wire", "providers", "samples"},
    "store": {"errors", "wire", "records", "samples", "replay", "scorers"},
    "simulator": {"errors", "transport", "wire"},
    "evaluation": {
        "errors",
        "wire",
        "providers",
        "transport",
        "samples",
        "scorers",
        "config",
        "replay",
        "store",
        "stats",
    },
    "policy": {
        "errors",
        "wire",
        "providers",
        "routing",
        "records",
        "samples",
        "config",
        "replay",
        "store",
        "stats",
        "evaluation",
    },
    "report": {"errors", "stats", "evaluation"},
    "quickstart": {"errors"},
}
MAY_IMPORT["cli"] = set(MAY_IMPORT)
MAY_IMPORT["__main__"] = {"cli"}

# Each heavy library has one door.
ONLY_IN = {
    "httptools": {"transport"},
    "uvloop": {"transport"},
    "duckdb": {"store"},
    # in gateway by semantic.py and wordvectors.py alone, in routing by predictor.py
    "numpy": {"stats", "evaluation", "policy", "gateway", "routing"},
    "genai_prices": {"providers"},
    "jinja2": {"report"},
    "xllamacpp": {"quickstart"},
    "cyclopts": {"cli"},
    "opentelemetry": {"gateway"},
    "tokenizers": {"gateway"},
}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


MODULES = [path for path in sorted(SRC.rglob("*.py")) if part(path) != "__init__"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_point_down(path: Path) -> None:
    """A module imports only the parts its row allows, and a heavy library only behind its door."""
    for name in imports(path):
        root, _, rest = name.partition(".")
        if root == "weighbridge":
            target = rest.partition(".")[0]
            assert target in MAY_IMPORT[part(path)] | {part(path)}, name
        else:
            assert part(path) in ONLY_IN.get(root, {part(path)}), name


def test_table_is_ordered_and_complete() -> None:
    """Every row names only rows above it, and every part of the package has a row."""
    above: set[str] = set()
    for name, allowed in MAY_IMPORT.items():
        assert allowed <= above, f"{name} looks upward: {allowed - above}"
        above.add(name)
    assert above == {part(path) for path in MODULES}
