"""The index of gateway cases is whole: every case of the page is in it, and every test it names is there."""

import ast
import os
from functools import cache
from pathlib import Path

import pytest
from tests.cases.gateway_index import HELD, NOT_HERE, cases_in

ROOT = Path(__file__).parents[2]
TESTS = [(path, name, cases.split()) for path, tests in HELD.items() for name, cases in tests.items()]


@pytest.mark.parametrize(("path", "name", "cases"), TESTS, ids=[name for _, name, _ in TESTS])
def test_the_test_that_holds_a_case_is_there_and_names_it(path: str, name: str, cases: list[str]) -> None:
    docstrings = _docstrings(ROOT / path)
    assert name in docstrings, f"{path} has no {name}"
    assert set(cases) <= cases_in(docstrings[name])


def test_a_case_is_held_by_one_test_or_has_its_reason() -> None:
    held = [case for _, _, cases in TESTS for case in cases]
    assert len(held) == len(set(held))
    assert not set(held) & set(NOT_HERE)


def test_every_case_of_the_page_is_in_the_index() -> None:
    page = Path(os.environ.get("WEIGHBRIDGE_SHARED_DATA", ROOT.parent / "shared" / "data")).parent
    path = page / "cases_gateway.md"
    if not path.is_file():
        reason = f"needs the page of cases ({path})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    named = set().union(*(cases_in(line) for line in path.read_text().splitlines() if line.startswith("- ")))
    assert len(named) > 70
    assert named == {case for _, _, cases in TESTS for case in cases} | set(NOT_HERE)


@pytest.mark.parametrize(
    ("text", "cases"),
    [
        ("BerriAI/litellm#8450 - and", {"litellm#8450"}),
        ("litellm#5512, #6532, #6957: x. Portkey#722/PR#741", {"litellm#5512", "litellm#6532", "litellm#6957"}),
        ("litellm PR#33736/PR#30630 and PR #36008", {"litellm#33736", "litellm#30630", "litellm#36008"}),
        ("Portkey-AI/gateway#1072", {"Portkey#1072"}),
        ("envoyproxy/ai-gateway#1754", {"ai-gateway#1754"}),
    ],
)
def test_cases_are_read_in_all_their_spellings(text: str, cases: set[str]) -> None:
    assert cases <= cases_in(text)
    assert len(cases_in(text)) - len(cases) in {0, 2 * text.count("Portkey#722")}


@cache
def _docstrings(path: Path) -> dict[str, str]:
    """Of every test function of a file."""
    tree = ast.parse(path.read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_docstring(node) or "" for node in functions}
