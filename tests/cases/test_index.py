"""The index of cases is whole: every case of the page is in it, and every test it names is there and names the case."""

import ast
import os
from functools import cache
from pathlib import Path

import pytest
from tests.cases.index import HELD, NOT_HERE, cases_in

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
    path = page / "cases_evaluation.md"
    if not path.is_file():
        reason = f"needs the page of cases ({path})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    named = set().union(*(cases_in(line) for line in path.read_text().splitlines()))
    assert len(named) > 60
    assert named == {case for _, _, cases in TESTS for case in cases} | set(NOT_HERE)


@pytest.mark.parametrize(
    ("text", "cases"),
    [
        ("UKGov/inspect_ai#4206 (+PR #4260) and #7", {"inspect_ai#4206", "inspect_ai#4260", "inspect_ai#7"}),
        ("deepeval PR #2948 / #262", {"deepeval#2948", "deepeval#262"}),
        ("(guidellm#1048, fix PR #1053)", {"guidellm#1048", "guidellm#1053"}),
        ("vllm PR #3768, sglang PR #29251", {"vllm#3768", "sglang#29251"}),
        ("promptfoo#5847 (PRs #9066, #9448)", {"promptfoo#5847", "promptfoo#9066", "promptfoo#9448"}),
        ("lm-eval#2533 is no 64 KB", {"lm-evaluation-harness#2533"}),
        ("someone/new-tool#5", {"new-tool#5"}),
    ],
)
def test_cases_are_read_in_all_their_spellings(text: str, cases: set[str]) -> None:
    assert cases_in(text) == cases


@cache
def _docstrings(path: Path) -> dict[str, str]:
    """Of every test function of a file."""
    tree = ast.parse(path.read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_docstring(node) or "" for node in functions}
